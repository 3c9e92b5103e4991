//! How far streams have come in two tables that are committed one after the other.
//!
//! Events say how late it is in a stream, entity minutes say what happened until then, and each table has its own
//! position of every stream. A minute must not be closed on the word of events whose minutes are still to come: event
//! time counts once both tables hold the offsets that it was read from.
//!
//! A stream that is silent in the lake was sent nothing, or nobody has read what it was sent: a member of the group died
//! and its partitions wait for another. Only the first may hold nothing back ([`Levels::held`]).

use std::collections::{BTreeMap, VecDeque};

use super::{PerTable, StreamTable};

/// The positions of all streams, by the id under which tables remember them.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    streams: BTreeMap<String, Level>,
    /// When the first commit was made, and the newest.
    began_us: Option<i64>,
    at_us: i64,
}

/// A stream that stands still for so long while others move is waited for no longer: its partition was refused, or was
/// halted at a hole. In time of the log, so that nothing is given up while nobody reads at all.
const HELD_MAX_US: i64 = 15 * 60 * 1_000_000;

#[derive(Clone, Debug, Default)]
struct Level {
    /// The next offset in each table.
    next: PerTable<i64>,
    /// Event times that wait for minutes: the offset they wait for, and the time.
    waiting: VecDeque<(i64, i64)>,
    /// When the last commit that moved it was made.
    moved_at_us: Option<i64>,
}

impl Levels {
    /// `stream` was at `next` in `table` when following began.
    pub fn begin(&mut self, table: StreamTable, stream: &str, next: i64) {
        self.level(stream).next[table] = next;
    }

    /// A commit was made at `at_us`.
    pub fn committed(&mut self, at_us: i64) {
        self.began_us.get_or_insert(at_us);
        self.at_us = self.at_us.max(at_us);
    }

    /// The commit at hand, of `table`, moved `stream` to `next`; its events came to `latest_us`. Returns how far event time
    /// is complete now, where that is news.
    pub fn moved(&mut self, table: StreamTable, stream: &str, next: i64, latest_us: Option<i64>) -> Option<i64> {
        let at_us = self.at_us;
        let level = self.level(stream);
        level.moved_at_us = Some(at_us);
        level.next[table] = level.next[table].max(next);
        level.waiting.extend(latest_us.map(|latest_us| (next, latest_us)));
        let through = level.next[StreamTable::EntityMinutes];
        let mut complete_us = None;
        while let Some((_, latest_us)) = level.waiting.pop_front_if(|(offset, _)| *offset <= through) {
            complete_us = complete_us.max(Some(latest_us));
        }
        complete_us
    }

    /// Every stream, and the first of its offsets that not both tables hold.
    pub fn positions(&self) -> impl Iterator<Item = (&str, i64)> {
        self.streams.iter().map(|(stream, level)| (stream.as_str(), level.position()))
    }

    /// Streams that must hold event time back although they are silent: those of which more `waits` to be read from the
    /// position that they have.
    pub fn held(&self, waits: impl Fn(&str, i64) -> bool) -> impl Iterator<Item = &str> {
        let began_us = self.began_us.unwrap_or(self.at_us);
        let lately = move |level: &Level| self.at_us - level.moved_at_us.unwrap_or(began_us) < HELD_MAX_US;
        let held = self.streams.iter().filter(move |(stream, level)| lately(level) && waits(stream, level.position()));
        held.map(|(stream, _)| stream.as_str())
    }

    fn level(&mut self, stream: &str) -> &mut Level {
        self.streams.entry(stream.to_owned()).or_default()
    }
}

impl Level {
    fn position(&self) -> i64 {
        self.next[StreamTable::Events].min(self.next[StreamTable::EntityMinutes])
    }
}

#[cfg(test)]
mod tests {
    use super::StreamTable::{EntityMinutes, Events};
    use super::*;

    #[test]
    fn event_time_counts_once_both_tables_hold_it() {
        let mut levels = Levels::default();
        assert_eq!(levels.moved(Events, "a", 10, Some(100)), None);
        assert_eq!(levels.moved(Events, "a", 20, Some(90)), None);
        assert_eq!(levels.moved(EntityMinutes, "a", 9, None), None);
        assert_eq!(levels.moved(EntityMinutes, "a", 10, None), Some(100));
        assert_eq!(levels.moved(EntityMinutes, "a", 25, None), Some(90));
        assert_eq!(levels.moved(Events, "a", 25, Some(130)), Some(130), "minutes came first");
        assert_eq!(levels.positions().collect::<Vec<_>>(), [("a", 25)]);
    }

    #[test]
    fn streams_do_not_wait_for_each_other() {
        let mut levels = Levels::default();
        levels.begin(EntityMinutes, "b", 50);
        assert_eq!(levels.moved(Events, "a", 10, Some(100)), None);
        assert_eq!(levels.moved(Events, "b", 50, Some(70)), Some(70));
        assert_eq!(levels.positions().collect::<Vec<_>>(), [("a", 0), ("b", 50)]);
    }

    #[test]
    fn a_silent_stream_is_waited_for_while_it_has_more_and_not_for_ever() {
        let mut levels = Levels::default();
        levels.begin(EntityMinutes, "dead", 5);
        levels.begin(Events, "dead", 5);
        let held =
            |levels: &Levels, ends: i64| levels.held(|_, next| ends > next).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(held(&levels, 9), ["dead"], "before the first commit");
        levels.committed(1_000);
        levels.moved(Events, "alive", 9, None);
        levels.moved(EntityMinutes, "alive", 9, None);
        assert_eq!(held(&levels, 9), ["dead"]);
        assert!(held(&levels, 5).is_empty(), "it was sent nothing");
        levels.committed(1_000 + HELD_MAX_US);
        levels.moved(Events, "alive", 10, None);
        assert!(held(&levels, 9).is_empty(), "others move and it does not");
    }
}
