//! Asks a proxy for a tunnel, only to learn with which status it refuses one.
//!
//! The HTTP library does not return that status. No byte goes through a tunnel that is opened here.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::{StatusCode, Url};
use tokio::net::TcpStream;

/// How long to wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest status line, in bytes.
const MAX_STATUS_LINE: usize = 4096;

/// The status with which `proxy` refuses a tunnel to the host of `url`; none where it does not answer in time, or accepts.
pub(super) async fn request_refusal(proxy: &Url, url: &Url) -> Option<StatusCode> {
    tokio::time::timeout(TIMEOUT, request_tunnel(proxy, url)).await.ok().flatten()
}

async fn request_tunnel(proxy: &Url, url: &Url) -> Option<StatusCode> {
    let address = (proxy.host_str()?.trim_matches(['[', ']']).to_owned(), proxy.port_or_known_default()?);
    let stream = TcpStream::connect(address).await.ok()?;
    let host = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
    let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", authorization(proxy));
    stream.writable().await.ok()?;
    // A few hundred bytes always fit into a new connection.
    stream.try_write(request.as_bytes()).ok().filter(|written| *written == request.len())?;
    let mut head = Vec::new();
    while !head.contains(&b'\n') && head.len() < MAX_STATUS_LINE {
        stream.readable().await.ok()?;
        let mut some = [0; 512];
        match stream.try_read(&mut some) {
            Ok(0) => return None,
            Ok(read) => head.extend_from_slice(&some[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    let status = String::from_utf8_lossy(&head).split_whitespace().nth(1)?.parse().ok()?;
    StatusCode::from_u16(status).ok().filter(|status| !status.is_success())
}

/// The header line with the user and password of a proxy, if it has any.
fn authorization(proxy: &Url) -> String {
    if proxy.username().is_empty() && proxy.password().is_none() {
        return String::new();
    }
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = format!("{}:{}", plain(proxy.username()), plain(proxy.password().unwrap_or_default()));
    format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(user))
}
