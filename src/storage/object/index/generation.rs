//! Writes the parts of a new generation.
//!
//! Part i of P has the ids with `floor(H * P / 2^64) = i`, where H is the first 8 bytes of the id's SHA-256, in the order of H. The
//! objects have names that nobody uses until the pointer names them. A part that no reader would accept is an error here.

use std::io::Write;
use std::ops::Range;

use flate2::Compression;
use flate2::write::GzEncoder;
use object_store::PutOptions;

use super::current::{Current, MAX_PARTS, Part};
use super::lines::{MAX_LINES, MAX_OBJECT, MAX_PLAIN};
use super::names::{self, INDEX};
use super::partitions::{self, Partitions};
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::object::bucket::Bucket;
use crate::storage::{Error, blocking};

/// About how many tasks a part has. Tests get several parts from a few tasks.
const TASKS_PER_PART: u64 = if cfg!(test) { 50 } else { 20_000 };
/// About how many bytes a part has before compression, at most.
const BYTES_PER_PART: u64 = 64 << 20;

/// Writes all entries as the parts of `generation`.
///
/// # Errors
/// When a part can't be written.
pub(super) async fn write_generation(bucket: &Bucket, generation: String, mut partitions: Partitions) -> Result<Current, Error> {
    let needed = partitions.entries.div_ceil(TASKS_PER_PART).max(partitions.bytes.div_ceil(BYTES_PER_PART));
    let total = usize::try_from(needed.next_power_of_two()).unwrap_or(MAX_PARTS).min(MAX_PARTS);
    let width = partitions::COUNT / total;
    let mut parts = Vec::with_capacity(total);
    for number in 0..total {
        let name = names::part_name(number);
        let relative = format!("{INDEX}/{generation}/{name}");
        let range = number * width..(number + 1) * width;
        let compressed = blocking(move || compress(&mut partitions, range, name).map(|(bytes, part)| (partitions, bytes, part)));
        let (rest, bytes, part) = compressed.await?;
        partitions = rest;
        let Some(bytes) = bytes else { return Err(too_large(bucket, &relative)) };
        let key = bucket.key(&relative);
        let put = bucket.store.put_opts(&key, bytes.into(), PutOptions::default()).await;
        put.map_err(bucket.error("write", &relative))?;
        parts.push(part);
    }
    Ok(Current::new(generation, parts))
}

/// The bytes of a part with these partitions; none when it would be too large.
fn compress(partitions: &mut Partitions, range: Range<usize>, name: String) -> Result<(Option<Vec<u8>>, Part), Error> {
    let (mut encoder, mut plain) = (GzEncoder::new(Vec::new(), Compression::default()), 0);
    let mut part = Part { name, tasks: 0, files: 0 };
    for number in range {
        let winners = partitions.take(number, None)?;
        for (line, files) in winners.lines() {
            // Writing to memory does not fail.
            let _ = encoder.write_all(line);
            plain += line.len() as u64;
            part.tasks += 1;
            part.files += files;
        }
    }
    let bytes = encoder.finish().unwrap_or_default();
    let is_readable = plain <= MAX_PLAIN && part.tasks <= MAX_LINES && bytes.len() as u64 <= MAX_OBJECT;
    Ok((is_readable.then_some(bytes), part))
}

fn too_large(bucket: &Bucket, relative: &str) -> Error {
    let message = format!("a part of the index may have {MAX_LINES} tasks and {} MiB; split the archive", MAX_PLAIN >> 20);
    let source = BucketError { fault: BucketFault::Other, message };
    Error::Bucket { action: "write", url: bucket.url_of(relative), source }
}
