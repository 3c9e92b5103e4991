//! What people do with incidents: each act becomes events, or is refused because somebody was faster.
//!
//! A person acts on what was on the screen, which names the version of the incident that it showed. Where that has moved
//! on, an act that still means the same is done all the same; one that does not is refused. An acknowledgement that races
//! the end of its incident must not bring it back (grafana/oncall#3161).

use super::claim::Claim;
use super::event::{Happening, IncidentEvent};
use super::group::Group;
use super::incident::{Incident, IncidentId, Status};
use super::ledger::Incidents;
use super::matcher::Matchers;

/// What somebody wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Acknowledge,
    /// Gives an acknowledged incident back.
    Release,
    Silence {
        until_us: i64,
    },
    Unsilence,
    Resolve,
    Note,
    /// Says what it was; benign ends it.
    Judge {
        benign: bool,
    },
}

/// Who acts, and what they say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub by: String,
    pub note: String,
}

/// Somebody, or the service itself, was faster: nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the incident is {} meanwhile{}", .status.name(), brought_by(.by))]
pub struct Overtaken {
    pub status: Status,
    /// Who brought it there; empty for the service itself.
    pub by: String,
}

fn brought_by(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(", by {name}") }
}

/// The events that an act is. `seen` is the version that the person saw; `None` acts on whatever there is.
///
/// # Errors
/// The incident has moved on, so that the act would not do what was meant.
pub fn act(
    incident: &Incident,
    wanted: Act,
    person: &Person,
    seen: Option<u64>,
    now_us: i64,
) -> Result<Vec<Happening>, Overtaken> {
    let stale = seen.is_some_and(|seen| seen != incident.version);
    let (open, taken) = (incident.status == Status::Open, incident.status == Status::Acknowledged);
    let means_the_same = match wanted {
        Act::Acknowledge => open,
        Act::Release => taken && !stale,
        Act::Silence { .. } | Act::Unsilence => open || taken,
        Act::Resolve => (open || taken) && !stale,
        Act::Note | Act::Judge { .. } => true,
    };
    if seen.is_some() && !means_the_same {
        return Err(overtaken(incident));
    }
    let Person { by, note } = person.clone();
    Ok(match wanted {
        Act::Acknowledge => vec![Happening::Acknowledged { by, note }],
        Act::Release => vec![Happening::Unacknowledged { by, note }],
        Act::Silence { until_us } => vec![Happening::Silenced { by, note, until_us }],
        Act::Unsilence => vec![Happening::Silenced { by, note, until_us: now_us }],
        Act::Resolve => vec![resolved(incident, person, now_us)],
        Act::Note => vec![Happening::Noted { by, note }],
        Act::Judge { benign } => {
            let ended = (benign && incident.status.is_active()).then(|| resolved(incident, person, now_us));
            std::iter::once(Happening::Feedback { by, note, benign }).chain(ended).collect()
        }
    })
}

fn overtaken(incident: &Incident) -> Overtaken {
    let by = match incident.status {
        Status::Resolved => incident.resolution.as_ref().map(|resolution| resolution.by.clone()).unwrap_or_default(),
        Status::Acknowledged => incident.acknowledged_by.clone(),
        Status::Open => String::new(),
    };
    Overtaken { status: incident.status, by }
}

fn resolved(incident: &Incident, Person { by, note }: &Person, now_us: i64) -> Happening {
    let last_seen_us = incident.last_seen_us;
    let quiet_us = now_us.saturating_sub(last_seen_us).max(0);
    Happening::Resolved { by: by.clone(), note: note.clone(), last_seen_us, quiet_us }
}

/// What a silence would hide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    pub open: u64,
    /// Findings that ended within the week before, and are of incidents or were suppressed.
    pub findings: u64,
}

const WEEK_US: i64 = 7 * 86_400_000_000;

/// What a silence with these matchers would hide of what a caller may see.
#[must_use]
pub fn hidden_by(
    matchers: &Matchers,
    incidents: &Incidents,
    events: &[IncidentEvent],
    may_see: impl Fn(&str) -> bool,
    now_us: i64,
) -> Hidden {
    let open = incidents.active().filter(|incident| {
        let severity = incident.severity(&Default::default());
        may_see(&incident.group.tenant) && matchers.hold(&incident.labels(severity))
    });
    let findings =
        events.iter().filter_map(|event| Some((&event.incident, event.what.claim()?))).filter(|(id, claim)| {
            claim.to_us > now_us.saturating_sub(WEEK_US)
                && may_see(claim.tenant())
                && matchers.hold(&as_incident(id, claim).labels(claim.severity))
        });
    Hidden { open: open.count() as u64, findings: findings.count() as u64 }
}

/// The incident that a claim would be alone.
fn as_incident(id: &IncidentId, claim: &Claim) -> Incident {
    let mut incident = Incident::of(id.clone(), Group::of(claim), claim);
    incident.take(claim);
    incident
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::RootCause;
    use crate::detect::{Detector, Entity, Severity};
    use crate::minutes::EntityKind;

    fn claim(tenant: &str, to_us: i64) -> Claim {
        Claim {
            finding: format!("{tenant}-{to_us}"),
            detector: Detector::FailureShift,
            entity: Entity { kind: EntityKind::Key, name: "k1".to_owned(), tenant: tenant.to_owned() },
            from_us: to_us - 60_000_000,
            to_us,
            severity: Severity::High,
            score: 9.0,
            expected: 1.0,
            seen: 90.0,
            unit: "requests".to_owned(),
            cause: Some(RootCause::UserDeleted),
            drivers: Vec::new(),
            summary: "requests fail".to_owned(),
            quiet: String::new(),
        }
    }

    /// An incident to which these things happened, a second apart, with its events.
    fn after(happenings: Vec<Happening>) -> (Incidents, Vec<IncidentEvent>, IncidentId) {
        let opening = claim("acme", 60_000_000);
        let id = IncidentId::of(&Group::of(&opening), &opening);
        let events: Vec<IncidentEvent> = std::iter::once(Happening::Opened(opening))
            .chain(happenings)
            .zip(1..)
            .map(|(what, sequence)| IncidentEvent { sequence, at_us: sequence * 1_000_000, incident: id.clone(), what })
            .collect();
        (Incidents::fold(events.clone()), events, id)
    }

    fn person() -> Person {
        Person { by: "ada".to_owned(), note: "on it".to_owned() }
    }

    fn ended() -> Happening {
        Happening::Resolved { by: String::new(), note: String::new(), last_seen_us: 1, quiet_us: 2 }
    }

    fn taken() -> Happening {
        Happening::Acknowledged { by: "bob".to_owned(), note: String::new() }
    }

    #[test]
    fn an_act_on_what_has_moved_on_is_done_only_where_it_means_the_same() {
        let silenced = || Happening::Silenced { by: "bob".to_owned(), note: String::new(), until_us: i64::MAX };
        let noted = || Happening::Noted { by: "bob".to_owned(), note: "hm".to_owned() };
        let judge = Act::Judge { benign: true };
        for (happened, wanted, done) in [
            (vec![], Act::Acknowledge, true),
            (vec![ended()], Act::Acknowledge, false),
            (vec![taken()], Act::Acknowledge, false),
            (vec![silenced()], Act::Acknowledge, true),
            (vec![noted()], Act::Resolve, true),
            (vec![taken()], Act::Resolve, false),
            (vec![ended()], Act::Resolve, false),
            (vec![ended()], Act::Silence { until_us: 9 }, false),
            (vec![taken()], Act::Silence { until_us: 9 }, true),
            (vec![], Act::Release, false),
            (vec![ended()], Act::Note, true),
            (vec![ended()], judge, true),
        ] {
            let (incidents, _, id) = after(happened.clone());
            let result = act(incidents.get(&id).unwrap(), wanted, &person(), Some(1), 5_000_000);
            assert_eq!(result.is_ok(), done, "{wanted:?} after {happened:?}: {result:?}");
            assert!(act(incidents.get(&id).unwrap(), wanted, &person(), None, 5_000_000).is_ok());
        }
        let (incidents, _, id) = after(vec![taken()]);
        let overtaken = act(incidents.get(&id).unwrap(), Act::Acknowledge, &person(), Some(1), 0).unwrap_err();
        assert_eq!(overtaken.to_string(), "the incident is acknowledged meanwhile, by bob");
    }

    #[test]
    fn an_acknowledgement_can_be_given_back_by_whoever_saw_it() {
        let (incidents, _, id) = after(vec![taken()]);
        let incident = incidents.get(&id).unwrap();
        assert_eq!(incident.version, 2);
        let what = act(incident, Act::Release, &person(), Some(2), 0).unwrap();
        let (incidents, ..) = after(std::iter::once(taken()).chain(what).collect());
        let incident = incidents.get(&id).unwrap();
        assert_eq!((incident.status, incident.acknowledged_by.as_str(), incident.version), (Status::Open, "", 3));
    }

    #[test]
    fn a_silence_hides_what_its_matchers_hold_for_and_a_tenant_counts_its_own() {
        let (_, mut events, id) = after(vec![]);
        let other = claim("globex", 120_000_000);
        let of_other = IncidentId::of(&Group::of(&other), &other);
        events.push(IncidentEvent {
            sequence: 9,
            at_us: 120_000_000,
            incident: of_other,
            what: Happening::Opened(other),
        });
        let again = Happening::Grouped(claim("acme", 180_000_000));
        events.push(IncidentEvent { sequence: 10, at_us: 180_000_000, incident: id, what: again });
        let incidents = Incidents::fold(events.clone());
        let hidden = |matcher: &str, may_see: fn(&str) -> bool, now_us| {
            let matchers = Matchers::parse(&[matcher.to_owned()]).unwrap();
            hidden_by(&matchers, &incidents, &events, may_see, now_us)
        };
        let all = |_: &str| true;
        assert_eq!(hidden("cause=user_deleted", all, 0), Hidden { open: 2, findings: 3 });
        assert_eq!(hidden("tenant=acme", all, 0), Hidden { open: 1, findings: 2 });
        assert_eq!(hidden("cause=user_deleted", |tenant| tenant == "globex", 0), Hidden { open: 1, findings: 1 });
        assert_eq!(hidden("tenant=acme", all, 180_000_000 + WEEK_US), Hidden { open: 1, findings: 0 });
    }
}
