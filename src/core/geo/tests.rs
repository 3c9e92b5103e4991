//! Lists and a small database made here, looked up as the pipeline does.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Geography, Location, Locator, Place, Relay};
use crate::event::{Column, EventBuilder, Row};

const OFFICE: &str = "\
# our own networks
192.0.2.0/24,DE,AS64500 Office,,52.52,13.40,20
192.0.2.128/25,AT
2001:db8::/32,NL,AS64501 Six,vpn
";

#[test]
fn the_longest_prefix_of_a_list_speaks() {
    let geography = Geography::default().with_list("office", OFFICE, None).unwrap();
    assert_eq!(geography.locate("192.0.2.0/24").provider, "AS64500 Office");
    assert_eq!(geography.locate("192.0.2.200").country, "AT");
    assert_eq!(geography.locate("2001:db8:1::/56").relay, Some(Relay::Vpn));
    for unknown in ["198.51.100.0/24", "", "nonsense", "::"] {
        assert_eq!(geography.locate(unknown), Location::default(), "{unknown}");
    }
}

#[test]
fn a_list_of_bare_prefixes_says_what_its_file_says_and_completes_others() {
    let geography = Geography::default().with_list("hosting.txt", "192.0.2.0/24\n198.51.100.7\n", Some(Relay::Hosting));
    let geography = geography.unwrap().with_list("office", OFFICE, None).unwrap();
    let found = geography.locate("192.0.2.0/24");
    assert_eq!((found.relay, found.country.as_str()), (Some(Relay::Hosting), "DE"));
    assert_eq!(geography.locate("198.51.100.7").relay, Some(Relay::Hosting));
    assert_eq!(geography.locate("198.51.100.8").relay, None);
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    for (text, told) in [
        ("192.0.2.0/24\nhello", "line 2 of `x` does not begin with a prefix"),
        ("192.0.2.0/33", "line 1 of `x` does not begin with a prefix"),
        ("192.0.2.0/24,DE,AS1,cloud", "line 1 of `x` names a relay other than hosting, vpn and proxy"),
        ("192.0.2.0/24,DE,AS1,,95,0,1", "line 1 of `x` has a place off the globe"),
        ("192.0.2.0/24,DE,AS1,,5,0,1,9", "line 1 of `x` has more than seven cells"),
    ] {
        let error = Geography::default().with_list("x", text, None).unwrap_err();
        assert_eq!(error.to_string(), told);
    }
    assert!(Geography::default().with_database("x.mmdb", b"not one".to_vec()).is_err());
}

#[test]
fn blind_spots_go_with_their_sources() {
    assert_eq!(Geography::default().blind_spots().len(), 4);
    let city = Geography::default().with_database("c", database("GeoLite2-City", &[])).unwrap();
    let gaps = city.blind_spots();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    let all = city.with_list("office", OFFICE, None).unwrap();
    assert!(all.blind_spots().is_empty());
}

#[test]
fn a_database_says_country_place_provider_and_relay() {
    let record = map(&[
        ("country", map(&[("iso_code", text("SE")), ("names", map(&[("en", text("Sweden"))]))])),
        ("location", map(&[("latitude", double(58.4)), ("longitude", double(15.6)), ("accuracy_radius", short(76))])),
        ("autonomous_system_number", long(64_496)),
        ("autonomous_system_organization", text("Bredband")),
        ("is_anonymous_vpn", BOOL_TRUE.to_vec()),
    ]);
    let bytes = database("Test-Enterprise", &[(Ipv4Addr::new(203, 0, 113, 0), 24, record)]);
    let geography = Geography::default().with_database("test", bytes).unwrap();
    let found = geography.locate("203.0.113.0/24");
    assert_eq!((found.country.as_str(), found.provider.as_str()), ("SE", "AS64496 Bredband"));
    assert_eq!((found.relay, found.place), (Some(Relay::Vpn), Place::new(58.4, 15.6, 76)));
    assert_eq!(geography.locate("203.0.114.0/24"), Location::default());
}

#[test]
fn rows_get_what_is_known_of_their_network_and_null_without_a_source() {
    let mut builder = EventBuilder::default();
    for network in ["192.0.2.0/24", "", "198.51.100.0/24", "192.0.2.0/24"] {
        builder.push(&Row {
            topic: "access",
            partition: Some(0),
            offset: Some(0),
            part: Some(0),
            event_at: Some(1),
            ingested_at: Some(1),
            client_network: network,
            ..Row::default()
        });
    }
    let events = builder.finish();
    let nowhere = Locator::default().locate(events.clone());
    assert!((0..4).all(|row| nowhere.dict(Column::ClientCountry).get(row).is_empty()));

    let geography = Arc::new(Geography::default().with_list("office", OFFICE, None).unwrap());
    let located = Locator::new(geography).locate(events);
    let countries: Vec<&str> = (0..4).map(|row| located.dict(Column::ClientCountry).get(row)).collect();
    assert_eq!(countries, ["DE", "", "", "DE"]);
    assert_eq!(located.dict(Column::ClientPlace).get(3), "52.51,13.40,20");
}

// A writer of MaxMind's format, as far as the tests need it. Source: the "MaxMind DB File Format Specification" 2.0.

const BOOL_TRUE: &[u8] = &[0x01, 7];

fn head(kind: u8, len: usize) -> Vec<u8> {
    let len = u8::try_from(len).unwrap();
    // Lengths from 29 on stand in a byte of their own.
    let (field, more) = if len < 29 { (len, None) } else { (29, Some(len - 29)) };
    let mut bytes = if kind <= 7 { vec![(kind << 5) | field] } else { vec![field, kind - 7] };
    bytes.extend(more);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    [head(2, value.len()), value.as_bytes().to_vec()].concat()
}

fn double(value: f64) -> Vec<u8> {
    [head(3, 8), value.to_be_bytes().to_vec()].concat()
}

fn short(value: u16) -> Vec<u8> {
    [head(5, 2), value.to_be_bytes().to_vec()].concat()
}

fn long(value: u32) -> Vec<u8> {
    [head(6, 4), value.to_be_bytes().to_vec()].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries_bytes = entries.iter().flat_map(|(name, value)| [text(name), value.clone()]);
    [head(7, entries.len())].into_iter().chain(entries_bytes).collect::<Vec<_>>().concat()
}

/// An IPv4 database with records of 32 bits.
fn database(kind: &str, rows: &[(Ipv4Addr, u8, Vec<u8>)]) -> Vec<u8> {
    const NOTHING: usize = usize::MAX;
    let mut nodes = vec![[NOTHING; 2]];
    let mut leaves: Vec<(usize, usize, usize)> = Vec::new();
    let mut data = Vec::new();
    for (address, length, record) in rows {
        let mut node = 0;
        for depth in 0..*length {
            let bit = usize::from(u32::from(*address) & (1 << (31 - depth)) != 0);
            if depth + 1 == *length {
                leaves.push((node, bit, data.len()));
            } else {
                if nodes[node][bit] == NOTHING {
                    nodes.push([NOTHING; 2]);
                    nodes[node][bit] = nodes.len() - 1;
                }
                node = nodes[node][bit];
            }
        }
        data.extend_from_slice(record);
    }
    let count = nodes.len();
    let mut tree = nodes;
    tree.iter_mut().flatten().filter(|child| **child == NOTHING).for_each(|child| *child = count);
    leaves.iter().for_each(|&(node, bit, offset)| tree[node][bit] = count + 16 + offset);
    let mut bytes: Vec<u8> =
        tree.iter().flatten().flat_map(|&child| u32::try_from(child).unwrap().to_be_bytes()).collect();
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("node_count", long(u32::try_from(count).unwrap())),
        ("record_size", short(32)),
        ("ip_version", short(4)),
        ("database_type", text(kind)),
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", [head(9, 4), 1_700_000_000_u32.to_be_bytes().to_vec()].concat()),
        ("languages", vec![0x00, 4]),
        ("description", map(&[])),
    ]));
    bytes
}
