//! The objects of the bucket server, and the rules of S3 for conditions, parts and lists.
//!
//! The caller holds a lock for a whole request, so a condition and its write are atomic.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::BUCKET;
use super::http::{Operation, Reply, Request};

/// S3 refuses smaller parts, the last one aside.
const MIN_PART: usize = 5 << 20;

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub body: Bytes,
    pub content_type: Option<String>,
    /// The metadata of the user, by name without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    pub etag: String,
    modified: SystemTime,
}

/// A change of an object by a request. Without an object, it was deleted.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub key: String,
    pub object: Option<Object>,
}

pub(super) struct Upload {
    key: String,
    headers: BTreeMap<String, String>,
    parts: BTreeMap<usize, Vec<u8>>,
}

pub(super) struct Store {
    pub objects: BTreeMap<String, Object>,
    pub changes: Vec<Change>,
    pub uploads: BTreeMap<String, Upload>,
    pub ignores_conditions: bool,
    pub page_size: usize,
    last_upload: usize,
}

impl Default for Store {
    fn default() -> Self {
        let (objects, uploads) = (BTreeMap::new(), BTreeMap::new());
        Self { objects, changes: Vec::new(), uploads, ignores_conditions: false, page_size: 1000, last_upload: 0 }
    }
}

/// The end of a request that can't be served: a status and a code.
type Refusal = (u16, &'static str);

impl Store {
    pub(super) fn serve(&mut self, request: &Request, body: Vec<u8>) -> Reply {
        self.try_serve(request, body).unwrap_or_else(|(status, code)| Reply::error(status, code))
    }

    fn try_serve(&mut self, request: &Request, body: Vec<u8>) -> Result<Reply, Refusal> {
        if request.bucket != BUCKET {
            return Err((404, "NoSuchBucket"));
        }
        check_digests(request, &body)?;
        match request.operation {
            Operation::Get | Operation::Head => self.get(request),
            Operation::Put => {
                self.check_condition(request)?;
                Ok(self.write(&request.key, body, &request.headers))
            }
            Operation::Delete => {
                self.delete(&request.key);
                Ok(Reply::new(204, ""))
            }
            Operation::DeleteMany => {
                let keys = elements(&body, "Key");
                for key in &keys {
                    self.delete(key);
                }
                let deleted = keys.iter().map(|key| format!("<Deleted><Key>{}</Key></Deleted>", escape(key)));
                Ok(Reply::xml(&format!("<DeleteResult>{}</DeleteResult>", deleted.collect::<String>())))
            }
            Operation::List => Ok(Reply::xml(&self.list(&request.query))),
            Operation::ListUploads => Ok(Reply::xml(&self.list_uploads())),
            Operation::StartUpload => Ok(Reply::xml(&self.start_upload(request))),
            Operation::PutPart => self.put_part(request, body),
            Operation::CompleteUpload => self.complete_upload(request, &body),
            Operation::AbortUpload => {
                self.uploads.remove(&request.query["uploadId"]).map(|_| Reply::new(204, "")).ok_or((404, "NoSuchUpload"))
            }
            Operation::Other => Err((405, "MethodNotAllowed")),
        }
    }

    pub(super) fn put_directly(&mut self, key: &str, body: Vec<u8>, metadata: BTreeMap<String, String>) {
        let etag = hex(&Md5::digest(&body));
        let content_type = self.objects.get(key).and_then(|object| object.content_type.clone());
        let object = Object { body: body.into(), content_type, metadata, etag, modified: SystemTime::now() };
        self.objects.insert(key.to_owned(), object);
    }

    pub(super) fn remove_directly(&mut self, key: &str) {
        self.objects.remove(key);
    }

    fn check_condition(&self, request: &Request) -> Result<(), Refusal> {
        let standing = self.objects.get(&request.key);
        if self.ignores_conditions {
            return Ok(());
        }
        match (request.header("if-none-match"), request.header("if-match")) {
            (Some("*"), _) if standing.is_some() => Err((412, "PreconditionFailed")),
            (Some("*") | None, None) => Ok(()),
            (None, Some(expected)) => match standing {
                None => Err((404, "NoSuchKey")),
                Some(object) if object.etag == expected.trim_matches('"') => Ok(()),
                Some(_) => Err((412, "PreconditionFailed")),
            },
            _ => Err((501, "NotImplemented")),
        }
    }

    fn write(&mut self, key: &str, body: Vec<u8>, headers: &BTreeMap<String, String>) -> Reply {
        let etag = hex(&Md5::digest(&body));
        self.insert(key, body, headers, etag.clone());
        Reply::new(200, "").header("ETag", format!("\"{etag}\""))
    }

    fn insert(&mut self, key: &str, body: Vec<u8>, headers: &BTreeMap<String, String>, etag: String) {
        let metadata =
            headers.iter().filter_map(|(name, value)| Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.clone())));
        let (content_type, metadata) = (headers.get("content-type").cloned(), metadata.collect());
        let object = Object { body: body.into(), content_type, metadata, etag, modified: SystemTime::now() };
        self.changes.push(Change { key: key.to_owned(), object: Some(object.clone()) });
        self.objects.insert(key.to_owned(), object);
    }

    fn delete(&mut self, key: &str) {
        if self.objects.remove(key).is_some() {
            self.changes.push(Change { key: key.to_owned(), object: None });
        }
    }

    fn get(&self, request: &Request) -> Result<Reply, Refusal> {
        let object = self.objects.get(&request.key).ok_or((404, "NoSuchKey"))?;
        let etag = format!("\"{}\"", object.etag);
        if request.header("if-match").is_some_and(|expected| expected != etag) {
            return Err((412, "PreconditionFailed"));
        }
        let reply = match request.header("range").and_then(|range| byte_range(range, object.body.len())) {
            None => Reply::new(200, object.body.clone()),
            Some((first, end)) if first >= end => return Err((416, "InvalidRange")),
            Some((first, end)) => Reply::new(206, object.body.slice(first..end))
                .header("Content-Range", format!("bytes {first}-{}/{}", end - 1, object.body.len())),
        };
        let reply = reply.header("ETag", etag).header("Accept-Ranges", "bytes");
        let reply = reply.header("Last-Modified", httpdate::fmt_http_date(object.modified));
        let reply = object.content_type.iter().fold(reply, |reply, value| reply.header("Content-Type", value));
        Ok(object.metadata.iter().fold(reply, |reply, (name, value)| reply.header(&format!("x-amz-meta-{name}"), value)))
    }

    fn start_upload(&mut self, request: &Request) -> String {
        self.last_upload += 1;
        let id = format!("upload-{}", self.last_upload);
        let (key, headers) = (request.key.clone(), request.headers.clone());
        self.uploads.insert(id.clone(), Upload { key, headers, parts: BTreeMap::new() });
        format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
    }

    fn put_part(&mut self, request: &Request, body: Vec<u8>) -> Result<Reply, Refusal> {
        let upload = self.uploads.get_mut(&request.query["uploadId"]).ok_or((404, "NoSuchUpload"))?;
        let number = request.query.get("partNumber").and_then(|number| number.parse().ok()).ok_or((400, "InvalidArgument"))?;
        let etag = format!("\"{}\"", hex(&Md5::digest(&body)));
        upload.parts.insert(number, body);
        let reply = Reply::new(200, "").header("ETag", etag);
        let digest = request.header("x-amz-checksum-sha256");
        Ok(digest.into_iter().fold(reply, |reply, digest| reply.header("x-amz-checksum-sha256", digest)))
    }

    fn complete_upload(&mut self, request: &Request, body: &[u8]) -> Result<Reply, Refusal> {
        let upload = self.uploads.get(&request.query["uploadId"]).ok_or((404, "NoSuchUpload"))?;
        self.check_condition(request)?;
        let (mut whole, mut digests) = (Vec::new(), Vec::new());
        let numbers = elements(body, "PartNumber");
        for (at, number) in numbers.iter().enumerate() {
            let part = number.parse().ok().and_then(|number| upload.parts.get(&number)).ok_or((400, "InvalidPart"))?;
            if part.len() < MIN_PART && at + 1 < numbers.len() {
                return Err((400, "EntityTooSmall"));
            }
            whole.extend_from_slice(part);
            digests.extend_from_slice(&Md5::digest(part));
        }
        let etag = format!("{}-{}", hex(&Md5::digest(&digests)), numbers.len());
        let Some(Upload { key, headers, .. }) = self.uploads.remove(&request.query["uploadId"]) else {
            return Err((404, "NoSuchUpload"));
        };
        self.insert(&key, whole, &headers, etag.clone());
        Ok(Reply::xml(&format!("<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>")))
    }

    fn list_uploads(&self) -> String {
        let uploads = self.uploads.iter().fold(String::new(), |all, (id, upload)| {
            all + &format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", escape(&upload.key))
        });
        format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>")
    }

    /// One page. A token is the last key or common prefix of the page before.
    fn list(&self, query: &BTreeMap<String, String>) -> String {
        let of = |name: &str| query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (of("prefix"), of("delimiter"));
        let after = if of("continuation-token").is_empty() { of("start-after") } else { of("continuation-token") };
        let limit = of("max-keys").parse().unwrap_or(self.page_size).min(self.page_size);
        let (mut contents, mut groups, mut count, mut last, mut is_truncated) = (String::new(), String::new(), 0, "", false);
        for (key, object) in self.objects.range(prefix.max(after).to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
            let end = (!delimiter.is_empty()).then(|| key[prefix.len()..].find(delimiter)).flatten();
            let name = end.map_or(key.as_str(), |end| &key[..prefix.len() + end + delimiter.len()]);
            if name <= after || name == last {
                continue;
            }
            if count == limit {
                is_truncated = true;
                break;
            }
            (count, last) = (count + 1, name);
            let _ = match end {
                Some(_) => write!(groups, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(name)),
                None => write!(
                    contents,
                    "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                    escape(name),
                    timestamp(object.modified),
                    object.etag,
                    object.body.len()
                ),
            };
        }
        let token = format!("<NextContinuationToken>{}</NextContinuationToken>", escape(last));
        let token = if is_truncated { token.as_str() } else { "" };
        format!(
            "<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated><KeyCount>{count}</KeyCount>{token}{contents}{groups}</ListBucketResult>"
        )
    }
}

/// Compares the body with the digests that the client sent.
fn check_digests(request: &Request, body: &[u8]) -> Result<(), Refusal> {
    let digest = Sha256::digest(body);
    let signed = request.header("x-amz-content-sha256").filter(|signed| signed.len() == 64);
    if signed.is_some_and(|signed| signed != hex(&digest)) {
        return Err((400, "XAmzContentSHA256Mismatch"));
    }
    match request.header("x-amz-checksum-sha256") {
        Some(sent) if sent != BASE64_STANDARD.encode(digest) => Err((400, "BadDigest")),
        _ => Ok(()),
    }
}

/// The first byte of a range and its end. None for a header that S3 ignores.
fn byte_range(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    match (first.parse().ok(), last.parse::<usize>().ok()) {
        (Some(first), Some(last)) => Some((first, length.min(last + 1))),
        (Some(first), None) => Some((first, length)),
        (None, Some(suffix)) => Some((length.saturating_sub(suffix), length)),
        (None, None) => None,
    }
}

/// The texts of all elements of this name.
fn elements(body: &[u8], name: &str) -> Vec<String> {
    let (text, start, end) = (String::from_utf8_lossy(body), format!("<{name}>"), format!("</{name}>"));
    let after_starts = text.split(&start).skip(1);
    after_starts.filter_map(|after| Some(unescape(after.split_once(&end)?.0))).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&apos;")
}

fn unescape(text: &str) -> String {
    text.replace("&apos;", "'").replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn timestamp(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).unwrap().to_string()
}
