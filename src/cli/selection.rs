//! From the filter options to a [`TaskFilter`] and a [`Selection`].
//!
//! Reads the lists of `-i` to their ends, because a filter needs all ids before the first task. `--task` comes before `-i`, as
//! arguments come before lists in the main job.

use super::args::{FilterArgs, OrderArgs, SortArg, StateArg};
use super::error::Error;
use super::{input, settings};
use crate::domain::manifest::State;
use crate::domain::selection::{Selection, SortKey, TaskFilter};
use crate::domain::task::TaskId;

/// The filter of these options.
///
/// # Errors
/// If an id is blank or a list can't be read.
pub(super) fn filter(args: &FilterArgs) -> Result<TaskFilter, Error> {
    if args.input_file.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Error::StdinUsedTwice);
    }
    let typed: Vec<TaskId> = args.task.iter().map(|id| TaskId::new(id).ok_or(Error::BlankId)).collect::<Result<_, _>>()?;
    let has_ids = !args.task.is_empty() || !args.input_file.is_empty();
    let ids = typed.into_iter().chain(input::read_ids(&args.input_file)?).map(|id| id.as_str().to_owned());
    Ok(TaskFilter {
        ids: has_ids.then(|| ids.collect()),
        states: args.state.iter().copied().map(State::from).collect(),
        kinds: (!args.kind.is_empty()).then(|| settings::kind_filter(&args.kind)),
        // A blank name selects nothing.
        platforms: args.platform.iter().map(|name| name.trim().to_owned()).collect(),
        since: args.since.map(|when| when.since()),
        until: args.until.map(|when| when.until()),
        grep: args.grep.clone(),
    })
}

/// The selection of these options. `is_newest_first`: without `--reverse`, the newest and the largest tasks are first.
///
/// # Errors
/// As for [`filter`], and if the order of the input is asked for without any.
pub(super) fn selection(args: &FilterArgs, order: &OrderArgs, is_newest_first: bool) -> Result<Selection, Error> {
    let filter = filter(args)?;
    if order.sort == Some(SortArg::Input) && filter.ids.is_none() {
        return Err(Error::NoInputOrder);
    }
    let sort = order.sort.map(SortKey::from);
    let mut selection = Selection { filter, sort, reverse: order.reverse };
    selection.reverse ^= is_newest_first && matches!(selection.sort_key(), SortKey::Time | SortKey::Size);
    Ok(selection)
}

impl From<StateArg> for State {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Complete => Self::Complete,
            StateArg::Partial => Self::Partial,
            StateArg::Incomplete => Self::Incomplete,
            StateArg::Failed => Self::Failed,
        }
    }
}

impl From<SortArg> for SortKey {
    fn from(key: SortArg) -> Self {
        match key {
            SortArg::Time => Self::Time,
            SortArg::Id => Self::Id,
            SortArg::Input => Self::Input,
            SortArg::Size => Self::Size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Parsed {
        dir: Option<String>,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        order: OrderArgs,
    }

    fn parse(line: &str, is_newest_first: bool) -> Result<Selection, Error> {
        let Parsed { dir: _, filter, order } = Parsed::parse_from(line.split(' '));
        selection(&filter, &order, is_newest_first)
    }

    #[test]
    fn ids_of_options_and_lists_are_joined_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("ids");
        std::fs::write(&list, "b\n{\"id\": \"c d\", \"prompt\": 1}\na\n").unwrap();
        let selection = parse(&format!("x --task z a -i {} --task y", list.display()), true).unwrap();
        let ids: Vec<String> = selection.filter.ids.clone().unwrap().into_iter().collect();
        assert_eq!(ids, ["z", "a", "y", "b", "c d"]);
        assert_eq!((selection.sort_key(), selection.reverse), (SortKey::Input, false));
        std::fs::write(&list, "# none\n").unwrap();
        let empty = parse(&format!("x -i {}", list.display()), true).unwrap();
        assert_eq!(empty.filter.ids.map(|ids| ids.len()), Some(0), "an empty list selects nothing");
        std::fs::write(&list, "a b\n").unwrap();
        assert!(matches!(parse(&format!("x -i {}", list.display()), true), Err(Error::List { .. })));
    }

    #[test]
    fn newest_and_largest_are_first_in_a_list_and_last_in_an_export() {
        for (line, list, export) in [
            ("x", true, false),
            ("x --reverse", false, true),
            ("x --sort size", true, false),
            ("x --sort id", false, false),
            ("x --sort id --reverse", true, true),
            ("x --task a", false, false),
            ("x --task a --reverse", true, true),
            ("x --task a --sort time", true, false),
        ] {
            assert_eq!((parse(line, true).unwrap().reverse, parse(line, false).unwrap().reverse), (list, export), "{line}");
        }
        assert!(matches!(parse("x --sort input", true), Err(Error::NoInputOrder)));
        assert!(parse("x --sort input --task a", true).is_ok());
    }

    #[test]
    fn every_condition_reaches_the_filter() {
        let selection =
            parse("x --state failed,partial --kind text --platform kling,,Suno --since 2026-10-01T00:00:00Z --grep a", false);
        let filter = selection.unwrap().filter;
        assert_eq!(filter.states, [State::Failed, State::Partial]);
        assert!(filter.kinds.is_some_and(|kinds| kinds.text && !kinds.video));
        assert_eq!(filter.platforms, ["kling", "", "Suno"]);
        assert_eq!(filter.since.unwrap().to_string(), "2026-10-01T00:00:00Z");
        assert_eq!((filter.until, filter.grep.as_deref()), (None, Some("a")));
        assert!(parse("x", false).unwrap().filter.is_empty());
        assert!(matches!(parse("x --task=", false), Err(Error::BlankId)));
    }
}
