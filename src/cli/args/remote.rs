//! The options for requests: where the gateway and the media hosts are, how fast to ask, and how to connect.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;

use crate::cli::values::{count, duration, duration_or_zero, header_value, rate, retries, size};
use crate::session::DEFAULT_JOBS;

/// The options for requests to the gateway and to media hosts, of the main job and of `repair`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct RemoteArgs {
    /// Base URL of the gateway [env: YESCALE_BASE_URL]
    #[arg(long, value_name = "URL", default_value = "https://api.yescale.io", value_hint = ValueHint::Url, help_heading = "Gateway")]
    pub base_url: String,

    /// Read the API key from FILE; `-` is standard input
    ///
    /// Without this option, the key is in the environment variable YESCALE_API_KEY, in the file that YESCALE_API_KEY_FILE names, or the one that `yescale-dl login` saved.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Gateway")]
    pub api_key_file: Option<PathBuf>,

    /// Send at most N questions to the gateway per second
    ///
    /// Such as 10 or 0.5. [default: no limit]
    #[arg(long, value_name = "N", value_parser = rate, value_hint = ValueHint::Other, help_heading = "Gateway")]
    pub api_rate: Option<f64>,

    /// For a bucket: the folder to download to before the upload
    ///
    /// What a killed run left there is resumed. Give each bucket's runs enough space: the largest files under way. [default: a temporary folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Network")]
    pub spool: Option<PathBuf>,

    /// Number of simultaneous downloads
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_JOBS, value_parser = count, value_hint = ValueHint::Other, help_heading = "Network")]
    pub jobs: NonZeroUsize,

    /// Connections per file of 16 MiB or more
    ///
    /// If given, one media host gets up to N times --jobs requests at once instead of 32. [default: 4]
    #[arg(short = 'x', long, value_name = "N", value_parser = count, value_hint = ValueHint::Other, help_heading = "Network")]
    pub connections: Option<NonZeroUsize>,

    /// Limit the total download rate, such as 500K or 2M
    ///
    /// In bytes per second; K, M and G are powers of 1024. [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = size, value_hint = ValueHint::Other, help_heading = "Network")]
    pub limit_rate: Option<u64>,

    /// Resume transfers that are slower than RATE
    ///
    /// A transfer that is slower than RATE bytes per second for the stall timeout, such as 50K, is cut and resumed on another connection. [default: never]
    #[arg(long, value_name = "RATE", value_parser = size, value_hint = ValueHint::Other, help_heading = "Network")]
    pub min_rate: Option<u64>,

    /// Refuse assets larger than SIZE, such as 500M or 2G
    ///
    /// K, M and G are powers of 1024. [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size, value_hint = ValueHint::Other, help_heading = "Network")]
    pub max_size: Option<u64>,

    /// Retries per request after transient errors
    ///
    /// The count starts again when data arrives. A host that answers 429 or 503 to some requests only costs no retries. [default: 5, and up to ten minutes for a host that answers 429 alone]
    #[arg(long, value_name = "N", value_parser = retries, value_hint = ValueHint::Other, help_heading = "Network")]
    pub retries: Option<u32>,

    /// Delay before the first retry
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration_or_zero, hide = true)]
    pub retry_delay: Duration,

    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// Allow links to loopback, private and link-local addresses
    ///
    /// Implied if the gateway itself has such an address.
    #[arg(long, help_heading = "Network")]
    pub allow_private_hosts: bool,
}

/// How to connect, for every command that sends requests of its own.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct ConnectionArgs {
    /// Longest time to establish a connection
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, value_hint = ValueHint::Other, help_heading = "Network")]
    pub connect_timeout: Duration,

    /// Longest time without receiving any data
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, value_hint = ValueHint::Other, help_heading = "Network")]
    pub stall_timeout: Duration,

    /// User-Agent header to send
    #[arg(long, value_name = "TEXT", default_value = concat!("yescale-dl/", env!("CARGO_PKG_VERSION")), value_parser = header_value, value_hint = ValueHint::Other, help_heading = "Network")]
    pub user_agent: String,

    /// Trust one more root certificate (PEM)
    ///
    /// `SSL_CERT_FILE` and the certificate store of the system apply, too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Network")]
    pub ca_cert: Option<PathBuf>,
}
