//! The rules of this program that forbid a request or a redirect.

/// A rule of this program that forbids a request or a redirect. It travels inside the errors of reqwest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyViolation {
    /// The host has a private address, and private hosts are not allowed.
    #[error("its host is at a private or loopback address; --allow-private-hosts allows that")]
    PrivateAddress,
    /// The link would carry the key to another host.
    #[error("its URL holds the API key and leads away from the gateway: not requested")]
    KeyLeak,
    /// A redirect from https to http.
    #[error("it redirects from https to http")]
    Downgrade,
    /// A redirect to something that is no http or https URL.
    #[error("it redirects to something that is no http or https URL")]
    InvalidRedirect,
    /// A redirect of the gateway to another origin.
    #[error("it redirects away from the gateway's origin")]
    OffOrigin,
    /// A chain of redirects that does not end.
    #[error("it redirects more than 10 times")]
    TooManyRedirects,
}
