//! Makes the store behind a bucket URL.
//!
//! Credentials and settings are the environment variables of `object_store` ([`Environment`]), which win over the defaults
//! here. Nothing is requested: `probe` does that. The defaults:
//! - HTTP/1.1, as `object_store` prefers itself: HTTP/2 was slower.
//! - No limit on the time of a whole request, which would refuse large files on slow lines. `transport` notices a dead server.
//! - AWS itself verifies a SHA-256 of each body. Other servers verify the signature of the body, and some of them lose an
//!   object with a checksum.
//! - Plain HTTP only with `AWS_ALLOW_HTTP=true` and its siblings.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, Certificate, ClientConfigKey, ClientOptions, Error as StoreError, ObjectStore, RetryConfig};
use url::Url;

use super::bucket::Bucket;
use super::environment::Environment;
use super::transport::{Limits, SupervisedConnector};
use crate::storage::Error;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::location::{BucketUrl, Service};

/// How connections to a store are made. The same values as for the gateway.
#[derive(Clone)]
pub(crate) struct StoreOptions {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The most time for making one connection.
    pub connect_timeout: Duration,
    /// A download that receives no byte for this long ends and is tried again.
    pub stall_timeout: Duration,
    /// One more trusted root besides those of the system: its path, for errors, and its PEM.
    pub ca_cert: Option<(PathBuf, Vec<u8>)>,
    /// The delay before the first retry.
    pub retry_delay: Duration,
}

/// One more trusted root of the jobs that only read, for the whole process.
static READING_ROOT: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();

/// Makes jobs that only read trust one more root: the PEM of the file at `path`. Only the first call of a process counts.
pub(crate) fn trust_for_reading(path: PathBuf, pem: Vec<u8>) {
    READING_ROOT.get_or_init(|| (path, pem));
}

impl StoreOptions {
    /// The options of jobs that only read, which have none of their own.
    pub(super) fn for_reading() -> Self {
        let user_agent = concat!("yescale-dl/", env!("CARGO_PKG_VERSION")).to_owned();
        let (connect_timeout, stall_timeout) = (Duration::from_secs(10), Duration::from_secs(30));
        let (ca_cert, retry_delay) = (READING_ROOT.get().cloned(), Duration::from_millis(50));
        Self { user_agent, connect_timeout, stall_timeout, ca_cert, retry_delay }
    }

    /// How `object_store` retries a request: refused connections, 429, 5xx, and for reading also time-outs. What is not safe to
    /// repeat, such as a conditional write without an answer, is settled by whoever made the request. With the delay of a run, the
    /// retries last about half a minute: a short outage of the store ends no run.
    fn retry_config(&self) -> RetryConfig {
        let init_backoff = self.retry_delay.max(Duration::from_millis(1));
        let backoff = BackoffConfig { init_backoff, max_backoff: Duration::from_secs(10), base: 3. };
        RetryConfig { backoff, max_retries: 8, retry_timeout: Duration::from_secs(180) }
    }
}

/// The archive at `url`, with the settings in the environment of this process.
///
/// # Errors
/// [`Error::Bucket`] with [`BucketFault::Refused`] when a setting is missing or can't be read.
pub(in crate::storage) fn connect(url: &BucketUrl, options: &StoreOptions) -> Result<Bucket, Error> {
    connect_with(url, options, &Environment::of_process())
}

/// As [`connect`], with the settings in `environment`.
pub(in crate::storage) fn connect_with(
    url: &BucketUrl,
    options: &StoreOptions,
    environment: &Environment,
) -> Result<Bucket, Error> {
    let settings = Settings { url, options, environment };
    let store = settings.check().and_then(|()| match url.service {
        Service::S3 => settings.s3(),
        Service::Gcs => settings.gcs(),
        Service::Azure => settings.azure(),
    });
    let store = store.map_err(|message| Error::Bucket {
        action: "use",
        url: url.to_string(),
        source: BucketError { fault: BucketFault::Refused, message },
    })?;
    Ok(Bucket::new(store, url.clone()))
}

/// What a store is built from. Errors are messages without secrets.
struct Settings<'a> {
    url: &'a BucketUrl,
    options: &'a StoreOptions,
    environment: &'a Environment,
}

impl Settings<'_> {
    fn prefix(&self) -> &'static str {
        match self.url.service {
            Service::S3 => "AWS_",
            Service::Gcs => "GOOGLE_",
            Service::Azure => "AZURE_",
        }
    }

    fn check(&self) -> Result<(), String> {
        // The name becomes a part of the URL as it is.
        if !self.url.bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._$".contains(&byte)) {
            return Err("the name of a bucket has only letters, digits, `-`, `_` and `.`".to_owned());
        }
        self.environment.check(self.prefix())
    }

    fn s3(&self) -> Result<Arc<dyn ObjectStore>, String> {
        let builder = AmazonS3Builder::new().with_client_options(self.client_options()?);
        let builder = builder.with_retry(self.options.retry_config()).with_http_connector(self.connector());
        let builder = if self.is_aws() { builder.with_checksum_algorithm(Checksum::SHA256) } else { builder };
        let settings = self.environment.settings::<AmazonS3ConfigKey>(self.prefix());
        let builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
        let builder = builder.with_bucket_name(&self.url.bucket);
        let get = |key| builder.get_config_value(&key);
        let endpoint = get(AmazonS3ConfigKey::S3Endpoint).or_else(|| get(AmazonS3ConfigKey::Endpoint));
        let allows_http = get(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
        self.check_plain_http(endpoint.as_deref(), allows_http.as_deref())?;
        self.finish(builder.build())
    }

    fn gcs(&self) -> Result<Arc<dyn ObjectStore>, String> {
        // The metadata service of a machine in Google's cloud speaks plain HTTP.
        let options = self.client_options()?.with_allow_http(true);
        let builder = GoogleCloudStorageBuilder::new().with_client_options(options);
        let mut builder = builder.with_retry(self.options.retry_config()).with_http_connector(self.connector());
        if let Some(path) = self.environment.get("SERVICE_ACCOUNT") {
            builder = builder.with_service_account_path(path);
        }
        let settings = self.environment.settings::<GoogleConfigKey>(self.prefix());
        let builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
        self.finish(builder.with_bucket_name(&self.url.bucket).build())
    }

    fn azure(&self) -> Result<Arc<dyn ObjectStore>, String> {
        let builder = MicrosoftAzureBuilder::new().with_client_options(self.client_options()?);
        let builder = builder.with_retry(self.options.retry_config()).with_http_connector(self.connector());
        let settings = self.environment.settings::<AzureConfigKey>(self.prefix());
        let mut builder = settings.fold(builder, |builder, (key, value)| builder.with_config(key, value));
        if let Some(endpoint) = self.environment.get("IDENTITY_ENDPOINT") {
            builder = builder.with_msi_endpoint(endpoint);
        }
        let builder = builder.with_container_name(&self.url.bucket);
        let get = |key| builder.get_config_value(&key);
        let is_emulator = get(AzureConfigKey::UseEmulator).is_some_and(|value| value == "true");
        if !is_emulator && get(AzureConfigKey::AccountName).is_none() {
            return Err("AZURE_STORAGE_ACCOUNT_NAME is not set; it is needed with AZURE_STORAGE_ACCOUNT_KEY, \
                        AZURE_STORAGE_SAS_TOKEN or an identity (a connection string is not read)"
                .to_owned());
        }
        let allows_http = get(AzureConfigKey::Client(ClientConfigKey::AllowHttp));
        self.check_plain_http(get(AzureConfigKey::Endpoint).as_deref(), allows_http.as_deref())?;
        self.finish(builder.build())
    }

    /// What holds unless the environment says otherwise.
    fn client_options(&self) -> Result<ClientOptions, String> {
        let options = ClientOptions::new().with_config(ClientConfigKey::UserAgent, &self.options.user_agent);
        let options = options.with_http1_only().with_timeout_disabled().with_connect_timeout(self.options.connect_timeout);
        let Some((path, pem)) = &self.options.ca_cert else { return Ok(options) };
        let roots = Certificate::from_pem_bundle(pem).ok().filter(|roots| !roots.is_empty());
        let roots = roots.ok_or_else(|| format!("can't read a certificate from {}: name a PEM file", path.display()))?;
        Ok(roots.into_iter().fold(options, ClientOptions::with_root_certificate))
    }

    fn connector(&self) -> SupervisedConnector {
        let metadata = self.environment.get("AWS_METADATA_ENDPOINT").and_then(|url| Url::parse(url).ok());
        let metadata_server = metadata.map(|url| url.authority().to_owned());
        SupervisedConnector::new(Limits::new(self.options.stall_timeout), metadata_server)
    }

    /// Whether the endpoint is one of AWS itself.
    fn is_aws(&self) -> bool {
        let names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
        let endpoint = names.iter().find_map(|name| self.environment.get(name)).map(Url::parse);
        let Some(endpoint) = endpoint else { return true };
        let host = endpoint.ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|domain| host.ends_with(domain))
    }

    /// Says how to allow plain HTTP. `object_store` would refuse each request without saying so.
    fn check_plain_http(&self, endpoint: Option<&str>, allows_http: Option<&str>) -> Result<(), String> {
        let is_plain = endpoint.is_some_and(|url| url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")));
        if is_plain && allows_http == Some("false") {
            return Err(format!("its endpoint is plain http; set {}ALLOW_HTTP=true to allow that", self.prefix()));
        }
        Ok(())
    }

    /// The store, or what its settings lack. Messages of `object_store` may contain the value of a setting.
    fn finish<S: ObjectStore>(&self, built: object_store::Result<S>) -> Result<Arc<dyn ObjectStore>, String> {
        let message = |error: StoreError| {
            let cause = match &error {
                StoreError::Generic { source, .. } => source.to_string(),
                other => other.to_string(),
            };
            let cause = self.environment.redact(&cause);
            format!("the settings in the environment ({}*) can't be used: {cause}", self.prefix())
        };
        built.map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(message)
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions").field("user_agent", &self.user_agent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
