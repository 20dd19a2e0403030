//! The recipes of `packaging/` and the documents use options that the program has, and the version of this release. Their
//! formats are checked by `tests/recipes/check.py`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::documents;
use crate::support::World;
use crate::support::commands::run_command;

/// The files with commands, and their texts.
fn files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recipes = fs::read_dir(root.join("packaging")).unwrap().map(|entry| entry.unwrap().path());
    let recipes = recipes.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    let pages = documents::all().into_iter().map(|page| (PathBuf::from(page.path), page.text));
    recipes.chain(pages).collect()
}

/// The long options that a line gives to the program, not to a program before or after it.
fn options(line: &str) -> Vec<&str> {
    let ours = ["args: [", "\"command\": [", "yescale-dl "].iter().find_map(|start| Some(line.split_once(start)?.1));
    let ours = ours.unwrap_or_default().split([';', '|']).next().unwrap_or_default();
    let words = ours.split([' ', '"', ',', '`', '[', ']']).take_while(|word| *word != "#");
    words.filter(|word| word.starts_with("--")).filter_map(|word| word.split('=').next()).collect()
}

#[test]
fn every_option_in_a_recipe_exists() {
    let world = World::new();
    let mut known = BTreeSet::new();
    let commands = ["verify", "list", "index", "export", "gallery", "config", "schema"].map(|command| vec![command]);
    for command in commands.into_iter().chain([vec![], vec!["export", "files"]]) {
        let help = run_command(&world, &[&command[..], &["--help"]].concat()).exits(0).stdout;
        known.extend(help.split([' ', ',', '[', '\n', '=']).filter(|word| word.starts_with("--")).map(str::to_owned));
    }
    let mut count = 0;
    for (path, text) in files() {
        for option in text.lines().flat_map(options) {
            assert!(known.contains(option), "{}: {option}", path.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn images_have_the_version_of_the_program() {
    for (path, text) in files() {
        for version in text.split("/yescale-dl:").skip(1).filter_map(|rest| rest.split([' ', '"', '\n', ':']).next()) {
            assert_eq!(version, env!("CARGO_PKG_VERSION"), "{}", path.display());
        }
    }
}
