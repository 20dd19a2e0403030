//! The command of `--exec`: from what was typed to a command for one task.
//!
//! No shell is involved: the command is split into words when it is parsed, and values replace placeholders inside the words. It
//! has no standard input, and none of our keys in its environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::NewTask;
use crate::cli::environment::SECRET_VARIABLES;

/// Ctrl-C does not reach a process of a new group.
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// The words of a command, with placeholders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct ExecCommand(Vec<String>);

impl ExecCommand {
    /// Splits a command as a shell would do it.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).ok_or("a quote is not closed, or the last word ends in a backslash")?;
        match words.first() {
            None => Err("the command is empty".to_owned()),
            Some(program) if program.is_empty() => Err("the name of the program is empty".to_owned()),
            Some(_) => Ok(Self(words)),
        }
    }

    /// The first word.
    pub(super) fn program(&self) -> &str {
        &self.0[0]
    }

    /// The command for a task with this absolute folder, ready to run.
    pub(super) fn for_task(&self, task: &NewTask, folder: &Path) -> Command {
        let (id, state) = (task.id.as_str(), task.state);
        let values = [("{path}", folder.as_os_str()), ("{id}", OsStr::new(id)), ("{state}", OsStr::new(state))];
        let mut words = self.0.iter().map(|word| fill(word, &values));
        let mut command = Command::new(words.next().expect("a parsed command has a word"));
        command.args(words).stdin(Stdio::null());
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
        command.env("YESCALE_PATH", folder).env("YESCALE_TASK_ID", id).env("YESCALE_STATE", state);
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(windows)]
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
        command
    }
}

/// Replaces the placeholders of a word, each once: values are not searched again.
fn fill(word: &str, values: &[(&str, &OsStr)]) -> OsString {
    let (mut filled, mut rest) = (OsString::new(), word);
    while let Some(at) = rest.find('{') {
        filled.push(&rest[..at]);
        rest = &rest[at..];
        let found = values.iter().find(|(name, _)| rest.starts_with(name));
        let (length, value) = found.map_or((1, OsStr::new("{")), |(name, value)| (name.len(), *value));
        filled.push(value);
        rest = &rest[length..];
    }
    filled.push(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_split_as_by_a_shell_and_needs_a_program() {
        let words = |text: &str| ExecCommand::parse(text).map(|command| command.0);
        assert_eq!(words(r#"a 'b c' "d \" e" f\ g"#).unwrap(), ["a", "b c", "d \" e", "f g"]);
        for text in ["", "  ", "# comment", "''", "a 'b", "a \"b", "a b\\"] {
            assert!(words(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn placeholders_are_replaced_once_inside_words() {
        let values = [("{path}", "/a b/t"), ("{id}", "{path};$(x)"), ("{state}", "complete")]
            .map(|(name, value)| (name, OsStr::new(value)));
        for (word, filled) in [
            ("{path}/video-1.mp4", "/a b/t/video-1.mp4"),
            ("{id}:{state}", "{path};$(x):complete"),
            ("{{id}}", "{{path};$(x)}"),
            ("{other} { }", "{other} { }"),
            ("", ""),
        ] {
            assert_eq!(fill(word, &values), filled, "{word}");
        }
    }
}
