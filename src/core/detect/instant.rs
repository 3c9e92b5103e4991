//! What must not wait for its minute to end: claims that one request is enough for, made from the events themselves.
//!
//! The claims are those of `honey_key`, `zombie_access`, `anonymous_fallback`, `dead_key_tried` and of what is certain of
//! `key_guessing` (`guesses.rs`), under the same ids as the minutes give later: whoever comes first tells, the other repeats. A batch without such a request costs a look at
//! its distinct causes and keys.
//!
//! Bounded: 65 536 entities are remembered as told; beyond that all are forgotten, and the ids keep people from being
//! told twice.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::guesses::Guesses;
use super::told::{DAY_US, Told, start_of};
use super::{DetectOptions, Detector, Entity, Finding, Severity};
use super::{anonymous_fallback, dead_key_tried, honey_key, zombie_access};
use crate::cause::RootCause;
use crate::event::{Column, Dict, Events};
use crate::minutes::EntityKind;
use crate::stats::real;
use crate::time;

const REMEMBERED_MAX: usize = 1 << 16;
const NETWORKS_MAX: usize = 4;

#[derive(Clone, Debug, Default)]
pub struct Instant {
    guesses: Guesses,
    told: HashMap<u64, Told, FixedState>,
}

/// The requests of a batch that one claim is about.
struct Group {
    detector: Detector,
    cause: Option<RootCause>,
    entity: Entity,
    first_us: i64,
    last_us: i64,
    requests: i64,
    lag_us: i64,
    networks: Vec<String>,
}

impl Instant {
    /// Claims about a classified batch, in a fixed order.
    #[must_use]
    pub fn observe(&mut self, events: &Events, options: &DetectOptions) -> Vec<Finding> {
        let mut found = if options.is_on(Detector::KeyGuessing) { self.guesses.observe(events) } else { Vec::new() };
        let columns = Columns::of(events);
        let Some(telling) = columns.telling(options) else { return found };
        let mut groups: HashMap<(Detector, Option<RootCause>, u64), Group, FixedState> = HashMap::default();
        for row in 0..events.len() {
            for (detector, cause) in telling.of(&columns, row) {
                if options.is_on(detector) && columns.is_over_grace(row, cause, options.revocation_grace_us) {
                    let entity = columns.entity(detector, row);
                    let key = (detector, cause, FixedState::default().hash_one((entity.kind, &entity.name)));
                    groups.entry(key).or_insert_with(|| Group::new(detector, cause, entity)).add(&columns, row);
                }
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by(|a, b| (a.detector, &a.entity, a.cause).cmp(&(b.detector, &b.entity, b.cause)));
        found.extend(groups.into_iter().filter_map(|group| self.tell(group)));
        found
    }

    fn tell(&mut self, group: Group) -> Option<Finding> {
        if self.told.len() >= REMEMBERED_MAX {
            self.told.clear();
        }
        let key = FixedState::default().hash_one((group.detector, group.cause, group.entity.kind, &group.entity.name));
        let day_us = start_of(group.first_us, DAY_US);
        let told = self.told.entry(key).or_default();
        told.is_due(day_us, Severity::Critical, real(group.requests)).then(|| group.claim())
    }
}

impl Group {
    const fn new(detector: Detector, cause: Option<RootCause>, entity: Entity) -> Self {
        let (first_us, last_us, requests, lag_us) = (i64::MAX, i64::MIN, 0, 0);
        Self { detector, cause, entity, first_us, last_us, requests, lag_us, networks: Vec::new() }
    }

    fn add(&mut self, columns: &Columns<'_>, row: usize) {
        let at_us = columns.event_at[row];
        (self.first_us, self.last_us) = (self.first_us.min(at_us), self.last_us.max(at_us));
        self.requests += 1;
        self.lag_us = self.lag_us.saturating_add(columns.lag_us[row]);
        let network = columns.network.get(row);
        if !network.is_empty()
            && self.networks.len() < NETWORKS_MAX
            && !self.networks.iter().any(|known| known == network)
        {
            self.networks.push(network.to_owned());
        }
    }

    fn claim(self) -> Finding {
        let Self { entity, first_us, requests, networks, .. } = self;
        let (to_us, requests) = (self.last_us.saturating_add(1), real(requests));
        match (self.detector, self.cause) {
            (Detector::ZombieAccess, _) => {
                zombie_access::claim(entity, first_us, to_us, requests, real(self.lag_us) / requests, networks)
            }
            (Detector::AnonymousFallback, _) => anonymous_fallback::claim(entity, first_us, to_us, requests),
            (Detector::DeadKeyTried, Some(cause)) => {
                dead_key_tried::claim(entity, first_us, to_us, cause, requests, networks)
            }
            _ => honey_key::claim(entity, first_us, to_us, requests, networks),
        }
    }
}

struct Columns<'a> {
    events: &'a Events,
    event_at: &'a [i64],
    lag_us: &'a [i64],
    cause: Dict<'a>,
    key: Dict<'a>,
    tenant: Dict<'a>,
    principal: Dict<'a>,
    method: Dict<'a>,
    route: Dict<'a>,
    network: Dict<'a>,
}

/// Which causes and keys of a batch lead to a claim, by dictionary code.
struct Telling {
    causes: Vec<Option<(Detector, RootCause)>>,
    honey: Vec<bool>,
}

impl Telling {
    fn of(&self, columns: &Columns<'_>, row: usize) -> impl Iterator<Item = (Detector, Option<RootCause>)> {
        let cause = columns.cause.code(row).and_then(|code| self.causes[code]);
        let honey = columns.key.code(row).is_some_and(|code| self.honey[code]);
        let honey = honey.then_some((Detector::HoneyKey, None));
        cause.map(|(detector, cause)| (detector, Some(cause))).into_iter().chain(honey)
    }
}

impl<'a> Columns<'a> {
    fn of(events: &'a Events) -> Self {
        let dict = |column| events.dict(column);
        Self {
            events,
            event_at: events.time(Column::EventAt).values(),
            lag_us: events.long(Column::RevocationLagUs).values(),
            cause: dict(Column::Cause),
            key: dict(Column::KeyId),
            tenant: dict(Column::TenantId),
            principal: dict(Column::PrincipalId),
            method: dict(Column::Method),
            route: dict(Column::Route),
            network: dict(Column::ClientNetwork),
        }
    }

    /// `None` when nothing in the batch leads to a claim.
    fn telling(&self, options: &DetectOptions) -> Option<Telling> {
        let causes: Vec<_> = self.cause.values().iter().map(|cause| detector_of(cause.unwrap_or(""))).collect();
        let is_honey = |key: Option<&str>| key.is_some_and(|key| options.honey_keys.contains(key));
        let honey: Vec<bool> = self.key.values().iter().map(is_honey).collect();
        let any = causes.iter().any(Option::is_some) || honey.contains(&true);
        any.then_some(Telling { causes, honey })
    }

    /// Whether a revocation has had its time to take effect before this request.
    fn is_over_grace(&self, row: usize, cause: Option<RootCause>, grace_us: i64) -> bool {
        let lag_us = match cause {
            Some(RootCause::ZombieAccess) => self.lag_us[row],
            Some(cause) if dead_key_tried::DEATHS.contains(&cause) => self.died_us(row).map_or(0, |died_us| {
                // A change in the very microsecond is not an unknown one.
                self.event_at[row].saturating_sub(died_us).max(1)
            }),
            _ => 0,
        };
        lag_us == 0 || lag_us > grace_us
    }

    /// When the key's life ended, as the verdict's evidence says.
    fn died_us(&self, row: usize) -> Option<i64> {
        const ENDS: [&str; 3] = ["key.revoked_at=", "key.expires_at=", "key.grace_until="];
        let mut evidence = self.events.list(Column::Evidence, row);
        evidence.find_map(|fact| ENDS.iter().find_map(|end| time::rfc3339(fact.strip_prefix(end)?)))
    }

    fn entity(&self, detector: Detector, row: usize) -> Entity {
        let text = |dict: &Dict<'_>| dict.get(row).to_owned();
        let (method, route) = (self.method.get(row), self.route.get(row));
        if detector == Detector::AnonymousFallback && !route.is_empty() {
            let name = if method.is_empty() { route.to_owned() } else { format!("{method} {route}") };
            return Entity { kind: EntityKind::Route, name, tenant: String::new() };
        }
        if self.key.get(row).is_empty() {
            return Entity { kind: EntityKind::Principal, name: text(&self.principal), tenant: text(&self.tenant) };
        }
        Entity { kind: EntityKind::Key, name: text(&self.key), tenant: text(&self.tenant) }
    }
}

fn detector_of(cause: &str) -> Option<(Detector, RootCause)> {
    let cause = RootCause::from_name(cause)?;
    let detectors = [
        (Detector::ZombieAccess, cause == RootCause::ZombieAccess),
        (Detector::AnonymousFallback, cause == RootCause::AnonymousFallback),
        (Detector::DeadKeyTried, dead_key_tried::DEATHS.contains(&cause)),
    ];
    detectors.into_iter().find(|(_, concerned)| *concerned).map(|(detector, _)| (detector, cause))
}
