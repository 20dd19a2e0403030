//! Whether the mark of an archive is there.

use object_store::{Error as StoreError, ObjectStoreExt};

use crate::storage::Error;
use crate::storage::object::bucket::Bucket;

const MARK: &str = ".yescale/archive.json";

/// Whether the archive's mark exists. The manifests, and not the mark, say of which version they are.
///
/// # Errors
/// When the store does not say.
pub(super) async fn is_present(bucket: &Bucket) -> Result<bool, Error> {
    match bucket.store.head(&bucket.key(MARK)).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(bucket.error("read", MARK)(error)),
    }
}
