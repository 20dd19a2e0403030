//! Messages have one form: what happened, to what, and what to do. They begin in lower case, have no period at their end, and use the
//! same words for the same things.

use std::fs;
use std::path::{Path, PathBuf};

/// The files whose errors end a run or a command: each of these messages also says what to do.
const ENDING: [&str; 8] = [
    "src/cli/error.rs",
    "src/gateway/account/error.rs",
    "src/http/client.rs",
    "src/http/proxy.rs",
    "src/jobs/archive/outcome.rs",
    "src/jobs/export/mod.rs",
    "src/session/mod.rs",
    "src/storage/error.rs",
];

/// Messages whose inner error says what to do.
const INNER: [&str; 10] = [
    "{0}",
    "{}",
    "{error}{}",
    "{message}",
    "{url} names no archive: {why}",
    "can't tell which shard this is: {0}",
    "can't write the export: {0}",
    "can't write the list of --failed-to: {}",
    "invalid account URL (--account-url or {ACCOUNT_URL_VARIABLE}): {0}",
    "invalid base URL (--base-url or {BASE_URL_VARIABLE}): {0}",
];

/// The beginnings of messages that are printed with a cause, which says what to correct.
const WITH_CAUSE: [&str; 5] =
    ["{origin}: {", "can't {action} {", "can't read {}", "can't write to the archive", "can't make a link"];

/// Other ways to say `can't`.
const OTHER_WORDS: [&str; 8] =
    ["could not be ", "cannot ", "can not ", "unable to ", "failed to ", "couldn't ", "is impossible", "was not able"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    all.filter(|path| !path.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "tests")).collect()
}

/// The literal that begins with the first quote of `text`.
fn literal(text: &str) -> Option<&str> {
    let (_, text) = text.split_once('"')?;
    let mut is_escaped = false;
    let end = text.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    })?;
    Some(&text[..end])
}

/// The messages of the errors in a file.
fn errors(text: &str) -> Vec<&str> {
    let attributes = text.split("#[error(").skip(1).filter(|rest| !rest.starts_with("transparent"));
    attributes.filter_map(literal).collect()
}

/// The messages of the program: those of errors, and the literals that are printed or emitted.
fn messages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for path in sources(&root.join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let calls = ["print_error(", "print_warning(", "Event::Error(", "Event::Warning("];
        let printed = calls.iter().flat_map(|call| code.split(*call).skip(1)).filter(|rest| {
            let rest = rest.trim_start().trim_start_matches('&');
            rest.starts_with('"') || rest.starts_with("format!(")
        });
        let name = path.strip_prefix(root).unwrap().display().to_string().replace('\\', "/");
        let all = errors(code).into_iter().chain(printed.filter_map(literal));
        found.extend(all.map(|message| (name.clone(), message.to_owned())));
    }
    found
}

#[test]
fn messages_have_one_form_and_the_same_words() {
    let messages = messages();
    assert!(messages.len() > 120, "{}", messages.len());
    for (file, message) in messages {
        let first = message.chars().next().unwrap_or('.');
        let is_name = message.starts_with("JSON") || message.starts_with("XML") || message.starts_with("HTTP");
        assert!(
            first.is_lowercase() || matches!(first, '{' | '`' | '-') || is_name || message.starts_with("an HTML"),
            "{file}: {message}"
        );
        assert!(!message.ends_with('.') && !message.ends_with('!'), "{file}: {message}");
        let other = OTHER_WORDS.iter().find(|word| message.contains(**word));
        assert_eq!(other, None, "{file}: write `can't`: {message}");
    }
}

#[test]
fn error_that_ends_the_program_says_what_to_do() {
    let mut without_advice = Vec::new();
    for file in ENDING {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let found = errors(&text);
        assert!(!found.is_empty(), "{file}");
        for message in found {
            let is_complete = message.contains("; ") || has_advice(message) || INNER.contains(&message);
            if !is_complete && !WITH_CAUSE.iter().any(|beginning| message.starts_with(beginning)) {
                without_advice.push((file, message.to_owned()));
            }
        }
    }
    assert!(without_advice.is_empty(), "{without_advice:#?}");
}

/// Whether advice follows a colon.
fn has_advice(message: &str) -> bool {
    message.rsplit_once(": ").is_some_and(|(_, advice)| advice.starts_with(char::is_lowercase))
}
