//! What is written about the tests for people: every test that is named there exists.

use std::fs;
use std::path::Path;

/// The tests that a text names, each as its module and its function.
fn named(text: &str) -> Vec<(&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|word| word.rsplit_once("::")).collect()
}

#[test]
fn every_test_that_the_security_policy_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = fs::read_to_string(root.join(".github/SECURITY.md")).unwrap();
    let named = named(&policy);
    assert!(named.len() > 10, "{named:?}");
    for (module, name) in named {
        let tests = fs::read_to_string(root.join(format!("tests/it/{}.rs", module.replace("::", "/")))).unwrap_or_default();
        assert!(tests.contains(&format!("fn {name}()")), "{module}::{name}");
    }
}
