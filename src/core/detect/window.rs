//! Partials of any order to whole minutes, in order.
//!
//! Rows of one entity and minute are added up until the minute is closed; a closed minute comes out in a fixed order of
//! entities, tenants before keys, so that any order of arrival within the lateness bound gives the same. What comes for a closed
//! minute is counted and dropped. Longer windows follow from closed minutes.
//!
//! [`Streams`] says how far event time has come over several inputs, of which some may be idle.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Entity, Minute};
use crate::minutes::{Distinct, EntityKind, MINUTE_US, Marks, Partial};

/// An entity as a number: a hash of its kind and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityHash(pub u64);

impl EntityHash {
    #[must_use]
    pub fn of(kind: EntityKind, name: &str) -> Self {
        Self::marked(kind, Marks::of(name))
    }

    #[must_use]
    pub fn of_partial(partial: &Partial<'_>) -> Self {
        Self::marked(partial.kind, partial.marks.entity)
    }

    fn marked(kind: EntityKind, mark: u64) -> Self {
        // Odd, so that no two names of a kind fall together that were apart.
        Self(mark.wrapping_mul(2 * (kind as u64) + 1))
    }
}

/// Minutes that are still open.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    open: BTreeMap<i64, Open>,
    /// Minutes that were closed and judged: the room they hold is given to new ones.
    spare: Vec<Slot>,
    /// Minutes before this are closed.
    closed_us: Option<i64>,
    late_rows: u64,
    rows: u64,
}

/// One open minute. Entities lie in the order of their first row; the index is small, so that finding one is quick.
#[derive(Clone, Debug, Default)]
struct Open {
    index: HashMap<EntityHash, u32, FixedState>,
    slots: Vec<Slot>,
}

/// An entity's minute in the making.
#[derive(Clone, Debug)]
struct Slot {
    hash: EntityHash,
    /// Of tenant and principal: names are compared only where these differ.
    tenant: u64,
    principal: u64,
    minute: Minute,
    /// Distinct values that are not yet among the minute's: taken together, or a busy minute would be sorted at each row.
    fresh: Vec<(Distinct, u32)>,
}

impl Slot {
    /// Values that may wait, beside a quarter of those that are known.
    const FRESH: usize = 32;

    fn add(&mut self, partial: &Partial<'_>) {
        // A key that changes its tenant within a minute: the later name wins, in any order of arrival.
        let Marks { tenant, principal, .. } = partial.marks;
        if self.tenant != tenant && *self.minute.entity.tenant < *partial.tenant {
            partial.tenant.clone_into(&mut self.minute.entity.tenant);
            self.tenant = tenant;
        }
        if self.principal != principal {
            self.minute.add_principal(partial.principal);
            self.principal = principal;
        }
        self.minute.add_counts(partial);
        self.fresh.extend(partial.distinct());
        if self.fresh.len() > Self::FRESH + self.minute.distinct.len() / 4 {
            self.minute.unite(&mut self.fresh);
        }
    }
}

/// What the entities of a closed minute did: feeds before tenants before what belongs to them, each kind in a fixed order.
#[derive(Debug)]
pub struct Closed {
    pub minute_us: i64,
    slots: Vec<Slot>,
    /// Where the first, second… of the order lies in `slots`.
    order: Vec<u32>,
}

impl Closed {
    fn of(minute_us: i64, open: Open) -> Self {
        let mut slots = open.slots;
        slots.iter_mut().for_each(|slot| slot.minute.unite(&mut slot.fresh));
        let place = |(at, slot): (u32, &Slot)| (rank(slot.minute.entity.kind), slot.hash, at);
        let mut places: Vec<_> = (0..).zip(&slots).map(place).collect();
        places.sort_unstable();
        Self { minute_us, order: places.into_iter().map(|(_, _, at)| at).collect(), slots }
    }

    pub fn iter(&self) -> impl Iterator<Item = (EntityHash, &Minute)> {
        self.order.iter().map(|&at| &self.slots[at as usize]).map(|slot| (slot.hash, &slot.minute))
    }
}

impl Windows {
    /// Slots kept for new minutes. With the vectors that it may keep, one is below 2 KB: at most 16 MB.
    const SPARE_MAX: usize = 1 << 13;
    /// A slot that held more distinct values than this is given back: few need as much again.
    const SPARE_VALUES_MAX: usize = 64;

    /// Adds a row, unless its minute is closed; whether it was taken.
    pub fn add(&mut self, partial: &Partial<'_>) -> bool {
        if self.closed_us.is_some_and(|closed| partial.minute_us < closed) {
            self.late_rows += 1;
            return false;
        }
        self.rows += 1;
        let Open { index, slots } = self.open.entry(partial.minute_us).or_default();
        let hash = EntityHash::of_partial(partial);
        let at = *index.entry(hash).or_insert_with(|| {
            let Partial { minute_us, kind, entity, tenant, .. } = *partial;
            let mut slot = self.spare.pop().unwrap_or_else(|| {
                let entity = Entity { kind, name: String::new(), tenant: String::new() };
                Slot { hash, tenant: 0, principal: 0, minute: Minute::empty(minute_us, entity), fresh: Vec::new() }
            });
            (slot.hash, slot.tenant, slot.principal) = (hash, partial.marks.tenant, Marks::of(""));
            slot.minute.reuse(minute_us, kind, entity, tenant);
            slots.push(slot);
            u32::try_from(slots.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = slots.get_mut(at as usize) {
            slot.add(partial);
        }
        true
    }

    /// Shows the open minutes of an entity as far as they have come, in order.
    pub fn each_open(&mut self, hash: EntityHash, mut show: impl FnMut(&Minute)) {
        for open in self.open.values_mut() {
            let at = open.index.get(&hash).copied();
            if let Some(slot) = at.and_then(|at| open.slots.get_mut(at as usize)) {
                slot.minute.unite(&mut slot.fresh);
                show(&slot.minute);
            }
        }
    }

    /// The first minute that ended by `until_us`, with what happened in it.
    pub fn close_next(&mut self, until_us: i64) -> Option<Closed> {
        let first = self.open.first_entry().filter(|first| first.key() + MINUTE_US <= until_us)?;
        let (minute_us, open) = first.remove_entry();
        self.closed_us = Some(minute_us + MINUTE_US);
        Some(Closed::of(minute_us, open))
    }

    /// Takes back the room of a minute that was judged.
    pub fn reuse(&mut self, closed: Closed) {
        let room = Self::SPARE_MAX.saturating_sub(self.spare.len());
        let small = closed.slots.into_iter().filter(|slot| slot.minute.distinct.capacity() <= Self::SPARE_VALUES_MAX);
        self.spare.extend(small.take(room));
    }

    /// Nothing that ended by `until_us` is taken any more.
    pub fn close_all(&mut self, until_us: i64) {
        let until = until_us - until_us.rem_euclid(MINUTE_US);
        self.closed_us = Some(self.closed_us.map_or(until, |closed| closed.max(until)));
    }

    /// Start of the earliest open minute.
    #[must_use]
    pub fn first_us(&self) -> Option<i64> {
        self.open.first_key_value().map(|(&minute, _)| minute)
    }

    #[must_use]
    pub const fn late_rows(&self) -> u64 {
        self.late_rows
    }

    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Entity minutes that are open.
    #[must_use]
    pub fn open_minutes(&self) -> usize {
        self.open.values().map(|open| open.slots.len()).sum()
    }
}

/// Feeds before tenants before what belongs to them.
const fn rank(kind: EntityKind) -> u8 {
    match kind {
        EntityKind::Gateway => 0,
        EntityKind::Tenant => 1,
        EntityKind::Route => 2,
        EntityKind::Source => 3,
        EntityKind::Principal => 4,
        EntityKind::Key => 5,
    }
}

/// How far event time has come: the least over the streams that move.
///
/// A stream without rows for `idle_us` of the reader's clock holds nothing back. Rows from the future move nothing beyond
/// the reader's clock. Streams and clock are the caller's: there is no clock here.
#[derive(Clone, Debug)]
pub struct Streams {
    idle_us: i64,
    streams: BTreeMap<String, Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    event_us: i64,
    seen_us: i64,
}

impl Streams {
    /// Events may be so much ahead of the reader's clock.
    const AHEAD_US: i64 = MINUTE_US;

    #[must_use]
    pub const fn new(idle_us: i64) -> Self {
        Self { idle_us, streams: BTreeMap::new() }
    }

    /// A row of `stream` from `event_us` was read at `now_us`.
    pub fn observe(&mut self, stream: &str, event_us: i64, now_us: i64) {
        let event_us = event_us.min(now_us.saturating_add(Self::AHEAD_US));
        match self.streams.get_mut(stream) {
            Some(known) => *known = Stream { event_us: known.event_us.max(event_us), seen_us: now_us },
            None => _ = self.streams.insert(stream.to_owned(), Stream { event_us, seen_us: now_us }),
        }
    }

    /// A stream that was taken away holds nothing back.
    pub fn forget(&mut self, stream: &str) {
        self.streams.remove(stream);
    }

    /// The watermark at `now_us`; `None` before the first row. When all are idle, time goes on by the clock, one idle
    /// span behind it.
    #[must_use]
    pub fn watermark_us(&self, now_us: i64) -> Option<i64> {
        let busy = self.streams.values().filter(|stream| now_us.saturating_sub(stream.seen_us) < self.idle_us);
        let latest = self.streams.values().map(|stream| stream.event_us).max()?;
        let by_clock = now_us.saturating_sub(self.idle_us).max(latest);
        Some(busy.map(|stream| stream.event_us).min().unwrap_or(by_clock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_stream_holds_nothing_back_and_the_future_moves_nothing() {
        let mut streams = Streams::new(30);
        assert_eq!(streams.watermark_us(5), None);
        streams.observe("a", 100, 100);
        streams.observe("b", 90, 100);
        assert_eq!(streams.watermark_us(110), Some(90));
        streams.observe("a", 120, 125);
        assert_eq!(streams.watermark_us(129), Some(90));
        assert_eq!(streams.watermark_us(131), Some(120), "b is idle");
        assert_eq!(streams.watermark_us(1_000), Some(970), "all are idle: by the clock");
        streams.observe("c", i64::MAX, 1_000);
        assert_eq!(streams.watermark_us(1_000), Some(1_000 + MINUTE_US));
        streams.forget("c");
        assert_eq!(streams.watermark_us(129), Some(90));
    }
}
