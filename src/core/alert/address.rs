//! Which addresses an alert may be sent to: public ones. A destination is a URL that somebody configured, and must not
//! become a way into the network behind this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is reachable from, and belongs to, the public internet.
///
/// Addresses that carry another one (IPv4-mapped, NAT64, 6to4, Teredo) are judged by the one they carry where that is
/// routed, and are refused otherwise. Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_reserved = match (a, b, c) {
        // "This network", private, loopback.
        (0 | 10 | 127, _, _) | (172, 16..=31, _) | (192, 168, _) => true,
        // Carrier-grade NAT; Alibaba's metadata service 100.100.100.200 among it.
        (100, 64..=127, _) => true,
        // Link-local, and with it the metadata services of most clouds at 169.254.169.254.
        (169, 254, _) => true,
        // Azure's platform service (168.63.129.16), reachable from inside only.
        (168, 63, 129) => true,
        // IETF assignments, 6to4 relays, AS112, documentation, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (192, 31, 196) | (192, 52, 193) | (192, 175, 48) => true,
        (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224..=255, _, _) => true,
        _ => false,
    };
    !is_reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let carried = |high: u16, low: u16| {
        let ([first, second], [third, fourth]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(first, second, third, fourth))
    };
    match (a, b) {
        // NAT64, well-known prefix; the one for local use is refused as a whole.
        (0x0064, 0xff9b) => [c, d, e, f] == [0; 4] && carried(g, h),
        // 6to4 and Teredo (whose client address is stored inverted, and which nobody needs).
        (0x2002, high) => carried(high, c),
        (0x2001, 0x0000) => false,
        // Benchmarks, ORCHID, documentation.
        (0x2001, 0x0002 | 0x0010..=0x002f | 0x0db8) | (0x3fff, 0x0000..=0x0fff) => false,
        // Global unicast; everything outside (loopback, unspecified, unique-local, link- and site-local, multicast,
        // IPv4-compatible, discard-only) is not.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_may_be_called() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_public(text.parse().expect(text)), expected, "{text}");
        };
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "169.253.1.1",
            "223.255.255.255",
            "198.17.0.1",
            "2606:4700::1111",
            "2a00:1450:4001:80b::200e",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
        ] {
            check(public, true);
        }
        for inward in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "168.63.129.16",
            "192.0.0.170",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(inward, false);
        }
    }
}
