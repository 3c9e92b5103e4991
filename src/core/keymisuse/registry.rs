//! A toy registry of networks: which prefix lies where, in whose hands, and whether machines or people sit there.
//!
//! Only addresses that belong to nobody: private and shared ones (RFC 1918, RFC 6598) and those of documentation
//! (RFC 3849), with autonomous system numbers for private use (RFC 6996). Countries and coordinates are real, so that
//! distances are.

use std::fmt::Write as _;

use super::draw::{Draw, mixed};

/// What sits behind a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// Homes and offices.
    Eyeball,
    /// Phones behind carrier-grade translation.
    Mobile,
    /// Rented machines.
    Hosting,
}

impl NetworkKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eyeball => "eyeball",
            Self::Mobile => "mobile",
            Self::Hosting => "hosting",
        }
    }
}

/// A client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Address {
    V4(u32),
    /// Upper half, lower half.
    V6(u64, u64),
}

impl Address {
    pub(crate) fn put(self, out: &mut String) {
        match self {
            Self::V4(bits) => {
                let [a, b, c, d] = bits.to_be_bytes();
                for (place, part) in [a, b, c, d].into_iter().enumerate() {
                    if place > 0 {
                        out.push('.');
                    }
                    super::text::put_number(out, u64::from(part));
                }
            }
            Self::V6(upper, lower) => {
                let address = std::net::Ipv6Addr::from((u128::from(upper) << 64) | u128::from(lower));
                let written = write!(out, "{address}");
                debug_assert!(written.is_ok(), "a String takes any text");
            }
        }
    }

    /// The network that the product counts by: /24 or /56.
    #[must_use]
    pub(crate) fn network(self) -> String {
        let mut text = String::new();
        match self {
            Self::V4(bits) => {
                Self::V4(bits & !0xff).put(&mut text);
                text.push_str("/24");
            }
            Self::V6(upper, _) => {
                Self::V6(upper & !0xff, 0).put(&mut text);
                text.push_str("/56");
            }
        }
        text
    }
}

/// One prefix of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Index into [`CITIES`].
    pub city: usize,
    pub kind: NetworkKind,
    pub asn: u32,
    base: Base,
}

#[derive(Clone, Copy, Debug)]
enum Base {
    /// A /16.
    V4(u32),
    /// A /48.
    V6(u64),
}

impl Network {
    #[must_use]
    pub fn prefix(&self) -> String {
        let mut text = String::new();
        match self.base {
            Base::V4(bits) => {
                Address::V4(bits).put(&mut text);
                text.push_str("/16");
            }
            Base::V6(upper) => {
                Address::V6(upper, 0).put(&mut text);
                text.push_str("/48");
            }
        }
        text
    }

    #[must_use]
    pub fn city(&self) -> &'static City {
        &CITIES[self.city]
    }

    /// The address of client `number`: spread over the prefix, the same each time.
    #[allow(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
    pub(crate) fn client(&self, number: u64) -> Address {
        let bits = mixed(number);
        match self.base {
            // Host parts 0 and 255 stay unused, as they do in the world.
            Base::V4(base) => Address::V4(base | ((bits as u32 >> 8 & 0xff) << 8) | (1 + (bits >> 40) as u32 % 254)),
            Base::V6(upper) => Address::V6(upper | (bits & 0xffff), mixed(bits)),
        }
    }

    /// Host `host` of the /24 (or /64) that client `number` lies in.
    #[allow(clippy::cast_possible_truncation, reason = "the remainder is below 254")]
    pub(crate) fn neighbour(&self, number: u64, host: u64) -> Address {
        match self.client(number) {
            Address::V4(bits) => Address::V4((bits & !0xff) | (1 + (host % 254) as u32)),
            Address::V6(upper, _) => Address::V6(upper, mixed(host)),
        }
    }
}

/// A place on the map.
#[derive(Clone, Copy, Debug)]
pub struct City {
    pub name: &'static str,
    /// ISO 3166-1.
    pub country: &'static str,
    pub latitude: f64,
    pub longitude: f64,
    /// Hours from UTC in winter.
    pub utc_hours: i64,
    /// When clocks change.
    pub summer_time: SummerTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummerTime {
    None,
    Europe,
    America,
}

/// All prefixes; index is identity.
#[derive(Clone, Debug)]
pub struct Registry {
    networks: Vec<Network>,
}

impl Registry {
    /// Every city has two access providers and a share of three hosting providers; every country a mobile carrier
    /// with two IPv4 prefixes and one of IPv6.
    #[must_use]
    pub fn toy() -> Self {
        let mut networks = Vec::new();
        let mut next_private = 10 << 24;
        let mut private = |city, kind, asn, networks: &mut Vec<Network>| {
            networks.push(Network { city, kind, asn, base: Base::V4(next_private) });
            next_private += 1 << 16;
        };
        for (city, asn) in (0..CITIES.len()).zip((64_600..).step_by(2)) {
            for provider in 0..2 {
                private(city, NetworkKind::Eyeball, asn + provider, &mut networks);
            }
            for provider in 0..3 {
                private(city, NetworkKind::Hosting, 64_520 + provider, &mut networks);
            }
        }
        let mut carrier = 0;
        for (city, place) in CITIES.iter().enumerate() {
            if CITIES.iter().take(city).any(|earlier| earlier.country == place.country) {
                continue;
            }
            let asn = 65_000 + carrier;
            for half in 0..2 {
                let base = Base::V4((100 << 24) | (64 << 16) | ((2 * carrier + half) << 16));
                networks.push(Network { city, kind: NetworkKind::Mobile, asn, base });
            }
            let base = Base::V6((0x2001_0db8 << 32) | (u64::from(carrier) << 16));
            networks.push(Network { city, kind: NetworkKind::Mobile, asn, base });
            carrier += 1;
        }
        Self { networks }
    }

    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    pub(crate) fn get(&self, index: usize) -> &Network {
        &self.networks[index]
    }

    /// A prefix that suits; any at all if none does.
    pub(crate) fn find(&self, draw: &mut Draw, suits: impl Fn(&Network) -> bool) -> usize {
        let all: Vec<usize> = (0..self.networks.len()).filter(|&index| suits(&self.networks[index])).collect();
        if all.is_empty() { draw.index(self.networks.len()) } else { draw.pick(&all) }
    }

    /// The registry as a list for [`crate::geo::Geography::with_list`].
    #[must_use]
    pub fn list(&self) -> String {
        let mut out = String::new();
        for network in &self.networks {
            let (city, kind) = (network.city(), network.kind.name());
            let relay = if network.kind == NetworkKind::Hosting { "hosting" } else { "" };
            let line = writeln!(
                out,
                "{},{},AS{} toy-{kind}-{},{relay},{},{},20",
                network.prefix(),
                city.country,
                network.asn,
                network.asn,
                city.latitude,
                city.longitude
            );
            debug_assert!(line.is_ok(), "a String takes any text");
        }
        out
    }
}

const fn city(
    name: &'static str,
    country: &'static str,
    (latitude, longitude): (f64, f64),
    utc_hours: i64,
    summer_time: SummerTime,
) -> City {
    City { name, country, latitude, longitude, utc_hours, summer_time }
}

use SummerTime::{America, Europe, None as Never};

/// Six time zones; the first city of a country is its capital here.
pub const CITIES: &[City] = &[
    city("Berlin", "DE", (52.52, 13.41), 1, Europe),
    city("Munich", "DE", (48.14, 11.58), 1, Europe),
    city("Hamburg", "DE", (53.55, 9.99), 1, Europe),
    city("Paris", "FR", (48.86, 2.35), 1, Europe),
    city("Lyon", "FR", (45.76, 4.84), 1, Europe),
    city("London", "GB", (51.51, -0.13), 0, Europe),
    city("Manchester", "GB", (53.48, -2.24), 0, Europe),
    city("Madrid", "ES", (40.42, -3.70), 1, Europe),
    city("Warsaw", "PL", (52.23, 21.01), 1, Europe),
    city("New York", "US", (40.71, -74.01), -5, America),
    city("Atlanta", "US", (33.75, -84.39), -5, America),
    city("Seattle", "US", (47.61, -122.33), -8, America),
    city("San Jose", "US", (37.34, -121.89), -8, America),
    city("Toronto", "CA", (43.65, -79.38), -5, America),
    city("Sao Paulo", "BR", (-23.55, -46.63), -3, Never),
    city("Rio de Janeiro", "BR", (-22.91, -43.17), -3, Never),
    city("Tokyo", "JP", (35.68, 139.69), 9, Never),
    city("Osaka", "JP", (34.69, 135.50), 9, Never),
    city("Singapore", "SG", (1.35, 103.82), 8, Never),
    city("Johannesburg", "ZA", (-26.20, 28.05), 2, Never),
    city("Mumbai", "IN", (19.08, 72.88), 5, Never),
    city("Delhi", "IN", (28.61, 77.21), 5, Never),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_address_is_anybodys() {
        let registry = Registry::toy();
        for (number, network) in registry.networks().iter().enumerate() {
            for client in 0..50 {
                match network.client(client * 31 + number as u64) {
                    Address::V4(bits) => {
                        let [a, b, ..] = bits.to_be_bytes();
                        assert!(a == 10 || a == 100 && (64..128).contains(&b), "{}", network.prefix());
                    }
                    Address::V6(upper, _) => assert_eq!(upper >> 32, 0x2001_0db8),
                }
            }
            assert!((64_512..65_535).contains(&network.asn));
        }
        let prefixes: HashSet<String> = registry.networks().iter().map(Network::prefix).collect();
        assert_eq!(prefixes.len(), registry.networks().len(), "no prefix is listed twice");
    }

    #[test]
    fn a_network_is_what_the_product_counts_by() {
        assert_eq!(Address::V4(0x0a01_0203).network(), "10.1.2.0/24");
        assert_eq!(Address::V6(0x2001_0db8_0001_02ff, 5).network(), "2001:db8:1:200::/56");
    }
}
