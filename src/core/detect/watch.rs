//! The engine: owns all state, closes minutes in order and asks every detector.
//!
//! Rows go in by [`Watch::observe`] in any order; [`Watch::close`] closes the minutes that the watermark has passed and
//! returns what detectors claim, in a fixed order; [`Watch::look`] looks at what is open of those who look suspicious
//! (`watch/early.rs`). State is a function of the closed minutes alone, so feeding the same rows again after a restart
//! ([`Watch::warm`]) gives the same state and the same finding ids. What must not wait for a minute to end is found in the
//! events themselves ([`Watch::observe_events`]).
//!
//! Which detector looks at what stands in `watch/key.rs`, `watch/tenant.rs` and `watch/others.rs`.
//!
//! Bounded: entities beyond `entities_max` are counted and not watched; idle ones give up their sets after
//! `idle_us` and are forgotten after `forget_us` (sources after a day).

mod early;
mod key;
mod others;
mod surroundings;
mod tenant;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use self::early::Early;
use self::key::KeyWatch;
use self::others::{GatewayWatch, RouteWatch, SourceWatch};
use self::surroundings::Surroundings;
use self::tenant::TenantWatch;
use super::budget::suspicious;
use super::request_spike;
use super::told::{DAY_US, HOUR_US};
use super::window::{Closed, EntityHash, Windows};
use super::{DetectOptions, Entity, Finding, Instant, Levels, Minute, Severity};
use crate::event::{Column, Events};
use crate::minutes::{EntityKind, MINUTE_US, Partials};

/// Ten minutes: how often keys are looked at that send nothing.
const SILENCE_TICK_US: i64 = 10 * MINUTE_US;
/// A hole in the log longer than this says nothing about entities: time goes on behind it.
const HOLE_US: i64 = 2 * DAY_US;
/// Sources come and go.
const SOURCE_FORGET_US: i64 = DAY_US;
/// Columns whose texts minutes keep as hashes and people want to read.
const NAMED: [Column; 9] = [
    Column::Gateway,
    Column::TenantId,
    Column::ClientNetwork,
    Column::ClientCountry,
    Column::ClientProvider,
    Column::ClientRelay,
    Column::UserAgent,
    Column::Route,
    Column::Region,
];
/// Of the list of suspicions.
const FALSE_DISCOVERY_RATE: f64 = 0.1;
const SUSPICIONS_MAX: usize = 50;

/// What the engine holds and has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchStats {
    pub entities: usize,
    pub state_bytes: usize,
    /// Keys among the entities, and their part of the state.
    pub keys: usize,
    pub key_bytes: usize,
    pub open_minutes: usize,
    pub rows: u64,
    /// Rows that came after their minute was closed.
    pub late_rows: u64,
    /// Minutes of entities that were not watched, because there were too many.
    pub dropped_entities: u64,
    /// Findings about allowed entities, or of detectors that are switched off: counted and not told.
    pub suppressed: u64,
    /// End of the last closed minute, UTC microseconds.
    pub closed_us: i64,
}

#[derive(Clone, Debug)]
pub struct Watch {
    surroundings: Surroundings,
    windows: Windows,
    entities: HashMap<EntityHash, Watched, FixedState>,
    instant: Instant,
    early: Early,
    /// End of the last closed minute; 0 before the first.
    closed_us: i64,
    dropped_entities: u64,
    suppressed: u64,
}

/// One entity under watch.
#[derive(Clone, Debug)]
struct Watched {
    entity: Entity,
    /// End of the last minute with requests.
    last_us: i64,
    role: Role,
}

#[derive(Clone, Debug)]
enum Role {
    Key(Box<KeyWatch>),
    Tenant(Box<TenantWatch>),
    Source(Box<SourceWatch>),
    Route(Box<RouteWatch>),
    Gateway(Box<GatewayWatch>),
}

impl Watch {
    #[must_use]
    pub fn new(options: DetectOptions) -> Self {
        Self {
            surroundings: Surroundings::new(options),
            windows: Windows::default(),
            entities: HashMap::default(),
            instant: Instant::default(),
            early: Early::default(),
            closed_us: 0,
            dropped_entities: 0,
            suppressed: 0,
        }
    }

    /// Takes rows of `entity_minutes`, in any order.
    ///
    /// # Errors
    /// When the batch is none of `entity_minutes`.
    pub fn observe(&mut self, partials: &RecordBatch) -> Result<(), ArrowError> {
        for partial in Partials::of(partials)?.iter() {
            if self.windows.add(&partial) {
                self.early.consider(&partial, &self.entities);
            }
        }
        Ok(())
    }

    /// What [`Watch::observe_events`] reads of events: the others may be null.
    pub const EVENT_COLUMNS: &[Column] = &[
        Column::EventAt,
        Column::Status,
        Column::Cause,
        Column::KeyId,
        Column::PrincipalId,
        Column::Fingerprint,
        Column::Method,
        Column::RevocationLagUs,
        Column::Evidence,
        Column::Gateway,
        Column::TenantId,
        Column::ClientNetwork,
        Column::ClientCountry,
        Column::ClientProvider,
        Column::ClientRelay,
        Column::UserAgent,
        Column::Route,
        Column::Region,
    ];

    /// Takes a classified batch: claims that one request is enough for, and names for what minutes only hash.
    pub fn observe_events(&mut self, events: &Events) -> Vec<Finding> {
        for column in NAMED {
            let dict = events.dict(column);
            dict.values().iter().flatten().for_each(|text| self.surroundings.names.learn(text));
        }
        self.surroundings.breakdown.observe(events);
        let found = self.instant.observe(events, &self.surroundings.options);
        self.told(found)
    }

    /// [`Watch::close`], then [`Watch::look`].
    pub fn advance(&mut self, watermark_us: i64) -> Vec<Finding> {
        let mut found = self.close(watermark_us);
        found.extend(self.look());
        found
    }

    /// Closes the minutes that ended a lateness bound before `watermark_us`, and returns what was found in them.
    pub fn close(&mut self, watermark_us: i64) -> Vec<Finding> {
        let until_us = watermark_us.saturating_sub(self.surroundings.options.lateness_us);
        let mut found = Vec::new();
        while let Some(closed) = self.windows.close_next(until_us) {
            self.pass_time(closed.minute_us, &mut found);
            self.close_minute(&closed, &mut found);
            self.pass_time(closed.minute_us + MINUTE_US, &mut found);
            self.windows.reuse(closed);
        }
        if self.closed_us > 0 {
            self.pass_time(until_us - until_us.rem_euclid(MINUTE_US), &mut found);
        }
        self.windows.close_all(until_us);
        found.retain(|finding| self.early.is_news(finding));
        self.told(found)
    }

    /// Looks at the open minutes of those who look suspicious. Costs a copy of a state for each, so not for every batch.
    pub fn look(&mut self) -> Vec<Finding> {
        let found = self.early.look(&mut self.windows, &self.entities, &self.surroundings);
        self.told(found)
    }

    /// Feeds rows of the past without telling: after a restart.
    ///
    /// # Errors
    /// When the batch is none of `entity_minutes`.
    pub fn warm(&mut self, partials: &RecordBatch) -> Result<(), ArrowError> {
        let mut latest_us = i64::MIN;
        for partial in Partials::of(partials)?.iter() {
            latest_us = latest_us.max(partial.minute_us);
            self.windows.add(&partial);
        }
        if latest_us > i64::MIN {
            // All but the last minutes: more of those may come from the feed.
            self.close(latest_us);
        }
        Ok(())
    }

    /// Closes without telling what ended by `closed_us`, as an engine had when it was there.
    pub fn warm_to(&mut self, closed_us: i64) {
        let _told = self.close(closed_us.saturating_add(self.surroundings.options.lateness_us));
    }

    /// End of the last closed minute, UTC microseconds; 0 before the first. Rows of earlier minutes are late.
    #[must_use]
    pub const fn closed_us(&self) -> i64 {
        self.closed_us
    }

    /// Looks at every entity to say how much memory it takes: not for every batch.
    #[must_use]
    pub fn stats(&self) -> WatchStats {
        let (mut bytes, mut keys, mut key_bytes) = (self.surroundings.bytes(), 0, 0);
        for watched in self.entities.values() {
            let of_entity = size_of::<Watched>() + watched.entity.name.len() + watched.role.bytes();
            bytes += of_entity;
            if watched.entity.kind == EntityKind::Key {
                keys += 1;
                key_bytes += of_entity;
            }
        }
        WatchStats {
            entities: self.entities.len(),
            state_bytes: bytes,
            keys,
            key_bytes,
            open_minutes: self.windows.open_minutes(),
            rows: self.windows.rows(),
            late_rows: self.windows.late_rows(),
            dropped_entities: self.dropped_entities,
            suppressed: self.suppressed,
            closed_us: self.closed_us,
        }
    }

    /// The scores that tests must reach at present.
    #[must_use]
    pub const fn levels(&self) -> &Levels {
        &self.surroundings.levels
    }

    fn close_minute(&mut self, closed: &Closed, found: &mut Vec<Finding>) {
        for (hash, minute) in closed.iter() {
            self.surroundings.learn(minute);
            let full = self.entities.len() >= self.surroundings.options.entities_max;
            let watched = match self.entities.get_mut(&hash) {
                Some(watched) => watched,
                None if full => {
                    self.dropped_entities += 1;
                    continue;
                }
                None => {
                    let Some(role) = Role::new(minute, &self.surroundings) else { continue };
                    let watched = Watched { entity: minute.entity.clone(), last_us: 0, role };
                    self.entities.entry(hash).insert(watched).into_mut()
                }
            };
            watched.last_us = minute.to_us();
            if watched.entity.tenant != minute.entity.tenant {
                watched.entity.tenant.clone_from(&minute.entity.tenant);
            }
            watched.role.observe(minute, &mut self.surroundings, found);
        }
        self.surroundings.close_minute(closed, found);
    }

    /// Lets event time pass from the end of the last closed minute to `to_us`: ends hours and looks at who is silent.
    fn pass_time(&mut self, to_us: i64, found: &mut Vec<Finding>) {
        if self.closed_us == 0 || to_us - self.closed_us > HOLE_US {
            self.closed_us = to_us;
        }
        while self.closed_us < to_us {
            self.closed_us += MINUTE_US;
            self.look_for_silence(self.closed_us, found);
            if self.closed_us.rem_euclid(HOUR_US) == 0 {
                self.close_hour(self.closed_us - HOUR_US, found);
            }
        }
    }

    fn look_for_silence(&mut self, at_us: i64, found: &mut Vec<Finding>) {
        let mut feed_is_silent = false;
        for hash in &self.surroundings.feeds {
            if let Some(watched) = self.entities.get_mut(hash) {
                let context = self.surroundings.context();
                feed_is_silent |=
                    watched.role.look_for_silence(&watched.entity, watched.last_us, at_us, &context, found);
            }
        }
        if at_us.rem_euclid(SILENCE_TICK_US) != 0 || feed_is_silent {
            return;
        }
        let context = self.surroundings.context();
        for watched in self.entities.values_mut().filter(|watched| at_us - watched.last_us >= SILENCE_TICK_US) {
            if let Role::Key(_) = watched.role {
                let tenant_us = context.population.last_seen_us(&watched.entity.tenant);
                if at_us - tenant_us < SILENCE_TICK_US {
                    watched.role.look_for_silence(&watched.entity, watched.last_us, at_us, &context, found);
                }
            }
        }
    }

    /// Ends the hour that began at `hour_us` for everybody. An hour in which nothing came from anybody teaches nothing.
    fn close_hour(&mut self, hour_us: i64, found: &mut Vec<Finding>) {
        let at_us = hour_us + HOUR_US;
        if self.surroundings.take_activity() {
            // Tenants first: their pace is what their keys are compared with.
            let feeds: Vec<EntityHash> = self.surroundings.feeds.iter().copied().collect();
            for hash in feeds {
                if let Some(watched) = self.entities.get_mut(&hash) {
                    watched.role.close_feed_hour(&watched.entity, hour_us, &mut self.surroundings, found);
                }
            }
            let mut suspicions = Vec::new();
            let mut mixes = Vec::new();
            let mut tests: HashMap<String, usize, FixedState> = HashMap::default();
            let context = self.surroundings.context();
            for watched in self.entities.values_mut() {
                let Role::Key(key) = &mut watched.role else { continue };
                if let Some(suspicion) = key.close_hour(&watched.entity, hour_us, &context, found) {
                    match tests.get_mut(watched.entity.tenant.as_str()) {
                        Some(count) => *count += 1,
                        None => _ = tests.insert(watched.entity.tenant.clone(), 1),
                    }
                    mixes.extend(suspicion.mix);
                    suspicions.extend(suspicion.score.map(|score| (score, watched.entity.clone(), suspicion.test)));
                }
            }
            self.surroundings.note_hour(&suspicions, &tests, &mut mixes);
            self.tell_suspicions(suspicions, tests.values().sum(), found);
        }
        self.forget(at_us);
        let grown = self.entities.values().filter(|watched| watched.role.is_grown()).count();
        self.surroundings.close_hour(at_us, grown, &self.entities);
    }

    /// What stands out of the hour without being an alert is kept as information.
    fn tell_suspicions(&self, mut all: Vec<Suspected>, tests: usize, found: &mut Vec<Finding>) {
        all.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        let scores: Vec<f64> = all.iter().map(|(score, _, _)| *score).collect();
        let count = suspicious(&scores, tests, FALSE_DISCOVERY_RATE).min(SUSPICIONS_MAX);
        let context = self.surroundings.context();
        for (score, entity, test) in all.into_iter().take(count) {
            let mut finding = request_spike::finding(&entity, &test, score, None, &context);
            finding.severity = Severity::Info;
            let told = |other: &Finding| {
                other.detector == finding.detector && other.entity == finding.entity && other.from_us == finding.from_us
            };
            if !found.iter().any(told) {
                found.push(finding);
            }
        }
    }

    fn forget(&mut self, at_us: i64) {
        let options = &self.surroundings.options;
        let (idle_us, forget_us) = (options.idle_us, options.forget_us);
        self.entities.retain(|_, watched| {
            let idle = at_us - watched.last_us;
            if (idle_us..idle_us + HOUR_US).contains(&idle) {
                watched.role.shrink();
            }
            let limit = if watched.entity.kind == EntityKind::Source { SOURCE_FORGET_US } else { forget_us };
            idle < limit
        });
    }

    /// Findings in a fixed order, without what is switched off or allowed.
    fn told(&mut self, mut found: Vec<Finding>) -> Vec<Finding> {
        let options = &self.surroundings.options;
        let before = found.len();
        found.retain(|finding| options.is_on(finding.detector) && !options.allowed.contains(&finding.entity.name));
        self.suppressed += (before - found.len()) as u64;
        let order = |finding: &Finding| (finding.to_us, finding.detector, finding.from_us);
        found.sort_by(|one, other| {
            order(one).cmp(&order(other)).then_with(|| (&one.entity, one.cause).cmp(&(&other.entity, other.cause)))
        });
        found
    }
}

/// Score, entity and test of an hour that may stand out.
type Suspected = (f64, Entity, super::baseline::Test);

impl Role {
    /// `None` for kinds that have no rows.
    fn new(minute: &Minute, surroundings: &Surroundings) -> Option<Self> {
        let season = || surroundings.population.season(&minute.entity.tenant);
        match minute.entity.kind {
            EntityKind::Key => Some(Self::Key(Box::new(KeyWatch::new(season())))),
            EntityKind::Tenant => Some(Self::Tenant(Box::default())),
            EntityKind::Source => Some(Self::Source(Box::default())),
            EntityKind::Route => Some(Self::Route(Box::default())),
            EntityKind::Gateway => Some(Self::Gateway(Box::default())),
            EntityKind::Principal => None,
        }
    }

    fn observe(&mut self, minute: &Minute, surroundings: &mut Surroundings, found: &mut Vec<Finding>) {
        match self {
            Self::Key(watch) => watch.observe(minute, &surroundings.context(), found),
            Self::Tenant(watch) => watch.observe(minute, surroundings, found),
            Self::Source(watch) => watch.observe(minute, &surroundings.context(), found),
            Self::Route(watch) => watch.observe(minute, &surroundings.context(), found),
            Self::Gateway(watch) => watch.observe(minute, surroundings, found),
        }
    }

    /// Whether the entity is silent.
    fn look_for_silence(
        &mut self,
        entity: &Entity,
        last_us: i64,
        at_us: i64,
        context: &super::Context<'_>,
        found: &mut Vec<Finding>,
    ) -> bool {
        let before = found.len();
        match self {
            Self::Key(watch) => found.extend(watch.silence.tick(entity, &watch.baseline, last_us, at_us, context)),
            Self::Tenant(watch) => found.extend(watch.silence.tick(entity, &watch.traffic, last_us, at_us, context)),
            Self::Gateway(watch) => found.extend(watch.silence.tick(entity, &watch.traffic, last_us, at_us, context)),
            Self::Source(_) | Self::Route(_) => {}
        }
        found.len() > before
    }

    fn close_feed_hour(
        &mut self,
        entity: &Entity,
        hour_us: i64,
        surroundings: &mut Surroundings,
        found: &mut Vec<Finding>,
    ) {
        match self {
            Self::Tenant(watch) => watch.close_hour(entity, hour_us, surroundings, found),
            Self::Gateway(watch) => _ = watch.traffic.close_hour(hour_us, false),
            Self::Key(_) | Self::Source(_) | Self::Route(_) => {}
        }
    }

    /// Whether the entity is old enough for its counts to be tested.
    fn is_grown(&self) -> bool {
        match self {
            Self::Key(watch) => !watch.baseline.is_young(),
            Self::Tenant(watch) => !watch.traffic.is_young(),
            Self::Gateway(_) | Self::Source(_) | Self::Route(_) => false,
        }
    }

    fn shrink(&mut self) {
        match self {
            Self::Key(watch) => watch.shrink(),
            Self::Tenant(_) | Self::Source(_) | Self::Route(_) | Self::Gateway(_) => {}
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Key(watch) => watch.bytes(),
            Self::Tenant(watch) => watch.bytes(),
            Self::Source(watch) => watch.bytes(),
            Self::Route(watch) => watch.bytes(),
            Self::Gateway(watch) => watch.bytes(),
        }
    }
}
