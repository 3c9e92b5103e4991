//! What a diagnosis is made from: a row, the directory, and what the lake says of the traffic around it.

use std::sync::Arc;

use super::answer::{StateChange, Subject, SubjectKind};
use crate::classify::ClassifyOptions;
use crate::event::{Column, ColumnKind, DictColumn, EventBuilder, Events, ListColumn, LongColumn, Row};
use crate::identity::{Directory, Match};
use crate::secret::Credential;

/// Everything that a diagnosis rests on.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub subject: Subject,
    /// The request that stands for the subject, as a stored row with the columns of all rooms; where there is none, a
    /// [`stand_in`].
    pub row: Events,
    /// The row is a request that was seen, not a stand-in.
    pub is_request: bool,
    pub directory: &'a Arc<Directory>,
    pub options: &'a ClassifyOptions,
    pub traffic: &'a Traffic,
    pub others: Vec<Subject>,
}

/// What the lake says about the subject's traffic. Empty where nothing was asked or nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// The time that was looked at, UTC microseconds, half open.
    pub from: i64,
    pub to: i64,
    pub minutes: Vec<Minute>,
    /// By network, agent and route, busiest first.
    pub callers: Vec<CallerSeen>,
    /// Changes of identity that the lake keeps, of the key, its principal and its tenant.
    pub changes: Vec<StateChange>,
    /// `None` where others' traffic may not be seen.
    pub around: Option<Around>,
}

/// One minute of the subject's traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    pub at: i64,
    pub requests: i64,
    /// Refused requests.
    pub failures: i64,
}

/// Requests of one caller to one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerSeen {
    pub network: String,
    pub agent: String,
    pub method: String,
    pub route: String,
    /// One of the paths, for finding the route in the directory.
    pub path: String,
    pub requests: i64,
    pub refused: i64,
    pub first_at: i64,
    pub last_at: i64,
    pub last_served_at: Option<i64>,
    pub last_refused_at: Option<i64>,
}

/// What happened to everybody in the minutes around the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    pub minutes: i64,
    /// Tenants with any traffic.
    pub tenants: i64,
    /// Of these, tenants with a refusal by the same cause.
    pub tenants_alike: i64,
    /// Refusals by the same cause, everybody's.
    pub refusals_alike: i64,
    /// Refusals because the identity service failed.
    pub backend_failures: i64,
}

impl Traffic {
    #[must_use]
    pub fn last_served_at(&self) -> Option<i64> {
        self.callers.iter().filter_map(|caller| caller.last_served_at).max()
    }
}

/// A row for a subject of which no request is at hand: an attempt at `at` with nothing wrong about it but who makes it.
/// `id` is the id of a key, principal or tenant.
#[must_use]
pub fn stand_in(kind: SubjectKind, id: &str, at: i64) -> Events {
    match kind {
        SubjectKind::Key => attempt(at, &[(Column::KeyId, id)], NO_KEYS_FINGERPRINT, &Row::default()),
        SubjectKind::Principal => attempt(at, &[(Column::PrincipalId, id)], "", &Row::default()),
        SubjectKind::Tenant => attempt(at, &[(Column::TenantId, id)], "", &Row::default()),
        SubjectKind::Request | SubjectKind::Incident | SubjectKind::Credential => attempt(at, &[], "", &Row::default()),
    }
}

/// As [`stand_in`], for a credential that somebody showed. What it lacks to be a key is looked for as with a refused
/// request.
#[must_use]
pub fn stand_in_for(credential: &Credential, directory: &Directory, at: i64) -> Events {
    let (mask, fingerprint) = (credential.mask(), credential.digests.fingerprint.hex());
    let look = Row { credential_mask: &mask, credential_prefix: &credential.prefix, ..Row::default() };
    let key_id = |key| directory.key_at(key, at).key_id;
    match directory.find(credential) {
        Match::Known(key) => attempt(at, &[(Column::KeyId, key_id(key))], fingerprint.as_str(), &look),
        Match::Near(key, slip) => {
            let meant = [(Column::KeyId, key_id(key)), (Column::NearMiss, slip.name())];
            attempt(at, &meant, fingerprint.as_str(), &look)
        }
        Match::Unknown => attempt(at, &[], fingerprint.as_str(), &look),
    }
}

/// The row needs a credential, and its key id says whose: no HMAC is all zeros.
const NO_KEYS_FINGERPRINT: &str = "00000000000000000000000000000000";

/// A refused row of which nothing is known but who is behind it. Without a fingerprint its key is not shown, so that
/// nothing is concluded from there being none.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other columns of the later rooms are texts")]
fn attempt(at: i64, who: &[(Column, &str)], fingerprint: &str, look: &Row<'_>) -> Events {
    let row = Row {
        topic: "diagnosis",
        event_at: Some(at),
        ingested_at: Some(at),
        partition: Some(0),
        offset: Some(0),
        part: Some(0),
        status: Some(401),
        credential_kind: if fingerprint.is_empty() { "redacted" } else { "api_key" },
        fingerprint,
        ..look.clone()
    };
    let mut builder = EventBuilder::default();
    builder.push(&row);
    let later = Column::ALL.iter().skip_while(|column| **column != Column::KeyId);
    let columns = later.map(|&column| match column.kind() {
        ColumnKind::List => {
            let mut list = ListColumn::default();
            list.push_codes(&[]);
            list.finish()
        }
        ColumnKind::Long => {
            let mut long = LongColumn::default();
            long.push(None);
            long.finish()
        }
        _ => {
            let mut text = DictColumn::default();
            text.push(who.iter().find(|(named, _)| *named == column).map_or("", |(_, value)| value));
            text.finish()
        }
    });
    let columns = columns.collect();
    builder.finish().with(columns)
}
