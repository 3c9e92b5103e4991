//! One incident, with everything that there is to know.
//!
//! For who sees one tenant: other tenants do not stand among the affected, and where notices go is not its business.

use claviger_core::access::TenantScope;
use claviger_core::alert::{Claim, Happening, Incident, IncidentEvent, advice, done_when, requests_of};
use claviger_core::time;
use serde::Serialize;
use utoipa::ToSchema;

use super::summary::{IncidentSummary, summaries, summary};
use crate::alert::Told;
use crate::serve::api::Api;
use crate::serve::findings::FindingAnswer;

/// Steps of a history that are shown: the first ones and the newest.
const HISTORY_MAX: usize = 500;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentPage {
    #[serde(flatten)]
    summary: IncidentSummary,
    explanation: Option<ExplanationAnswer>,
    /// The weightiest finding of each detector.
    evidence: Vec<FindingAnswer>,
    affected: AffectedAnswer,
    /// What to do, step by step.
    runbook: Vec<String>,
    /// The question that shows its newest requests.
    requests: String,
    done_when: DoneWhenAnswer,
    history: Vec<HistoryAnswer>,
    deliveries: Vec<DeliveryAnswer>,
}

/// Why it is one, by the weightiest finding.
#[derive(Debug, Serialize, ToSchema)]
struct ExplanationAnswer {
    expected: f64,
    seen: f64,
    unit: String,
    /// To see this or worse by chance; null when no chance is involved.
    probability: Option<f64>,
    /// What it rests on most.
    driver: Option<String>,
    /// What would have kept the detector quiet.
    quiet_if: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct AffectedAnswer {
    tenants: Vec<String>,
    keys: Vec<String>,
    principals: Vec<String>,
    /// Networks of the callers.
    callers: Vec<String>,
    routes: Vec<String>,
}

/// A question, and its answer once the trouble is over.
#[derive(Debug, Serialize, ToSchema)]
struct DoneWhenAnswer {
    sql: String,
    expected: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct HistoryAnswer {
    at: String,
    what: &'static str,
    /// Null for the service itself.
    by: Option<String>,
    note: Option<String>,
}

/// What became of a notice at a destination.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryAnswer {
    at: String,
    to: String,
    notice: u32,
    /// `waiting`, `delivered`, `failing`, `given up` or `escalated`.
    outcome: &'static str,
    reason: Option<String>,
}

pub(super) async fn page(
    api: &Api,
    told: &Told,
    incident: &Incident,
    tenants: &TenantScope,
    now_us: i64,
) -> IncidentPage {
    let summary = summaries(api, &[incident], now_us).await.pop().unwrap_or_else(|| summary(incident, None, now_us));
    let events: Vec<&IncidentEvent> = told.events.iter().filter(|event| event.incident == incident.id).collect();
    let own = |claim: &&Claim| tenants.covers(Some(claim.tenant()));
    IncidentPage {
        summary,
        explanation: incident.weightiest().filter(own).map(explanation),
        evidence: incident.evidence.values().filter(own).map(FindingAnswer::of).collect(),
        affected: affected(incident, tenants),
        runbook: advice(incident),
        requests: requests_of(incident),
        done_when: DoneWhenAnswer { sql: done_when(incident), expected: 0 },
        history: history(&events),
        deliveries: if *tenants == TenantScope::All { deliveries(&events) } else { Vec::new() },
    }
}

fn explanation(claim: &Claim) -> ExplanationAnswer {
    let by_chance = claim.score < claviger_core::detect::Finding::DETERMINISTIC;
    ExplanationAnswer {
        expected: claim.expected,
        seen: claim.seen,
        unit: claim.unit.clone(),
        probability: by_chance.then(|| 10f64.powf(-claim.score)),
        driver: claim.drivers.first().map(|driver| format!("{} {}", driver.dimension, driver.value)),
        quiet_if: claim.quiet.clone(),
    }
}

fn affected(incident: &Incident, tenants: &TenantScope) -> AffectedAnswer {
    let of = |dimensions: &[&str]| -> Vec<String> {
        dimensions.iter().filter_map(|dimension| incident.affected.get(*dimension)).flatten().cloned().collect()
    };
    AffectedAnswer {
        tenants: of(&["tenant"]).into_iter().filter(|tenant| tenants.covers(Some(tenant))).collect(),
        keys: of(&["key"]),
        principals: of(&["principal"]),
        callers: of(&["network", "source"]),
        routes: of(&["route"]),
    }
}

fn history(events: &[&IncidentEvent]) -> Vec<HistoryAnswer> {
    let is_delivery = |event: &&&IncidentEvent| {
        matches!(
            event.what,
            Happening::Delivered { .. }
                | Happening::Failed { .. }
                | Happening::Dead { .. }
                | Happening::Escalated { .. }
        )
    };
    let steps: Vec<&&IncidentEvent> = events.iter().filter(|event| !is_delivery(event)).collect();
    // How it began is worth more than what came in the middle of a long one.
    let left_out = steps.len().saturating_sub(HISTORY_MAX);
    let shown = steps.iter().enumerate().filter(|(at, _)| *at == 0 || *at > left_out).map(|(_, event)| event);
    shown
        .map(|IncidentEvent { at_us, what, .. }| {
            let (by, note) = (what.by(), what.note());
            // Where notices went stands among the deliveries.
            let note = if matches!(what, Happening::Noticed { .. }) { String::new() } else { note };
            HistoryAnswer {
                at: time::format(*at_us),
                what: what.name(),
                by: (!by.is_empty()).then(|| by.to_owned()),
                note: (!note.is_empty()).then_some(note),
            }
        })
        .collect()
}

fn deliveries(events: &[&IncidentEvent]) -> Vec<DeliveryAnswer> {
    let mut deliveries: Vec<DeliveryAnswer> = Vec::new();
    let mut came = |notice: u32, to: &str, at_us: i64, outcome: &'static str, reason: Option<&str>| {
        let (at, reason) = (time::format(at_us), reason.map(str::to_owned));
        match deliveries.iter_mut().find(|known| known.notice == notice && known.to == to) {
            Some(known) => (known.at, known.outcome, known.reason) = (at, outcome, reason),
            None => deliveries.push(DeliveryAnswer { at, to: to.to_owned(), notice, outcome, reason }),
        }
    };
    for IncidentEvent { at_us, what, .. } in events.iter().copied() {
        match what {
            Happening::Noticed { notice, destinations, .. } => {
                destinations.iter().for_each(|to| came(*notice, to, *at_us, "waiting", None));
            }
            Happening::Delivered { notice, destination } => came(*notice, destination, *at_us, "delivered", None),
            Happening::Failed { notice, destination, reason } => {
                came(*notice, destination, *at_us, "failing", Some(reason));
            }
            Happening::Dead { notice, destination, reason } => {
                came(*notice, destination, *at_us, "given up", Some(reason));
            }
            Happening::Escalated { notice, destination, to } => {
                came(*notice, destination, *at_us, "escalated", Some(to));
                came(*notice, to, *at_us, "waiting", None);
            }
            Happening::Opened(_)
            | Happening::Grouped(_)
            | Happening::Reopened(_)
            | Happening::Suppressed { .. }
            | Happening::Muted { .. }
            | Happening::Acknowledged { .. }
            | Happening::Unacknowledged { .. }
            | Happening::Noted { .. }
            | Happening::Silenced { .. }
            | Happening::Feedback { .. }
            | Happening::Resolved { .. } => {}
        }
    }
    deliveries
}
