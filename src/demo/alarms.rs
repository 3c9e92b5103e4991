//! What detection tells while the demo runs, beside what the script knows: which incidents opened, and whether anybody
//! misused anything.
//!
//! Filled by whoever keeps incidents ([`Hearing`]) and by the player, who says when a misuse truly began; read by the
//! summary once a second. Times to detect run on the wall's clock, from the first misused request that was sent to the
//! moment at which the incident was kept and its notice is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use claviger_core::alert::{Happening, Incident, IncidentEvent, IncidentId, Incidents, Subject};
use claviger_core::detect::{Family, Severity};
use claviger_core::minutes::EntityKind;

use super::company::{Instant, SECOND};
use super::misuse::Misuse;
use super::script::IncidentKind;
use crate::alert::{EventStore, Events};
use crate::pipeline::AnyFault;

/// A handle to the book, for each thread that writes or reads it.
#[derive(Clone, Debug)]
pub struct Alarms(Arc<Mutex<Book>>);

#[derive(Debug)]
pub struct Book {
    misuse: Vec<Played>,
    /// Keys, networks and tenants to which the script's failures happen: what is found about them is true.
    failing: BTreeSet<String>,
    incidents: Incidents,
    /// When each was heard of first, in that order.
    opened: Vec<(IncidentId, Instant)>,
    told: BTreeMap<IncidentId, Severity>,
    news: Vec<News>,
}

#[derive(Debug)]
struct Played {
    misuse: Misuse,
    /// When its first and its last request were sent, wall time.
    sent: Option<(Instant, Instant)>,
}

/// Something to tell about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Opened(IncidentId),
    Worse(IncidentId),
    Reopened(IncidentId),
    Resolved(IncidentId),
}

/// What an incident truly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truly {
    Misuse(IncidentKind),
    /// A consequence of the script's failures.
    Failure,
    /// Nothing is wrong.
    Nothing,
}

/// How one misuse ended up.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'a> {
    pub misuse: &'a Misuse,
    /// The incident that tells of it, and microseconds from the first misused request.
    pub found: Option<(&'a Incident, i64)>,
    /// Its first minute had ended, and been looked at, before the last of its requests.
    pub due: bool,
}

impl Alarms {
    #[must_use]
    pub fn new(misuse: Vec<Misuse>, failing: BTreeSet<String>) -> Self {
        let misuse = misuse.into_iter().map(|misuse| Played { misuse, sent: None }).collect();
        let (incidents, opened, told, news) = (Incidents::default(), Vec::new(), BTreeMap::new(), Vec::new());
        Self(Arc::new(Mutex::new(Book { misuse, failing, incidents, opened, told, news })))
    }

    /// Notes that a request of a misuse was sent at `now`; its own time says whether it has begun.
    pub fn sent(&self, kind: IncidentKind, at: Instant, now: Instant) {
        let mut book = self.book();
        if let Some(played) = book.misuse.iter_mut().find(|played| played.misuse.kind == kind)
            && at >= played.misuse.begins_at
        {
            played.sent = Some((played.sent.map_or(now, |(first, _)| first), now));
        }
    }

    /// Takes incident events as they are stored, at `now`.
    pub fn hear(&self, events: &[IncidentEvent], now: Instant) {
        let mut book = self.book();
        events.iter().for_each(|event| book.hear(event, now));
    }

    /// The book, for reading.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        // A panic while writing leaves an entry out at worst.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn hear(&mut self, event: &IncidentEvent, now: Instant) {
        self.incidents.apply(event);
        let id = &event.incident;
        let Some(incident) = self.incidents.get(id) else { return };
        let severity = severity_of(incident);
        let worse = self.told.get(id).is_some_and(|told| *told < severity);
        let news = match &event.what {
            Happening::Opened(_) => {
                self.opened.push((id.clone(), now));
                Some(News::Opened(id.clone()))
            }
            Happening::Grouped(_) if worse => Some(News::Worse(id.clone())),
            Happening::Reopened(_) => Some(News::Reopened(id.clone())),
            Happening::Resolved { .. } => Some(News::Resolved(id.clone())),
            _ => None,
        };
        if let Some(news) = news {
            self.told.insert(id.clone(), severity);
            self.news.push(news);
        }
    }

    /// What was not told yet. That something new got worse at once is no news of its own.
    pub fn take_news(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        let opened: BTreeSet<IncidentId> =
            news.iter().filter_map(|news| if let News::Opened(id) = news { Some(id.clone()) } else { None }).collect();
        news.retain(|news| !matches!(news, News::Worse(id) if opened.contains(id)));
        news
    }

    #[must_use]
    pub fn incident(&self, id: &IncidentId) -> Option<&Incident> {
        self.incidents.get(id)
    }

    /// Every incident with the time at which it was heard of, in that order.
    pub fn opened(&self) -> impl Iterator<Item = (&Incident, Instant)> {
        self.opened.iter().filter_map(|(id, at)| Some((self.incidents.get(id)?, *at)))
    }

    #[must_use]
    pub fn truth_of(&self, incident: &Incident) -> Truly {
        let (kind, name) = match &incident.group.subject {
            // Refusals for a cause: everyday traffic is refused by applications only, and then by chance.
            Subject::Cause(_) => return Truly::Failure,
            Subject::Entity(kind, name) => (kind, name),
        };
        if let Some(played) = self.misuse.iter().find(|played| played.misuse.entity == *name && played.sent.is_some()) {
            return Truly::Misuse(played.misuse.kind);
        }
        // All refusals together rise by the script's, of which there are far more than of any others.
        let is_of_all =
            incident.group.family == Family::Failure && matches!(kind, EntityKind::Gateway | EntityKind::Route);
        if is_of_all || self.failing.contains(name) || incident.cause.is_some() {
            Truly::Failure
        } else {
            Truly::Nothing
        }
    }

    /// Microseconds from the first misused request to the time at which the incident was heard of.
    #[must_use]
    pub fn time_to_detect(&self, incident: &Incident) -> Option<i64> {
        let Truly::Misuse(kind) = self.truth_of(incident) else { return None };
        let (_, opened) = self.opened.iter().find(|(id, _)| *id == incident.id)?;
        let (first, _) = self.misuse.iter().find(|played| played.misuse.kind == kind)?.sent?;
        Some((opened - first).max(0))
    }

    /// How every misuse that was played ended up.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome<'_>> {
        self.misuse.iter().filter_map(|played| self.outcome(played)).collect()
    }

    fn outcome<'a>(&'a self, played: &'a Played) -> Option<Outcome<'a>> {
        let (first, last) = played.sent?;
        let truth = Truly::Misuse(played.misuse.kind);
        let found = self.opened().find(|(incident, _)| self.truth_of(incident) == truth);
        let found = found.map(|(incident, at)| (incident, (at - first).max(0)));
        let looked_at = first - first.rem_euclid(MINUTE) + MINUTE + LOOK;
        Some(Outcome { misuse: &played.misuse, found, due: found.is_some() || looked_at <= last })
    }

    /// Incidents of severity medium and worse about what nothing is wrong with.
    pub fn false_incidents(&self) -> impl Iterator<Item = &Incident> {
        let all = self.opened().map(|(incident, _)| incident);
        all.filter(|incident| self.truth_of(incident) == Truly::Nothing && severity_of(incident) >= Severity::Medium)
    }
}

/// How bad an incident is, when no tenant is more important than others.
#[must_use]
pub fn severity_of(incident: &Incident) -> Severity {
    incident.severity(&BTreeSet::new())
}

/// A store of incident events, to which the demo listens.
#[derive(Debug)]
pub struct Hearing<E> {
    store: E,
    alarms: Alarms,
    now: fn() -> Instant,
}

impl<E: EventStore> Hearing<E> {
    #[must_use]
    pub const fn new(store: E, alarms: Alarms, now: fn() -> Instant) -> Self {
        Self { store, alarms, now }
    }
}

#[async_trait]
impl<E: EventStore> EventStore for Hearing<E> {
    async fn load(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        self.store.load().await
    }

    async fn known_findings(&mut self) -> Result<Vec<(i64, String)>, AnyFault> {
        self.store.known_findings().await
    }

    async fn append(&mut self, events: &Events) -> Result<(), AnyFault> {
        self.store.append(events).await?;
        self.alarms.hear(&events.incidents, (self.now)());
        Ok(())
    }

    async fn heard(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        self.store.heard().await
    }
}

const MINUTE: i64 = 60 * SECOND;
/// From the end of a minute until an incident of it is kept, at most: lateness, a tick and an append.
const LOOK: i64 = 6 * SECOND;
