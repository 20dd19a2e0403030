//! What the journal of a part file proves, by its lines alone.

use serde_json::Value;

fn lines(journal: &str) -> impl Iterator<Item = Value> {
    journal.lines().filter_map(|line| serde_json::from_str(line).ok())
}

/// The blocks beyond the first bytes: offset and size of each.
pub(crate) fn proven_blocks(journal: &str) -> Vec<(u64, u64)> {
    lines(journal).filter_map(|line| Some((line["from"].as_u64()?, line["size"].as_u64()?))).collect()
}

/// How many bytes are proven, each counted once. Only kill tests ask.
#[cfg(all(unix, feature = "checkpoints"))]
pub(crate) fn proven_bytes(journal: &str) -> u64 {
    let prefix = lines(journal).filter(|line| line["sha256"].is_string()).filter_map(|line| line["size"].as_u64()).max();
    let mut blocks = proven_blocks(journal);
    blocks.sort_unstable();
    let (mut end, mut count) = (prefix.unwrap_or(0), prefix.unwrap_or(0));
    for (from, size) in blocks {
        count += (from + size).saturating_sub(from.max(end));
        end = end.max(from + size);
    }
    count
}
