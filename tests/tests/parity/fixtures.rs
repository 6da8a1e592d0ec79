//! That no stored case goes unread. Whether each tensor of a case is compared, `Fixture` checks
//! itself where a test ends.
use refvlm_tests::fixtures_dir;
use std::path::Path;

#[test]
fn every_case_is_opened_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources: Vec<String> = ["tests/parity", "src/cases"]
        .iter()
        .flat_map(|inner| std::fs::read_dir(folder.join(inner)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut cases = 0;
    for entry in std::fs::read_dir(fixtures_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let quoted = [format!("\"{name}\""), format!("\"{name}.json\"")];
        let opened = |text: &String| quoted.iter().any(|name| text.contains(name));
        assert!(sources.iter().any(opened), "no test opens {name}");
        cases += 1;
    }
    assert!(cases > 0, "no case in {}", fixtures_dir().display());
}
