//! Which parameters differ between two students.

use refvlm_model::package::by_name::visit_named;
use refvlm_train::stage::Student;
use std::collections::{BTreeMap, BTreeSet};

/// The bits of each parameter by its name, as rules name it.
pub fn values(student: &Student) -> BTreeMap<String, Vec<u32>> {
    let mut values = BTreeMap::new();
    visit_named(student, &mut |name, data| {
        let name = name.strip_prefix("model.").unwrap_or(name).to_string();
        values.insert(name, data.iter::<f32>().map(f32::to_bits).collect());
    });
    values
}

/// The names of parameters that differ.
pub fn changed(before: &Student, after: &Student) -> BTreeSet<String> {
    let (before, after) = (values(before), values(after));
    assert!(before.keys().eq(after.keys()));
    before.into_iter().filter(|(name, bits)| after[name] != *bits).map(|(name, _)| name).collect()
}
