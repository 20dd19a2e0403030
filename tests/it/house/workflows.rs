//! Workflows: every action that runs beside the key or the release is pinned to a commit, and no document installs
//! anything by a name that somebody else could register.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_action_is_pinned_to_a_commit_with_its_version() {
    for path in [".github/workflows/ci.yml", ".github/workflows/release.yml", "docs/recipes.md"] {
        let text = read(path);
        let uses: Vec<&str> =
            text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: ")).collect();
        assert!(!uses.is_empty(), "{path}");
        for action in uses {
            let (action, version) = action.split_once(" # ").unwrap_or_else(|| panic!("{path}: {action} has no version"));
            let (_, commit) = action.split_once('@').unwrap();
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}: {action}");
            assert!(version.starts_with('v'), "{path}: {action}");
        }
        let keeps = text.matches("persist-credentials: false").count();
        assert_eq!(keeps, text.matches("actions/checkout@").count(), "{path}");
        assert!(text.contains("permissions:\n  contents: read\n"), "{path}");
    }
}

#[test]
fn no_document_installs_from_an_unclaimed_crate_name() {
    let installs =
        ["cargo install --locked yescale-dl", "cargo install yescale-dl", "cargo binstall yescale-dl", "yescale-dl = \"0"];
    for document in super::documents::all() {
        assert!(installs.iter().all(|install| !document.text.contains(install)), "{}", document.path);
    }
}
