//! One trouble, from its first finding to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::cause::RootCause;
use crate::detect::{Detector, Family, Severity};
use crate::minutes::EntityKind;

use super::claim::Claim;
use super::group::{Group, Subject};
use super::matcher::Labels;
use super::score::combined;

/// First 8 bytes of SHA-256 over the group and the finding that opened it, hexadecimal: a replay makes the same ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncidentId(String);

impl IncidentId {
    #[must_use]
    pub fn of(group: &Group, opening: &Claim) -> Self {
        let mut hash = Sha256::new();
        for part in group.parts().into_iter().chain([opening.finding.as_str()]) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        Self(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// An id as people and rows write it.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_id.then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key under which every destination knows the incident, whatever becomes of it.
    #[must_use]
    pub fn dedup_key(&self) -> String {
        format!("claviger-{}", self.0)
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    Open,
    Acknowledged,
    Resolved,
}

impl Status {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Open | Self::Acknowledged => true,
            Self::Resolved => false,
        }
    }
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    pub at_us: i64,
    pub last_seen_us: i64,
    pub quiet_us: i64,
    /// Empty when it resolved itself.
    pub by: String,
    pub note: String,
}

/// The last notice that told of the incident as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    pub at_us: i64,
    pub severity: Severity,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub id: IncidentId,
    pub group: Group,
    pub status: Status,
    /// The end of the window that its first claim judged: when there was something to tell.
    pub opened_at_us: i64,
    /// The start of the earliest window that a claim of it judged; a detector that counts by days judges from midnight.
    pub judged_from_us: i64,
    pub last_seen_us: i64,
    /// Longest window that a claim of it judged.
    pub window_us: i64,
    /// The weightiest claim of each detector.
    pub evidence: BTreeMap<Detector, Claim>,
    pub findings: u64,
    /// Who and what is affected, by dimension (`tenant`, `key`, `network`…); at most [`Incident::AFFECTED_MAX`] each.
    pub affected: BTreeMap<String, BTreeSet<String>>,
    pub cause: Option<RootCause>,
    pub acknowledged_by: String,
    /// Silenced by hand, until then.
    pub silenced_until_us: Option<i64>,
    pub silenced_by: String,
    /// The rule that held its notices back last, so that it is written down once.
    pub muted_by: String,
    /// Since it was last opened or reopened; `None` while nobody was told.
    pub announced: Option<Announced>,
    /// The severity that was told first, of all times.
    pub first_severity: Option<Severity>,
    /// A person took it, and receivers have not been told yet.
    pub owes_acknowledgement: bool,
    /// Number of its last notice.
    pub notices: u32,
    /// Destinations that were ever given a notice since it was opened or reopened.
    pub told: BTreeSet<String>,
    pub resolution: Option<Resolution>,
    pub reopened: u32,
    /// Counts what changed its state: opened, taken, given back, silenced, ended, come back. Findings and notices do not.
    pub version: u64,
}

impl Incident {
    pub const AFFECTED_MAX: usize = 64;

    /// An incident before its first claim is [taken](Incident::take).
    pub(super) fn of(id: IncidentId, group: Group, opening: &Claim) -> Self {
        Self {
            id,
            group,
            status: Status::Open,
            opened_at_us: opening.to_us,
            judged_from_us: opening.from_us,
            last_seen_us: opening.to_us,
            window_us: 0,
            evidence: BTreeMap::new(),
            findings: 0,
            affected: BTreeMap::new(),
            cause: opening.cause,
            acknowledged_by: String::new(),
            silenced_until_us: None,
            silenced_by: String::new(),
            muted_by: String::new(),
            announced: None,
            first_severity: None,
            owes_acknowledgement: false,
            notices: 0,
            told: BTreeSet::new(),
            resolution: None,
            reopened: 0,
            version: 1,
        }
    }

    /// Adds a claim to the evidence.
    pub(super) fn take(&mut self, claim: &Claim) {
        self.findings += 1;
        self.judged_from_us = self.judged_from_us.min(claim.from_us);
        self.last_seen_us = self.last_seen_us.max(claim.to_us);
        self.window_us = self.window_us.max(claim.window_us());
        self.cause = self.cause.or(claim.cause);
        if !claim.tenant().is_empty() {
            self.affects("tenant", claim.tenant());
        }
        self.affects(claim.entity.kind.name(), &claim.entity.name);
        for driver in &claim.drivers {
            self.affects(&driver.dimension, &driver.value);
        }
        let best = self.evidence.entry(claim.detector).or_insert_with(|| claim.clone());
        if (claim.severity, claim.score) >= (best.severity, best.score) {
            *best = claim.clone();
        }
    }

    fn affects(&mut self, dimension: &str, value: &str) {
        let values = self.affected.entry(dimension.to_owned()).or_default();
        if values.len() < Self::AFFECTED_MAX {
            values.insert(value.to_owned());
        }
    }

    pub(super) fn begin_again(&mut self) {
        self.status = Status::Open;
        self.version += 1;
        self.reopened += 1;
        self.announced = None;
        self.resolution = None;
        self.acknowledged_by.clear();
        self.owes_acknowledgement = false;
        self.muted_by.clear();
        self.told.clear();
    }

    #[must_use]
    pub fn families(&self) -> BTreeSet<Family> {
        self.evidence.keys().map(|detector| detector.family()).collect()
    }

    /// Several kinds of evidence against one key.
    #[must_use]
    pub fn is_probable_theft(&self) -> bool {
        self.group.suspect().is_some() && self.families().len() > 1
    }

    /// One score a family, the best, combined: detectors of one family are not independent.
    #[must_use]
    pub fn score(&self) -> f64 {
        let mut best: BTreeMap<Family, f64> = BTreeMap::new();
        for claim in self.evidence.values() {
            let score = best.entry(claim.family()).or_insert(0.0);
            *score = score.max(claim.score);
        }
        combined(best.into_values())
    }

    /// The claim that says most.
    #[must_use]
    pub fn weightiest(&self) -> Option<&Claim> {
        let weight = |claim: &Claim| (claim.severity, claim.score);
        self.evidence.values().reduce(|best, claim| if weight(claim) > weight(best) { claim } else { best })
    }

    /// How bad the claims are, one step worse when many tenants or one that matters most are affected; evidence of several
    /// kinds against one key is high at least.
    #[must_use]
    pub fn severity(&self, important_tenants: &BTreeSet<String>) -> Severity {
        let worst = self.evidence.values().map(|claim| claim.severity).max().unwrap_or(Severity::Info);
        let tenants = self.affected.get("tenant");
        let many = tenants.is_some_and(|tenants| tenants.len() >= TENANTS_THAT_ARE_MANY);
        let important = tenants.is_some_and(|tenants| !tenants.is_disjoint(important_tenants));
        let severity = if many || important { worst.raised() } else { worst };
        if self.is_probable_theft() { severity.max(Severity::High) } else { severity }
    }

    /// What people call it: never a count or a time, so that it stays the same.
    #[must_use]
    pub fn title(&self) -> String {
        let of_tenant = if self.group.tenant.is_empty() { String::new() } else { format!(" of {}", self.group.tenant) };
        match &self.group.subject {
            Subject::Cause(cause) if of_tenant.is_empty() => format!("requests of many tenants fail: {}", cause.name()),
            Subject::Cause(cause) => format!("requests{of_tenant} fail: {}", cause.name()),
            Subject::Entity(kind, name) => {
                let trouble = if self.is_probable_theft() { "probable key theft" } else { trouble(self.group.family) };
                let of_tenant = if *kind == EntityKind::Tenant { String::new() } else { of_tenant };
                format!("{trouble}: {} {name}{of_tenant}", kind.name())
            }
        }
    }

    /// What silences, routes and inhibitions match.
    #[must_use]
    pub fn labels(&self, severity: Severity) -> Labels {
        let mut labels = Labels::from([
            ("incident", self.id.to_string()),
            ("family", self.group.family.name().to_owned()),
            ("tenant", self.group.tenant.clone()),
            ("severity", severity.name().to_owned()),
            ("status", self.status.name().to_owned()),
        ]);
        if let Subject::Entity(kind, name) = &self.group.subject {
            labels.insert("entity_kind", kind.name().to_owned());
            labels.insert("entity", name.clone());
        }
        if let Some(cause) = self.cause {
            labels.insert("cause", cause.name().to_owned());
            labels.insert("owner", cause.owner().name().to_owned());
        }
        if let Some(claim) = self.weightiest() {
            labels.insert("detector", claim.detector.name().to_owned());
        }
        labels
    }

    pub(super) fn is_known_by(&self, suspect: (&str, &str)) -> bool {
        self.group.suspect() == Some(suspect)
    }
}

/// From so many on, a trouble is no longer one customer's.
const TENANTS_THAT_ARE_MANY: usize = 3;

const fn trouble(family: Family) -> &'static str {
    match family {
        Family::Theft => "possible key theft",
        Family::Guessing => "credentials are guessed",
        Family::Probing => "access is probed",
        Family::DeadKey => "a key that should be dead is used",
        Family::Volume => "unusual volume",
        Family::Failure => "requests fail",
        Family::Silence => "nothing arrives",
    }
}
