//! Finds commands among the task ids: a mistyped command, and a command that is not the first word.
//!
//! The parser takes every word for an id that is no option and no command. A word is taken for a command only if it has letters
//! and hyphens alone, as no id of a platform has. Ids after `--` never come here.

use std::ffi::OsString;

use super::error::Error;
use super::nearest::nearest;

/// Words that are no commands, and what to type instead. A word that becomes a command must leave this list.
const OTHER_WORDS: [(&[&str], &str); 6] = [
    (&["download", "get", "fetch", "archive"], "to archive tasks, give their ids: yescale-dl TASK_ID..."),
    (&["ls"], "use: yescale-dl list"),
    (&["auth", "signin", "key"], "use: yescale-dl login"),
    (&["logout"], "use: yescale-dl login --forget"),
    (&["check"], "use: yescale-dl verify"),
    (&["version"], "use: yescale-dl --version"),
];

/// The ids among `arguments`, of which the first is the program's name, that stand before `--`. Works for wrong arguments, too.
fn ids_before_dashes(command: clap::Command, arguments: &[OsString]) -> Vec<String> {
    let words = arguments.iter().take_while(|word| *word != "--");
    let matches = command.ignore_errors(true).try_get_matches_from(words).ok();
    matches.and_then(|mut matches| matches.remove_many("ids")).into_iter().flatten().collect()
}

/// Checks that no id was meant as a command.
///
/// # Errors
/// If one was. The message says what to type instead.
pub(super) fn check(command: clap::Command, arguments: &[OsString]) -> Result<(), Error> {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let ids = ids_before_dashes(command, arguments);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    mistake(&ids, &names).map_or(Ok(()), |mistake| Err(Error::Slip(mistake)))
}

/// What is wrong with `ids`, if one was meant as one of the commands `names`.
fn mistake(ids: &[String], names: &[&str]) -> Option<String> {
    if let Some(name) = ids.iter().find(|id| names.contains(&id.as_str())) {
        return Some(format!("a command must be the first word: yescale-dl {name} …; a task with this id goes after `--`"));
    }
    let word = ids.first().filter(|id| id.chars().all(|c| c.is_ascii_alphabetic() || c == '-'))?;
    let other = OTHER_WORDS.iter().find(|(words, _)| words.contains(&word.to_lowercase().as_str())).map(|(_, hint)| *hint);
    let instead = match other {
        Some(hint) => hint.to_owned(),
        None => format!("did you mean: yescale-dl {}", nearest(word, names.iter().copied())?),
    };
    Some(format!("there is no command `{word}`; {instead}; a task with this id goes after `--`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    fn checked(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        check(args::command(), &arguments).map_or_else(|error| error.to_string(), |()| "ids".to_owned())
    }

    #[test]
    fn mistyped_commands_are_named() {
        for (line, what) in [
            ("x verfy", "no command `verfy`; did you mean: yescale-dl verify;"),
            ("x galery x", "yescale-dl gallery;"),
            ("x -o x exprot csv", "yescale-dl export;"),
            ("x VERIFY", "yescale-dl verify;"),
            ("x verfy --quick dir", "yescale-dl verify;"),
            ("x logout", "use: yescale-dl login --forget"),
            ("x logn", "yescale-dl login;"),
            ("x ls", "no command `ls`; use: yescale-dl list"),
            ("x lists", "yescale-dl list;"),
            ("x hlep", "yescale-dl help;"),
            ("x download 777", "give their ids"),
            ("x -o x export", "first word: yescale-dl export"),
            ("x -q export csv -O file", "first word"),
            ("x 777 verify", "first word"),
            ("x --wait help", "first word"),
        ] {
            assert!(checked(line).contains(what), "{line}: {}", checked(line));
        }
        for line in ["x", "x t1", "x 777", "x verfy7", "x a verfy", "x -- verfy", "x -- verify", "x -o verfy t1", "x --bogus"] {
            assert_eq!(checked(line), "ids", "{line}");
        }
    }

    #[test]
    fn other_words_are_no_commands() {
        let command = args::command();
        for (words, _) in OTHER_WORDS {
            assert!(words.iter().all(|word| command.find_subcommand(word).is_none()), "{words:?}");
        }
    }
}
