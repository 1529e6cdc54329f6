//! The address that a request comes from: its peer's, or behind a proxy that is believed what the proxy says.

use std::net::IpAddr;
use std::str::FromStr;

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

/// Most entries of a header that are looked at.
const MAX_HOPS: usize = 32;

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "an address or a network is expected, such as 10.1.2.3 or 10.1.0.0/16".to_owned();
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr =
            address.parse::<IpAddr>().map_err(|_malformed| wrong())?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_malformed| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |one: &[u8], other: &[u8]| {
            let bit = |bytes: &[u8], n: usize| bytes.get(n / 8).map(|byte| byte >> (7 - n % 8) & 1);
            (0..usize::from(self.bits)).all(|n| bit(one, n) == bit(other, n))
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => same(&one.octets(), &other.octets()),
            (IpAddr::V6(one), IpAddr::V6(other)) => same(&one.octets(), &other.octets()),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The proxies that are believed, and how they say where a request comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forwarding {
    /// The proxies; none are believed when there are none.
    pub proxies: Vec<Network>,
    /// Whether they say it by `Forwarded` (RFC 7239) instead of `X-Forwarded-For`. Only one is read: a proxy that writes the one lets
    /// clients write the other.
    pub by_forwarded: bool,
}

impl Forwarding {
    /// Whether an address is one of the proxies.
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }

    /// The address that a request comes from: the last one on its way that is no proxy of ours.
    #[must_use]
    pub fn address(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        let mut found = peer?.to_canonical();
        let name = if self.by_forwarded { FORWARDED } else { X_FORWARDED_FOR };
        let hops: Vec<&str> = headers
            .get_all(name)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in hops.into_iter().rev().take(MAX_HOPS) {
            if !self.is_proxy(found) {
                break;
            }
            let written = if self.by_forwarded { of_forwarded(hop) } else { Some(hop) };
            // What cannot be read is not believed: the proxy that wrote it stands for whoever sent it.
            let Some(next) = written.and_then(address) else { break };
            found = next;
        }
        Some(found)
    }
}

/// Whether a request has come through a proxy, by any header that says so.
#[must_use]
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    [
        FORWARDED,
        X_FORWARDED_FOR,
        HeaderName::from_static("x-real-ip"),
        HeaderName::from_static("via"),
    ]
    .iter()
    .any(|name| headers.contains_key(name))
}

/// The `for` of one entry of `Forwarded`.
fn of_forwarded(hop: &str) -> Option<&str> {
    let pairs = hop.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, value)| value)
}

/// An address as proxies write it: bare, with a port, in brackets, in quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(text, |(inside, _)| inside);
    let address = bare
        .parse::<IpAddr>()
        .ok()
        .or_else(|| bare.rsplit_once(':').and_then(|(host, _)| host.parse().ok()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn asked(
        proxies: &[&str],
        by_forwarded: bool,
        peer: &str,
        header: &[(&'static str, &str)],
    ) -> String {
        let forwarding = Forwarding {
            proxies: proxies.iter().map(|text| text.parse().unwrap()).collect(),
            by_forwarded,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in header {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        forwarding.address(&headers, Some(peer.parse().unwrap())).unwrap().to_string()
    }

    #[test]
    fn a_header_is_believed_of_a_proxy_alone_and_only_as_far_as_proxies_go() {
        let sent = [("x-forwarded-for", "1.1.1.1, 9.9.9.9")];
        assert_eq!(asked(&[], false, "10.0.0.1", &sent), "10.0.0.1");
        assert_eq!(asked(&["10.0.0.2"], false, "10.0.0.1", &sent), "10.0.0.1");
        assert_eq!(asked(&["10.0.0.0/8"], false, "10.0.0.1", &sent), "9.9.9.9");
        // What the client itself wrote before is not reached.
        assert_eq!(asked(&["10.0.0.0/8", "9.9.9.9"], false, "10.0.0.1", &sent), "1.1.1.1");
        assert_eq!(
            asked(&["10.0.0.1"], false, "10.0.0.1", &[("x-forwarded-for", "1.1.1.1, nonsense")]),
            "10.0.0.1"
        );
        assert_eq!(asked(&["10.0.0.1"], false, "10.0.0.1", &[]), "10.0.0.1");
        // The header of the other sort is the client's own.
        assert_eq!(
            asked(&["10.0.0.1"], false, "10.0.0.1", &[("forwarded", "for=1.1.1.1")]),
            "10.0.0.1"
        );
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        let by = |value: &str| asked(&["::1"], true, "::1", &[("forwarded", value)]);
        assert_eq!(by("for=192.0.2.1;proto=https"), "192.0.2.1");
        assert_eq!(by("proto=https; For=\"[2001:db8::17]:4711\""), "2001:db8::17");
        assert_eq!(by("for=\"192.0.2.1:8080\""), "192.0.2.1");
        assert_eq!(by("for=_hidden"), "::1");
        assert_eq!(
            asked(
                &["127.0.0.1"],
                false,
                "::ffff:127.0.0.1",
                &[("x-forwarded-for", "::ffff:1.2.3.4")]
            ),
            "1.2.3.4"
        );
    }

    #[test]
    fn networks_are_addresses_or_have_bits() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(holds("10.1.0.0/16", "10.1.255.1") && !holds("10.1.0.0/16", "10.2.0.1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(
            holds("2001:db8::/33", "2001:db8:7fff::1")
                && !holds("2001:db8::/33", "2001:db8:8000::1")
        );
        assert!(holds("10.0.0.1", "::ffff:10.0.0.1"));
        for wrong in ["", "10.0.0.1/33", "10.0.0/8", "host", "10.0.0.1/x"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
