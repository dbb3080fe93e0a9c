//! Sizes, lengths of time and networks as people write them.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

/// Reads `1048576`, `64 KiB`, `256MiB`, `100 GiB` as bytes.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// Reads `90 s`, `15min`, `12 h`, `7 days` as a length of time. Without a unit it is none.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let unit_s = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    number.checked_mul(unit_s).map(Duration::from_secs)
}

/// Reads `10.0.0.0/8`, `2001:db8::/32`, `127.0.0.1` as a network, which may be of one address. IPv4 in the notation of
/// IPv6 is IPv4. `10.0.0.1/8` is none: it leaves open whether the network or the address is meant.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse().ok().map(|address: IpAddr| address.to_canonical().into());
    };
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    let canonical = address.to_canonical();
    // Of the 128 bits the first 96 say that it is IPv4.
    let length = if canonical == address { length } else { length.checked_sub(96)? };
    let network = IpNet::new(canonical, length).ok()?;
    (network.addr() == network.network()).then_some(network)
}

/// A whole number and the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}
