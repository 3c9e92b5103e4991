//! All incidents, as the fold over their events. It decides nothing: `desk` does.

use std::collections::{BTreeMap, BTreeSet};

use crate::detect::Severity;

use super::claim::Claim;
use super::event::{Happening, IncidentEvent, NoticeAction};
use super::group::{Group, is_evidence};
use super::incident::{Announced, Incident, IncidentId, Resolution, Status};

/// Findings that were counted and became no incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    pub rule: String,
    pub findings: u64,
    pub last_seen_us: i64,
}

/// The like of an incident that somebody called benign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Benign {
    pub(super) incident: IncidentId,
    pub(super) by: String,
    pub(super) since_us: i64,
    pub(super) severity: Severity,
}

/// The state of all incidents. Applying an event twice changes nothing the second time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incidents {
    by_id: BTreeMap<IncidentId, Incident>,
    /// The newest incident of each group.
    by_group: BTreeMap<Group, IncidentId>,
    /// Findings that have been judged, by the end of their window, so that the oldest can be forgotten.
    judged: BTreeSet<(i64, String)>,
    /// What people did, so that an acknowledgement that is read again takes nothing a second time.
    heard: BTreeSet<(i64, IncidentId, &'static str)>,
    suppressed: BTreeMap<Group, Suppressed>,
    pub(super) benign: BTreeMap<Group, Benign>,
    sequence: i64,
    clock_us: i64,
    /// Findings that ended before are history: their ids are forgotten.
    floor_us: i64,
}

impl Incidents {
    /// Incidents and finding ids are kept for so long after they were last seen.
    const MEMORY_US: i64 = 8 * 86_400_000_000;

    /// The state that rows tell of, in whatever order they came.
    #[must_use]
    pub fn fold(mut events: Vec<IncidentEvent>) -> Self {
        events.sort_by_key(|event| event.sequence);
        let mut incidents = Self::default();
        events.iter().for_each(|event| incidents.apply(event));
        incidents
    }

    #[must_use]
    pub fn get(&self, id: &IncidentId) -> Option<&Incident> {
        self.by_id.get(id)
    }

    /// All that are remembered, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.by_id.values()
    }

    pub fn active(&self) -> impl Iterator<Item = &Incident> {
        self.iter().filter(|incident| incident.status.is_active())
    }

    /// What was suppressed, by group.
    pub fn suppressed(&self) -> impl Iterator<Item = (&Group, &Suppressed)> {
        self.suppressed.iter()
    }

    /// How far event time has come.
    #[must_use]
    pub const fn clock_us(&self) -> i64 {
        self.clock_us
    }

    pub(super) fn advance_to(&mut self, clock_us: i64) {
        self.clock_us = self.clock_us.max(clock_us);
    }

    /// The sequence of the last event.
    #[must_use]
    pub const fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Whether a finding has had its effect already, or is too old to have one.
    pub(super) fn knows(&self, claim: &Claim) -> bool {
        claim.to_us <= self.floor_us || self.judged.contains(&(claim.to_us, claim.finding.clone()))
    }

    /// The newest incident of a group.
    pub(super) fn of_group(&self, group: &Group) -> Option<&Incident> {
        self.by_group.get(group).and_then(|id| self.by_id.get(id))
    }

    /// The newest incident that suspects the key of `group`, of whatever family.
    pub(super) fn of_suspect(&self, group: &Group) -> Option<&Incident> {
        let suspect = group.suspect()?;
        let incidents =
            self.by_id.values().filter(|incident| is_evidence(incident.group.family) && incident.is_known_by(suspect));
        incidents.max_by_key(|incident| incident.last_seen_us)
    }

    /// The newest active incident that a trouble of `group` is part of.
    pub(super) fn of_campaign(&self, group: &Group) -> Option<&Incident> {
        self.active().filter(|incident| group.is_part_of(&incident.group)).max_by_key(|incident| incident.last_seen_us)
    }

    pub fn apply(&mut self, event: &IncidentEvent) {
        self.sequence = self.sequence.max(event.sequence);
        if let Some(claim) = event.what.claim() {
            if self.knows(claim) {
                return;
            }
            self.judged.insert((claim.to_us, claim.finding.clone()));
            self.advance_to(claim.to_us);
        }
        if event.what.is_of_a_person() {
            let (incident, name) = (event.incident.clone(), event.what.name());
            if event.at_us <= self.floor_us || !self.heard.insert((event.at_us, incident, name)) {
                return;
            }
        }
        match &event.what {
            Happening::Opened(claim) | Happening::Grouped(claim) | Happening::Reopened(claim) => {
                self.take(event, claim);
            }
            Happening::Suppressed { claim, rule } => {
                let none = Suppressed { rule: String::new(), findings: 0, last_seen_us: claim.to_us };
                let suppressed = self.suppressed.entry(Group::of(claim)).or_insert(none);
                suppressed.rule.clone_from(rule);
                suppressed.findings += 1;
                suppressed.last_seen_us = suppressed.last_seen_us.max(claim.to_us);
            }
            Happening::Muted { .. }
            | Happening::Acknowledged { .. }
            | Happening::Unacknowledged { .. }
            | Happening::Silenced { .. }
            | Happening::Feedback { .. }
            | Happening::Resolved { .. }
            | Happening::Noticed { .. }
            | Happening::Escalated { .. } => self.change(event),
            Happening::Noted { .. } => {}
            // What became of a notice is the outbox's to remember.
            Happening::Delivered { .. } | Happening::Failed { .. } | Happening::Dead { .. } => {}
        }
    }

    fn take(&mut self, event: &IncidentEvent, claim: &Claim) {
        let group = Group::of(claim);
        let id = event.incident.clone();
        let incident = self.by_id.entry(id.clone()).or_insert_with(|| Incident::of(id, group.clone(), claim));
        if matches!(event.what, Happening::Reopened(_)) && incident.status == Status::Resolved {
            incident.begin_again();
        }
        incident.take(claim);
        self.by_group.insert(incident.group.clone(), incident.id.clone());
    }

    fn change(&mut self, event: &IncidentEvent) {
        let Some(incident) = self.by_id.get_mut(&event.incident) else { return };
        match &event.what {
            Happening::Muted { rule } => incident.muted_by.clone_from(rule),
            Happening::Acknowledged { by, .. } if incident.status == Status::Open => {
                incident.status = Status::Acknowledged;
                incident.version += 1;
                incident.acknowledged_by.clone_from(by);
                incident.owes_acknowledgement = true;
            }
            Happening::Unacknowledged { .. } if incident.status == Status::Acknowledged => {
                incident.status = Status::Open;
                incident.version += 1;
                incident.acknowledged_by.clear();
                // Receivers that were told that somebody has it are told that nobody has it.
                if !std::mem::take(&mut incident.owes_acknowledgement) {
                    incident.announced = None;
                }
            }
            Happening::Silenced { by, until_us, .. } => {
                incident.version += 1;
                incident.silenced_until_us = (*until_us > event.at_us).then_some(*until_us);
                incident.silenced_by.clone_from(by);
                incident.muted_by.clear();
            }
            Happening::Feedback { by, benign: true, .. } => {
                let severity = incident.evidence.values().map(|claim| claim.severity).max().unwrap_or(Severity::Info);
                let benign = Benign { incident: incident.id.clone(), by: by.clone(), since_us: event.at_us, severity };
                for family in incident.families() {
                    self.benign.insert(Group { family, ..incident.group.clone() }, benign.clone());
                }
            }
            Happening::Feedback { benign: false, .. } => {
                self.benign.retain(|_, benign| benign.incident != event.incident);
            }
            Happening::Resolved { by, note, last_seen_us, quiet_us } if incident.status != Status::Resolved => {
                incident.status = Status::Resolved;
                incident.version += 1;
                incident.resolution = Some(Resolution {
                    at_us: event.at_us,
                    last_seen_us: *last_seen_us,
                    quiet_us: *quiet_us,
                    by: by.clone(),
                    note: note.clone(),
                });
            }
            Happening::Noticed { notice, action, severity, destinations } => {
                incident.notices = incident.notices.max(*notice);
                match action {
                    NoticeAction::Trigger => {
                        incident.announced = Some(Announced { at_us: event.at_us, severity: *severity });
                        incident.first_severity.get_or_insert(*severity);
                        incident.muted_by.clear();
                        incident.told.extend(destinations.iter().cloned());
                    }
                    NoticeAction::Acknowledge => incident.owes_acknowledgement = false,
                    NoticeAction::Resolve => {
                        incident.announced = None;
                        incident.told.clear();
                    }
                }
            }
            Happening::Escalated { to, .. } => {
                incident.told.insert(to.clone());
            }
            Happening::Acknowledged { .. }
            | Happening::Unacknowledged { .. }
            | Happening::Noted { .. }
            | Happening::Resolved { .. }
            | Happening::Opened(_)
            | Happening::Grouped(_)
            | Happening::Reopened(_)
            | Happening::Suppressed { .. }
            | Happening::Delivered { .. }
            | Happening::Failed { .. }
            | Happening::Dead { .. } => {}
        }
    }

    /// Lets go of what ended long ago. Findings of that time that come again are history, not news.
    pub(super) fn forget(&mut self) {
        let floor_us = self.clock_us.saturating_sub(Self::MEMORY_US);
        if floor_us <= self.floor_us {
            return;
        }
        self.floor_us = floor_us;
        self.judged = self.judged.split_off(&(floor_us.saturating_add(1), String::new()));
        self.heard.retain(|(at_us, ..)| *at_us > floor_us);
        self.by_id.retain(|_, incident| incident.status.is_active() || incident.last_seen_us > floor_us);
        self.by_group.retain(|_, id| self.by_id.contains_key(id));
        self.suppressed.retain(|_, suppressed| suppressed.last_seen_us > floor_us);
    }
}
