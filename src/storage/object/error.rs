//! From an error of the store to one that says what to do.
//!
//! Messages of `object_store` contain the URL of the request and the whole body of the answer, in which some servers repeat
//! the signed request with its token. So nothing of them is shown but the status, the server's code, and one line of its
//! message, without long words, which may be secrets.
//!
//! `object_store` gives the error of a list request and of a request for credentials no type of its own. So an error is
//! classified by the status and the code of the answer (`answer`), not by its variant.

use std::error::Error as StdError;

use object_store::Error as StoreError;
use object_store::client::HttpError;

use super::answer::Answer;
use super::bucket::Bucket;
use super::hint;
use super::transport::{NoAnswer, NoAnswerCause};
use crate::storage::Error;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::location::Service;

impl Bucket {
    /// Makes the error of a request about the object `relative`: `read`, `create`, `list`.
    pub(in crate::storage) fn error(&self, action: &'static str, relative: &str) -> impl FnOnce(StoreError) -> Error + use<> {
        let (url, service) = (self.url_of(relative), self.url.service);
        move |error| Error::Bucket { action, url, source: explain(&error, service) }
    }
}

impl Error {
    /// Whether every request to the bucket will fail like this one, until somebody changes a setting or a right.
    #[must_use]
    pub(in crate::storage) fn is_bucket_refusal(&self) -> bool {
        let Self::Bucket { source, .. } = self else { return false };
        matches!(source.fault, BucketFault::Refused | BucketFault::ConditionsIgnored)
    }
}

/// Whether the object is not there. The bucket is: that it is missing is an error.
#[must_use]
pub(in crate::storage) fn is_absent(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound { .. }) && !Answer::find(error).is_some_and(|answer| answer.is_bucket_missing())
}

/// Whether a write failed because another one to the same object was under way. It says nothing about the object.
#[must_use]
pub(in crate::storage) fn is_passing_conflict(error: &StoreError) -> bool {
    let code = Answer::find(error).and_then(|answer| answer.code);
    matches!(code.as_deref(), Some("ConditionalRequestConflict" | "OperationAborted"))
}

/// What an error of the store concerns, and what to do about it.
pub(in crate::storage) fn explain(error: &StoreError, service: Service) -> BucketError {
    if let Some(NoAnswer { server, cause }) = find_cause::<NoAnswer>(error) {
        let fault = match cause {
            NoAnswerCause::NoMetadataService => BucketFault::Refused,
            NoAnswerCause::NotImplemented => BucketFault::ConditionsIgnored,
            _ => BucketFault::Unavailable,
        };
        return BucketError { fault, message: hint::no_answer(server, cause, service) };
    }
    if let Some(answer) = Answer::find(error) {
        let is_object = matches!(error, StoreError::NotFound { .. });
        return hint::answer(&answer, is_object, service);
    }
    let fault = match error {
        // A download that broke off.
        _ if find_cause::<HttpError>(error).is_some() => BucketFault::Unavailable,
        StoreError::NotFound { .. } => BucketFault::NotFound,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => BucketFault::Refused,
        _ => BucketFault::Other,
    };
    let innermost = causes(error).last().map_or_else(|| error.to_string(), ToString::to_string);
    BucketError { fault, message: hint::safe(&innermost) }
}

/// `error` and its causes.
pub(super) fn causes(error: &StoreError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |&cause| cause.source())
}

fn find_cause<T: StdError + 'static>(error: &StoreError) -> Option<&T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

#[cfg(test)]
mod tests;
