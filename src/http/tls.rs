//! The TLS settings that the clients of a run share: the trusted roots, and the sessions that hosts let a client resume.
//!
//! The roots of the system are read when the first certificate is verified, once for all clients: they may be some hundred files,
//! which takes longer than a small task, and a run over plain HTTP needs none. [`Tls::prepare`] reads them earlier.
//!
//! A session is kept under the name of its server. So it is resumed only by clients that verified, with this verifier, the
//! certificate of that name.
//!
//! Invariant: each certificate is verified by the verifier of the platform, against the roots of the system and `--ca-cert`.

use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::client::{Error, Network};
use crate::threads;

/// How many sessions are kept. The library keeps up to eight for each server.
const MAX_SESSIONS: usize = 2048;

/// The TLS settings of a run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    config: ClientConfig,
    verifier: Arc<LazyVerifier>,
}

impl Tls {
    /// The settings of `network`. Reads no root of the system yet.
    ///
    /// # Errors
    /// When `--ca-cert` has no certificate, or the TLS stack can't start.
    pub(crate) fn new(network: &Network) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let extra_roots = match &network.ca_cert {
            None => Vec::new(),
            Some((path, pem)) => {
                let roots: Option<Vec<_>> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok();
                roots.filter(|roots| !roots.is_empty()).ok_or_else(|| Error::Certificate(path.clone()))?
            }
        };
        let verifier = Arc::new(LazyVerifier { provider: Arc::clone(&provider), extra_roots, loaded: OnceLock::new() });
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| Error::Build(error.to_string()))?.dangerous();
        // Not dangerous: it is the verifier that the HTTP library itself uses, made later.
        let mut config = builder.with_custom_certificate_verifier(Arc::clone(&verifier) as _).with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        Ok(Self { config, verifier })
    }

    /// Does the slow part of a first connection now: reads the roots of the system, where blocking is allowed.
    ///
    /// # Errors
    /// When there are no roots.
    pub(crate) async fn prepare(&self) -> Result<(), Error> {
        let verifier = Arc::clone(&self.verifier);
        let load = move || {
            // Seeds the random generator, which may take a while, too. A fault of it shows at the first connection.
            let _ = verifier.provider.secure_random.fill(&mut [0]);
            verifier.load().map(drop)
        };
        let loaded = match threads::run_blocking(load.clone()).await {
            Ok(loaded) => loaded,
            // Without a thread for it, this one waits.
            Err(threads::WorkerError) => load(),
        };
        loaded.map_err(|error| Error::Build(error.to_string()))
    }

    /// The settings of a client that speaks `protocol` (ALPN).
    pub(super) fn config(&self, protocol: &str) -> ClientConfig {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![protocol.into()];
        config
    }
}

/// The verifier of the platform, made when it is needed.
#[derive(Debug)]
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    /// `--ca-cert`
    extra_roots: Vec<CertificateDer<'static>>,
    loaded: OnceLock<Result<Verifier, rustls::Error>>,
}

impl LazyVerifier {
    fn load(&self) -> Result<&Verifier, rustls::Error> {
        let provider = || Arc::clone(&self.provider);
        let make = || match &*self.extra_roots {
            [] => Verifier::new(provider()),
            roots => Verifier::new_with_extra_roots(roots.iter().cloned(), provider()),
        };
        self.loaded.get_or_init(make).as_ref().map_err(Clone::clone)
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.load()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.load()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.load()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Those of the verifier, which a first message needs before there is a certificate to verify.
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConnection, HandshakeKind, ServerConfig, ServerConnection, SupportedProtocolVersion};

    use super::*;

    /// A server whose certificate names `a.test` and `b.test`, and settings that trust its root.
    fn server(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, Tls) {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["a.test".to_owned(), "b.test".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_protocol_versions(&[version]).unwrap().with_no_client_auth();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let network = Network { ca_cert: Some(("root.pem".into(), issuer.pem().into())), ..Network::default() };
        (Arc::new(config), Tls::new(&network).unwrap())
    }

    /// What kind of handshake a new client of `tls` makes with `server`.
    fn handshake(tls: &Tls, server: &Arc<ServerConfig>, name: &'static str) -> Result<HandshakeKind, rustls::Error> {
        let mut client = ClientConnection::new(Arc::new(tls.config("http/1.1")), name.try_into().unwrap()).unwrap();
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        // The last messages of the server are its tickets.
        while client.wants_write() || server.wants_write() {
            let mut wire = Vec::new();
            while client.write_tls(&mut wire).unwrap() > 0 {}
            let mut sent = io::Cursor::new(wire);
            while server.read_tls(&mut sent).unwrap() > 0 {
                server.process_new_packets().unwrap();
            }
            let mut wire = Vec::new();
            while server.write_tls(&mut wire).unwrap() > 0 {}
            let mut sent = io::Cursor::new(wire);
            while client.read_tls(&mut sent).unwrap() > 0 {
                client.process_new_packets()?;
            }
        }
        Ok(client.handshake_kind().unwrap())
    }

    /// Whether this is Wine. It refuses the settings with which Windows trusts one more root (`CERT_CHAIN_ENGINE_CONFIG` with
    /// `dwExclusiveFlags`), so the verifier of the platform can't be made there.
    #[expect(clippy::disallowed_methods, reason = "it is of the machine that runs the test, and no setting of the program")]
    fn is_wine() -> bool {
        cfg!(windows) && std::env::var_os("WINEPREFIX").is_some()
    }

    #[test]
    fn session_is_resumed_by_all_clients_and_only_for_the_same_server_name() {
        if is_wine() {
            return;
        }
        for version in [&TLS12, &TLS13] {
            let (server, tls) = server(version);
            assert_eq!(handshake(&tls, &server, "a.test"), Ok(HandshakeKind::Full));
            assert_eq!(handshake(&tls.clone(), &server, "a.test"), Ok(HandshakeKind::Resumed), "{version:?}");
            assert_eq!(handshake(&tls, &server, "b.test"), Ok(HandshakeKind::Full), "{version:?}");
        }
    }

    #[test]
    fn certificate_that_no_root_signed_is_refused_also_after_a_good_one() {
        if is_wine() {
            return;
        }
        let (good, tls) = server(&TLS13);
        let (other, _) = server(&TLS13);
        assert_eq!(handshake(&tls, &good, "a.test"), Ok(HandshakeKind::Full));
        assert!(matches!(handshake(&tls, &other, "a.test"), Err(rustls::Error::InvalidCertificate(_))));
    }

    #[tokio::test]
    async fn roots_are_read_once_for_all_clients_and_only_when_they_are_needed() {
        let tls = Tls::new(&Network::default()).unwrap();
        let (first, second) = (tls.config("http/1.1"), tls.clone().config("h2"));
        assert_eq!((first.alpn_protocols, second.alpn_protocols), (vec![b"http/1.1".to_vec()], vec![b"h2".to_vec()]));
        assert!(!tls.verifier.supported_verify_schemes().is_empty());
        assert!(tls.verifier.loaded.get().is_none());
        let copy = tls.clone();
        // A system may have no roots.
        let loaded = copy.prepare().await;
        assert_eq!(tls.verifier.loaded.get().map(Result::is_ok), Some(loaded.is_ok()));
    }

    #[test]
    fn ca_cert_without_a_certificate_is_an_error() {
        for pem in ["", "garbage", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            let network = Network { ca_cert: Some(("ca.pem".into(), pem.into())), ..Network::default() };
            assert!(
                matches!(Tls::new(&network), Err(Error::Certificate(path)) if path == std::path::Path::new("ca.pem")),
                "{pem}"
            );
        }
    }
}
