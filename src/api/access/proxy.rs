//! The address of the client: that of the peer, or behind a trusted proxy the forwarded one.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

/// Maximum number of forwarded addresses that are read.
const MAX_HOPS: usize = 32;

/// A network: an address, and the number of its bits that are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpNetwork {
    address: IpAddr,
    bits: u8,
}

impl FromStr for IpNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected an address or network, such as 10.1.2.3 or 10.1.0.0/16".to_owned();
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr =
            address.parse::<IpAddr>().map_err(|_malformed| wrong())?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_malformed| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl IpNetwork {
    /// Whether the network contains an address.
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

/// The trusted proxies, and the header with the forwarded address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies {
    /// The trusted proxies; if empty, no forwarded address is used.
    pub proxies: Vec<IpNetwork>,
    /// Whether the proxies set `Forwarded` (RFC 7239) instead of `X-Forwarded-For`. Only that
    /// header is read: a proxy that sets one of them passes on the other as the client sent it.
    pub by_forwarded: bool,
}

impl TrustedProxies {
    /// Whether an address is that of a trusted proxy.
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }

    /// The address of the client: the last forwarded address that is not a trusted proxy.
    #[must_use]
    pub fn address(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        let mut found = peer?.to_canonical();
        let name = if self.by_forwarded { FORWARDED } else { X_FORWARDED_FOR };
        // The last entry is the nearest. An entry that a client sent cannot hide those that a proxy
        // has appended.
        let lines: Vec<_> =
            headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| parts_from_last(line, ','))
            .filter(|hop| !hop.trim().is_empty());
        for hop in hops.take(MAX_HOPS) {
            if !self.is_proxy(found) {
                break;
            }
            let written = if self.by_forwarded { forwarded_for(hop) } else { Some(hop.to_owned()) };
            // An unreadable entry is not trusted: the request counts as that of the proxy which
            // wrote it.
            let Some(next) = written.as_deref().and_then(address) else { break };
            found = next;
        }
        Some(found)
    }
}

/// Whether a request has passed a proxy, by any of the headers that proxies set.
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

/// The parts of a list, the last one first. A separator within quotes does not separate. Quotes are
/// counted from the right, because a client can send anything to the left of the entry that the
/// proxy appended.
fn parts_from_last(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let mut quotes = 0_usize;
        for (at, c) in whole.char_indices().rev() {
            let before = whole.get(..at).unwrap_or_default();
            if c == '"' && before.chars().rev().take_while(|c| *c == '\\').count() % 2 == 0 {
                quotes += 1;
            } else if c == separator && quotes.is_multiple_of(2) {
                rest = Some(before);
                return whole.get(at + c.len_utf8()..);
            }
        }
        rest = None;
        Some(whole)
    })
}

/// The `for` of one entry of `Forwarded`; `None` if it is repeated.
fn forwarded_for(hop: &str) -> Option<String> {
    let pairs = parts_from_last(hop, ';').filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
        .map(|(_, value)| value.trim());
    let value = found.next().filter(|_| found.next().is_none())?;
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(quoted.map_or_else(|| value.to_owned(), |inside| inside.replace('\\', "")))
}

/// Parses an address in any form that proxies write: bare, with a port, in brackets, in quotes,
/// with a zone.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text =
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, behind) = rest.split_once(']')?;
            inside.parse::<Ipv6Addr>().ok().or_else(|| inside.split_once('%')?.0.parse().ok())?;
            (inside, behind.strip_prefix(':').or(behind.is_empty().then_some("0"))?)
        }
        // Without brackets only an IPv4 address can have a port: in an IPv6 address it would be
        // ambiguous.
        None if text.matches(':').count() == 1 => text.split_once(':')?,
        None => (text, "0"),
    };
    let number =
        port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let hidden = port.strip_prefix('_').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    });
    if !number && !hidden {
        return None;
    }
    let bare = host.split_once('%').map_or(host, |(address, _zone)| address);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
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
        let forwarding = TrustedProxies {
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
    fn a_forwarding_header_is_trusted_only_from_trusted_proxies() {
        let sent = [("x-forwarded-for", "1.1.1.1, 9.9.9.9")];
        assert_eq!(asked(&[], false, "10.0.0.1", &sent), "10.0.0.1");
        assert_eq!(asked(&["10.0.0.2"], false, "10.0.0.1", &sent), "10.0.0.1");
        assert_eq!(asked(&["10.0.0.0/8"], false, "10.0.0.1", &sent), "9.9.9.9");
        // Entries that the client itself wrote are not reached.
        assert_eq!(asked(&["10.0.0.0/8", "9.9.9.9"], false, "10.0.0.1", &sent), "1.1.1.1");
        assert_eq!(
            asked(&["10.0.0.1"], false, "10.0.0.1", &[("x-forwarded-for", "1.1.1.1, nonsense")]),
            "10.0.0.1"
        );
        assert_eq!(asked(&["10.0.0.1"], false, "10.0.0.1", &[]), "10.0.0.1");
        // The header that the proxies do not set comes from the client.
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
    fn a_client_has_one_address_in_every_notation() {
        let proxies = ["10.0.0.0/8", "2001:db8:ffff::/48"];
        for (peer, sent, expected) in [
            // With and without a port, brackets, quotes, blanks, capitals.
            ("10.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["  \t192.0.2.1\t "], "192.0.2.1"),
            ("10.0.0.1", &["\"192.0.2.1:80\""], "192.0.2.1"),
            ("10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["::FFFF:c000:201"], "192.0.2.1"),
            ("10.0.0.1", &["[::ffff:192.0.2.1]:443"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["2001:0DB8:0000:0000:0000:0000:0000:0001"], "2001:db8::1"),
            ("10.0.0.1", &["[fe80::1%eth0]:443"], "fe80::1"),
            ("2001:db8:ffff::9", &["[2001:db8::1]:443"], "2001:db8::1"),
            // The rightmost entry that is not a trusted proxy.
            ("10.0.0.1", &["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1,192.0.2.1,10.9.9.9"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.3, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.4"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1", "192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            // Empty entries are skipped.
            ("10.0.0.1", &["192.0.2.1, , "], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1", ""], "192.0.2.1"),
            ("10.0.0.1", &[",,"], "10.0.0.1"),
            // An unreadable entry counts as the address of the proxy.
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, _hidden"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1:99999"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1:"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1:8x"], "10.0.0.1"),
            ("10.0.0.1", &["[192.0.2.1]"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::1"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::1]443"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.256"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1 192.0.2.2"], "10.0.0.1"),
            // Headers of a peer that is not a trusted proxy are ignored.
            ("192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
            ("::ffff:192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
        ] {
            let header: Vec<_> = sent.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(asked(&proxies, false, peer, &header), expected, "{peer} {sent:?}");
        }
    }

    #[test]
    fn a_proxys_forwarded_entry_is_read_after_any_client_text() {
        for (sent, expected) in [
            (&["for=192.0.2.1"][..], "192.0.2.1"),
            (&["FOR=\"[2001:db8::1]:443\";proto=https;by=10.0.0.1"], "2001:db8::1"),
            (&["for=\"[2001:db8::1]:_obscured\""], "2001:db8::1"),
            (&["for=\"192.0.2.1:47011\""], "192.0.2.1"),
            (&["for=198.51.100.1, for=192.0.2.1;by=\"_a,_b\""], "192.0.2.1"),
            (&["for=198.51.100.1, for=192.0.2.1;by=\"_a;for=x\""], "192.0.2.1"),
            (&["for=\"198.51.100.1, for=192.0.2.1"], "192.0.2.1"),
            (&["for=198.51.100.1\\\", for=192.0.2.1"], "192.0.2.1"),
            (&["for=198.51.100.1", "proto=https;for=192.0.2.1"], "192.0.2.1"),
            (&["for=198.51.100.1, for=192.0.2.1, for=10.0.0.7"], "192.0.2.1"),
            (&["for=\"\\1\\92.0.2.1\""], "192.0.2.1"),
            (&[" , for = 192.0.2.1 , "], "192.0.2.1"),
            (&["for=192.0.2.1, for=unknown"], "10.0.0.1"),
            (&["for=192.0.2.1, for=_gazonk"], "10.0.0.1"),
            (&["for=192.0.2.1, proto=https"], "10.0.0.1"),
            (&["for=192.0.2.1;for=198.51.100.1"], "10.0.0.1"),
            (&["192.0.2.1"], "10.0.0.1"),
        ] {
            let header: Vec<_> = sent.iter().map(|value| ("forwarded", *value)).collect();
            assert_eq!(asked(&["10.0.0.0/8"], true, "10.0.0.1", &header), expected, "{sent:?}");
        }
    }

    #[test]
    fn non_text_bytes_hide_no_entry_and_other_headers_are_ignored() {
        let forwarding =
            TrustedProxies { proxies: vec!["10.0.0.1".parse().unwrap()], by_forwarded: false };
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(b"\xff\xfe, 192.0.2.1").unwrap());
        let at = |headers: &HeaderMap| {
            forwarding.address(headers, Some("10.0.0.1".parse().unwrap())).unwrap().to_string()
        };
        assert_eq!(at(&headers), "192.0.2.1");
        for other in
            ["x-real-ip", "forwarded", "x-client-ip", "cf-connecting-ip", "true-client-ip", "via"]
        {
            let mut headers = HeaderMap::new();
            headers.append(HeaderName::from_static(other), HeaderValue::from_static("192.0.2.1"));
            assert_eq!(at(&headers), "10.0.0.1", "{other}");
        }
        let mut many = HeaderMap::new();
        (0..100).for_each(|_| many.append(X_FORWARDED_FOR, HeaderValue::from_static("10.0.0.1")));
        many.insert(X_FORWARDED_FOR, HeaderValue::from_static("10.0.0.1"));
        assert_eq!(at(&many), "10.0.0.1");
        assert_eq!(forwarding.address(&headers, None), None);
    }

    #[test]
    fn parses_a_network_with_or_without_a_prefix_length() {
        let holds = |network: &str, address: &str| {
            network.parse::<IpNetwork>().unwrap().contains(address.parse().unwrap())
        };
        assert!(holds("10.1.0.0/16", "10.1.255.1") && !holds("10.1.0.0/16", "10.2.0.1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(
            holds("2001:db8::/33", "2001:db8:7fff::1")
                && !holds("2001:db8::/33", "2001:db8:8000::1")
        );
        assert!(holds("10.0.0.1", "::ffff:10.0.0.1"));
        for wrong in ["", "10.0.0.1/33", "10.0.0/8", "host", "10.0.0.1/x"] {
            assert!(wrong.parse::<IpNetwork>().is_err(), "{wrong}");
        }
    }
}
