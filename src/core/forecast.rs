//! Which live flows stop when keys expire: the keys whose end is near, weighed by what is served with them today.

use serde::Serialize;

use crate::flow::{Flow, Share, caller, instant, key_label, many, per_day, shares};
use crate::identity::{Directory, KeyAt, KeyStatus};
use crate::time;

const DAY_US: i64 = 86_400_000_000;

/// A key that ends within the time asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub key_id: String,
    pub at: i64,
    pub why: &'static str,
}

/// One key and what stops with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stop {
    #[serde(serialize_with = "instant")]
    pub ends_at: i64,
    pub key_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    pub principal_id: String,
    pub tenant_id: String,
    /// `expires`, `is revoked`, or `its grace period ends`.
    pub why: &'static str,
    /// The key that takes its place, where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub replaced_by: String,
    pub requests_per_day: f64,
    pub routes: Vec<Share>,
    pub callers: Vec<Share>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    #[serde(serialize_with = "instant")]
    pub from: i64,
    #[serde(serialize_with = "instant")]
    pub to: i64,
    pub snapshot_version: String,
    pub sentence: String,
    pub requests_per_day: f64,
    /// Keys with traffic, in the order in which they end.
    pub stops: Vec<Stop>,
    /// Keys that end within the time and are not used.
    pub unused: usize,
}

/// Keys that work at `now` and end within `days`, in the order in which they do.
#[must_use]
pub fn endings(directory: &Directory, now: i64, days: u32) -> Vec<Ending> {
    let until = now.saturating_add(i64::from(days).saturating_mul(DAY_US));
    let mut endings: Vec<Ending> = directory
        .keys()
        .map(|key| directory.key_at(key, now))
        .filter(|key| key.status == KeyStatus::Active && key.deleted_at.is_none())
        .filter_map(|key| {
            let (at, why) = end_of(&key)?;
            let is_near = now < at && at <= until;
            is_near.then(|| Ending { key_id: key.key_id.to_owned(), at, why })
        })
        .collect();
    endings.sort_by(|a, b| (a.at, &a.key_id).cmp(&(b.at, &b.key_id)));
    endings
}

/// The first of a key's ends.
fn end_of(key: &KeyAt<'_>) -> Option<(i64, &'static str)> {
    let grace = key.grace_until.filter(|_| !key.replaced_by.is_empty());
    let ends = [(key.expires_at, "expires"), (key.revoked_at, "is revoked"), (grace, "its grace period ends")];
    ends.into_iter().filter_map(|(at, why)| Some((at?, why))).min_by_key(|(at, _)| *at)
}

/// What stops, by `flows` that were counted over `flow_days` up to `now`.
#[must_use]
pub fn forecast(
    directory: &Directory,
    endings: &[Ending],
    flows: &[Flow],
    flow_days: f64,
    now: i64,
    days: u32,
) -> Forecast {
    let stop = |ending: &Ending| {
        let own = || flows.iter().filter(|flow| flow.key_id == ending.key_id && flow.served > 0);
        let served: i64 = own().map(|flow| flow.served).fold(0, i64::saturating_add);
        let key = directory.key_at(directory.find_key(&ending.key_id)?, now);
        (served > 0).then(|| Stop {
            ends_at: ending.at,
            key_id: ending.key_id.clone(),
            label: key_label(&key),
            principal_id: key.principal_id.to_owned(),
            tenant_id: key.tenant_id.to_owned(),
            why: ending.why,
            replaced_by: key.replaced_by.to_owned(),
            requests_per_day: per_day(served, flow_days),
            routes: shares(own(), flow_days, |flow| flow.route.clone(), |_| String::new()),
            callers: shares(own(), flow_days, caller, |_| String::new()),
        })
    };
    let stops: Vec<Stop> = endings.iter().filter_map(stop).collect();
    let unused = endings.len() - stops.len();
    let sum: f64 = stops.iter().map(|stop| stop.requests_per_day).sum();
    let requests_per_day = (sum * 10.0).round() / 10.0;
    let sentence = match stops.first() {
        None if endings.is_empty() => format!("No key ends within {days} days."),
        None => format!("{} without any traffic: nothing stops within {days} days.", many(unused, "ending key")),
        Some(first) => format!(
            "{requests_per_day} requests a day stop within {days} days, with {} in use. The first ends at {}.",
            many(stops.len(), "key"),
            time::format(first.ends_at)
        ),
    };
    let to = now.saturating_add(i64::from(days).saturating_mul(DAY_US));
    Forecast {
        from: now,
        to,
        snapshot_version: directory.version().to_owned(),
        sentence,
        requests_per_day,
        stops,
        unused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Counted, flows};
    use crate::identity::{DirectoryBuilder, Place, Snapshot, Table};
    use crate::secret::Pepper;

    #[test]
    fn keys_in_use_that_end_soon_are_told_in_the_order_of_their_end() {
        let pepper = Pepper::new(b"a pepper for tests").unwrap();
        let mut builder = DirectoryBuilder::new(&pepper);
        builder.open(Snapshot { as_of: 0, source: String::new(), environment: String::new() });
        for row in [
            r#"{"key_id":"late","expires_at":"1970-01-09T00:00:00Z"}"#,
            r#"{"key_id":"soon","expires_at":"1970-01-03T00:00:00Z"}"#,
            r#"{"key_id":"first","replaced_by":"soon","grace_until":"1970-01-02T00:00:00Z"}"#,
            r#"{"key_id":"idle","expires_at":"1970-01-03T00:00:00Z"}"#,
            r#"{"key_id":"dead","status":"disabled","expires_at":"1970-01-03T00:00:00Z"}"#,
            r#"{"key_id":"over","expires_at":"1970-01-01T00:00:00Z"}"#,
        ] {
            builder.push_json(Table::Keys, Place { file: "keys", line: 1 }, row.as_bytes());
        }
        let directory = builder.finish().directory;
        let used = ["late", "soon", "first", "dead", "over"].map(|key| Counted {
            key_id: key.to_owned(),
            served: 14,
            ..Counted::default()
        });
        let flows = flows(used, &directory);
        let now = 3_600_000_000;
        let endings = endings(&directory, now, 3);
        let told = forecast(&directory, &endings, &flows, 7.0, now, 3);
        let stops: Vec<(&str, &str)> = told.stops.iter().map(|stop| (stop.key_id.as_str(), stop.why)).collect();
        assert_eq!(stops, [("first", "its grace period ends"), ("soon", "expires")]);
        assert_eq!((told.unused, told.requests_per_day), (1, 4.0));
    }
}
