//! Reads one object of the index, within bounds.
//!
//! Whoever may write to the bucket may put anything there. An object that is too large, a line that is too long, more lines than
//! an object can have, a bomb of zeros, a cut stream: each is an error that names the object, and takes bounded memory.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use object_store::{GetOptions, GetResult};

use super::entry::IndexEntry;
use super::names::Stamp;
use crate::domain::shard::Shard;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::object::bucket::Bucket;
use crate::storage::object::error::is_absent;
use crate::storage::{Error, blocking};

/// The longest line of the index, in bytes.
pub(super) const MAX_LINE: usize = 1 << 20;
/// The largest object of the index, in bytes.
pub(super) const MAX_OBJECT: u64 = 64 << 20;
/// The most bytes that an object has after decompression.
pub(super) const MAX_PLAIN: u64 = 256 << 20;
/// The most lines of an object.
pub(super) const MAX_LINES: u64 = 1_000_000;

/// Why an object of the index was not read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It does not exist: another generation holds by now.
    Gone(String),
    /// It can't be read, or is damaged.
    Failed(Error),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// An object with entries: a segment, or a part.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its name below the archive's prefix.
    pub relative: String,
    /// When it was made.
    pub stamp: Stamp,
    /// For a part: the ids that it may have, and how many it has.
    pub part: Option<(Shard, u64)>,
}

impl Source {
    /// Reads it, and calls `each` with every entry, on a thread that may block. Returns what `each` made.
    pub(super) async fn read<T, F>(self, bucket: &Bucket, each: F) -> Result<T, ReadError>
    where
        T: Default + Send + 'static,
        F: Fn(&mut T, IndexEntry<'_>) -> Result<(), Error> + Send + 'static,
    {
        let Some(bytes) = fetch(bucket, &self.relative, MAX_OBJECT).await? else {
            return Err(ReadError::Gone(self.relative));
        };
        let bucket = bucket.clone();
        Ok(blocking(move || self.decode(&bucket, &bytes, each)).await?)
    }

    fn decode<T: Default>(
        &self,
        bucket: &Bucket,
        bytes: &[u8],
        each: impl Fn(&mut T, IndexEntry<'_>) -> Result<(), Error>,
    ) -> Result<T, Error> {
        let (mut made, mut count) = (T::default(), 0);
        for_each_line(bytes, |line| {
            count += 1;
            let entry = IndexEntry::parse(line, self.stamp).ok_or("a line is no entry of a task")?;
            match self.part {
                Some((range, _)) if !range.includes_hash(entry.hash()) => Err("a task is in the wrong part")?,
                _ => each(&mut made, entry).map_err(Stop::Failed),
            }
        })
        .map_err(|stop| match stop {
            Stop::Failed(error) => error,
            Stop::Damaged(why) => damaged(bucket, &self.relative, why),
        })?;
        match self.part {
            Some((_, tasks)) if tasks != count => {
                Err(damaged(bucket, &self.relative, format_args!("{count} tasks instead of {tasks}")))
            }
            _ => Ok(made),
        }
    }
}

/// Why the reading of lines ended early.
enum Stop {
    Damaged(String),
    Failed(Error),
}

impl From<&'static str> for Stop {
    fn from(why: &'static str) -> Self {
        Self::Damaged(why.to_owned())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// For the fuzz target: reads an object of the index. Returns the number of its entries; none when it is damaged.
#[cfg(fuzzing)]
pub fn read_index_object(compressed: &[u8]) -> Option<u64> {
    let mut count = 0;
    let read = for_each_line(compressed, |line| {
        let _ = IndexEntry::parse(line, Stamp(0)).ok_or("a line is no entry of a task")?;
        count += 1;
        Ok(())
    });
    read.ok().map(|()| count)
}

/// Calls `each` with every line of a compressed text, including the end of the line.
fn for_each_line(compressed: &[u8], mut each: impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut reader = BufReader::with_capacity(256 << 10, MultiGzDecoder::new(compressed).take(MAX_PLAIN + 1));
    let (mut line, mut plain, mut count) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let read = (&mut reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
        (plain, count) = (plain + read as u64, count + 1);
        if read == 0 {
            return Ok(());
        } else if read > MAX_LINE {
            Err("a line is too long")?;
        } else if plain > MAX_PLAIN || count > MAX_LINES {
            Err("it is too large")?;
        } else if !line.ends_with(b"\n") {
            Err("the last line is cut")?;
        }
        each(&line)?;
    }
}

/// The bytes of an object with at most `limit` bytes; none when it does not exist.
pub(super) async fn fetch(bucket: &Bucket, relative: &str, limit: u64) -> Result<Option<Bytes>, Error> {
    let Some(found) = open(bucket, relative).await? else { return Ok(None) };
    if found.meta.size > limit {
        return Err(damaged(bucket, relative, format_args!("{} bytes are too many", found.meta.size)));
    }
    found.bytes().await.map(Some).map_err(bucket.error("read", relative))
}

/// An object, whose body is still to come; none when it does not exist.
pub(super) async fn open(bucket: &Bucket, relative: &str) -> Result<Option<GetResult>, Error> {
    match bucket.store.get_opts(&bucket.key(relative), GetOptions::default()).await {
        // A missing bucket is no missing object: the archive would look like one without an index.
        Err(error) if is_absent(&error) => Ok(None),
        found => found.map(Some).map_err(bucket.error("read", relative)),
    }
}

/// The error of an object that this program did not write like this.
pub(super) fn damaged(bucket: &Bucket, relative: &str, why: impl Display) -> Error {
    let hint = format!("`yescale-dl index --rebuild {}` makes the index anew", bucket.url);
    let source = BucketError { fault: BucketFault::Other, message: format!("it is damaged ({why}); {hint}") };
    Error::Bucket { action: "read", url: bucket.url_of(relative), source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::storage::location::Service;
    use crate::storage::object::mock_server::{bucket_at, s3_error, serve};

    fn gzip(plain: impl Read) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        io::copy(&mut { plain }, &mut encoder).unwrap();
        encoder.finish().unwrap()
    }

    fn read(compressed: &[u8]) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        let result = for_each_line(compressed, |line| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        });
        match result {
            Ok(()) => Ok(lines),
            Err(Stop::Damaged(why)) => Err(why),
            Err(Stop::Failed(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn lines_of_all_members_are_read() {
        let mut two = gzip(&b"a\nb\n"[..]);
        two.extend(gzip(&b"c\n"[..]));
        assert_eq!(read(&two).unwrap(), ["a\n", "b\n", "c\n"]);
        assert_eq!(read(&gzip(&b""[..])).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn cut_damaged_and_foreign_objects_are_errors_and_never_fewer_lines() {
        let whole = gzip(&b"{\"a\":1}\n{\"b\":2}\n"[..]);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        let mut garbage_behind = whole.clone();
        garbage_behind.write_all(b"garbage").unwrap();
        for damaged in [&garbage_behind[..], b"plain\n", &[0; 100], &gzip(&b"a\nb"[..])] {
            assert!(read(damaged).is_err());
        }
    }

    #[tokio::test]
    async fn missing_bucket_is_an_error_and_a_missing_object_is_none() {
        for (code, is_absent) in [("NoSuchKey", true), ("NoSuchBucket", false)] {
            let server = serve(s3_error(404, code)).await;
            let found = fetch(&bucket_at(&server.uri(), Service::S3), "index/x", MAX_OBJECT).await;
            assert_eq!(found.is_ok_and(|found| found.is_none()), is_absent, "{code}");
        }
    }

    #[test]
    fn bombs_are_bounded() {
        assert_eq!(read(&gzip(io::repeat(b'x').take(8 << 20))).unwrap_err(), "a line is too long");
        assert_eq!(read(&gzip(io::repeat(b'\n').take(MAX_LINES + 1))).unwrap_err(), "it is too large");
    }
}
