//! Who really calls, where reverse proxies stand before the vault. Only proxies that the operator lists are believed.

use http::HeaderMap;
use std::{fmt, net::IpAddr, str::FromStr};

/// `ADDRESS/BITS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    bits: u32,
    is_v4: bool,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network; write ADDRESS/BITS, such as 10.0.0.0/8 or fd00::/8")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address lies in it. An IPv4 address that is written as IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (number, is_v4) = number(address);
        is_v4 == self.is_v4 && cut(number, self.bits) == self.address
    }
}

/// As a number of 128 bits, IPv4 in the highest ones.
fn number(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, true),
        IpAddr::V6(address) => (u128::from(address), false),
    }
}

fn cut(number: u128, bits: u32) -> u128 {
    number & u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.chars().take(100).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let (number, is_v4) = number(address.parse().map_err(|_| wrong())?);
        let most = if is_v4 { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { address: cut(number, bits), bits, is_v4 })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = if self.is_v4 {
            IpAddr::from(u32::try_from(self.address >> 96).unwrap_or_default().to_be_bytes())
        } else {
            IpAddr::from(self.address.to_be_bytes())
        };
        write!(f, "{address}/{}", self.bits)
    }
}

/// The address of the client: that of the connection, or what trusted proxies say, from the nearest one outwards, as far
/// as each is trusted. `X-Forwarded-Host` and `-Proto` are never read: URLs come from the public name alone.
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer.to_canonical();
    let values: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or("?")).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        if !is_trusted(nearest) {
            break;
        }
        // What a trusted proxy passed on unreadable ends the chain at the proxy.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        nearest = address.to_canonical();
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for one in forwarded {
            headers.append("x-forwarded-for", one.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|one| one.parse().unwrap()).collect();
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_listed_proxies_are_believed_and_only_as_far_as_they_are_listed() {
        let table: &[(&str, &[&str], &[&str], &str)] = &[
            ("192.0.2.1", &["203.0.113.9"], &[], "192.0.2.1"),
            ("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9"], &["10.0.0.0/8"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.9"], &["10.0.0.0/8"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.7, 10.2.3.4"], &["10.0.0.0/8"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7", "203.0.113.9"], &["10.0.0.0/8"], "203.0.113.9"),
            ("10.0.0.1", &["nonsense"], &["10.0.0.0/8"], "10.0.0.1"),
            ("10.0.0.1", &[], &["10.0.0.0/8"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::5"], &["10.0.0.0/8"], "2001:db8::5"),
            ("fd00::1", &["203.0.113.9"], &["fd00::/8"], "203.0.113.9"),
            ("fd00::1", &["203.0.113.9"], &["0.0.0.0/0"], "fd00::1"),
        ];

        for (peer, forwarded, trusted, client) in table {
            assert_eq!(seen(peer, forwarded, trusted), *client, "{peer} {forwarded:?} {trusted:?}");
        }
    }

    #[test]
    fn a_network_is_an_address_and_bits() {
        for (text, shown) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("::1", "::1/128"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "host/8", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
