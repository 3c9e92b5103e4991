//! Flows: who calls which route with which key, counted over some days of real traffic. What a change would break, and
//! what an expiry will stop, is a question about flows.
//!
//! A flow's route is the directory's template where it knows one: paths that differ by an id are one route.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::identity::{Directory, KeyAt, RouteIx};
use crate::time;

/// One line of counted traffic, as the lake gives it: paths are still paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub key_id: String,
    pub principal_id: String,
    pub tenant_id: String,
    pub method: String,
    /// The gateway's route, where it names one.
    pub route: String,
    pub path: String,
    pub network: String,
    pub agent: String,
    pub served: i64,
    pub refused: i64,
    pub last_at: i64,
}

/// Traffic of the same caller with the same key to the same route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub key_id: String,
    pub principal_id: String,
    pub tenant_id: String,
    /// `GET /v1/orders/{id}`.
    pub route: String,
    pub route_ix: Option<RouteIx>,
    pub network: String,
    pub agent: String,
    pub served: i64,
    pub refused: i64,
    pub last_at: i64,
}

/// Adds up counted lines whose paths are one route.
#[must_use]
pub fn flows(counted: impl IntoIterator<Item = Counted>, directory: &Directory) -> Vec<Flow> {
    let mut all: BTreeMap<[String; 4], Flow> = BTreeMap::new();
    for line in counted {
        let route_ix = directory.route_in(&line.method, &line.path, directory.environment());
        let place = match route_ix {
            Some(ix) => directory.route_at(ix).template,
            None if line.route.is_empty() => &line.path,
            None => &line.route,
        };
        let route = format!("{} {place}", line.method).trim().to_owned();
        let name = [line.key_id.clone(), route.clone(), line.network.clone(), line.agent.clone()];
        let flow = all.entry(name).or_insert_with(|| Flow {
            key_id: line.key_id,
            principal_id: line.principal_id,
            tenant_id: line.tenant_id,
            route,
            route_ix,
            network: line.network,
            agent: line.agent,
            served: 0,
            refused: 0,
            last_at: line.last_at,
        });
        flow.served = flow.served.saturating_add(line.served);
        flow.refused = flow.refused.saturating_add(line.refused);
        flow.last_at = flow.last_at.max(line.last_at);
    }
    all.into_values().collect()
}

/// What some flows share, with how much of them there is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// A key id, a route, or a caller.
    pub name: String,
    /// What people call it; empty where the name says all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    pub requests_per_day: f64,
    #[serde(serialize_with = "instant")]
    pub last_at: i64,
}

/// Flows added up by a name of theirs, the busiest first.
pub(crate) fn shares<'a>(
    flows: impl IntoIterator<Item = &'a Flow>,
    days: f64,
    name: impl Fn(&Flow) -> String,
    label: impl Fn(&str) -> String,
) -> Vec<Share> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for flow in flows {
        let sum = sums.entry(name(flow)).or_default();
        *sum = (sum.0.saturating_add(flow.served), sum.1.max(flow.last_at));
    }
    let share = |(name, (served, last_at)): (String, (i64, i64))| Share {
        label: label(&name),
        name,
        requests_per_day: per_day(served, days),
        last_at,
    };
    let mut shares: Vec<Share> = sums.into_iter().map(share).collect();
    shares.sort_by(|a, b| b.requests_per_day.total_cmp(&a.requests_per_day).then_with(|| a.name.cmp(&b.name)));
    shares
}

/// With one decimal. What was counted in less than a day is not taken to go on all day.
pub(crate) fn per_day(requests: i64, days: f64) -> f64 {
    (requests as f64 / days.max(1.0) * 10.0).round() / 10.0
}

/// `1 key`, `2 keys`.
pub(crate) fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

pub(crate) fn caller(flow: &Flow) -> String {
    format!("{} {}", flow.network, flow.agent).trim().to_owned()
}

/// `ck_live_…d79c`, or nothing.
pub(crate) fn key_label(key: &KeyAt<'_>) -> String {
    match key.last4.as_str() {
        "" => String::new(),
        last4 => format!("{}…{last4}", key.prefix),
    }
}

pub(crate) fn instant<S: Serializer>(at: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time::format(*at))
}
