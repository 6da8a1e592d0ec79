//! The configuration of a model that learns in seconds, as a table.

/// `configs/scenes.toml` with the values of `tiny.toml` in place of its own.
pub fn table() -> toml::Table {
    let mut table = toml::from_str(include_str!("../../../../configs/scenes.toml")).unwrap();
    replace(&mut table, toml::from_str(include_str!("../tiny.toml")).unwrap());
    table
}

/// Puts the values of one table over those of another, table by table.
fn replace(table: &mut toml::Table, by: toml::Table) {
    for (key, value) in by {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(by)) => replace(inner, by),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}
