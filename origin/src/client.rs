//! Who asks: the other end of the connection or, if that is a proxy that is trusted, whom it names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::limits::FORWARDED_MAX;

/// What proxies write, nginx and CDNs alike; few write the `Forwarded` of RFC 7239.
pub(crate) const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies whose word is taken on who asks.
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
}

// === impl Proxies ===

impl Proxies {
    pub(crate) fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted }
    }

    /// The client of a request. Each proxy adds at the right whom it was asked by: going left, an entry is as good as the
    /// one that wrote it, and what stands left of the first stranger is what that one made up.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
        // RFC 9110 §5.6.1: a list may have empty elements, which say nothing.
        for entry in entries.take(FORWARDED_MAX).map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty()) {
            // As `unknown` is: whoever wrote it is the last who is known.
            let Some(named) = address(entry) else { break };
            client = named;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// What a client is counted by: its address or, of those that networks give out by 2^64 (RFC 6177), their prefix. One
/// who has that many could otherwise be as many clients.
pub(crate) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// The address of an entry, which may have brackets and a port. IPv4 in the notation of IPv6 is IPv4.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let address = text.parse().ok().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz;

    fn proxies(trusted: &[&str]) -> Proxies {
        Proxies::new(trusted.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn client(proxies: &Proxies, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_client_is_the_first_stranger_from_the_right() {
        let proxies = proxies(&["10.0.0.0/8", "127.0.0.1/32", "2001:db8:ffff::/48"]);
        let rows: [(&str, &[&str], &str); 27] = [
            // Who is trusted is believed, and nobody else is.
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("127.0.0.2", &["192.0.2.1"], "127.0.0.2"),
            ("11.0.0.1", &["192.0.2.1"], "11.0.0.1"),
            ("2001:db8:ffff::7", &["192.0.2.1"], "192.0.2.1"),
            ("2001:db8:fffe::7", &["192.0.2.1"], "2001:db8:fffe::7"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:11.0.0.1", &["192.0.2.1"], "11.0.0.1"),
            // One that names nobody is the client itself.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            // Whatever a client writes stands at the left.
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["rubbish, 192.0.2.1"], "192.0.2.1"),
            // Several proxies, one behind another.
            ("10.0.0.1", &["203.0.113.9, 192.0.2.1, 10.9.9.9,10.8.8.8"], "192.0.2.1"),
            ("10.0.0.1", &["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
            // Several lines are one list.
            ("10.0.0.1", &["203.0.113.9", "192.0.2.1", "10.9.9.9"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9", "192.0.2.1, 10.9.9.9", ""], "192.0.2.1"),
            // What cannot be read ends it at the last who could be.
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, _hidden, 10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["192.0.2.1, 1.2.3.4.5"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, 192.0.2.2:70000"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, \u{fc}"], "10.0.0.1"),
            // Empty elements, spaces, ports, brackets and both notations.
            ("10.0.0.1", &[" 192.0.2.1 ,\t, "], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1:567"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::1]:123"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["2001:DB8:0::1"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:192.0.2.1, ::ffff:10.9.9.9"], "192.0.2.1"),
        ];
        for (peer, lines, wanted) in rows {
            assert_eq!(client(&proxies, peer, lines), wanted, "{peer} {lines:?}");
        }
    }

    #[test]
    fn without_trusted_proxies_whoever_connects_is_the_client() {
        let nobody = proxies(&[]);
        assert_eq!(client(&nobody, "127.0.0.1", &["192.0.2.1"]), "127.0.0.1");
        assert_eq!(client(&nobody, "::ffff:192.0.2.7", &["192.0.2.1"]), "192.0.2.7");
    }

    #[test]
    fn so_many_entries_are_read_and_not_one_more() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let chain = |proxies: usize| format!("192.0.2.1{}", ", 10.0.0.2".repeat(proxies));
        assert_eq!(client(&proxies, "10.0.0.1", &[&chain(FORWARDED_MAX - 1)]), "192.0.2.1");
        assert_eq!(client(&proxies, "10.0.0.1", &[&chain(FORWARDED_MAX)]), "10.0.0.2");
        // Those that say nothing count as well.
        let empty = |elements: usize| format!("192.0.2.1{}", ",".repeat(elements));
        assert_eq!(client(&proxies, "10.0.0.1", &[&empty(FORWARDED_MAX - 1)]), "192.0.2.1");
        assert_eq!(client(&proxies, "10.0.0.1", &[&empty(FORWARDED_MAX)]), "10.0.0.1");
    }

    #[test]
    fn a_client_is_counted_by_its_address_or_by_its_prefix() {
        for (client, wanted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
        ] {
            assert_eq!(network(client.parse().unwrap()).to_string(), wanted, "{client}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(text in "([0-9]{1,3}\\.[0-9]{1,3}\\.0\\.1|10\\.0\\.0\\.[1-9]|[0-9a-f:.\\[\\]]{0,24}|[ ,\n]){0,24}") {
            fuzz::forwarded(text.as_bytes());
        }

        #[test]
        fn nor_are_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz::forwarded(&bytes);
        }
    }
}
