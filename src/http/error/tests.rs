use super::*;

fn status(code: u16) -> Error {
    Error::Status { status: StatusCode::from_u16(code).expect("in range"), retry_after: None }
}

#[test]
fn every_status_is_classified() {
    let passing: Vec<u16> = (100..=599).filter(|code| status(*code).is_transient()).collect();
    let expected: Vec<u16> = [408, 425, 429].into_iter().chain(500..=599).collect();
    assert_eq!(passing, expected);
    let dead: Vec<u16> = (100..=599).filter(|code| status(*code).code() == AssetErrorCode::DeadLink).collect();
    assert_eq!(dead, [401, 403, 404, 410]);
    assert_eq!((status(500).code(), status(500).http_status()), (AssetErrorCode::HttpStatus, Some(500)));
}

#[test]
fn forbidden_with_retry_after_is_a_busy_host_and_no_dead_link() {
    let asks_to_wait = |code: u16| Error::Status {
        status: StatusCode::from_u16(code).expect("in range"),
        retry_after: Some(Duration::from_secs(1)),
    };
    let busy: Vec<u16> = (100..=599).filter(|code| asks_to_wait(*code).refusal().is_some()).collect();
    assert_eq!(busy, [403, 429, 503]);
    assert!(asks_to_wait(403).is_transient() && !asks_to_wait(403).is_dead_link());
    assert_eq!(asks_to_wait(403).code(), AssetErrorCode::HttpStatus);
    assert!(!asks_to_wait(404).is_transient() && asks_to_wait(404).is_dead_link());
}

#[test]
fn status_is_displayed_with_its_reason() {
    assert_eq!(status(404).to_string(), "HTTP 404 Not Found");
    assert_eq!(status(524).to_string(), "HTTP 524");
}

#[test]
fn texts_from_the_host_lose_the_key() {
    let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
    let error = Error::UnsupportedEncoding { header: "Content-Encoding", value: "sk-1234567890abcdef".to_owned() };
    assert_eq!(error.redact_key(&key).to_string(), "the host sends an unsupported Content-Encoding: [key]");
}
