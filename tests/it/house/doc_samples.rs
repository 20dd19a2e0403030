//! The examples that are no commands: JSON is JSON, and Rust is that of the crate's own page, where it is run.

use super::documents::{Block, read};

/// The first block of a page in a language, and its place.
fn block(page: &str, language: &str) -> (Block, String) {
    let block = read(page).blocks().into_iter().find(|block| block.language == language).unwrap();
    let place = format!("{page}:{}", block.line);
    (block, place)
}

#[test]
fn examples_of_the_manifest_and_of_the_events_are_json() {
    let (manifest, place) = block("docs/manifest.md", "json");
    let parse = |text: &str, place: &str| -> serde_json::Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{place}: {error}: {text}"))
    };
    assert_eq!(parse(&manifest.text, &place)["manifest_version"], 1);
    let (events, place) = block("docs/output.md", "json");
    assert!(events.text.lines().count() > 3);
    assert!(events.text.lines().all(|line| parse(line, &place)["event"].is_string()));
}

#[test]
fn example_for_embedding_is_that_of_the_crate() {
    let source = read("src/lib.rs").text;
    let crate_page: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let (example, place) = block("docs/embedding.md", "rust");
    let mut rest = crate_page.iter();
    for line in example.text.lines().map(str::trim) {
        assert!(rest.any(|crate_line| *crate_line == line), "{place}: not in src/lib.rs: {line}");
    }
}
