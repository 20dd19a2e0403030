use object_store::PutMode;

use super::*;
use crate::storage::location::Service::{Azure, Gcs, S3};
use crate::storage::object::mock_server::{OneObject, SECRETS, bucket_url, environment, options, serve};

fn message(service: Service, pairs: &[(&str, &str)]) -> String {
    let error = connect_with(&bucket_url(service), &options(), &environment(pairs)).unwrap_err();
    let Error::Bucket { source: BucketError { fault, message }, .. } = error else { panic!("{error}") };
    assert_eq!(fault, BucketFault::Refused);
    message
}

#[test]
fn settings_that_are_missing_or_wrong_are_named_without_a_secret() {
    let [id, secret, _, key] = SECRETS;
    for (service, pairs, words) in [
        (S3, &[("AWS_ACCESS_KEY_ID", id)][..], "SecretAccessKey"),
        (S3, &[("AWS_SECRET_ACCESS_KEY", secret)], "AccessKeyId"),
        (S3, &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], "AWS_ALLOW_HTTP=true"),
        (S3, &[("AWS_ENDPOINT_URL_S3", "HTTP://127.0.0.1:1")], "AWS_ALLOW_HTTP=true"),
        (S3, &[("AWS_ENDPOINT_URL", "127.0.0.1:1")], "AWS_ENDPOINT_URL"),
        (S3, &[("AWS_ALLOW_HTTP", "perhaps")], "perhaps"),
        (S3, &[("AWS_CONNECT_TIMEOUT", "soon")], "soon"),
        (Azure, &[("AZURE_STORAGE_ACCOUNT_KEY", key)], "AZURE_STORAGE_ACCOUNT_NAME"),
        (Azure, &[("AZURE_STORAGE_ACCOUNT_NAME", "a"), ("AZURE_STORAGE_ACCOUNT_KEY", "a/secret+key!")], "AZURE_"),
        (Gcs, &[("GOOGLE_SERVICE_ACCOUNT_KEY", "{\"private_key\":\"a/secret+key\"")], "GOOGLE_"),
        (Gcs, &[("GOOGLE_SERVICE_ACCOUNT", "/nowhere/key.json")], "GOOGLE_"),
    ] {
        let message = message(service, pairs);
        assert!(message.contains(words), "{message}");
        assert!(!SECRETS.iter().any(|secret| message.contains(secret)), "{message}");
    }
}

#[test]
fn names_that_no_bucket_has_are_refused() {
    for name in ["a b", "ü", "a%2fb", "a\\b", "a:b"] {
        let url = BucketUrl { bucket: name.to_owned(), ..bucket_url(S3) };
        assert!(connect_with(&url, &options(), &environment(&[])).is_err(), "{name}");
    }
}

#[test]
fn certificate_that_can_not_be_read_is_refused() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let options = StoreOptions { ca_cert: Some(("ca.pem".into(), pem.into())), ..options() };
        let result = connect_with(&bucket_url(S3), &options, &environment(&[("AWS_SKIP_SIGNATURE", "true")]));
        assert!(result.is_err(), "{pem}");
    }
}

#[test]
fn aws_itself_gets_a_checksum() {
    for (endpoint, is_aws) in [
        ("", true),
        ("https://s3.eu-west-1.amazonaws.com", true),
        ("https://s3.cn-north-1.amazonaws.com.cn/", true),
        ("https://amazonaws.com.example.org", false),
        ("https://minio:9000", false),
    ] {
        let environment = environment(&[("AWS_ENDPOINT_URL", endpoint)]);
        let settings = Settings { url: &bucket_url(S3), options: &options(), environment: &environment };
        assert_eq!(settings.is_aws(), is_aws, "{endpoint}");
    }
}

/// The headers of a conditional write with `pairs` in the environment, and its path.
async fn sent(pairs: &[(&str, &str)]) -> (String, Vec<String>, String) {
    let server = serve(OneObject::default()).await;
    let base = [("AWS_ALLOW_HTTP", "true"), ("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_BUCKET", "other")];
    let uri = server.uri();
    let pairs: Vec<_> = base.iter().chain(pairs).copied().map(|(name, value)| (name, value.replace("{}", &uri))).collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let bucket = connect_with(&bucket_url(S3), &options(), &environment(&pairs)).unwrap();
    bucket.store.put_opts(&bucket.key("t1/a.txt"), "x".into(), PutMode::Create.into()).await.unwrap();
    let request = server.received_requests().await.unwrap().remove(0);
    let agent = request.headers["user-agent"].to_str().unwrap().to_owned();
    let names =
        request.headers.keys().map(ToString::to_string).filter(|name| name.starts_with("x-amz-") || name.starts_with("if-"));
    (request.url.path().to_owned(), names.collect(), agent)
}

#[tokio::test]
async fn environment_wins_over_the_defaults_and_the_url_over_the_environment() {
    let (path, headers, agent) = sent(&[("AWS_ENDPOINT_URL", "{}")]).await;
    assert_eq!((path.as_str(), agent.as_str()), ("/b/p/t1/a.txt", "yescale-dl/test"));
    assert!(
        headers.contains(&"if-none-match".to_owned()) && !headers.iter().any(|name| name.contains("checksum")),
        "{headers:?}"
    );
    let more = [("AWS_CHECKSUM_ALGORITHM", "SHA256"), ("AWS_USER_AGENT", "mine"), ("AWS_SESSION_TOKEN", "t\n")];
    let endpoints = [("AWS_ENDPOINT_URL", "https://other.example.org"), ("AWS_ENDPOINT_URL_S3", "{}")];
    let (_, headers, agent) = sent(&[&more[..], &endpoints].concat()).await;
    assert_eq!(agent, "mine");
    for name in ["x-amz-checksum-sha256", "x-amz-security-token"] {
        assert!(headers.contains(&name.to_owned()), "{headers:?}");
    }
}

// Elsewhere the roots of the system are judged by the system, which may want more of a certificate than this one has.
#[cfg(target_os = "linux")]
mod tls {
    use object_store::ObjectStoreExt as _;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::storage::object::error::{explain, is_absent};

    /// A server's side of TLS that offers both protocols, and the root that signed its certificate.
    fn identity() -> (TlsAcceptor, String) {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let host = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = config.with_no_client_auth().with_single_cert(vec![host.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        (TlsAcceptor::from(Arc::new(config)), issuer.pem())
    }

    #[tokio::test]
    async fn store_that_speaks_both_gets_http1_and_its_root_is_trusted_by_ca_cert() {
        let (acceptor, root) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let Ok(mut stream) = acceptor.accept(listener.accept().await.unwrap().0).await else { continue };
                let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                stream.read_u8().await.unwrap();
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                stream.shutdown().await.unwrap();
                return protocol;
            }
        });
        let environment = environment(&[("AWS_ENDPOINT_URL", &endpoint), ("AWS_SKIP_SIGNATURE", "true")]);
        let bucket = connect_with(&bucket_url(S3), &options(), &environment).unwrap();
        let error = explain(&bucket.store.get(&bucket.key("x")).await.unwrap_err(), S3);
        assert!(error.message.contains("certificate") && error.message.contains("--ca-cert"), "{error}");
        let trusting = StoreOptions { ca_cert: Some(("ca.pem".into(), root.into_bytes())), ..options() };
        let bucket = connect_with(&bucket_url(S3), &trusting, &environment).unwrap();
        assert!(is_absent(&bucket.store.get(&bucket.key("x")).await.unwrap_err()));
        assert_eq!(server.await.unwrap().as_deref(), Some(&b"http/1.1"[..]));
    }
}
