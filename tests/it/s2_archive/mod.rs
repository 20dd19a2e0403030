//! Section 2, "The archive on disk": "The archive keeps what it has", "A file has its final name only when it is
//! whole", "A file is whole only if everything that was said about its length agrees".

mod bodies;
mod dead_links;
mod digests;
mod disk_faults;
mod encoding;
mod exact_urls;
mod full_disk;
mod gaps;
mod host_limits;
mod layout;
mod lengths;
mod media_interop;
mod media_types;
mod names;
mod odd_heads;
mod ownership;
mod random_faults;
mod rejected_media;
mod resume;
mod retention;
mod retry_budget;
mod segments;
mod symlinks;
#[cfg(target_os = "linux")]
mod tls_and_http2;
