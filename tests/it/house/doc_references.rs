//! Documents that name tests: every test and test module that the security policy and the page of promises
//! name exists.

use std::fs;
use std::path::Path;

/// The tests that a text names, each as its module and its function.
fn test_names(text: &str) -> Vec<(&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|word| word.rsplit_once("::")).collect()
}

#[test]
fn every_test_named_in_the_security_policy_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = fs::read_to_string(root.join(".github/SECURITY.md")).unwrap();
    let names = test_names(&policy);
    assert!(names.len() > 10, "{names:?}");
    for (module, name) in names {
        let tests = fs::read_to_string(root.join(format!("tests/it/{}.rs", module.replace("::", "/")))).unwrap_or_default();
        assert!(tests.contains(&format!("fn {name}()")), "{module}::{name}");
    }
}

#[test]
fn every_test_module_named_in_the_promises_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/promises.md")).unwrap();
    let table = page.split("| promise | shown by |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().skip(2).map(|row| row.trim_end_matches(" |").rsplit_once(" | ").unwrap().1);
    let modules: Vec<&str> = rows.flat_map(|tests| tests.split('`').skip(1).step_by(2)).collect();
    assert!(modules.len() > 20, "{modules:?}");
    for module in modules {
        let is_integration_test = fs::read_dir(root.join("tests/it"))
            .unwrap()
            .any(|section| section.unwrap().path().join(format!("{module}.rs")).is_file());
        let source = fs::read_to_string(root.join(format!("src/{}.rs", module.replace("::", "/")))).unwrap_or_default();
        let has_unit_tests = source.contains("mod tests {") || source.contains("mod tests;");
        assert!(is_integration_test || has_unit_tests, "{module}");
    }
}
