//! Partials of any order to whole minutes, in order.
//!
//! Rows of one entity and minute are added up until the minute is closed; a closed minute comes out sorted by entity,
//! tenants before keys, so that any order of arrival within the lateness bound gives the same. What comes for a closed
//! minute is counted and dropped. Longer windows follow from closed minutes.
//!
//! [`Streams`] says how far event time has come over several inputs, of which some may be idle.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Entity, Minute};
use crate::minutes::{EntityKind, MINUTE_US, Partial};

/// An entity as a number: a hash of its kind and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityHash(pub u64);

impl EntityHash {
    #[must_use]
    pub fn of(kind: EntityKind, name: &str) -> Self {
        Self(FixedState::with_seed(kind as u64).hash_one(name))
    }
}

type Open = HashMap<EntityHash, Minute, FixedState>;

/// Minutes that are still open.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    open: BTreeMap<i64, Open>,
    /// Minutes before this are closed.
    closed_us: Option<i64>,
    late_rows: u64,
    rows: u64,
}

impl Windows {
    /// Adds a row, unless its minute is closed.
    pub fn add(&mut self, partial: &Partial<'_>) {
        if self.closed_us.is_some_and(|closed| partial.minute_us < closed) {
            self.late_rows += 1;
            return;
        }
        self.rows += 1;
        let open = self.open.entry(partial.minute_us).or_default();
        let minute = open.entry(EntityHash::of(partial.kind, partial.entity)).or_insert_with(|| {
            let entity =
                Entity { kind: partial.kind, name: partial.entity.to_owned(), tenant: partial.tenant.to_owned() };
            Minute::empty(partial.minute_us, entity)
        });
        // A key that changes its tenant within a minute: the later name wins, in any order of arrival.
        if *minute.entity.tenant < *partial.tenant {
            partial.tenant.clone_into(&mut minute.entity.tenant);
        }
        minute.add(partial);
    }

    /// The first minute that ended by `until_us`, with what happened in it.
    pub fn close_next(&mut self, until_us: i64) -> Option<(i64, Vec<(EntityHash, Minute)>)> {
        let first = self.open.first_entry().filter(|first| first.key() + MINUTE_US <= until_us)?;
        let (minute_us, open) = first.remove_entry();
        self.closed_us = Some(minute_us + MINUTE_US);
        let mut minutes: Vec<_> = open.into_iter().collect();
        minutes.sort_unstable_by(|(_, one), (_, other)| {
            (rank(one.entity.kind), &one.entity.name).cmp(&(rank(other.entity.kind), &other.entity.name))
        });
        Some((minute_us, minutes))
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
        self.open.values().map(HashMap::len).sum()
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
