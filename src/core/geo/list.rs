//! Plain lists of prefixes: one file a kind of network, or a table of a company's own networks.

use std::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;

use super::{Field, Location, Place, Relay};

/// Prefixes of one list; the longest that holds an address speaks for it.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Longest first.
    lengths: Vec<u8>,
    locations: HashMap<IpNet, Location, FixedState>,
}

impl Listed {
    /// Names the line, from 1, that cannot be read, and why.
    pub(super) fn parse(text: &str, relay: Option<Relay>) -> Result<Self, (usize, &'static str)> {
        let mut listed = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
            if !line.is_empty() {
                let (network, location) = parse_line(line, relay).map_err(|why| (number, why))?;
                listed.locations.insert(network, location);
            }
        }
        listed.lengths = listed.locations.keys().map(IpNet::prefix_len).collect();
        listed.lengths.sort_unstable_by(|a, b| b.cmp(a));
        listed.lengths.dedup();
        Ok(listed)
    }

    pub(super) fn find(&self, address: IpAddr) -> Option<&Location> {
        self.lengths.iter().find_map(|&length| self.locations.get(&IpNet::new(address, length).ok()?.trunc()))
    }

    /// What at least one line says.
    pub(super) fn fields(&self) -> Vec<Field> {
        let any = |test: fn(&Location) -> bool| self.locations.values().any(test);
        let fields = [
            (Field::Country, any(|location| !location.country.is_empty())),
            (Field::Provider, any(|location| !location.provider.is_empty())),
            (Field::Place, any(|location| location.place.is_some())),
            (Field::Relay, any(|location| location.relay.is_some())),
        ];
        fields.into_iter().filter(|(_, known)| *known).map(|(field, _)| field).collect()
    }
}

fn parse_line(line: &str, relay: Option<Relay>) -> Result<(IpNet, Location), &'static str> {
    let mut cells = line.split(',').map(str::trim);
    let prefix = cells.next().unwrap_or("");
    let network = prefix.parse::<IpNet>().or_else(|_| prefix.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| "does not begin with a prefix")?.trunc();
    let country = cells.next().unwrap_or("").to_owned();
    let provider = cells.next().unwrap_or("").to_owned();
    let relay = match cells.next().unwrap_or("") {
        "" => relay,
        name => Some(Relay::named(name).ok_or("names a relay other than hosting, vpn and proxy")?),
    };
    let place = match (cells.next().unwrap_or(""), cells.next().unwrap_or(""), cells.next().unwrap_or("")) {
        ("", "", _) => None,
        (latitude, longitude, radius) => {
            let number = |text: &str| text.parse::<f64>().map_err(|_| "has a place that is no number");
            let radius_km = match radius {
                "" => Place::RADIUS_UNKNOWN_KM,
                text => text.parse().map_err(|_| "has a radius that is no whole number of kilometres")?,
            };
            Some(Place::new(number(latitude)?, number(longitude)?, radius_km).ok_or("has a place off the globe")?)
        }
    };
    if cells.next().is_some() {
        return Err("has more than seven cells");
    }
    Ok((network, Location { country, provider, relay, place }))
}
