//! `--shard`: the part of the ids that this process takes, as typed or from the variables of a scheduler.
//!
//! Only what is certain counts. A process that takes the wrong part would look like success while tasks are missing, so
//! variables of two schedulers, a total that contradicts, and an array with gaps are errors.

use super::environment::Environment;
use super::error::Error;
use crate::domain::shard::Shard;

/// The value of `--shard`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ShardArg {
    /// `I/N`.
    Fixed(Shard),
    /// `auto`, or `auto/N` with the total.
    Auto {
        /// The total, where it is given.
        total: Option<u64>,
    },
}

/// A scheduler that starts a process several times.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    /// The index of the first process.
    first: u64,
    /// The variable with the number of processes, where there is one.
    total: Option<&'static str>,
}

/// The name of the scheduler whose indexes may begin anywhere and have steps.
const SLURM: &str = "SLURM";

const SCHEDULERS: [Scheduler; 10] = [
    scheduler("Kubernetes", "JOB_COMPLETION_INDEX", 0, None),
    scheduler("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", 0, Some("AWS_BATCH_JOB_ARRAY_SIZE")),
    scheduler(SLURM, "SLURM_ARRAY_TASK_ID", 0, Some("SLURM_ARRAY_TASK_COUNT")),
    scheduler("PBS", "PBS_ARRAY_INDEX", 1, None),
    scheduler("GitLab CI", "CI_NODE_INDEX", 1, Some("CI_NODE_TOTAL")),
    scheduler("Cloud Run", "CLOUD_RUN_TASK_INDEX", 0, Some("CLOUD_RUN_TASK_COUNT")),
    scheduler("Google Batch", "BATCH_TASK_INDEX", 0, Some("BATCH_TASK_COUNT")),
    scheduler("Nomad", "NOMAD_ALLOC_INDEX", 0, None),
    scheduler("Buildkite", "BUILDKITE_PARALLEL_JOB", 0, Some("BUILDKITE_PARALLEL_JOB_COUNT")),
    scheduler("CircleCI", "CIRCLE_NODE_INDEX", 0, Some("CIRCLE_NODE_TOTAL")),
];

const fn scheduler(name: &'static str, index: &'static str, first: u64, total: Option<&'static str>) -> Scheduler {
    Scheduler { name, index, first, total }
}

impl ShardArg {
    /// Parses `I/N`, `auto` or `auto/N`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || "not a shard such as 3/10 (from 1/N to N/N), auto or auto/10".to_owned();
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0 && !text.starts_with('+'));
        match text.trim().split_once('/') {
            None if text.trim() == "auto" => Ok(Self::Auto { total: None }),
            Some(("auto", total)) => Ok(Self::Auto { total: Some(number(total).ok_or_else(invalid)?) }),
            Some((part, total)) => {
                let shard = number(part).zip(number(total)).and_then(|(part, total)| Shard::new(part, total));
                shard.map(Self::Fixed).ok_or_else(invalid)
            }
            None => Err(invalid()),
        }
    }

    /// The shard, from the variables of the scheduler for `auto`.
    ///
    /// # Errors
    /// When the variables do not say for certain which part to take.
    pub(super) fn resolve(self, environment: Environment<'_>) -> Result<Shard, Error> {
        match self {
            Self::Fixed(shard) => Ok(shard),
            Self::Auto { total } => detect(total, environment).map_err(Error::Shard),
        }
    }
}

fn detect(given_total: Option<u64>, environment: Environment<'_>) -> Result<Shard, String> {
    let mut present = SCHEDULERS.iter().filter(|scheduler| environment(scheduler.index).is_some());
    let scheduler = match (present.next(), present.next()) {
        (None, _) => return Err("no scheduler has set its variables: give the part as I/N".to_owned()),
        (Some(one), Some(other)) => {
            return Err(format!(
                "both {} ({}) and {} ({}) are set: give the part as I/N",
                one.name, one.index, other.name, other.index
            ));
        }
        (Some(scheduler), None) => scheduler,
    };
    let index = required(environment, scheduler.index)?;
    let total = scheduler.total.map(|name| number(environment, name)).transpose()?.flatten();
    let total = match (total, given_total) {
        (Some(total), Some(given)) if total != given => {
            let name = scheduler.total.unwrap_or_default();
            return Err(format!("{name} is {total}, which contradicts auto/{given}"));
        }
        (total, given) => total.or(given),
    };
    let total = total.ok_or_else(|| format!("{} does not say how many parts there are: use auto/N", scheduler.name))?;
    let position = match scheduler.name {
        SLURM => slurm_position(index, total, environment)?,
        _ => index
            .checked_sub(scheduler.first)
            .ok_or_else(|| format!("{} is {index}, but begins at {}", scheduler.index, scheduler.first))?,
    };
    let shard = position.checked_add(1).and_then(|number| Shard::new(number, total));
    shard.ok_or_else(|| format!("{} is {index}, which is not one of {total} parts", scheduler.index))
}

/// The position of a process in an array that may begin anywhere and have steps, but no gaps.
fn slurm_position(id: u64, total: u64, environment: Environment<'_>) -> Result<u64, String> {
    let min = required(environment, "SLURM_ARRAY_TASK_MIN")?;
    let max = number(environment, "SLURM_ARRAY_TASK_MAX")?;
    let step = number(environment, "SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
    let partial = || "only a part of an array runs here: give the part as I/N".to_owned();
    let offset = id.checked_sub(min).ok_or_else(partial)?;
    let has_gaps = max.is_some_and(|max| max.checked_sub(min).is_none_or(|range| range / step + 1 != total));
    // One process that is not the first is one that runs again.
    if has_gaps || !offset.is_multiple_of(step) || (total == 1 && min > 1) {
        return Err(partial());
    }
    Ok(offset / step)
}

fn required(environment: Environment<'_>, name: &str) -> Result<u64, String> {
    number(environment, name)?.ok_or_else(|| format!("{name} is not set: give the part as I/N"))
}

/// The number in a variable. A value that is no number is not a missing one.
fn number(environment: Environment<'_>, name: &str) -> Result<Option<u64>, String> {
    let parse = |value: std::ffi::OsString| value.to_str().and_then(|text| text.trim().parse().ok());
    environment(name).map(|value| parse(value).ok_or_else(|| format!("{name} is not a whole number"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_is_a_part_of_a_total_or_auto() {
        for (text, expected) in [
            ("1/1", Some("1/1")),
            ("7/7", Some("7/7")),
            ("auto", Some("auto")),
            ("auto/16", Some("auto/16")),
            ("0/7", None),
            ("8/7", None),
            ("1", None),
            ("1/0", None),
            ("auto/0", None),
            ("auto/", None),
            ("-1/7", None),
            ("+1/7", None),
            ("1/7/7", None),
            ("", None),
            ("Auto", None),
        ] {
            let parsed = ShardArg::parse(text).ok().map(|arg| match arg {
                ShardArg::Auto { total: None } => "auto".to_owned(),
                ShardArg::Auto { total: Some(total) } => format!("auto/{total}"),
                ShardArg::Fixed(shard) => shard.to_string(),
            });
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }

    /// The shard that `auto` or `auto/N` takes with these variables; the message of an error.
    fn auto(total: Option<u64>, variables: &str) -> Result<String, String> {
        let environment = |name: &str| {
            let mut variables = variables.split_whitespace().filter_map(|variable| variable.split_once('='));
            variables.find(|(variable, _)| *variable == name).map(|(_, value)| value.into())
        };
        detect(total, &environment).map(|shard| shard.to_string())
    }

    #[test]
    fn each_scheduler_gives_its_part() {
        for (total, variables, expected) in [
            (Some(7), "JOB_COMPLETION_INDEX=0", "1/7"),
            (Some(7), "JOB_COMPLETION_INDEX=6", "7/7"),
            (None, "AWS_BATCH_JOB_ARRAY_INDEX=2 AWS_BATCH_JOB_ARRAY_SIZE=3", "3/3"),
            (Some(3), "AWS_BATCH_JOB_ARRAY_INDEX=2", "3/3"),
            (None, "SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=9 SLURM_ARRAY_TASK_COUNT=10", "5/10"),
            (
                None,
                "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=4",
                "3/4",
            ),
            (None, "SLURM_ARRAY_TASK_ID=19 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_COUNT=10", "10/10"),
            (None, "SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=1 SLURM_ARRAY_TASK_COUNT=1", "1/1"),
            (Some(5), "PBS_ARRAY_INDEX=1", "1/5"),
            (Some(5), "PBS_ARRAY_INDEX=5", "5/5"),
            (None, "CI_NODE_INDEX=1 CI_NODE_TOTAL=4", "1/4"),
            (Some(4), "CI_NODE_INDEX=4 CI_NODE_TOTAL=4", "4/4"),
            (None, "CLOUD_RUN_TASK_INDEX=0 CLOUD_RUN_TASK_COUNT=2", "1/2"),
            (None, "BATCH_TASK_INDEX=1 BATCH_TASK_COUNT=2", "2/2"),
            (Some(3), "NOMAD_ALLOC_INDEX=2", "3/3"),
            (None, "BUILDKITE_PARALLEL_JOB=0 BUILDKITE_PARALLEL_JOB_COUNT=6", "1/6"),
            (None, "CIRCLE_NODE_INDEX=5 CIRCLE_NODE_TOTAL=6", "6/6"),
            (None, "CI_NODE_TOTAL=9 CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=2", "1/2"),
        ] {
            assert_eq!(auto(total, variables).as_deref(), Ok(expected), "{variables}");
        }
    }

    #[test]
    fn uncertain_part_is_an_error() {
        for (total, variables, words) in [
            (None, "", "no scheduler"),
            (Some(7), "CI_NODE_TOTAL=4", "no scheduler"),
            (None, "CI_NODE_INDEX=1 CI_NODE_TOTAL=4 JOB_COMPLETION_INDEX=0", "both Kubernetes"),
            (None, "JOB_COMPLETION_INDEX=0", "auto/N"),
            (None, "AWS_BATCH_JOB_ARRAY_INDEX=0", "auto/N"),
            (Some(5), "CI_NODE_INDEX=1 CI_NODE_TOTAL=4", "contradicts auto/5"),
            (Some(7), "JOB_COMPLETION_INDEX=7", "not one of 7"),
            (None, "CI_NODE_INDEX=5 CI_NODE_TOTAL=4", "not one of 4"),
            (None, "CI_NODE_INDEX=0 CI_NODE_TOTAL=4", "begins at 1"),
            (Some(4), "PBS_ARRAY_INDEX=0", "begins at 1"),
            (Some(7), "JOB_COMPLETION_INDEX=x", "not a whole number"),
            (None, "CI_NODE_INDEX=1 CI_NODE_TOTAL=0", "not one of 0"),
            (None, "CI_NODE_INDEX=1 CI_NODE_TOTAL=four", "not a whole number"),
            (Some(7), "JOB_COMPLETION_INDEX=18446744073709551615", "not one of 7"),
            (None, "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_COUNT=3", "SLURM_ARRAY_TASK_MIN"),
            (
                None,
                "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_COUNT=3",
                "part of an array",
            ),
            (
                None,
                "SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=4",
                "part of an array",
            ),
            (
                None,
                "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_MAX=3 SLURM_ARRAY_TASK_COUNT=1",
                "part of an array",
            ),
            (
                Some(7),
                "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_MAX=3 SLURM_ARRAY_TASK_COUNT=1",
                "contradicts auto/7",
            ),
        ] {
            let message = auto(total, variables).unwrap_err();
            assert!(message.contains(words), "{variables}: {message}");
        }
    }
}
