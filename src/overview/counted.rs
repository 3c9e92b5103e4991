//! How many requests, keys and principals an incident is about, counted in the lake and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use claviger_core::access::TenantScope;
use claviger_core::alert::{Incident, IncidentId, Subject};
use claviger_core::minutes::EntityKind;
use datafusion::common::ScalarValue;
use tokio::time::timeout;

use super::rows::{at, rows, text};
use crate::query::{Queries, QueryError};

const MINUTE_US: i64 = 60_000_000;
/// A count of an incident that goes on is taken again after this long.
const FRESH_FOR_US: i64 = 30_000_000;
/// Incidents that are counted in one go; the others wait for the next.
const COUNTED_MAX: usize = 32;
/// A list does not wait longer for its counts: they come with the next one.
const COUNT_WITHIN: Duration = Duration::from_millis(500);
const KEPT_MAX: usize = 2_000;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were refused or should have been.
    pub failures: u64,
    pub keys: u64,
    pub principals: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    last_seen_us: i64,
    counted_us: i64,
    counts: Counts,
}

type Known = Mutex<HashMap<IncidentId, Kept>>;

#[derive(Debug, Default)]
pub struct Counted {
    known: Arc<Known>,
    /// Held by whoever counts: one at a time.
    counting: Arc<tokio::sync::Mutex<()>>,
}

impl Counted {
    /// Counts of these incidents; one that has none yet is missing. What takes longer than a list may wait is counted to
    /// its end all the same, for the next list.
    pub async fn of(&self, queries: &Queries, incidents: &[&Incident], now_us: i64) -> HashMap<IncidentId, Counts> {
        let stale: Vec<Incident> =
            incidents.iter().copied().filter(|one| !self.is_fresh(one, now_us)).take(COUNTED_MAX).cloned().collect();
        if !stale.is_empty()
            && let Ok(counting) = Arc::clone(&self.counting).try_lock_owned()
        {
            let (known, queries) = (Arc::clone(&self.known), queries.clone());
            #[expect(
                clippy::disallowed_methods,
                reason = "it ends by itself: each of its questions has the sandbox's time"
            )]
            let task = tokio::spawn(async move {
                count_all(&known, &queries, &stale, now_us).await;
                drop(counting);
            });
            // Late or not: what is known by now is shown.
            _ = timeout(COUNT_WITHIN, task).await;
        }
        let known = lock(&self.known);
        incidents.iter().filter_map(|one| Some((one.id.clone(), known.get(&one.id)?.counts))).collect()
    }

    fn is_fresh(&self, incident: &Incident, now_us: i64) -> bool {
        lock(&self.known).get(&incident.id).is_some_and(|kept| {
            now_us - kept.counted_us < FRESH_FOR_US
                || !incident.status.is_active() && kept.last_seen_us == incident.last_seen_us
        })
    }
}

fn lock(known: &Known) -> MutexGuard<'_, HashMap<IncidentId, Kept>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first first.
async fn count_all(known: &Known, queries: &Queries, incidents: &[Incident], now_us: i64) {
    for incident in incidents {
        match Box::pin(count(queries, incident, now_us)).await {
            Ok(counts) => {
                let mut known = lock(known);
                if known.len() >= KEPT_MAX {
                    known.clear();
                }
                let kept = Kept { last_seen_us: incident.last_seen_us, counted_us: now_us, counts };
                known.insert(incident.id.clone(), kept);
            }
            // An incident without its counts is still worth showing.
            Err(error) => {
                tracing::warn!(%error, incident = %incident.id, "what an incident is about cannot be counted");
            }
        }
    }
}

async fn count(queries: &Queries, incident: &Incident, now_us: i64) -> Result<Counts, QueryError> {
    let until_us = if incident.status.is_active() { now_us.max(incident.last_seen_us) } else { incident.last_seen_us };
    let from_us = incident.judged_from_us.div_euclid(MINUTE_US) * MINUTE_US;
    let mut parameters: Vec<(String, ScalarValue)> = vec![at("from", from_us), at("to", until_us + MINUTE_US)];
    let tenant = &incident.group.tenant;
    let rule = match &incident.group.subject {
        Subject::Cause(cause) => {
            parameters.push(text("cause", cause.name()));
            if tenant.is_empty() {
                "entity_kind in ('gateway', 'key') and cause = $cause"
            } else {
                parameters.push(text("tenant", tenant));
                "entity_kind in ('tenant', 'key') and tenant_id = $tenant and cause = $cause"
            }
        }
        Subject::Entity(EntityKind::Principal, name) => {
            parameters.push(text("entity", name));
            "entity_kind = 'key' and principal_id = $entity and cause is not null"
        }
        Subject::Entity(kind, name) => {
            parameters.extend([text("kind", kind.name()), text("entity", name)]);
            "entity_kind = $kind and entity = $entity and cause is not null"
        }
    };
    let sql = format!(
        "select entity_kind, sum(requests) as failures, count(distinct entity) as entities, \
         count(distinct principal_id) as principals from entity_minutes \
         where {rule} and minute >= $from and minute < $to group by 1"
    );
    let mut counts = Counts::default();
    let is_cause = matches!(incident.group.subject, Subject::Cause(_));
    for batch in rows(queries, &sql, &parameters, &TenantScope::All).await? {
        let (kind, failures) = (batch.texts("entity_kind")?, batch.longs("failures")?);
        let (entities, principals) = (batch.longs("entities")?, batch.longs("principals")?);
        for row in 0..batch.len() {
            let of_keys = kind.get(row) == EntityKind::Key.name();
            if of_keys {
                counts.keys = entities.count(row);
                counts.principals = principals.count(row);
            }
            if !of_keys || !is_cause {
                counts.failures = failures.count(row);
            }
        }
    }
    let affected = |dimension: &str| incident.affected.get(dimension).map_or(0, |values| values.len() as u64);
    counts.keys = counts.keys.max(affected("key"));
    counts.principals = counts.principals.max(affected("principal"));
    Ok(counts)
}
