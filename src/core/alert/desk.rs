//! Decides what findings, people and passing time mean for incidents, and which notices they are worth.
//!
//! Every decision is an event that is applied at once: the desk's state is the fold over what it returned. Findings of
//! one closing window are judged together before anybody is told, so that a symptom does not page ahead of its cause.

use std::collections::{BTreeMap, BTreeSet};

use crate::detect::{Finding, Severity};

use super::claim::Claim;
use super::event::{Happening, IncidentEvent, NoticeAction};
use super::group::Group;
use super::incident::{Incident, IncidentId, Status};
use super::ledger::Incidents;
use super::notice::Notice;
use super::outbox::Delivery;
use super::quiet::{Inhibition, QuietRule};
use super::route::Routes;

/// What an operator has decided once and for all.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Quiet for so long (and for three of its windows) resolves an incident.
    pub resolve_after_us: i64,
    /// What comes back within is the same incident.
    pub reopen_within_us: i64,
    /// An incident that nobody took is told again.
    pub remind_after_us: i64,
    /// For how long the like of a benign incident is suppressed.
    pub benign_for_us: i64,
    /// Their incidents are a step worse.
    pub important_tenants: BTreeSet<String>,
    /// Allow-lists and planned changes: no incident at all.
    pub suppressions: Vec<QuietRule>,
    /// Silences and maintenance windows: incidents, but no notices.
    pub silences: Vec<QuietRule>,
    pub inhibitions: Vec<Inhibition>,
    pub routes: Routes,
    /// Where notices link to; empty for nowhere.
    pub dashboard: String,
}

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

/// Windows of a detector without a claim that make its trouble quiet.
const QUIET_WINDOWS: i64 = 3;

/// Evidence of other families on one key within this is evidence of the same theft.
const COMPANY_US: i64 = HOUR_US;

impl Default for Policy {
    fn default() -> Self {
        Self {
            resolve_after_us: 15 * MINUTE_US,
            reopen_within_us: 24 * HOUR_US,
            remind_after_us: 24 * HOUR_US,
            benign_for_us: 30 * 24 * HOUR_US,
            important_tenants: BTreeSet::new(),
            suppressions: Vec::new(),
            silences: Vec::new(),
            inhibitions: Vec::new(),
            routes: Routes::default(),
            dashboard: String::new(),
        }
    }
}

/// The incidents, and the policy by which they change.
#[derive(Clone, Debug)]
pub struct Desk {
    policy: Policy,
    incidents: Incidents,
    /// Incidents that something happened to since somebody looked whether they are worth a notice.
    touched: BTreeSet<IncidentId>,
    /// The minute of event time in which all of them were looked at last.
    looked_minute: i64,
}

impl Desk {
    #[must_use]
    pub fn new(policy: Policy, incidents: Incidents) -> Self {
        Self { policy, incidents, touched: BTreeSet::new(), looked_minute: i64::MIN }
    }

    #[must_use]
    pub const fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Judges findings, in any order; such as were judged before change nothing.
    pub fn observe(&mut self, findings: &[Finding]) -> Vec<IncidentEvent> {
        let mut events = Vec::new();
        for finding in findings {
            let claim = Claim::of(finding);
            if !self.incidents.knows(&claim) {
                self.judge(claim, &mut events);
            }
        }
        self.announce(&mut events);
        events
    }

    /// Event time has come to `watermark_us`: what has been quiet for long enough ends, and what lasts is told again.
    /// All incidents are looked at once a minute of event time.
    pub fn advance(&mut self, watermark_us: i64) -> Vec<IncidentEvent> {
        self.incidents.advance_to(watermark_us);
        let clock_us = self.incidents.clock_us();
        let mut events = Vec::new();
        let minute = clock_us.div_euclid(MINUTE_US);
        if std::mem::replace(&mut self.looked_minute, minute) == minute {
            return events;
        }
        self.touched.extend(self.incidents.iter().map(|incident| incident.id.clone()));
        let ended: Vec<(IncidentId, i64, i64)> = self
            .incidents
            .active()
            .map(|incident| (incident, clock_us.saturating_sub(incident.last_seen_us)))
            .filter(|(incident, quiet_us)| {
                *quiet_us >= self.policy.resolve_after_us.max(QUIET_WINDOWS.saturating_mul(incident.window_us))
            })
            .map(|(incident, quiet_us)| (incident.id.clone(), incident.last_seen_us, quiet_us))
            .collect();
        for (incident, last_seen_us, quiet_us) in ended {
            let what = Happening::Resolved { by: String::new(), note: String::new(), last_seen_us, quiet_us };
            self.record(incident, what, &mut events);
        }
        self.announce(&mut events);
        self.incidents.forget();
        events
    }

    /// Takes in what a person did, which is in the table already; returns what follows from it.
    pub fn hear(&mut self, event: &IncidentEvent) -> Vec<IncidentEvent> {
        let mut events = Vec::new();
        self.apply(event);
        self.announce(&mut events);
        events
    }

    fn apply(&mut self, event: &IncidentEvent) {
        self.incidents.apply(event);
        self.touched.insert(event.incident.clone());
    }

    /// Takes in what the outbox did, numbered, so that it can be stored with the rest.
    pub fn enter(&mut self, incident: IncidentId, at_us: i64, what: Happening) -> IncidentEvent {
        let event = IncidentEvent { sequence: self.incidents.sequence() + 1, at_us, incident, what };
        self.apply(&event);
        event
    }

    /// The notice to deliver, told with what is known now; `None` when its incident is forgotten.
    #[must_use]
    pub fn notice(&self, delivery: &Delivery) -> Option<Notice> {
        let Delivery { incident, notice, action } = delivery;
        let incident = self.incidents.get(incident)?;
        let severity = incident.severity(&self.policy.important_tenants);
        Some(Notice::of(incident, *notice, *action, severity, &self.policy.dashboard))
    }

    fn record(&mut self, incident: IncidentId, what: Happening, events: &mut Vec<IncidentEvent>) {
        let at_us = what.claim().map_or(self.incidents.clock_us(), |claim| claim.to_us);
        events.push(self.enter(incident, at_us, what));
    }

    fn judge(&mut self, claim: Claim, events: &mut Vec<IncidentEvent>) {
        let group = Group::of(&claim);
        let fresh = IncidentId::of(&group, &claim);
        if let Some(rule) = self.suppressed_by(&group, &claim, &fresh) {
            self.record(fresh, Happening::Suppressed { claim, rule }, events);
            return;
        }
        let known = self.home_of(&group, &claim).map(|incident| (incident.id.clone(), self.belongs(incident, &claim)));
        let (incident, what) = match known {
            Some((id, Belongs::Now)) => (id, Happening::Grouped(claim)),
            Some((id, Belongs::Again)) => (id, Happening::Reopened(claim)),
            Some((_, Belongs::No)) | None if claim.severity > Severity::Info => (fresh, Happening::Opened(claim)),
            // Worth keeping in `findings`, and as evidence where there is trouble already; never worth an incident.
            Some((_, Belongs::No)) | None => return,
        };
        self.record(incident, what, events);
    }

    /// The incident that a claim may belong to: of its group, or else one that suspects the same key, or one whose part
    /// it is.
    fn home_of(&self, group: &Group, claim: &Claim) -> Option<&Incident> {
        let own = self.incidents.of_group(group);
        if let Some(incident) = own.filter(|incident| self.belongs(incident, claim) != Belongs::No) {
            return Some(incident);
        }
        let in_company = |incident: &&Incident| {
            claim.from_us.saturating_sub(incident.last_seen_us) <= COMPANY_US
                && incident.judged_from_us.saturating_sub(claim.to_us) <= COMPANY_US
        };
        let company = self.incidents.of_suspect(group).filter(in_company);
        company.or_else(|| self.incidents.of_campaign(group).filter(in_company)).or(own)
    }

    fn belongs(&self, incident: &Incident, claim: &Claim) -> Belongs {
        let gap_us = claim.from_us.saturating_sub(incident.last_seen_us);
        match &incident.resolution {
            None => Belongs::Now,
            // It came late, and was over when the incident was resolved.
            Some(resolution) if claim.to_us <= resolution.last_seen_us => Belongs::Now,
            Some(_) if gap_us <= self.policy.reopen_within_us => Belongs::Again,
            Some(_) => Belongs::No,
        }
    }

    fn suppressed_by(&self, group: &Group, claim: &Claim, fresh: &IncidentId) -> Option<String> {
        let mut incident = Incident::of(fresh.clone(), group.clone(), claim);
        incident.take(claim);
        let labels = incident.labels(claim.severity);
        let rules = &self.policy.suppressions;
        if let Some(rule) = rules.iter().find(|rule| rule.holds(&labels, claim.to_us)) {
            return Some(rule.name.clone());
        }
        let benign = self.incidents.benign.get(group)?;
        let holds = claim.to_us.saturating_sub(benign.since_us) <= self.policy.benign_for_us;
        (holds && claim.severity <= benign.severity)
            .then(|| format!("incident {} was called benign by {}", benign.incident, benign.by))
    }

    /// Finds what of the touched is worth a notice, and what holds it back.
    fn announce(&mut self, events: &mut Vec<IncidentEvent>) {
        let clock_us = self.incidents.clock_us();
        let touched = std::mem::take(&mut self.touched);
        let touched = touched.iter().filter_map(|id| self.incidents.get(id));
        let due: Vec<(IncidentId, NoticeAction, Severity)> =
            touched.filter_map(|incident| self.due(incident, clock_us)).collect();
        for (id, action, severity) in due {
            let Some(incident) = self.incidents.get(&id) else { continue };
            let mut destinations = incident.told.clone();
            if action == NoticeAction::Trigger && !self.policy.routes.is_empty() {
                destinations.extend(self.policy.routes.destinations(&incident.labels(severity), severity));
            }
            if destinations.is_empty() {
                continue;
            }
            if action == NoticeAction::Trigger
                && let Some(rule) = self.muted_by(incident, severity, clock_us)
            {
                if incident.muted_by != rule {
                    self.record(id, Happening::Muted { rule }, events);
                }
                continue;
            }
            let (notice, destinations) = (incident.notices + 1, destinations.into_iter().collect());
            self.record(id, Happening::Noticed { notice, action, severity, destinations }, events);
        }
    }

    fn due(&self, incident: &Incident, clock_us: i64) -> Option<(IncidentId, NoticeAction, Severity)> {
        let severity = incident.severity(&self.policy.important_tenants);
        let action = match (incident.status, incident.announced) {
            (Status::Resolved, Some(_)) => NoticeAction::Resolve,
            (Status::Resolved | Status::Acknowledged, None) => return None,
            (Status::Open, None) => NoticeAction::Trigger,
            (_, Some(told)) if severity > told.severity => NoticeAction::Trigger,
            (Status::Acknowledged, Some(_)) if incident.owes_acknowledgement => NoticeAction::Acknowledge,
            (Status::Open, Some(told)) if clock_us.saturating_sub(told.at_us) >= self.policy.remind_after_us => {
                NoticeAction::Trigger
            }
            (Status::Open | Status::Acknowledged, Some(_)) => return None,
        };
        Some((incident.id.clone(), action, severity))
    }

    fn muted_by(&self, incident: &Incident, severity: Severity, clock_us: i64) -> Option<String> {
        if incident.silenced_until_us.is_some_and(|until_us| clock_us < until_us) {
            return Some(format!("silenced by {}", incident.silenced_by));
        }
        let labels = incident.labels(severity);
        if let Some(rule) = self.policy.silences.iter().find(|rule| rule.holds(&labels, clock_us)) {
            return Some(rule.name.clone());
        }
        let inhibitions = self.policy.inhibitions.iter();
        let mut causes = inhibitions.filter_map(|rule| rule.cause_of(incident, self.incidents.active()));
        causes.next().map(|cause| format!("explained by incident {}", cause.id))
    }

    /// Incidents by status name, for a gauge.
    #[must_use]
    pub fn count_by_status(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for incident in self.incidents.iter() {
            *counts.entry(incident.status.name()).or_insert(0) += 1;
        }
        counts
    }
}

/// How a claim stands to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belongs {
    /// It goes on, or tells of the time before its end.
    Now,
    /// It is the same trouble, come back.
    Again,
    No,
}

#[cfg(test)]
mod tests;
