//! Which addresses media may be downloaded from.
//!
//! A media URL comes from outside, and this program may run where private services can be reached. So an address is checked when
//! a connection is made, after the name was resolved, and at each redirect. Loopback, private and link-local addresses are
//! refused, unless the user allows them or the gateway itself is at one. A configured proxy may be anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::error::PolicyViolation;
use super::names::{Names, resolve};
use crate::redact::ApiKey;

/// Which addresses media requests may reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AddressPolicy {
    /// Public addresses only.
    Public,
    /// Anywhere.
    Anywhere,
}

impl AddressPolicy {
    /// Whether `url` may be requested, as far as its text shows: literal addresses are checked here, and the names that mean
    /// loopback everywhere. Other names are checked when they are resolved. Behind a proxy only the proxy resolves them.
    #[must_use]
    pub(crate) fn allows(self, url: &Url) -> bool {
        self == Self::Anywhere
            || match url.host() {
                Some(url::Host::Ipv4(address)) => is_public(address.into()),
                Some(url::Host::Ipv6(address)) => is_public(address.into()),
                Some(url::Host::Domain(name)) => !is_loopback_name(name),
                None => true,
            }
    }
}

/// Which URLs media requests may use.
#[derive(Clone, Debug)]
pub(crate) struct UrlPolicy {
    /// Which addresses.
    pub addresses: AddressPolicy,
    /// Never leaves the gateway's origin, not even in a link that the gateway built with it.
    pub key: ApiKey,
    /// The URL of the gateway.
    pub gateway: Url,
}

impl UrlPolicy {
    /// Checks whether `url` may be requested, as far as its text shows.
    pub(super) fn check(&self, url: &Url) -> Result<(), PolicyViolation> {
        if !self.addresses.allows(url) {
            return Err(PolicyViolation::PrivateAddress);
        }
        if url.origin() != self.gateway.origin() && self.key.occurs_in(url.as_str()) {
            return Err(PolicyViolation::KeyLeak);
        }
        Ok(())
    }
}

/// Whether the host of `url` has private addresses and no others. A name is resolved.
pub(crate) async fn is_private_host(url: &Url) -> bool {
    match url.domain() {
        Some(name) => resolve(name.to_owned()).await.is_ok_and(|found| are_all_private(&found)),
        None => !AddressPolicy::Public.allows(url),
    }
}

/// Whether some address of the host of `url`, a name, is private.
pub(super) async fn has_private_address(url: &Url) -> bool {
    let Some(name) = url.domain() else { return false };
    resolve(name.to_owned()).await.is_ok_and(|found| found.iter().any(is_private))
}

/// One private address beside public ones does not make a host private: whoever controls its name could add it.
fn are_all_private(found: &[SocketAddr]) -> bool {
    !found.is_empty() && found.iter().all(is_private)
}

fn is_private(address: &SocketAddr) -> bool {
    !is_public(address.ip())
}

/// RFC 6761: `localhost` and all names below it, and the usual names of loopback in hosts files.
fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let usual = ["localhost.localdomain", "localhost6", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback"];
    name.rsplit('.').next() == Some("localhost") || usual.contains(&&*name)
}

/// Whether an address can be reached from anywhere: not loopback, private, link-local or reserved.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        // 192.0.2.0/24, 198.51.100.0/24 and 203.0.113.0/24.
        || address.is_documentation())
    // 198.18/15 is allowed: proxies that fake addresses use it.
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // IPv4-mapped and IPv4-compatible, unspecified and loopback among them.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => embedded(high, low) && address != Ipv6Addr::LOCALHOST,
        // NAT64 and 6to4 contain an IPv4 address, too.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // The NAT64 of a local network.
        [0x64, 0xff9b, 1, ..] => false,
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, which contains an obfuscated IPv4 address, benchmarks and other assignments of the IETF.
        [0x2001, 0..0x200, ..] => false,
        // Documentation: 2001:db8::/32 and 3fff::/20.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        // Global unicast is 2000::/3. SIIT, discard, unique local, link-local, site-local and multicast are outside of it.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Resolves names as the system does, and returns only the addresses that `policy` allows.
pub(super) struct Resolver {
    pub policy: AddressPolicy,
    /// Hosts of configured proxies, which may be anywhere.
    pub proxies: Vec<String>,
    pub names: Arc<Names>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_anywhere =
            self.policy == AddressPolicy::Anywhere || self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        let names = Arc::clone(&self.names);
        Box::pin(async move {
            let found = names.resolve(name.as_str()).await?;
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|address| is_anywhere || is_public(address.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(PolicyViolation::PrivateAddress.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "198.18.0.7",
            "2606:4700::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2001:4860:4860::8888",
            "2002:101:101::",
            "2a00:1450::1",
            "203.0.112.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn private_and_reserved_addresses_are_not_public() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2002:c000:201::",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.255",
            "::ffff:192.0.2.1",
            "::ffff:0:127.0.0.1",
            "::ffff:0:10.0.0.1",
            "::ffff:0:1.1.1.1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "100::1",
            "100:0:0:1::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn gateway_is_private_by_address_or_name() {
        for (url, expected) in
            [("http://127.0.0.1:8080", true), ("http://[::1]", true), ("http://localhost", true), ("https://1.1.1.1", false)]
        {
            assert_eq!(is_private_host(&Url::parse(url).unwrap()).await, expected, "{url}");
        }
    }

    #[test]
    fn host_is_private_only_with_all_its_addresses() {
        let all_private = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|address| format!("{address}:0").parse().unwrap()).collect();
            are_all_private(&addresses)
        };
        assert!(all_private(&["127.0.0.1"]) && all_private(&["127.0.0.1", "[::1]"]) && all_private(&["10.0.0.1", "[fd00::1]"]));
        assert!(!all_private(&[]) && !all_private(&["127.0.0.1", "1.1.1.1"]) && !all_private(&["[2606:4700::1]", "[::1]"]));
    }

    #[test]
    fn ip_literals_and_local_names_are_checked_in_the_url() {
        for (url, allowed) in [
            ("http://127.0.0.1/x", false),
            ("http://2130706433/x", false),
            ("http://0x7f.1/x", false),
            ("http://[::ffff:127.0.0.1]/x", false),
            ("http://1.1.1.1/x", true),
            ("http://localhost/x", false),
            ("http://a.LocalHost.:80/x", false),
            ("http://localhost./x", false),
            ("http://127.0.0.1./x", false),
            ("http://0177.0.0.1/x", false),
            ("http://0x7f000001/x", false),
            ("http://127.1/x", false),
            ("http://①②⑦.0.0.1/x", false),
            ("http://%6c%6fcalhost/x", false),
            ("http://localhost.localdomain/x", false),
            ("http://ip6-localhost/x", false),
            ("http://[::ffff:0:7f00:1]/x", false),
            ("http://[2001::1]/x", false),
            ("http://192.0.2.1/x", false),
            ("http://0xC0000201/x", false),
            ("http://3325256705/x", false),
            ("http://[::ffff:198.51.100.1]/x", false),
            ("http://[64:ff9b::203.0.113.1]/x", false),
            ("http://localhost.example/x", true),
        ] {
            assert_eq!(AddressPolicy::Public.allows(&Url::parse(url).unwrap()), allowed, "{url}");
            assert!(AddressPolicy::Anywhere.allows(&Url::parse(url).unwrap()));
        }
    }
}
