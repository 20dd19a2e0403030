//! Where an archive is: in a folder, or in a bucket.
//!
//! A location is what the user wrote: `archive/clips`, or `s3://bucket/prefix`. A text with a scheme that is none of ours is an
//! error: a folder called `s4:` is never what somebody wants.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::domain::task::TaskId;
use crate::layout;
use crate::redact::redact_urls;

/// Where an archive is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Location {
    /// On a local disk.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(BucketUrl),
}

/// The service that a bucket is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Service {
    /// S3, or a service that speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// A bucket, and the prefix of the archive in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BucketUrl {
    /// The service.
    pub service: Service,
    /// The name of the bucket. In Azure, the container.
    pub bucket: String,
    /// The path of the archive in the bucket, without slashes at its ends. May be empty.
    pub prefix: String,
}

impl Location {
    /// The location that a path or a URL names.
    ///
    /// # Errors
    /// [`Error::BadBucketUrl`] for another scheme, no bucket, or a prefix with empty segments.
    pub(crate) fn parse(path: &Path) -> Result<Self, Error> {
        let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(Self::Folder(path.to_owned()));
        };
        if scheme.len() < 2 || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self::Folder(path.to_owned()));
        }
        let bad = |why| Error::BadBucketUrl { url: redact_urls(&path.display().to_string()).into_owned(), why };
        let service = match scheme.to_ascii_lowercase().as_str() {
            "s3" => Service::S3,
            "gs" => Service::Gcs,
            "az" => Service::Azure,
            _ => return Err(bad("the scheme must be s3://, gs:// or az://")),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() {
            return Err(bad("the bucket is missing: write for example s3://bucket/prefix"));
        }
        if !prefix.is_empty() && prefix.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(bad("its prefix has a segment that is empty, `.` or `..`"));
        }
        if [bucket, prefix].iter().any(|part| part.contains(['?', '#', '@']) || part.chars().any(char::is_control)) {
            return Err(bad("credentials and settings come from the environment, not from the URL"));
        }
        Ok(Self::Bucket(BucketUrl { service, bucket: bucket.to_owned(), prefix: prefix.to_owned() }))
    }

    /// The folder, for `what`, which needs one.
    ///
    /// # Errors
    /// [`Error::NeedsLocalArchive`] for a bucket.
    pub(crate) fn into_folder(self, what: &'static str) -> Result<PathBuf, Error> {
        match self {
            Self::Folder(path) => Ok(path),
            Self::Bucket(url) => Err(Error::NeedsLocalArchive { what, url: url.to_string() }),
        }
    }

    /// The path or URL of a task's folder.
    #[must_use]
    pub(crate) fn task_path(&self, id: &TaskId) -> PathBuf {
        match self {
            Self::Folder(root) => root.join(layout::folder_name(id.as_str())),
            Self::Bucket(url) => PathBuf::from(format!("{url}/{}", layout::folder_name(id.as_str()))),
        }
    }
}

impl BucketUrl {
    /// The archive that this folder of the task `id` is in.
    ///
    /// # Errors
    /// When the folder has not the name of its task: then nothing says where the task's files belong.
    pub(crate) fn archive_of_folder(&self, id: Option<&str>) -> Result<Self, Error> {
        let (prefix, folder) = self.prefix.rsplit_once('/').unwrap_or(("", &self.prefix));
        if folder.is_empty() || id.is_some_and(|id| layout::folder_name(id) != folder) {
            let why = "it is a task's folder that has not the name of its task; repair the archive that it was copied from";
            return Err(Error::BadBucketUrl { url: self.to_string(), why });
        }
        Ok(Self { prefix: prefix.to_owned(), ..self.clone() })
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.service {
            Service::S3 => "s3",
            Service::Gcs => "gs",
            Service::Azure => "az",
        };
        write!(f, "{scheme}://{}", self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_urls_name_a_service_a_bucket_and_a_prefix() {
        for (text, service, bucket, prefix, shown) in [
            ("s3://b", Service::S3, "b", "", "s3://b"),
            ("s3://b/", Service::S3, "b", "", "s3://b"),
            ("S3://b/p/q/", Service::S3, "b", "p/q", "s3://b/p/q"),
            ("gs://b/p", Service::Gcs, "b", "p", "gs://b/p"),
            ("az://c/my clips", Service::Azure, "c", "my clips", "az://c/my clips"),
        ] {
            let Location::Bucket(url) = Location::parse(Path::new(text)).unwrap() else { panic!("{text}") };
            assert_eq!((url.service, url.bucket.as_str(), url.prefix.as_str()), (service, bucket, prefix));
            assert_eq!(url.to_string(), shown);
        }
    }

    #[test]
    fn other_schemes_and_broken_urls_are_errors() {
        for text in ["s4://b/p", "https://h/b", "s3://", "s3:///p", "s3://b/p//q", "s3://b/../q", "s3://k:s@b/p", "s3://b/p?x=1"]
        {
            assert!(matches!(Location::parse(Path::new(text)), Err(Error::BadBucketUrl { .. })), "{text}");
        }
        let error = Location::parse(Path::new("s3://key:secret@bucket/prefix?token=hidden")).unwrap_err().message();
        assert!(!error.contains("secret") && !error.contains("hidden"), "{error}");
    }

    #[test]
    fn everything_else_is_a_folder() {
        for text in ["yescale", "/a/b", "C:\\clips", "c://clips", "a/s3", "s3:", "./s3://b"] {
            assert_eq!(Location::parse(Path::new(text)).unwrap(), Location::Folder(text.into()), "{text}");
        }
    }
}
