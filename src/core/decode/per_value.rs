//! What is worked out once a distinct value, when the rows of a batch are in: an address's network, a text's mask. And
//! the mask itself, for texts that seldom repeat.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;

use super::scrub::scrub;
use crate::event::{Column, Events, Interner};

/// Longest text that is kept, bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1_024;

/// What may be stored of a text: masked first and cut then, since a cut secret no longer looks like one.
pub(super) fn kept<'t>(text: &'t str, own_prefixes: &[String], bytes_max: usize) -> Cow<'t, str> {
    match scrub(text, own_prefixes) {
        Cow::Borrowed(text) => Cow::Borrowed(bounded(text, bytes_max)),
        Cow::Owned(text) => Cow::Owned(bounded(&text, bytes_max).to_owned()),
    }
}

/// The start of `text`, cut at a character boundary.
pub(super) fn bounded(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or("")
}

/// Each client address's network, worked out once an address.
pub(super) fn networks(events: &Events) -> ArrayRef {
    let addresses = events.dict(Column::ClientAddress);
    let mut distinct = Interner::default();
    let codes: Vec<Option<u32>> =
        addresses.values().iter().map(|address| Some(distinct.intern(&network(address?)?))).collect();
    let keys: Int32Array =
        (0..events.len()).map(|row| addresses.code(row).and_then(|code| codes[code]).map(u32::cast_signed)).collect();
    Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(distinct.take())))
}

/// The /24 of an IPv4 address (also one mapped into IPv6), the /56 of an IPv6 one.
fn network(address: &str) -> Option<String> {
    if address.parse::<std::net::Ipv4Addr>().is_ok() {
        return address.rsplit_once('.').map(|(network, _)| format!("{network}.0/24"));
    }
    let bare = address.trim_start_matches('[').split(']').next().unwrap_or(address);
    let address: std::net::IpAddr = bare.parse().or_else(|_| bare.split(':').next().unwrap_or("").parse()).ok()?;
    let network = match address.to_canonical() {
        std::net::IpAddr::V4(v4) => ipnet::IpNet::from(ipnet::Ipv4Net::new(v4, 24).ok()?),
        std::net::IpAddr::V6(v6) => ipnet::IpNet::from(ipnet::Ipv6Net::new(v6, 56).ok()?),
    };
    Some(network.trunc().to_string())
}

/// Masks secrets in free text and bounds its length, once a distinct value.
pub(super) fn scrub_columns(mut events: Events, own_prefixes: &[String]) -> Events {
    const FREE_TEXT: &[Column] = &[
        Column::Gateway,
        Column::Method,
        Column::Host,
        Column::Route,
        Column::Service,
        Column::ClientAddress,
        Column::UserAgent,
        Column::Region,
        Column::CredentialPlace,
        Column::Consumer,
        Column::GatewayCode,
        Column::GatewayMessage,
        Column::AiProvider,
        Column::AiModel,
        Column::TenantAsked,
    ];
    for &column in FREE_TEXT {
        let dict = events.dict(column);
        let clean = |text: &str| matches!(scrub(text, own_prefixes), Cow::Borrowed(_)) && text.len() <= TEXT_BYTES_MAX;
        if dict.values().iter().flatten().all(clean) {
            continue;
        }
        let values: StringArray =
            dict.values().iter().map(|text| text.map(|text| kept(text, own_prefixes, TEXT_BYTES_MAX))).collect();
        let replaced = DictionaryArray::<Int32Type>::new(dict.array().keys().clone(), Arc::new(values));
        debug_assert_eq!(replaced.len(), events.len());
        events = events.replacing(column, Arc::new(replaced));
    }
    events
}
