//! The documents are complete: every option, command, exit code and variable of the program is in the page that is for it.

use std::collections::BTreeSet;

use super::documents::{read, root};
use crate::support::World;
use crate::support::commands::run_command;

fn help(command: &[&str]) -> String {
    run_command(&World::new(), &[command, &["--help"]].concat()).exits(0).stdout
}

/// The names of the commands in a help.
fn commands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let list = list.split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// The long options in a help: each begins a line, and its description is further to the right.
fn options(help: &str) -> BTreeSet<String> {
    let specs = help.lines().filter(|line| line.trim_start().starts_with('-') && line.len() - line.trim_start().len() <= 6);
    let words = specs.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    let options = words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned);
    options.filter(|option| !["--help", "--version"].contains(&option.as_str())).collect()
}

/// Whether a text has the word in code: not as a part of a longer word.
fn names(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[test]
fn page_of_options_has_every_option_of_the_main_job_and_no_other() {
    let page = read("docs/options.md").text;
    let in_help = options(&help(&[]));
    assert!(in_help.len() > 30);
    let rows = page.lines().filter(|line| line.starts_with("| `-"));
    let cells: Vec<&str> = rows.map(|row| row[1..].split(" | ").next().unwrap()).collect();
    let words = cells.iter().flat_map(|cell| cell.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    let in_page: BTreeSet<String> = words.filter(|word| word.starts_with("--")).map(str::to_owned).collect();
    assert_eq!(in_page, in_help);
}

#[test]
fn page_of_commands_has_every_command_and_all_its_options() {
    let page = read("docs/commands.md").text;
    let all = commands(&help(&[]));
    assert!(all.contains(&"verify".to_owned()), "{all:?}");
    let shared = read("docs/options.md").text;
    for command in &all {
        assert!(names(&page, &format!("`{command}")) || names(&page, command), "{command}");
        for option in options(&help(&[command])) {
            assert!(names(&page, &option) || names(&shared, &option), "{command} {option}");
        }
        for nested in commands(&help(&[command])) {
            assert!(names(&page, &nested), "{command} {nested}");
        }
    }
    for option in options(&help(&["export", "files"])) {
        assert!(names(&page, &option) || names(&shared, &option), "export files {option}");
    }
}

#[test]
fn page_of_output_has_every_exit_code_and_every_event() {
    let page = read("docs/output.md").text;
    let numbers = |text: &str| text.split([',', ' ']).filter_map(|word| word.parse::<u8>().ok()).collect::<Vec<_>>();
    let help = help(&[]);
    let list = help.split("Exit codes:\n").nth(1).unwrap();
    let in_help: Vec<u8> = list.lines().flat_map(|line| numbers(line.trim_start().split("  ").next().unwrap())).collect();
    assert!(in_help.contains(&130), "{help}");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let in_page: Vec<u8> = rows.flat_map(numbers).collect();
    assert_eq!(in_page, in_help);
    for event in ["start", "file", "task", "progress", "finding", "summary", "fatal"] {
        assert!(page.contains(&format!("`{event}`")) || page.contains(&format!("\"event\":\"{event}\"")), "{event}");
    }
}

#[test]
fn pages_name_every_variable_that_the_program_reads_or_sets() {
    let pages = read("docs/options.md").text + &read("docs/commands.md").text;
    let mut folders = vec![root().join("src/cli")];
    let mut variables = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            let strings = source.split('"').filter(|text| text.starts_with("YESCALE_")).map(str::to_owned);
            variables.extend(strings.filter(|text| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')));
        }
    }
    assert!(variables.len() > 5, "{variables:?}");
    for name in variables {
        assert!(names(&pages, &name), "{name}");
    }
}
