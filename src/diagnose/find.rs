//! From an id to the request that stands for it: the one that was asked for, or the last refusal of a key, a user, a
//! tenant or an incident; where there is none, what the directory says alone.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use claviger_core::access::TenantScope;
use claviger_core::alert::{self, Incident, Incidents};
use claviger_core::diagnose::{Subject, SubjectKind, stand_in, stand_in_for};
use claviger_core::event::{Column, Events};
use claviger_core::identity::{Directory, KeyAt, Match};
use claviger_core::minutes::{EntityKind, MINUTE_US};
use claviger_core::secret::Credential;
use claviger_core::time;

use super::rows::{Condition, Rows};
use super::{Asked, DiagnoseError};
use crate::lake::Lake;

const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;
/// A request id given twice is seen so often at most.
const SAME_ID_MAX: usize = 8;

/// Whose traffic belongs to a diagnosis.
#[derive(Clone, Debug)]
pub(super) enum About {
    Key(String),
    Principal(String),
    Tenant(String),
    Fingerprint(String),
    Client { network: String, agent: String },
}

/// What stands for a subject.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) row: Events,
    pub(super) is_request: bool,
    pub(super) others: Vec<Subject>,
    pub(super) about: About,
    /// The time whose traffic is looked at, UTC microseconds, half open.
    pub(super) window: (i64, i64),
}

pub(super) struct Search<'a> {
    pub(super) lake: &'a Lake,
    pub(super) rows: &'a Rows<'a>,
    pub(super) directory: &'a Arc<Directory>,
    pub(super) tenants: &'a TenantScope,
    pub(super) at: Option<i64>,
}

impl Search<'_> {
    pub(super) async fn find(&self, asked: &Asked) -> Result<Option<Found>, DiagnoseError> {
        match asked {
            Asked::Request(id) => self.request(id).await,
            Asked::Key(id) => self.entity(SubjectKind::Key, id).await,
            Asked::Principal(id) => self.entity(SubjectKind::Principal, id).await,
            Asked::Tenant(id) => self.entity(SubjectKind::Tenant, id).await,
            Asked::Incident(id) => self.incident(id).await,
            Asked::Any(id) => self.any(id).await,
            Asked::Credential(credential) => self.credential(credential).await,
        }
    }

    async fn request(&self, id: &str) -> Result<Option<Found>, DiagnoseError> {
        let near = self.at.map(|at| (at - DAY_US, at + DAY_US)).unzip();
        let wanted = Condition::equals("request_id", id).and(Condition::within("event_at", near.0, near.1));
        let found = self.rows.events(wanted, &newest_first(SAME_ID_MAX)).await?;
        let mut rows = found.iter().flat_map(|events| (0..events.len()).map(move |row| one(events, row)));
        let Some(row) = rows.next() else { return Ok(None) };
        let label = |row: &Events| format!("at {}", time::format(event_at(row)));
        let subject = |row: &Events| Subject { kind: SubjectKind::Request, id: id.to_owned(), label: label(row) };
        let others = rows.take(SAME_ID_MAX).map(|other| subject(&other)).collect();
        let subject = Subject { label: id.to_owned(), ..subject(&row) };
        Ok(Some(Found { others, ..of_request(subject, row) }))
    }

    async fn entity(&self, kind: SubjectKind, id: &str) -> Result<Option<Found>, DiagnoseError> {
        if !self.may_see(kind, id) {
            return Ok(None);
        }
        let (about, column) = match kind {
            SubjectKind::Principal => (About::Principal(id.to_owned()), "principal_id"),
            SubjectKind::Tenant => (About::Tenant(id.to_owned()), "tenant_id"),
            _ => (About::Key(id.to_owned()), "key_id"),
        };
        let until = Condition::within("minute", None, self.at.map(|at| at + 1));
        let wanted = super::traffic::of_minutes(&about).unwrap_or_default().and(until);
        let what = "max(minute) as last_at, max(case when cause is not null then minute end) as refused_at \
                    from entity_minutes";
        let seen = self.rows.select(what, wanted, "").await?;
        let (last, refused) = (instant(&seen, 0), instant(&seen, 1));
        if last.is_none() && !self.knows(kind, id) {
            return Ok(None);
        }
        let subject = Subject { kind, id: id.to_owned(), label: self.label(kind, id) };
        let noticed = self.directory.noticed_at();
        let now = self.at.unwrap_or_else(|| last.map_or(noticed, |last| last.max(noticed)));
        let window_end = last.map_or(now, |last| last + MINUTE_US);
        let window = (window_end - DAY_US, window_end);
        let recent = refused.filter(|&refused| refused >= window.0);
        if let Some(minute) = recent {
            let wanted = Condition::equals(column, id)
                .and(Condition::within("event_at", Some(minute), Some(minute + MINUTE_US)))
                .and(Condition::of("cause is not null", Vec::new()));
            if let Some(row) = first(&self.rows.events(wanted, &newest_first(1)).await?) {
                return Ok(Some(Found { subject, row, is_request: true, others: Vec::new(), about, window }));
            }
        }
        let row = stand_in(kind, id, now);
        Ok(Some(Found { subject, row, is_request: false, others: Vec::new(), about, window }))
    }

    async fn credential(&self, credential: &Credential) -> Result<Option<Found>, DiagnoseError> {
        let now = self.at.unwrap_or_else(|| self.directory.noticed_at());
        let meant = match self.directory.find(credential) {
            Match::Known(key) => {
                let key = self.directory.key_at(key, now);
                return Box::pin(self.entity(SubjectKind::Key, key.key_id)).await;
            }
            Match::Near(key, _) => Some(self.directory.key_at(key, now)),
            Match::Unknown => None,
        };
        if meant.as_ref().is_some_and(|key| !self.tenants.covers(Some(self.tenant_of(key, now)))) {
            return Ok(None);
        }
        let fingerprint = credential.digests.fingerprint.hex();
        let label = credential.mask();
        let subject = Subject { kind: SubjectKind::Credential, id: fingerprint.as_str().to_owned(), label };
        let others = meant.map(|key| self.key_subject(&key)).into_iter().collect();
        let wanted = Condition::equals("fingerprint", fingerprint.as_str()).and(Condition::within(
            "event_at",
            None,
            self.at.map(|at| at + 1),
        ));
        let seen = self.rows.events(wanted, &newest_first(1)).await?;
        let (row, is_request) = match first(&seen) {
            Some(row) => (row, true),
            None => (stand_in_for(credential, self.directory, now), false),
        };
        let at = event_at(&row);
        let about = About::Fingerprint(fingerprint.as_str().to_owned());
        Ok(Some(Found { subject, row, is_request, others, about, window: (at - DAY_US, at + MINUTE_US) }))
    }

    async fn incident(&self, id: &str) -> Result<Option<Found>, DiagnoseError> {
        let unreadable = |source| DiagnoseError::NoIncidents { source };
        let table = Box::pin(self.lake.incidents()).await.map_err(unreadable)?;
        let incidents = Incidents::fold(Box::pin(table.read()).await.map_err(unreadable)?);
        let begins_so = |incident: &&Incident| !id.is_empty() && incident.id.as_str().starts_with(id);
        let mine = |incident: &&Incident| self.tenants.covers(Some(&incident.group.tenant));
        let mut found = incidents.iter().filter(begins_so).filter(mine);
        match (found.next(), found.next()) {
            (Some(incident), None) => self.of_incident(incident).await,
            (Some(_), Some(_)) => Err(DiagnoseError::Ambiguous { id: id.to_owned() }),
            (None, _) => Ok(None),
        }
    }

    async fn of_incident(&self, incident: &Incident) -> Result<Option<Found>, DiagnoseError> {
        let subject =
            Subject { kind: SubjectKind::Incident, id: incident.id.as_str().to_owned(), label: incident.title() };
        let (from, to) = (incident.judged_from_us, incident.last_seen_us + MINUTE_US);
        let whose = whose(incident).and(Condition::within("event_at", Some(from), Some(to)));
        let refused = whose.clone().and(Condition::of("cause is not null", Vec::new()));
        for wanted in [refused, whose] {
            if let Some(row) = first(&self.rows.events(wanted, &newest_first(1)).await?) {
                let about = about_incident(incident).unwrap_or_else(|| of_row(&row));
                let window = (from - HOUR_US, to);
                return Ok(Some(Found { subject, row, is_request: true, others: Vec::new(), about, window }));
            }
        }
        let alert::Subject::Entity(kind, name) = &incident.group.subject else { return Ok(None) };
        let kind = match kind {
            EntityKind::Key => SubjectKind::Key,
            EntityKind::Principal => SubjectKind::Principal,
            EntityKind::Tenant => SubjectKind::Tenant,
            EntityKind::Source | EntityKind::Route | EntityKind::Gateway => return Ok(None),
        };
        let found = Box::pin(self.entity(kind, name)).await?;
        Ok(found.map(|found| Found { subject, ..found }))
    }

    /// The first kind that knows the id; what else does is named beside it.
    async fn any(&self, id: &str) -> Result<Option<Found>, DiagnoseError> {
        let kinds = [SubjectKind::Key, SubjectKind::Principal, SubjectKind::Tenant];
        let known = kinds.into_iter().filter(|kind| self.knows(*kind, id) && self.may_see(*kind, id));
        let mut hits: Vec<Subject> =
            known.map(|kind| Subject { kind, id: id.to_owned(), label: self.label(kind, id) }).collect();
        if let Some(mut found) = self.request(id).await? {
            found.others.extend(hits);
            return Ok(Some(found));
        }
        if !hits.is_empty() {
            let chosen = hits.remove(0);
            let found = Box::pin(self.entity(chosen.kind, id)).await?;
            return Ok(found.map(|found| Found { others: hits, ..found }));
        }
        if let Some(found) = Box::pin(self.incident(id)).await? {
            return Ok(Some(found));
        }
        // Keys that left the directory long ago are known to the lake still.
        for kind in kinds {
            if let Some(found) = Box::pin(self.entity(kind, id)).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn knows(&self, kind: SubjectKind, id: &str) -> bool {
        match kind {
            SubjectKind::Key => self.directory.find_key(id).is_some(),
            SubjectKind::Principal => self.directory.find_principal(id).is_some(),
            SubjectKind::Tenant => self.directory.find_tenant(id).is_some(),
            SubjectKind::Request | SubjectKind::Incident | SubjectKind::Credential => false,
        }
    }

    /// Whether the directory says that the id is another tenant's. What it does not know is for the rows to say.
    fn may_see(&self, kind: SubjectKind, id: &str) -> bool {
        let now = self.at.unwrap_or_else(|| self.directory.noticed_at());
        let tenant = match kind {
            SubjectKind::Key => {
                let key = self.directory.find_key(id).map(|key| self.directory.key_at(key, now));
                key.map(|key| self.tenant_of(&key, now).to_owned())
            }
            SubjectKind::Principal => {
                let principal = self.directory.find_principal(id);
                principal.map(|principal| self.directory.principal(principal, now).tenant_id.to_owned())
            }
            SubjectKind::Tenant => Some(id.to_owned()),
            SubjectKind::Request | SubjectKind::Incident | SubjectKind::Credential => None,
        };
        tenant.is_none_or(|tenant| self.tenants.covers(Some(&tenant)))
    }

    /// The tenant of a key, else of its principal.
    fn tenant_of<'k>(&'k self, key: &KeyAt<'k>, at: i64) -> &'k str {
        match key.principal {
            Some(principal) if key.tenant_id.is_empty() => self.directory.principal(principal, at).tenant_id,
            Some(_) | None => key.tenant_id,
        }
    }

    fn label(&self, kind: SubjectKind, id: &str) -> String {
        let now = self.directory.noticed_at();
        let named = match kind {
            SubjectKind::Key => {
                let key = self.directory.find_key(id).map(|key| self.directory.key_at(key, now));
                key.map(|key| self.key_subject(&key).label)
            }
            SubjectKind::Principal => {
                let principal = self.directory.find_principal(id);
                principal.map(|principal| self.directory.principal(principal, now).name.to_owned())
            }
            SubjectKind::Tenant => {
                let tenant = self.directory.find_tenant(id);
                tenant.map(|tenant| self.directory.tenant(tenant, now).name.to_owned())
            }
            SubjectKind::Request | SubjectKind::Incident | SubjectKind::Credential => None,
        };
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_owned())
    }

    fn key_subject(&self, key: &KeyAt<'_>) -> Subject {
        let label = match key.last4.as_str() {
            "" => key.key_id.to_owned(),
            last4 => format!("{}…{last4}", key.prefix),
        };
        Subject { kind: SubjectKind::Key, id: key.key_id.to_owned(), label }
    }
}

/// A request with the traffic of whoever made it.
fn of_request(subject: Subject, row: Events) -> Found {
    let at = event_at(&row);
    let about = of_row(&row);
    Found { subject, row, is_request: true, others: Vec::new(), about, window: (at - HOUR_US, at + HOUR_US) }
}

/// Of rows at the same instant what was served and should not have been comes first, and the rest in a fixed order, so that
/// the same question has the same answer.
fn newest_first(rows: usize) -> String {
    format!(
        "order by event_at desc, (cause is not null and denied_by is null) desc, topic desc, \"partition\" desc, \
         \"offset\" desc, part desc limit {rows}"
    )
}

/// Who made a request, as well as the row says.
fn of_row(row: &Events) -> About {
    let text = |column| row.dict(column).get(0).to_owned();
    let near_miss = !text(Column::NearMiss).is_empty();
    let known = [(Column::KeyId, About::Key as fn(String) -> About), (Column::PrincipalId, About::Principal)];
    let known = known.into_iter().filter(|_| !near_miss).chain([(Column::Fingerprint, About::Fingerprint as _)]);
    let mut named = known.map(|(column, about)| (text(column), about)).filter(|(id, _)| !id.is_empty());
    match named.next() {
        Some((id, about)) => about(id),
        None => About::Client { network: text(Column::ClientNetwork), agent: text(Column::UserAgent) },
    }
}

/// The requests that an incident is about.
fn whose(incident: &Incident) -> Condition {
    let tenant = match incident.group.tenant.as_str() {
        "" => Condition::default(),
        tenant => Condition::equals("tenant_id", tenant),
    };
    match &incident.group.subject {
        alert::Subject::Cause(cause) => Condition::equals("cause", cause.name()).and(tenant),
        alert::Subject::Entity(kind, name) => match kind {
            EntityKind::Key => Condition::equals("key_id", name),
            EntityKind::Principal => Condition::equals("principal_id", name),
            EntityKind::Tenant => Condition::equals("tenant_id", name),
            EntityKind::Source => Condition::equals("client_network", name),
            EntityKind::Gateway => Condition::equals("gateway", name),
            EntityKind::Route => {
                Condition::of("method || ' ' || route = $named", vec![("named", name.as_str().into())])
            }
        },
    }
}

fn about_incident(incident: &Incident) -> Option<About> {
    match &incident.group.subject {
        alert::Subject::Entity(EntityKind::Key, name) => Some(About::Key(name.clone())),
        alert::Subject::Entity(EntityKind::Principal, name) => Some(About::Principal(name.clone())),
        alert::Subject::Entity(EntityKind::Tenant, name) => Some(About::Tenant(name.clone())),
        alert::Subject::Cause(_) | alert::Subject::Entity(..) => None,
    }
}

/// The row at `row` as a batch of its own.
fn one(events: &Events, row: usize) -> Events {
    Events::of_batch(events.batch().slice(row, 1))
}

fn first(found: &[Events]) -> Option<Events> {
    found.iter().find(|events| !events.is_empty()).map(|events| one(events, 0))
}

fn event_at(row: &Events) -> i64 {
    row.time(Column::EventAt).value(0)
}

/// The instant in the first row's column.
pub(super) fn instant(batches: &[RecordBatch], column: usize) -> Option<i64> {
    let batch = batches.iter().find(|batch| batch.num_rows() > 0)?;
    let instants = batch.column(column).as_primitive_opt::<TimestampMicrosecondType>()?;
    instants.is_valid(0).then(|| instants.value(0))
}
