//! A bucket: the store, and the names of the archive's objects in it.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use crate::storage::location::BucketUrl;

/// The metadata key of a file's SHA-256.
pub(in crate::storage) const SHA256_KEY: &str = "sha256";
/// The metadata key of the random id of one write of a manifest.
pub(in crate::storage) const WRITE_ID_KEY: &str = "write_id";

/// A bucket with an archive. Cheap to clone.
#[derive(Clone)]
pub(in crate::storage) struct Bucket {
    pub store: Arc<dyn ObjectStore>,
    pub url: Arc<BucketUrl>,
}

impl Bucket {
    /// The archive at `url`, in `store`.
    pub(in crate::storage) fn new(store: Arc<dyn ObjectStore>, url: BucketUrl) -> Self {
        Self { store, url: Arc::new(url) }
    }

    /// The key of an object of the archive. `relative` is below the prefix: `TASK/video-1.mp4`.
    pub(in crate::storage) fn key(&self, relative: &str) -> Path {
        let separator = if self.url.prefix.is_empty() { "" } else { "/" };
        let key = format!("{}{separator}{relative}", self.url.prefix);
        // `Path::from` would encode characters that are valid in keys and in file names.
        Path::parse(&key).unwrap_or_else(|_| Path::from(key))
    }

    /// The URL of an object of the archive, for messages.
    pub(in crate::storage) fn url_of(&self, relative: &str) -> String {
        format!("{}/{relative}", self.url)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.url)
    }
}

#[cfg(test)]
pub(in crate::storage) mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::storage::location::Service;

    /// An empty bucket in memory, at `s3://b/p`.
    pub(in crate::storage) fn in_memory() -> Bucket {
        let url = BucketUrl { service: Service::S3, bucket: "b".to_owned(), prefix: "p".to_owned() };
        Bucket::new(Arc::new(InMemory::new()), url)
    }

    #[test]
    fn keys_and_urls_are_below_the_prefix() {
        let bucket = in_memory();
        assert_eq!(bucket.key(".yescale/archive.json").as_ref(), "p/.yescale/archive.json");
        assert_eq!(bucket.url_of("t1/video-1.mp4"), "s3://b/p/t1/video-1.mp4");
        assert_eq!(bucket.key("a%3A[b] ü~/text.txt").as_ref(), "p/a%3A[b] ü~/text.txt");
    }
}
