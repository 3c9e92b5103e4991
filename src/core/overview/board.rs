//! What the last hours brought, kept as counts while it passes: what the live page shows within a second.
//!
//! Two rings: 10 s buckets for a quarter of an hour, 60 s buckets for six hours. A batch is added by column: each distinct
//! tenant, cause and denier of it is looked up once, each row costs one step in a small table.
//!
//! Budget: 0.1 µs an event; at the default limits at most 20 MB, whatever arrives.

use std::collections::VecDeque;
use std::fmt;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::ring::{Added, Cell, DENIERS, Ring};
use super::{Assembly, Buckets, Overview, Part, STACK, Series, TenantPart};
use crate::access::TenantScope;
use crate::cause::RootCause;
use crate::detect::Streams;
use crate::event::{Column, Dict, Events};

const SECOND_US: i64 = 1_000_000;
const FINE_US: i64 = 10 * SECOND_US;
const COARSE_US: i64 = 60 * SECOND_US;
/// A stream without rows for so long holds the watermark back no longer.
const IDLE_US: i64 = 30 * SECOND_US;

/// What the board may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardLimits {
    /// Tenants that are told apart.
    pub tenants: usize,
    /// Cells of each ring.
    pub cells: usize,
    /// Refused keys that are told apart for one cause of one tenant.
    pub keys: usize,
    /// Pairs of cause and tenant whose keys are.
    pub key_sets: usize,
    pub fine_buckets: usize,
    pub coarse_buckets: usize,
}

impl Default for BoardLimits {
    fn default() -> Self {
        Self { tenants: 1_000, cells: 250_000, keys: 64, key_sets: 4_096, fine_buckets: 92, coarse_buckets: 362 }
    }
}

/// Numbers of the tenants that are none: requests of nobody, and of tenants there was no room for.
const NOBODY: u16 = u16::MAX;
const OTHERS: u16 = u16::MAX - 1;

#[derive(Clone, Debug)]
struct Tenant {
    name: String,
    /// Everything of it since then is under its own name.
    whole_since_us: i64,
    latest_us: i64,
}

/// Refused keys by hash, with the bucket that saw each last.
#[derive(Clone, Debug, Default)]
struct Keys {
    seen: HashMap<u64, i64, FixedState>,
    /// Until then there were more than could be kept.
    overflowed_us: i64,
}

/// New absolute values of the buckets that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    pub version: u64,
    /// Where the buckets begin.
    pub buckets_us: Vec<i64>,
    pub requests: Vec<u64>,
    /// In [`STACK`] order, each with a count for each of `buckets_us`.
    pub series: Vec<Series>,
}

pub struct Board {
    limits: BoardLimits,
    fine: Ring,
    coarse: Ring,
    tenants: Vec<Tenant>,
    numbers: HashMap<String, u16, FixedState>,
    /// Numbers of tenants that are in no bucket any more.
    free: Vec<u16>,
    /// A tenant that is not known now may have been folded until then.
    folded_until_us: i64,
    keys: HashMap<(u16, u8), Keys, FixedState>,
    streams: Streams,
    version: u64,
    /// Buckets before are not known.
    since_us: i64,
    latest_us: i64,
    /// Frames that could not be read, by minute.
    rejects: VecDeque<(i64, u64)>,
    /// Rows too old or too far ahead to be counted.
    outside: u64,
    batch: Batch,
}

/// A batch's rows added up; kept for its room.
#[derive(Default)]
struct Batch {
    cells: HashMap<(i64, Cell), u32, FixedState>,
    keys: HashSet<(u16, u8, u64), FixedState>,
}

impl fmt::Debug for Board {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Board");
        shown
            .field("version", &self.version)
            .field("tenants", &self.tenants.len())
            .field("cells", &self.coarse.cells());
        shown.finish_non_exhaustive()
    }
}

impl Board {
    /// An empty board: what came before `now` is not known to it until it is [remembered](Board::remember).
    #[must_use]
    pub fn new(limits: BoardLimits, now_us: i64) -> Self {
        let mut board = Self {
            limits,
            fine: Ring::new(FINE_US, limits.fine_buckets, limits.cells),
            coarse: Ring::new(COARSE_US, limits.coarse_buckets, limits.cells),
            tenants: Vec::new(),
            numbers: HashMap::default(),
            free: Vec::new(),
            folded_until_us: i64::MIN,
            keys: HashMap::default(),
            streams: Streams::new(IDLE_US),
            version: 0,
            since_us: now_us,
            latest_us: i64::MIN,
            rejects: VecDeque::new(),
            outside: 0,
            batch: Batch::default(),
        };
        board.advance(now_us);
        board
    }

    /// Counts up with every change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Buckets before this instant are not known.
    #[must_use]
    pub const fn since_us(&self) -> i64 {
        self.since_us
    }

    /// Frames since an instant that could not be read.
    #[must_use]
    pub fn rejects(&self, since_us: i64) -> u64 {
        self.rejects.iter().filter(|(at_us, _)| *at_us >= since_us).map(|(_, rejects)| rejects).sum()
    }

    /// Counts frames that could not be read now.
    pub fn add_rejects(&mut self, rejects: u64, now_us: i64) {
        self.advance(now_us);
        let minute_us = now_us.div_euclid(COARSE_US) * COARSE_US;
        match self.rejects.back_mut() {
            Some((at_us, sum)) if *at_us == minute_us => *sum += rejects,
            _ => self.rejects.push_back((minute_us, rejects)),
        }
    }

    /// How far event time has come; `None` before the first row.
    #[must_use]
    pub fn watermark_us(&self, now_us: i64) -> Option<i64> {
        self.streams.watermark_us(now_us).filter(|at_us| *at_us > 0)
    }

    /// When the last request of the scope arrived at its gateway.
    #[must_use]
    pub fn latest_us(&self, tenants: &TenantScope) -> Option<i64> {
        let latest_us = match tenants {
            TenantScope::All => self.latest_us,
            TenantScope::One(name) => self.tenants.get(usize::from(*self.numbers.get(name)?))?.latest_us,
        };
        (latest_us > i64::MIN).then_some(latest_us)
    }

    /// From now on rows of this stream are shown.
    pub fn begin(&mut self, stream: &str, now_us: i64) {
        self.streams.observe(stream, 0, now_us);
    }

    /// Another process is shown this stream's rows.
    pub fn forget(&mut self, stream: &str) {
        self.streams.forget(stream);
    }

    /// Adds classified rows that were read from `streams` at `now`.
    pub fn observe<'a>(&mut self, streams: impl Iterator<Item = &'a str>, events: &Events, now_us: i64) {
        self.advance(now_us);
        let latest_us = arrow::compute::max(events.time(Column::EventAt)).unwrap_or(i64::MIN);
        streams.for_each(|stream| self.streams.observe(stream, latest_us, now_us));
        if events.is_empty() {
            return;
        }
        self.latest_us = self.latest_us.max(latest_us.min(now_us));
        self.version += 1;

        let mut batch = std::mem::take(&mut self.batch);
        self.add_up(events, &mut batch);
        for ((at_us, cell), requests) in batch.cells.drain() {
            self.count(at_us, cell, requests);
        }
        for (tenant, cause, key) in batch.keys.drain() {
            self.see_key(tenant, cause, key, now_us);
        }
        self.batch = batch;
    }

    /// Adds what a lake holds of the time since `since`, which the board has not been shown.
    pub fn remember<'a>(&mut self, since_us: i64, parts: impl Iterator<Item = Part<'a>>, now_us: i64) {
        self.advance(now_us);
        self.version += 1;
        self.since_us = self.since_us.min(since_us);
        for part in parts {
            let tenant = match part.tenant {
                TenantPart::Named(name) => self.tenant(name),
                TenantPart::Nobody => NOBODY,
                TenantPart::Others => OTHERS,
            };
            self.tenant_was_here(tenant, part.at_us);
            self.latest_us = self.latest_us.max(part.at_us);
            self.count(part.at_us, cell_of(tenant, part.cause, part.denied_by), saturated(part.count));
        }
    }

    /// The same for a key of the directory that was refused.
    pub fn remember_key(&mut self, tenant: &str, cause: RootCause, key: &str, at_us: i64) {
        let tenant = if tenant.is_empty() { NOBODY } else { self.tenant(tenant) };
        self.see_key(tenant, number_of(cause), hash_of(key), at_us);
    }

    fn add_up(&mut self, events: &Events, batch: &mut Batch) {
        let at = events.time(Column::EventAt).values();
        let (tenants, causes, deniers, keys) = (
            events.dict(Column::TenantId),
            events.dict(Column::Cause),
            events.dict(Column::DeniedBy),
            events.dict(Column::KeyId),
        );
        let mut tenant_numbers: Vec<Option<u16>> = vec![None; tenants.values_len()];
        let cause_numbers =
            numbers(causes, |name| number_of(RootCause::from_name(name).unwrap_or(RootCause::Undecidable)));
        let denier_numbers = numbers(deniers, denier);
        let mut key_hashes: Vec<Option<u64>> = vec![None; keys.values_len()];
        // Rows of one tenant come together, and in the order of time.
        let mut run: Option<((i64, Cell), u32)> = None;
        for (row, &at_us) in at.iter().enumerate() {
            let tenant = match tenants.code(row) {
                Some(code) => *tenant_numbers[code].get_or_insert_with(|| self.tenant(tenants.value(code))),
                None => NOBODY,
            };
            self.tenant_was_here(tenant, at_us);
            let cause = causes.code(row).map_or(Cell::NOT_REFUSED, |code| cause_numbers[code]);
            let denied_by = deniers.code(row).map_or(0, |code| denier_numbers[code]);
            let place = (at_us.div_euclid(FINE_US) * FINE_US, Cell { tenant, cause, denied_by });
            match &mut run {
                Some((same, requests)) if *same == place => *requests += 1,
                run => {
                    if let Some((done, requests)) = run.replace((place, 1)) {
                        *batch.cells.entry(done).or_default() += requests;
                    }
                }
            }
            if cause != Cell::NOT_REFUSED
                && let Some(code) = keys.code(row)
            {
                let hash = *key_hashes[code].get_or_insert_with(|| hash_of(keys.value(code)));
                batch.keys.insert((tenant, cause, hash));
            }
        }
        if let Some((done, requests)) = run {
            *batch.cells.entry(done).or_default() += requests;
        }
    }

    /// The number of a tenant, or that of all the others.
    fn tenant(&mut self, name: &str) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let fresh = Tenant { name: name.to_owned(), whole_since_us: self.folded_until_us, latest_us: i64::MIN };
        let number = if let Some(number) = self.free.pop() {
            self.tenants[usize::from(number)] = fresh;
            number
        } else {
            let number = u16::try_from(self.tenants.len()).unwrap_or(OTHERS);
            if self.tenants.len() >= self.limits.tenants || number >= OTHERS {
                self.folded_until_us = self.coarse.begins_us() + COARSE_US * self.limits.coarse_buckets as i64;
                return OTHERS;
            }
            self.tenants.push(fresh);
            number
        };
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn tenant_was_here(&mut self, tenant: u16, at_us: i64) {
        if let Some(tenant) = self.tenants.get_mut(usize::from(tenant)) {
            tenant.latest_us = tenant.latest_us.max(at_us);
        }
    }

    fn count(&mut self, at_us: i64, cell: Cell, requests: u32) {
        let version = self.version;
        for ring in [&mut self.fine, &mut self.coarse] {
            let must = cell.tenant >= OTHERS;
            match ring.add(at_us, cell, requests, version, must) {
                Added::Counted => {}
                Added::Full => {
                    // It is counted all the same, only not under its name.
                    let _there = ring.add(at_us, Cell { tenant: OTHERS, ..cell }, requests, version, true);
                    let ends_us = at_us.div_euclid(COARSE_US) * COARSE_US + COARSE_US;
                    if let Some(tenant) = self.tenants.get_mut(usize::from(cell.tenant)) {
                        tenant.whole_since_us = tenant.whole_since_us.max(ends_us);
                    }
                }
                // The fine ring is short; what the coarse one does not hold is held nowhere.
                Added::Outside => self.outside += u64::from(ring.width_us() == COARSE_US) * u64::from(requests),
            }
        }
    }

    fn see_key(&mut self, tenant: u16, cause: u8, key: u64, now_us: i64) {
        if self.keys.len() >= self.limits.key_sets && !self.keys.contains_key(&(tenant, cause)) {
            return;
        }
        let keys = self.keys.entry((tenant, cause)).or_default();
        let minute_us = now_us.div_euclid(COARSE_US) * COARSE_US;
        let has_room = keys.seen.len() < self.limits.keys;
        match keys.seen.get_mut(&key) {
            Some(seen) => *seen = minute_us.max(*seen),
            None if has_room => _ = keys.seen.insert(key, minute_us),
            None => keys.overflowed_us = minute_us,
        }
    }

    /// Time has passed: old buckets go, and tenants and keys that are in none.
    fn advance(&mut self, now_us: i64) {
        let before_us = self.coarse.begins_us();
        self.fine.advance(now_us);
        self.coarse.advance(now_us);
        let begins_us = self.coarse.begins_us();
        if begins_us == before_us {
            return;
        }
        self.keys.retain(|_, keys| {
            keys.seen.retain(|_, seen_us| *seen_us >= begins_us);
            !keys.seen.is_empty()
        });
        while self.rejects.front().is_some_and(|(at_us, _)| *at_us < begins_us) {
            self.rejects.pop_front();
        }
        if self.numbers.len() >= self.limits.tenants {
            self.let_go_of_tenants(begins_us);
        }
    }

    /// Their numbers are free for others.
    fn let_go_of_tenants(&mut self, begins_us: i64) {
        let tenants = &self.tenants;
        let is_gone = |number: u16| tenants.get(usize::from(number)).is_some_and(|tenant| tenant.latest_us < begins_us);
        self.keys.retain(|(tenant, _), _| !is_gone(*tenant));
        let free = &mut self.free;
        self.numbers.retain(|_, number| {
            let gone = is_gone(*number);
            free.extend(gone.then_some(*number));
            !gone
        });
    }
}

impl Board {
    /// The picture of a scope; `None` where the board does not hold all of it: a range that begins before it, a width it has
    /// not, or a tenant whose rows there was no room for.
    #[must_use]
    pub fn overview(&self, tenants: &TenantScope, buckets: Buckets, now_us: i64) -> Option<Overview> {
        let seen = self.seen_by(tenants, buckets.begins_us())?;
        let ring = self.ring_for(buckets)?;
        let mut assembly = Assembly::new(buckets);
        for (at_us, slot) in ring.within(buckets.begins_us(), buckets.ends_us()) {
            for (cell, count) in slot.cells.iter().filter(|(cell, _)| seen.covers(cell.tenant)) {
                let (tenant, denied_by) = (self.name(cell.tenant), DENIERS[usize::from(cell.denied_by)]);
                let count = u64::from(count.requests);
                assembly.add(&Part { at_us, tenant, cause: cell.cause(), denied_by, count });
            }
        }
        for ((tenant, cause), keys) in self.keys.iter().filter(|((tenant, _), _)| seen.covers(*tenant)) {
            let Some(cause) = RootCause::ALL.get(usize::from(*cause)) else { continue };
            let count = keys.seen.values().filter(|seen_us| **seen_us >= buckets.begins_us()).count();
            let at_least = keys.overflowed_us >= buckets.begins_us();
            assembly.keys(*cause, self.name(*tenant), count as u64, at_least);
        }
        let complete_until_us = self.complete_until_us(buckets, now_us);
        Some(assembly.finish(now_us, complete_until_us))
    }

    /// What changed since `version` in the buckets of one minute of a scope; `None` as for [`Board::overview`].
    #[must_use]
    pub fn delta(&self, tenants: &TenantScope, buckets: Buckets, version: u64) -> Option<Delta> {
        let seen = self.seen_by(tenants, buckets.begins_us())?;
        let mut delta = Delta {
            version: self.version,
            buckets_us: Vec::new(),
            requests: Vec::new(),
            series: STACK.map(|class| Series { class, counts: Vec::new() }).to_vec(),
        };
        for (at_us, slot) in self.coarse.within(buckets.begins_us(), buckets.ends_us()) {
            let own = || slot.cells.iter().filter(|(cell, _)| seen.covers(cell.tenant));
            if slot.version <= version || !own().any(|(_, count)| count.version > version) {
                continue;
            }
            delta.buckets_us.push(at_us);
            delta.requests.push(0);
            delta.series.iter_mut().for_each(|series| series.counts.push(0));
            for (cell, count) in own() {
                let requests = u64::from(count.requests);
                delta.requests.iter_mut().rev().take(1).for_each(|sum| *sum += requests);
                let class = cell.cause().map(RootCause::class);
                let series = delta.series.iter_mut().find(|series| Some(series.class) == class);
                series.into_iter().filter_map(|series| series.counts.last_mut()).for_each(|sum| *sum += requests);
            }
        }
        Some(delta)
    }

    /// Start of the first bucket that is still filling.
    #[must_use]
    pub fn complete_until_us(&self, buckets: Buckets, now_us: i64) -> i64 {
        let until_us = self.watermark_us(now_us).unwrap_or(now_us).min(now_us);
        let width_us = buckets.width_us();
        (until_us.div_euclid(width_us) * width_us).min(buckets.ends_us())
    }

    fn ring_for(&self, buckets: Buckets) -> Option<&Ring> {
        let holds = |ring: &&Ring| {
            buckets.width_us() % ring.width_us() == 0 && buckets.begins_us() >= ring.begins_us().max(self.since_us)
        };
        // The coarse one first: it has fewer slots to add up.
        [&self.coarse, &self.fine].into_iter().find(holds)
    }

    /// Which cells a scope may see; `None` when some of its own are among the others.
    fn seen_by(&self, tenants: &TenantScope, from_us: i64) -> Option<Seen> {
        let name = match tenants {
            TenantScope::All => return Some(Seen::All),
            TenantScope::One(name) => name,
        };
        let Some(number) = self.numbers.get(name) else {
            return (self.folded_until_us <= from_us).then_some(Seen::None);
        };
        let tenant = self.tenants.get(usize::from(*number))?;
        (tenant.whole_since_us <= from_us).then_some(Seen::One(*number))
    }

    fn name(&self, tenant: u16) -> TenantPart<'_> {
        match self.tenants.get(usize::from(tenant)) {
            Some(tenant) => TenantPart::Named(&tenant.name),
            None if tenant == NOBODY => TenantPart::Nobody,
            None => TenantPart::Others,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Seen {
    All,
    One(u16),
    None,
}

impl Seen {
    fn covers(self, tenant: u16) -> bool {
        match self {
            Self::All => true,
            Self::One(own) => tenant == own,
            Self::None => false,
        }
    }
}

/// The numbers of a column's distinct values.
fn numbers(column: Dict<'_>, number: impl Fn(&str) -> u8) -> Vec<u8> {
    (0..column.values_len()).map(|code| number(column.value(code))).collect()
}

fn number_of(cause: RootCause) -> u8 {
    u8::try_from(cause as usize).unwrap_or(Cell::NOT_REFUSED)
}

fn denier(name: &str) -> u8 {
    DENIERS.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

fn cell_of(tenant: u16, cause: Option<RootCause>, denied_by: &str) -> Cell {
    Cell { tenant, cause: cause.map_or(Cell::NOT_REFUSED, number_of), denied_by: denier(denied_by) }
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn hash_of(key: &str) -> u64 {
    use std::hash::BuildHasher as _;
    FixedState::default().hash_one(key)
}

#[cfg(test)]
mod tests;
