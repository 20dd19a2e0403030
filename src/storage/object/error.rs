//! From an error of the store to one that says what to do.

use object_store::Error as StoreError;

use super::bucket::Bucket;
use crate::storage::Error;
use crate::storage::error::{BucketError, BucketFault};

impl Bucket {
    /// Makes the error of a request about the object `relative`: `read`, `create`, `list`.
    pub(in crate::storage) fn error(&self, action: &'static str, relative: &str) -> impl FnOnce(StoreError) -> Error + use<> {
        let url = self.url_of(relative);
        move |error| Error::Bucket { action, url, source: explain(&error) }
    }
}

/// What an error of the store concerns, and what to do about it.
pub(in crate::storage) fn explain(error: &StoreError) -> BucketError {
    let fault = match error {
        StoreError::NotFound { .. } => BucketFault::NotFound,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => BucketFault::Refused,
        _ => BucketFault::Unavailable,
    };
    BucketError { fault, message: error.to_string() }
}
