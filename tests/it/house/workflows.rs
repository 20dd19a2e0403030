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

/// The targets of the release job.
fn targets() -> Vec<String> {
    let release = read(".github/workflows/release.yml");
    let targets = release.split("target: ").skip(1).filter_map(|rest| Some(rest.split_once(',')?.0.to_owned()));
    targets.collect()
}

#[test]
fn every_target_of_a_release_is_checked_documented_and_found_by_binstall() {
    let (rules, page, pack) = (read(".deny.toml"), read("docs/install.md"), read(".ci/pack"));
    let cargo: toml::Value = toml::from_str(&read("Cargo.toml")).unwrap();
    let binstall = &cargo["package"]["metadata"]["binstall"];
    let repository = cargo["package"]["repository"].as_str().unwrap();
    assert_eq!(targets().len(), 5);
    for target in targets() {
        assert!(rules.contains(&format!("\"{target}\"")), "{target}");
        let format = binstall.get("overrides").and_then(|all| all.get(&target)).unwrap_or(binstall)["pkg-fmt"].as_str().unwrap();
        let suffix = if format == "zip" { ".zip" } else { ".tar.gz" };
        assert_eq!(suffix == ".zip", target.contains("windows"), "{target}");
        assert!(page.contains(&format!("`yescale-dl-X.Y.Z-{target}{suffix}`")), "{target}");
    }
    // The names that .ci/pack gives.
    assert!(pack.contains("name=yescale-dl-$version-$target\n"));
    let name = "{ name }-{ version }-{ target }";
    let url = format!("{{ repo }}/releases/download/v{{ version }}/{name}{{ archive-suffix }}");
    assert_eq!(binstall["pkg-url"].as_str(), Some(&*url));
    assert_eq!(binstall["bin-dir"].as_str(), Some(&*format!("{name}/{{ bin }}{{ binary-ext }}")));
    // The commands of the documents and of binstall lead to the same place.
    assert!(page.contains(repository.trim_start_matches("https://github.com/")), "{repository}");
}

#[test]
fn ci_checks_dependencies_and_the_oldest_compiler() {
    let ci = read(".github/workflows/ci.yml");
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(ci.contains("cargo deny check") && ci.contains("rust-version = ") && ci.contains("check --locked --all-features"));
    for page in ["README.md", "docs/install.md"] {
        assert!(read(page).contains(&format!("(https://rustup.rs) {version} or later")), "{page}");
    }
}

#[test]
fn every_file_of_a_release_and_its_image_are_attested() {
    let release = read(".github/workflows/release.yml");
    let jobs: Vec<&str> = release.split("\n  publish:").nth(1).unwrap().split("\n  image:").collect();
    let rights = ["id-token: write", "attestations: write", "actions/attest-build-provenance@"];
    assert!(jobs.len() == 2 && jobs.iter().all(|job| rights.iter().all(|right| job.contains(right))));
    assert!(jobs[0].contains("subject-path: dist/*\n") && jobs[0].contains("--generate-notes dist/*\n"));
    assert!(jobs[1].contains("subject-digest:"));
}

#[test]
fn no_document_installs_from_an_unclaimed_crate_name() {
    let installs =
        ["cargo install --locked yescale-dl", "cargo install yescale-dl", "cargo binstall yescale-dl", "yescale-dl = \"0"];
    for document in super::documents::all() {
        assert!(installs.iter().all(|install| !document.text.contains(install)), "{}", document.path);
    }
}
