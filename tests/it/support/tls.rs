//! A media host behind TLS, which speaks HTTP/1.1 or HTTP/2, and ends connections in any way.
//!
//! It runs on a runtime of its own. Its certificate is made for each test; the program gets the root by `--ca-cert`.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::World;

/// A host on a loopback port. Its connections end with it.
pub(crate) struct AsyncHost {
    pub address: String,
    /// How many connections it accepted.
    pub connections: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl AsyncHost {
    /// Serves each connection by `serve`, which gets its number, from 0.
    pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, connections) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, count.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, connections, _runtime: runtime }
    }
}

/// A certificate for 127.0.0.1, and the root that signed it.
pub(crate) struct Identity {
    acceptor: TlsAcceptor,
    root: String,
}

impl Identity {
    /// Of a host that offers these protocols in its handshake.
    pub(crate) fn new(protocols: &[&str]) -> Self {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let host = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = config.with_no_client_auth().with_single_cert(vec![host.der().clone()], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), root: issuer.pem() }
    }

    /// Writes the root to a file for `--ca-cert`.
    pub(crate) fn write_root(&self, world: &World) -> PathBuf {
        world.write_file("root.pem", &self.root)
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

/// Reads the head of an HTTP/1.1 request; none when the connection ends before.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let (mut head, mut some) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => head.extend_from_slice(&some[..read]),
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Sends `wire` and closes the TCP connection, with or without the end mark of TLS.
pub(crate) async fn send_and_close(mut stream: TlsStream<TcpStream>, wire: &[u8], says_goodbye: bool) {
    // A client that has gone is no error.
    let _ = stream.write_all(wire).await;
    let _ = stream.flush().await;
    if says_goodbye {
        let _ = stream.shutdown().await;
    }
    let (mut stream, _) = stream.into_inner();
    let _ = stream.shutdown().await;
    // Until the client has read everything and closes: a reset would take bytes from it.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// The requests over HTTP/2: the path with its query, and the `Range`.
pub(crate) type Http2Requests = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Serves `file` over HTTP/2, with ranges and a strong validator.
pub(crate) async fn serve_http2(stream: impl AsyncRead + AsyncWrite + Unpin, file: Bytes, requests: Http2Requests) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let range = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
        let path = request.uri().path_and_query().unwrap().to_string();
        let bounds = range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        requests.lock().unwrap().push((path, range.clone()));
        let response = http::Response::builder().header("etag", "\"1\"").header("accept-ranges", "bytes");
        let (response, body) = match bounds {
            None => (response, file.clone()),
            Some((from, last)) => {
                let from: usize = from.parse().unwrap();
                let to = last.parse().map_or(file.len(), |last: usize| (last + 1).min(file.len()));
                let range = format!("bytes {from}-{}/{}", to - 1, file.len());
                (response.status(206).header("content-range", range), file.slice(from..to))
            }
        };
        let response = response.header("content-type", "video/mp4").header("content-length", body.len());
        let response = response.body(()).unwrap();
        // A client that cancels a stream is no error.
        if let Ok(mut sender) = respond.send_response(response, false) {
            let _ = sender.send_data(body, true);
        }
    }
}
