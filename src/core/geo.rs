//! Where a client's network is, who runs it, and whether people sit there or machines.
//!
//! Facts come from databases in MaxMind's format (any of City, Country, ASN, Anonymous IP and their free editions; also
//! those of other makers that use the same field names) and from plain lists of prefixes. Both are given as bytes and
//! text: reading files, and reading them again when they change, is the shell's part.
//!
//! A network is looked up once a [`Locator`], not once a request. Without a source every column stays null and
//! [`Geography::blind_spots`] says which questions nobody can answer then.
//!
//! Deliberately not here: single addresses. Networks (/24, /56) are what the lake keeps and detectors compare.

mod list;
mod place;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::ArrayRef;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

use crate::event::{Column, DictColumn, Events};
use crate::fault::{Blame, Fault};
use list::Listed;
pub use place::Place;

/// What hides who is behind a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relay {
    /// A data centre: machines, not people.
    Hosting,
    Vpn,
    /// A public proxy, an exit node or a proxy in somebody's living room.
    Proxy,
}

impl Relay {
    pub const ALL: &'static [Self] = &[Self::Hosting, Self::Vpn, Self::Proxy];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hosting => "hosting",
            Self::Vpn => "vpn",
            Self::Proxy => "proxy",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|relay| relay.name() == name)
    }
}

/// What is known of one network. Empty and `None` mean "no source says".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Location {
    /// ISO 3166 alpha-2.
    pub country: String,
    /// AS number and name, such as `AS64500 Example Networks`.
    pub provider: String,
    pub relay: Option<Relay>,
    pub place: Option<Place>,
}

impl Location {
    /// Fills what is still unknown.
    fn complete(&mut self, other: Self) {
        if self.country.is_empty() {
            self.country = other.country;
        }
        if self.provider.is_empty() {
            self.provider = other.provider;
        }
        self.relay = self.relay.or(other.relay);
        self.place = self.place.or(other.place);
    }
}

/// All sources, immutable. Lists speak before databases, and earlier sources before later ones.
#[derive(Debug, Default)]
pub struct Geography {
    lists: Vec<Listed>,
    databases: Vec<Reader<Vec<u8>>>,
}

impl Geography {
    /// Adds a database in MaxMind's format. `name` is for the error only.
    ///
    /// # Errors
    /// When the bytes are no such database.
    pub fn with_database(mut self, name: &str, bytes: Vec<u8>) -> Result<Self, GeoError> {
        let unreadable = |source| GeoError::NotADatabase { name: name.to_owned(), source };
        self.databases.push(Reader::from_source(bytes).map_err(unreadable)?);
        Ok(self)
    }

    /// Adds a list: a prefix a line, or `prefix,country,provider,relay,latitude,longitude,radius_km` with anything
    /// after the prefix left out or empty; `#` begins a comment. Prefixes of a line that names no relay count as
    /// `relay`.
    ///
    /// # Errors
    /// Names the first line that is neither.
    pub fn with_list(mut self, name: &str, text: &str, relay: Option<Relay>) -> Result<Self, GeoError> {
        let listed = Listed::parse(text, relay);
        self.lists.push(listed.map_err(|(line, why)| GeoError::BadLine { name: name.to_owned(), line, why })?);
        Ok(self)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.databases.is_empty()
    }

    /// What the sources say of a network, such as `203.0.113.0/24`; of a bare address likewise.
    #[must_use]
    pub fn locate(&self, network: &str) -> Location {
        let mut found = Location::default();
        let address = network.parse::<IpNet>().map(|network| network.network()).or_else(|_| network.parse::<IpAddr>());
        let Ok(address) = address else { return found };
        self.lists.iter().filter_map(|list| list.find(address)).for_each(|location| found.complete(location.clone()));
        for database in &self.databases {
            let record = database.lookup(address).and_then(|result| result.decode::<Record>());
            if let Ok(Some(record)) = record {
                found.complete(record.into_location());
            }
        }
        found
    }

    /// Questions that go unanswered for want of a source, each as a half-sentence for people.
    #[must_use]
    pub fn blind_spots(&self) -> Vec<&'static str> {
        let fields = self.lists.iter().flat_map(Listed::fields).chain(self.databases.iter().flat_map(fields_of));
        let known: Vec<Field> = fields.collect();
        let gaps = [
            (Field::Country, "a key used from a new country is not noticed: no country database or list is configured"),
            (Field::Provider, "a key used from a new provider is not noticed: no ASN database or list is configured"),
            (Field::Place, "impossible travel is not noticed: no city database or list is configured"),
            (Field::Relay, "hosting, VPN and proxy networks look like any other: no list of them is configured"),
        ];
        gaps.into_iter().filter(|(field, _)| !known.contains(field)).map(|(_, gap)| gap).collect()
    }
}

/// What a source can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Country,
    Provider,
    Place,
    Relay,
}

/// Judged by the type that a database states of itself, such as `GeoLite2-City` or `DBIP-ASN-Lite`.
fn fields_of(database: &Reader<Vec<u8>>) -> Vec<Field> {
    let kind = database.metadata().database_type.to_ascii_lowercase();
    let is = |word: &str| kind.contains(word);
    let everything = is("enterprise");
    let fields = [
        (Field::Country, is("country") || is("city")),
        (Field::Provider, is("asn") || is("isp")),
        (Field::Place, is("city")),
        (Field::Relay, is("anonymous")),
    ];
    fields.into_iter().filter(|(_, known)| *known || everything).map(|(field, _)| field).collect()
}

/// The fields of all database types that we use, each absent in most.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record<'a> {
    country: CountryRecord<'a>,
    registered_country: CountryRecord<'a>,
    location: LocationRecord,
    autonomous_system_number: Option<u32>,
    #[serde(borrow)]
    autonomous_system_organization: Option<&'a str>,
    is_hosting_provider: bool,
    is_anonymous_vpn: bool,
    is_public_proxy: bool,
    is_residential_proxy: bool,
    is_tor_exit_node: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CountryRecord<'a> {
    #[serde(borrow)]
    iso_code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LocationRecord {
    latitude: Option<f64>,
    longitude: Option<f64>,
    accuracy_radius: Option<u16>,
}

impl Record<'_> {
    fn into_location(self) -> Location {
        let LocationRecord { latitude, longitude, accuracy_radius } = self.location;
        let place = latitude.zip(longitude);
        let provider = match (self.autonomous_system_number, self.autonomous_system_organization) {
            (Some(number), Some(name)) => format!("AS{number} {name}"),
            (Some(number), None) => format!("AS{number}"),
            (None, name) => name.unwrap_or("").to_owned(),
        };
        let relay = match self {
            Self { is_tor_exit_node: true, .. }
            | Self { is_public_proxy: true, .. }
            | Self { is_residential_proxy: true, .. } => Some(Relay::Proxy),
            Self { is_anonymous_vpn: true, .. } => Some(Relay::Vpn),
            Self { is_hosting_provider: true, .. } => Some(Relay::Hosting),
            Self { .. } => None,
        };
        Location {
            country: self.country.iso_code.or(self.registered_country.iso_code).unwrap_or("").to_owned(),
            provider,
            relay,
            // A database that states no radius has placed the network by its country at best.
            place: place.and_then(|(latitude, longitude)| {
                Place::new(latitude, longitude, accuracy_radius.unwrap_or(Place::RADIUS_UNKNOWN_KM))
            }),
        }
    }
}

/// Fills the client's country, provider, relay and place, remembering the networks it has seen.
#[derive(Debug, Default)]
pub struct Locator {
    geography: Arc<Geography>,
    known: HashMap<String, Location, FixedState>,
}

impl Locator {
    /// Networks that are remembered; beyond it, memory starts anew.
    pub const NETWORKS_MAX: usize = 1 << 15;

    #[must_use]
    pub fn new(geography: Arc<Geography>) -> Self {
        Self { geography, known: HashMap::default() }
    }

    /// The same rows with what is known of their networks.
    #[must_use]
    pub fn locate(&mut self, events: Events) -> Events {
        if self.geography.is_empty() {
            return events;
        }
        let columns = {
            let networks = events.dict(Column::ClientNetwork);
            let mut columns: [DictColumn; COLUMNS.len()] = Default::default();
            let codes: Vec<[Option<u32>; COLUMNS.len()]> = networks
                .values()
                .iter()
                .map(|network| {
                    let location = self.find(network.unwrap_or(""));
                    let place = location.place.map_or_else(String::new, |place| place.to_string());
                    let relay = location.relay.map_or("", Relay::name);
                    let texts = [location.country.as_str(), location.provider.as_str(), relay, place.as_str()];
                    std::array::from_fn(|at| columns[at].code(texts[at]))
                })
                .collect();
            for row in 0..events.len() {
                let found = networks.code(row).map_or([None; COLUMNS.len()], |code| codes[code]);
                columns.iter_mut().zip(found).for_each(|(column, code)| column.push_code(code));
            }
            columns.map(|mut column| column.finish())
        };
        COLUMNS
            .into_iter()
            .zip(columns)
            .fold(events, |events, (column, values): (Column, ArrayRef)| events.replacing(column, values))
    }

    fn find(&mut self, network: &str) -> &Location {
        if self.known.len() >= Self::NETWORKS_MAX && !self.known.contains_key(network) {
            self.known.clear();
        }
        self.known.entry_ref(network).or_insert_with(|| self.geography.locate(network))
    }
}

const COLUMNS: [Column; 4] = [Column::ClientCountry, Column::ClientProvider, Column::ClientRelay, Column::ClientPlace];

/// Why a source of geography cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    #[error("`{name}` is no database in MaxMind's format")]
    NotADatabase { name: String, source: MaxMindDbError },
    #[error("line {line} of `{name}` {why}")]
    BadLine { name: String, line: usize, why: &'static str },
}

impl Fault for GeoError {
    fn hint(&self) -> String {
        match self {
            Self::NotADatabase { name, .. } => {
                format!("download `{name}` again, and check that it is an .mmdb file that was unpacked")
            }
            Self::BadLine { .. } => "a line is a prefix such as 203.0.113.0/24, alone or as \
                 `prefix,country,provider,relay,latitude,longitude,radius_km`"
                .to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Operator
    }
}
