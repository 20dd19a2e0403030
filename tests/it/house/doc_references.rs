//! What is written about the tests for people: every test that is named there exists.

use std::fs;
use std::path::Path;

/// The tests that a text names, each as its module and its function.
fn named(text: &str) -> Vec<(&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|word| word.rsplit_once("::")).collect()
}

#[test]
fn every_test_named_in_the_security_policy_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = fs::read_to_string(root.join(".github/SECURITY.md")).unwrap();
    let named = named(&policy);
    assert!(named.len() > 10, "{named:?}");
    for (module, name) in named {
        let tests = fs::read_to_string(root.join(format!("tests/it/{}.rs", module.replace("::", "/")))).unwrap_or_default();
        assert!(tests.contains(&format!("fn {name}()")), "{module}::{name}");
    }
}

#[test]
fn every_test_module_named_in_the_readme_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.split("| promise | shown by |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().skip(2).map(|row| row.trim_end_matches(" |").rsplit_once(" | ").unwrap().1);
    let rooms: Vec<&str> = rows.flat_map(|shown| shown.split('`').skip(1).step_by(2)).collect();
    assert!(rooms.len() > 20, "{rooms:?}");
    for room in rooms {
        let is_of_the_program = fs::read_dir(root.join("tests/it"))
            .unwrap()
            .any(|section| section.unwrap().path().join(format!("{room}.rs")).is_file());
        let beside_the_code = fs::read_to_string(root.join(format!("src/{}.rs", room.replace("::", "/")))).unwrap_or_default();
        assert!(is_of_the_program || beside_the_code.contains("mod tests {"), "{room}");
    }
}
