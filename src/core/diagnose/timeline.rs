//! Traffic and changes of state on one axis of time.

use super::answer::{Caller, StateChange, Timeline};
use super::case::{Minute, Traffic};
use super::scene::Scene;
use crate::identity::Change;
use crate::minutes::MINUTE_US;

/// Columns that a page has room for.
const BUCKETS_MAX: i64 = 60;
/// Widths that people can name, seconds.
const WIDTHS_S: [i64; 9] = [60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];
/// Changes of state that are kept, the newest.
const STATES_MAX: usize = 20;
/// Callers that are listed, the busiest.
const CALLERS_MAX: usize = 20;

pub(super) fn timeline(scene: &Scene<'_>) -> Timeline {
    let traffic = scene.case.traffic;
    let mut states = traffic.changes.clone();
    for state in told_states(scene) {
        if !states.iter().any(|known| (known.at, &known.field) == (state.at, &state.field)) {
            states.push(state);
        }
    }
    states.retain(|state| state.at <= traffic.to.max(scene.at));
    states.sort_by_key(|state| state.at);
    let surplus = states.len().saturating_sub(STATES_MAX);
    states.drain(..surplus);
    Timeline { states, ..buckets(traffic) }
}

/// Minutes added up to at most [`BUCKETS_MAX`] buckets, from where traffic was looked at first to where last.
fn buckets(traffic: &Traffic) -> Timeline {
    let span_s = traffic.to.saturating_sub(traffic.from) / 1_000_000;
    if span_s <= 0 {
        return Timeline { bucket_s: 60, ..Timeline::default() };
    }
    let fits = |width: &i64| span_s / width < BUCKETS_MAX;
    let bucket_s = WIDTHS_S.into_iter().find(fits).unwrap_or(span_s / BUCKETS_MAX + 1);
    let width_us = bucket_s.saturating_mul(1_000_000);
    let first = traffic.from.div_euclid(width_us);
    let last = traffic.to.saturating_sub(1).div_euclid(width_us);
    let mut timeline = Timeline { bucket_s, ..Timeline::default() };
    for number in first..=last {
        let own = |minute: &&Minute| minute.at.div_euclid(width_us) == number;
        let minutes = || traffic.minutes.iter().filter(own);
        timeline.buckets.push(number.saturating_mul(width_us));
        timeline.requests.push(minutes().map(|minute| minute.requests).sum());
        timeline.failures.push(minutes().map(|minute| minute.failures).sum());
    }
    timeline
}

/// States that the rows themselves date: an expiry is no change of a row.
fn told_states(scene: &Scene<'_>) -> Vec<StateChange> {
    let version = Some(scene.directory.version().to_owned());
    let mut states = Vec::new();
    let mut add = |at: Option<i64>, field: String, from: &str, to: &str| {
        if let Some(at) = at {
            states.push(StateChange { at, field, from: from.to_owned(), to: to.to_owned(), version: version.clone() });
        }
    };
    if let Some(key) = &scene.key {
        let field = || format!("key {}: status", key.key_id);
        add(key.created_at, field(), "", "active");
        add(key.expires_at, field(), "active", "expired");
        add(key.revoked_at, field(), "active", "revoked");
        add(key.grace_until, field(), "active", "replaced");
    }
    if let Some(principal) = scene.principal.as_ref().filter(|principal| principal.status.name() != "active") {
        let field = format!("principal {}: status", principal.principal_id);
        add(principal.status_since, field, "active", principal.status.name());
    }
    if let Some(tenant) = scene.tenant.as_ref().filter(|tenant| tenant.status.name() != "active") {
        add(tenant.status_since, format!("tenant {}: status", tenant.tenant_id), "active", tenant.status.name());
    }
    states
}

impl StateChange {
    /// A row of the table `identity_history`.
    #[must_use]
    pub fn of_history(subject: (&str, &str), field: &str, values: (&str, &str), at: i64, version: &str) -> Self {
        let (kind, id) = subject;
        let (from, to) = values;
        let (field, from, to) = match (field, from, to) {
            (Change::ROW, _, "") => ("status", "active", "deleted"),
            (Change::ROW, _, _) => ("status", "", "active"),
            // A status that begins at a time counts as active before it.
            ("status", "", to) if to != "active" => ("status", "active", to),
            (field, from, to) => (field, from, to),
        };
        Self {
            at,
            field: format!("{kind} {id}: {field}"),
            from: from.to_owned(),
            to: to.to_owned(),
            version: Some(version.to_owned()),
        }
    }
}

/// Who calls, the busiest first.
pub(super) fn callers(traffic: &Traffic) -> Vec<Caller> {
    let per_minute = |requests: i64, span_us: i64| {
        let minutes = span_us.max(MINUTE_US) as f64 / MINUTE_US as f64;
        (requests as f64 / minutes * 100.0).round() / 100.0
    };
    let caller = |seen: &super::case::CallerSeen| Caller {
        network: seen.network.clone(),
        agent: seen.agent.clone(),
        route: format!("{} {}", seen.method, seen.route).trim().to_owned(),
        per_minute: per_minute(seen.requests, seen.last_at.saturating_sub(seen.first_at)),
        last_at: seen.last_at,
    };
    traffic.callers.iter().take(CALLERS_MAX).map(caller).collect()
}
