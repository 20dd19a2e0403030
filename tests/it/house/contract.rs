//! `docs/contract.md` agrees with the program. Every option, command, exit code and failure code is in it, and an option
//! or command has the mark **New** exactly as long as the program does not have it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::World;
use crate::support::commands::run_command;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The text of one section, from its title to the next one.
fn section(number: usize) -> String {
    let contract = read("docs/contract.md");
    let start = contract.find(&format!("\n## {number}. ")).unwrap();
    let end = contract[start + 1..].find("\n## ").map_or(contract.len(), |length| start + 1 + length);
    contract[start..end].to_owned()
}

/// The first cell of each row of the tables of a section, and whether the row has the mark.
fn rows(section: &str) -> Vec<(String, bool)> {
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.map(|cell| (cell.trim_start_matches("**New** ").to_owned(), cell.starts_with("**New**"))).collect()
}

fn help() -> String {
    run_command(&World::new(), &["--help"]).exits(0).stdout
}

/// The long names of options in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '-');
    words.filter(|word| word.starts_with("--") && word.contains(char::is_alphabetic)).map(str::to_owned).collect()
}

#[test]
fn contract_has_every_option_and_marks_those_to_come() {
    // An option stands at the start of a line of the help; its description is indented further.
    let lines = help();
    let specs = lines.lines().filter(|line| line.trim_start().starts_with('-') && line.len() - line.trim_start().len() <= 6);
    let mut in_help: BTreeSet<String> = specs.flat_map(|line| options(line.trim_start().split("  ").next().unwrap())).collect();
    in_help.retain(|option| !["--help", "--version"].contains(&option.as_str()));
    let (mut built, mut to_come) = (BTreeSet::new(), BTreeSet::new());
    for (cell, is_new) in rows(&section(4)) {
        if is_new { &mut to_come } else { &mut built }.extend(options(&cell));
    }
    assert_eq!(built, in_help);
    assert_eq!(to_come.intersection(&in_help).count(), 0, "{to_come:?}");
}

#[test]
fn contract_has_every_command_and_marks_those_to_come() {
    let help = help();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let in_help: BTreeSet<&str> = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let in_help: BTreeSet<&str> = in_help.into_iter().filter(|command| !command.is_empty()).collect();
    assert!(in_help.contains("verify") && in_help.contains("help"), "{help}");
    // `help` is no row of the table.
    let in_help: BTreeSet<&str> = in_help.into_iter().filter(|command| *command != "help").collect();
    let (mut built, mut to_come) = (BTreeSet::new(), BTreeSet::new());
    for (cell, is_new) in rows(&section(8)) {
        let commands = cell.split('`').skip(1).step_by(2).filter_map(|code| code.split(' ').next()).map(str::to_owned);
        // `export files` is to come, `export` is not.
        if is_new { &mut to_come } else { &mut built }.extend(commands);
    }
    assert_eq!(built.iter().map(String::as_str).collect::<BTreeSet<_>>(), in_help);
    to_come.remove("export");
    assert!(to_come.iter().all(|command| !in_help.contains(command.as_str())), "{to_come:?}");
}

#[test]
fn contract_has_every_exit_code() {
    let numbers = |text: &str| text.split([',', ' ']).filter_map(|word| word.parse::<u8>().ok()).collect::<Vec<_>>();
    let help = help();
    let list = help.split("Exit codes:\n").nth(1).unwrap();
    let in_help: Vec<u8> = list.lines().flat_map(|line| numbers(line.trim_start().split("  ").next().unwrap())).collect();
    assert!(in_help.contains(&130), "{help}");
    let in_contract: Vec<u8> = rows(&section(5)).iter().flat_map(|(cell, _)| numbers(cell)).collect();
    assert!(in_help.iter().all(|code| in_contract.contains(code)), "{in_help:?} {in_contract:?}");
}

#[test]
fn contract_has_every_failure_code() {
    let contract = section(3) + &section(6);
    let source = read("src/domain/code.rs");
    let variants = source.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(','));
    let variants = variants.filter(|name| name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric));
    let codes: Vec<String> = variants.map(snake_case).collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        assert!(contract.contains(&format!("`{code}`")), "{code}");
    }
}

fn snake_case(name: &str) -> String {
    let separator = |at: usize, c: char| if at > 0 && c.is_uppercase() { "_" } else { "" };
    name.char_indices().fold(String::new(), |text, (at, c)| text + separator(at, c) + &c.to_lowercase().to_string())
}
