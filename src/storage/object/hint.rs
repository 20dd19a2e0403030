//! What to do about an error of a store, in words.
//!
//! One table by the code and the status of the answer, for all three services. A fault that every request will meet is
//! [`BucketFault::Refused`]: the run ends.

use super::answer::Answer;
use super::transport::NoAnswerCause;
use crate::redact::escape_control_chars;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::location::Service;

/// A longer word in a message of a server may be a key, a token or a signature.
const MAX_WORD_LEN: usize = 30;
/// What is shown of such a message.
const MAX_MESSAGE_LEN: usize = 200;

/// The message for a request without an answer from `server`.
pub(super) fn no_answer(server: &str, cause: &NoAnswerCause, service: Service) -> String {
    match cause {
        NoAnswerCause::Connect(why) if cause.is_certificate() => {
            format!("can't connect to {server}: {why}; --ca-cert FILE adds a root certificate")
        }
        NoAnswerCause::Connect(why) => {
            format!("can't connect to {server}: {why}; check the network and {}", endpoint_variables(service))
        }
        NoAnswerCause::Timeout => {
            format!("{server} did not answer in time; check the network and {}", endpoint_variables(service))
        }
        NoAnswerCause::Broken(why) => format!("the connection to {server} broke: {why}"),
        NoAnswerCause::NoMetadataService => no_credentials(service).to_owned(),
        NoAnswerCause::NotImplemented => {
            format!("{server} does not implement the request (501); a store must offer conditional writes and multipart uploads")
        }
    }
}

/// The error for an answer. `is_object` says that a 404 concerns an object.
pub(super) fn answer(answer: &Answer, is_object: bool, service: Service) -> BucketError {
    let (fault, advice) = classify(answer, is_object, service);
    let server = if answer.is_from_metadata { "the metadata service" } else { "the store" };
    let mut facts = format!("{server} answered {}", answer.status);
    if let Some(code) = &answer.code {
        facts = format!("{facts} {code}");
    }
    if let Some(message) = answer.message.as_deref().map(safe).filter(|message| !message.is_empty()) {
        facts = format!("{facts}: {message}");
    }
    let message = if advice.is_empty() { facts } else { format!("{advice} ({facts})") };
    BucketError { fault, message }
}

fn classify(answer: &Answer, is_object: bool, service: Service) -> (BucketFault, String) {
    if answer.is_from_metadata {
        return (BucketFault::Refused, no_credentials(service).to_owned());
    }
    if answer.is_bucket_missing() {
        let advice = "the bucket does not exist; create it, or check its name and the endpoint";
        return (BucketFault::Refused, advice.to_owned());
    }
    let by_code = answer.code.as_deref().and_then(|code| classify_code(code, answer, service));
    by_code.unwrap_or_else(|| classify_status(answer, is_object, service))
}

/// By the server's code, where it says more than the status.
fn classify_code(code: &str, answer: &Answer, service: Service) -> Option<(BucketFault, String)> {
    let advice = match code {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestNotYetValid" => {
            "the clock of this machine is wrong by many minutes; set it".to_owned()
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "invalid_grant" => {
            format!("the credentials have expired; get new ones. {}", credential_variables(service))
        }
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "InvalidSecurity"
        | "InvalidClientTokenId"
        | "InvalidAuthenticationInfo"
        | "UnrecognizedClientException"
        | "invalid_client" => {
            format!("the credentials are wrong. {}", credential_variables(service))
        }
        "AuthenticationFailed" => {
            let variables = credential_variables(service);
            format!("the credentials are wrong or have expired, or the clock of this machine is wrong. {variables}")
        }
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => {
            wrong_region(answer)
        }
        "InvalidBucketName" | "InvalidResourceName" => "no bucket can have this name".to_owned(),
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientCapacity" => "the store is full".to_owned(),
        "KMS.DisabledException" | "KMS.NotFoundException" | "KMS.KMSInvalidStateException" => {
            "the encryption key of the bucket can't be used".to_owned()
        }
        "InvalidObjectState" => {
            return Some((BucketFault::Other, "the object is in an archive tier; restore it first".to_owned()));
        }
        "SlowDown" | "ServerBusy" => return Some((BucketFault::Unavailable, "the store is overloaded".to_owned())),
        "NotImplemented" => {
            let advice = "the store does not offer the request, which may be the condition of a write";
            return Some((BucketFault::ConditionsIgnored, advice.to_owned()));
        }
        _ => return None,
    };
    Some((BucketFault::Refused, advice))
}

fn classify_status(answer: &Answer, is_object: bool, service: Service) -> (BucketFault, String) {
    match answer.status {
        301 | 302 | 307 | 308 => (BucketFault::Refused, wrong_region(answer)),
        401 => (BucketFault::Refused, format!("the store wants credentials. {}", credential_variables(service))),
        403 => (BucketFault::Refused, missing_right(service).to_owned()),
        404 if is_object => (BucketFault::NotFound, "there is no such object".to_owned()),
        404 | 405 => {
            let advice = format!("this is no bucket, or there are no credentials; check {}", endpoint_variables(service));
            (BucketFault::Refused, advice)
        }
        429 => (BucketFault::Unavailable, "the store is overloaded".to_owned()),
        507 => (BucketFault::Refused, "the store is full".to_owned()),
        200 | 408 | 500.. => (BucketFault::Unavailable, String::new()),
        _ => (BucketFault::Other, String::new()),
    }
}

fn wrong_region(answer: &Answer) -> String {
    match &answer.region {
        Some(region) => format!("the bucket is in another region; set AWS_REGION={region}"),
        None => "the bucket is in another region, or the endpoint is wrong; set AWS_REGION or AWS_ENDPOINT_URL".to_owned(),
    }
}

fn missing_right(service: Service) -> &'static str {
    match service {
        Service::S3 => {
            "the credentials lack a right: s3:GetObject, s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket are needed; \
             without s3:ListBucket the store also answers 403 where an object does not exist"
        }
        Service::Gcs => {
            "the credentials lack a right: the role Storage Object User has all; replacing a manifest needs \
             storage.objects.delete"
        }
        Service::Azure => {
            "the credentials lack a right: the role Storage Blob Data Contributor has all; a SAS token needs read, add, create, \
             write and list"
        }
    }
}

fn no_credentials(service: Service) -> &'static str {
    match service {
        Service::S3 => {
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role applies. Profiles \
             and SSO are not read; `eval \"$(aws configure export-credentials --format env)\"` exports theirs"
        }
        Service::Gcs => {
            "there are no credentials: set GOOGLE_SERVICE_ACCOUNT to a key file, or run `gcloud auth application-default login`"
        }
        Service::Azure => {
            "there are no credentials: set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_USE_AZURE_CLI=true \
             after `az login`"
        }
    }
}

fn credential_variables(service: Service) -> &'static str {
    match service {
        Service::S3 => "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        Service::Gcs => "Check GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
        Service::Azure => "Check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
    }
}

fn endpoint_variables(service: Service) -> &'static str {
    match service {
        Service::S3 => "AWS_ENDPOINT_URL and AWS_REGION",
        Service::Gcs => "GOOGLE_BASE_URL",
        Service::Azure => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ENDPOINT",
    }
}

/// One line of a text from the network, without long words and control characters.
pub(super) fn safe(text: &str) -> String {
    let words = text.lines().next().unwrap_or_default().split_whitespace();
    let words = words.map(|word| if word.chars().count() > MAX_WORD_LEN { "[…]" } else { word });
    let line: String = words.collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE_LEN).collect();
    escape_control_chars(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_network_is_one_short_line_without_secrets() {
        let token = "A".repeat(40);
        assert_eq!(safe(&format!("token  {token} is \u{1b}[31mbad\nStringToSign: x")), "token […] is \\u{1b}[31mbad");
        assert_eq!(safe(&"word ".repeat(100)).len(), MAX_MESSAGE_LEN);
        assert_eq!(safe(""), "");
    }
}
