//! The names of the index's objects, below the archive's prefix.
//!
//! A name that this module can't have made is never read and never deleted.

use jiff::Timestamp;

use crate::domain::shard::Shard;

/// The folder of the index.
pub(super) const INDEX: &str = ".yescale/index";
/// The folder of the segments.
pub(super) const LOG: &str = ".yescale/index/log";
/// Names the current generation.
pub(super) const CURRENT: &str = ".yescale/index/current.json";

const SUFFIX: &str = ".jsonl.gz";

/// A time to the second as a number that reads like it: 20261130104748.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Stamp(pub u64);

/// A segment of the log.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Its object, below the archive's prefix.
    pub relative: String,
    /// When it was flushed.
    pub stamp: Stamp,
    /// The shard of the run that wrote it.
    shard: Option<Shard>,
}

impl Segment {
    /// A name for a new segment.
    pub(super) fn new_relative(now: Timestamp, shard: Option<Shard>) -> String {
        let shard = shard.map_or_else(|| "all".to_owned(), |shard| format!("{}of{}", shard.number(), shard.total()));
        format!("{LOG}/{}-{shard}-{}{SUFFIX}", format_stamp(now), random())
    }

    /// The segment of this file name in the log's folder.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(SUFFIX)?.split('-');
        let (stamp, shard, random) = (parts.next()?, parts.next()?, parts.next()?);
        let shard = match shard.split_once("of") {
            Some((number, total)) => Some(Shard::new(number.parse().ok()?, total.parse().ok()?)?),
            None if shard == "all" => None,
            None => return None,
        };
        let stamp = parse_stamp(stamp)?;
        (is_random(random) && parts.next().is_none()).then(|| Self { relative: format!("{LOG}/{name}"), stamp, shard })
    }

    /// Whether it may have tasks of `shard`.
    pub(super) fn overlaps(&self, shard: Option<Shard>) -> bool {
        self.shard.zip(shard).is_none_or(|(one, other)| one.overlaps(other))
    }
}

/// A name for a new generation.
pub(super) fn new_generation(now: Timestamp) -> String {
    format!("{}-{}", format_stamp(now), random())
}

/// When the compaction that made the generation `name` began. None when it is no name of a generation.
pub(super) fn generation_stamp(name: &str) -> Option<Stamp> {
    let (stamp, random) = name.split_once('-')?;
    parse_stamp(stamp).filter(|_| is_random(random))
}

/// The file name of a part.
pub(super) fn part_name(number: usize) -> String {
    format!("part-{number:03}{SUFFIX}")
}

/// The stamp of a time.
pub(super) fn stamp(now: Timestamp) -> Stamp {
    parse_stamp(&format_stamp(now)).unwrap_or_default()
}

fn format_stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn parse_stamp(text: &str) -> Option<Stamp> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let is_digits = |digits: &str, len| digits.len() == len && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(day, 8) || !is_digits(time, 6) {
        return None;
    }
    Some(Stamp(day.parse::<u64>().ok()? * 1_000_000 + time.parse::<u64>().ok()?))
}

fn random() -> String {
    format!("{:016x}", fastrand::u64(..))
}

fn is_random(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract_and_can_be_read_again() {
        let now: Timestamp = "2026-11-30T10:47:48.9Z".parse().unwrap();
        for (shard, label) in [(None, "all"), (Shard::new(3, 7), "3of7")] {
            let relative = Segment::new_relative(now, shard);
            let name = relative.strip_prefix(".yescale/index/log/").unwrap();
            assert!(name.starts_with(&format!("20261130T104748Z-{label}-")), "{name}");
            let segment = Segment::parse(name).unwrap();
            assert_eq!((segment.relative.as_str(), segment.stamp), (relative.as_str(), Stamp(20_261_130_104_748)));
            assert!(segment.overlaps(Shard::new(3, 7)) && segment.overlaps(None));
            assert_eq!(segment.overlaps(Shard::new(5, 7)), shard.is_none());
        }
        assert_eq!(generation_stamp(&new_generation(now)), Some(stamp(now)));
        assert_eq!(part_name(7), "part-007.jsonl.gz");
    }

    #[test]
    fn other_names_are_not_ours() {
        let random = "0123456789abcdef";
        for name in [
            "notes.txt".to_owned(),
            format!("20261130T104748Z-all-{random}.jsonl"),
            format!("20261130T104748-all-{random}.jsonl.gz"),
            format!("20261130T104748Z-0of7-{random}.jsonl.gz"),
            format!("20261130T104748Z-8of7-{random}.jsonl.gz"),
            format!("20261130T104748Z-some-{random}.jsonl.gz"),
            format!("20261130T104748Z-all-{random}-x.jsonl.gz"),
            "20261130T104748Z-all-../x.jsonl.gz".to_owned(),
            format!("2026±130T104748Z-all-{random}.jsonl.gz"),
        ] {
            assert!(Segment::parse(&name).is_none(), "{name}");
        }
        for name in ["log", "20261130T104748Z", "../x", "20261130T104748Z-..", "20261130T104748Z-0123456789abcdef/x"] {
            assert!(generation_stamp(name).is_none(), "{name}");
        }
    }
}
