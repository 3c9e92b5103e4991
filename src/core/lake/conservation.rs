//! The law of the lake: offsets consumed = events ∪ rejects ∪ declared gaps, disjoint.
//!
//! A single pass over the coordinates of one stream in order, in constant memory but for the breaches it keeps.
//! Kafka offsets are not dense (transaction markers, compaction), so a hole in a Kafka stream is counted
//! and shown, and is a loss only where the caller knows the stream to be dense: replayed files always are.

use crate::offsets::Offset;

/// A way in which stored rows break the law.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// A row is stored twice.
    Duplicate { offset: i64, part: i32 },
    /// Parts of a frame are missing: `found` came where `expected` was due.
    MissingPart { offset: i64, expected: i32, found: i32 },
    /// Offsets of a dense stream have no row and no declared gap.
    Lost { begin: i64, end: i64 },
    /// A row lies in a gap that was declared never to be read.
    InGap { offset: i64 },
    /// A row lies at or above the position, where nothing is committed yet.
    Ahead { offset: i64 },
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Duplicate { offset, part } => write!(f, "offset {offset} part {part} is stored more than once"),
            Self::MissingPart { offset, expected, found } => {
                write!(f, "offset {offset} has part {found} where part {expected} was due")
            }
            Self::Lost { begin, end } => write!(f, "offsets {begin}..{end} are neither stored nor declared a gap"),
            Self::InGap { offset } => write!(f, "offset {offset} is stored inside a declared gap"),
            Self::Ahead { offset } => write!(f, "offset {offset} is stored at or above the stream's position"),
        }
    }
}

/// The figures of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Offsets that have at least one row.
    pub offsets: u64,
    pub rows: u64,
    /// Offsets covered by declared gaps.
    pub gap_offsets: u64,
    /// Offsets below the position without a row, and not in a declared gap.
    pub hole_offsets: u64,
    pub breaches_total: u64,
    /// The first [`ConservationCheck::BREACHES_KEPT`] breaches.
    pub breaches: Vec<Breach>,
}

impl Account {
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.breaches_total == 0
    }

    pub fn note(&mut self, breach: Breach) {
        self.breaches_total += 1;
        if self.breaches.len() < ConservationCheck::BREACHES_KEPT {
            self.breaches.push(breach);
        }
    }
}

/// Walks one stream's stored coordinates.
#[derive(Debug)]
pub struct ConservationCheck {
    position: Offset,
    dense: bool,
    /// Declared gaps, disjoint and ascending, not yet passed.
    gaps: std::vec::IntoIter<(i64, i64)>,
    gap: Option<(i64, i64)>,
    /// Offsets below this are accounted for, but for further parts of the frame before it.
    next: i64,
    last: Option<(i64, i32)>,
    account: Account,
}

impl ConservationCheck {
    pub const BREACHES_KEPT: usize = 16;

    /// `begin` is the first offset that was ever asked for, `position` the next to read.
    #[must_use]
    pub fn new(begin: Offset, position: Offset, dense: bool, mut gaps: Vec<(i64, i64)>) -> Self {
        gaps.retain(|(begin, end)| begin < end);
        gaps.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(gaps.len());
        for (begin, end) in gaps {
            match joined.last_mut() {
                Some(last) if begin <= last.1 => last.1 = last.1.max(end),
                Some(_) | None => joined.push((begin, end)),
            }
        }
        let mut gaps = joined.into_iter();
        let gap = gaps.next();
        Self { position, dense, gaps, gap, next: begin.0, last: None, account: Account::default() }
    }

    /// The next row, in ascending order of offset and part, events and rejects together.
    pub fn row(&mut self, offset: i64, part: i32) {
        self.account.rows += 1;
        match self.last {
            Some((last, _)) if last != offset => self.open_frame(offset, part),
            None => self.open_frame(offset, part),
            Some((_, last_part)) if part == last_part => self.account.note(Breach::Duplicate { offset, part }),
            Some((_, last_part)) if part != last_part + 1 => {
                self.account.note(Breach::MissingPart { offset, expected: last_part + 1, found: part });
            }
            Some(_) => {}
        }
        self.last = Some((offset, part));
    }

    fn open_frame(&mut self, offset: i64, part: i32) {
        self.skip_to(offset);
        self.account.offsets += 1;
        if part != 0 {
            self.account.note(Breach::MissingPart { offset, expected: 0, found: part });
        }
        if self.gap.is_some_and(|(begin, end)| (begin..end).contains(&offset)) {
            self.account.note(Breach::InGap { offset });
        }
        if offset >= self.position.0 {
            self.account.note(Breach::Ahead { offset });
        }
        self.next = self.next.max(offset + 1);
    }

    /// Accounts for the offsets from `next` up to `offset`, none of which has a row.
    fn skip_to(&mut self, offset: i64) {
        while self.next < offset {
            match self.gap {
                Some((_, end)) if end <= self.next => self.gap = self.gaps.next(),
                Some((begin, end)) if begin <= self.next => {
                    let covered = end.min(offset);
                    self.account.gap_offsets += (covered - self.next).cast_unsigned();
                    self.next = covered;
                }
                Some((begin, _)) => self.hole(begin.min(offset)),
                None => self.hole(offset),
            }
        }
        while self.gap.is_some_and(|(_, end)| end <= offset) {
            self.gap = self.gaps.next();
        }
    }

    fn hole(&mut self, end: i64) {
        let begin = std::mem::replace(&mut self.next, end);
        self.account.hole_offsets += (end - begin).cast_unsigned();
        if self.dense {
            self.account.note(Breach::Lost { begin, end });
        }
    }

    /// No more rows: what lies between the last one and the position is accounted for as well.
    #[must_use]
    pub fn finish(mut self) -> Account {
        self.skip_to(self.position.0);
        self.account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(position: i64, dense: bool, gaps: &[(i64, i64)], rows: &[(i64, i32)]) -> Account {
        let mut check = ConservationCheck::new(Offset(0), Offset(position), dense, gaps.to_vec());
        for &(offset, part) in rows {
            check.row(offset, part);
        }
        check.finish()
    }

    #[test]
    fn a_dense_stream_stored_once_holds() {
        let account = account(4, true, &[], &[(0, 0), (1, 0), (1, 1), (2, 0), (3, 0)]);
        assert!(account.holds(), "{account:?}");
        assert_eq!((account.offsets, account.rows, account.hole_offsets), (4, 5, 0));
    }

    #[test]
    fn each_way_to_break_the_law_is_named() {
        let check = |position, gaps: &[(i64, i64)], rows: &[(i64, i32)], breach| {
            assert_eq!(account(position, true, gaps, rows).breaches, [breach]);
        };
        check(2, &[], &[(0, 0), (0, 0), (1, 0)], Breach::Duplicate { offset: 0, part: 0 });
        check(2, &[], &[(0, 0), (0, 2), (1, 0)], Breach::MissingPart { offset: 0, expected: 1, found: 2 });
        check(1, &[], &[(0, 1)], Breach::MissingPart { offset: 0, expected: 0, found: 1 });
        check(5, &[], &[(0, 0), (4, 0)], Breach::Lost { begin: 1, end: 4 });
        check(3, &[], &[(0, 0)], Breach::Lost { begin: 1, end: 3 });
        check(3, &[(1, 3)], &[(0, 0), (1, 0)], Breach::InGap { offset: 1 });
        check(1, &[], &[(0, 0), (1, 0)], Breach::Ahead { offset: 1 });
    }

    #[test]
    fn declared_gaps_account_for_their_offsets() {
        let account = account(10, true, &[(2, 4), (3, 5), (8, 10)], &[(0, 0), (1, 0), (5, 0), (6, 0), (7, 0)]);
        assert!(account.holds(), "{account:?}");
        assert_eq!((account.offsets, account.gap_offsets, account.hole_offsets), (5, 5, 0));
    }

    #[test]
    fn holes_of_a_kafka_stream_are_counted_and_no_breach() {
        let account = account(9, false, &[], &[(0, 0), (4, 0)]);
        assert!(account.holds());
        assert_eq!(account.hole_offsets, 3 + 4);
    }
}
