//! Counts of the last buckets of one width. The oldest go as time passes; cells are bounded.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::cause::RootCause;

/// What a cell counts: a tenant, a cause and who said no, as small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    pub(super) tenant: u16,
    /// Index into [`RootCause::ALL`]; [`Cell::NOT_REFUSED`] where there is none.
    pub(super) cause: u8,
    /// Index into [`DENIERS`].
    pub(super) denied_by: u8,
}

/// Who can say no; the first is nobody.
pub(super) const DENIERS: [&str; 6] = ["", "gateway", "authorizer", "application", "limiter", "firewall"];

impl Cell {
    pub(super) const NOT_REFUSED: u8 = u8::MAX;

    pub(super) fn cause(self) -> Option<RootCause> {
        RootCause::ALL.get(usize::from(self.cause)).copied()
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) requests: u32,
    /// The board's version when it changed last.
    pub(super) version: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) cells: HashMap<Cell, Count, FixedState>,
    /// The newest version of its cells.
    pub(super) version: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Ring {
    width_us: i64,
    capacity: usize,
    cells_max: usize,
    /// Number of the bucket that the first slot holds.
    first: i64,
    slots: VecDeque<Slot>,
    cells: usize,
}

/// What became of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Counted,
    /// There is no room for another cell.
    Full,
    /// Its bucket is gone, or not yet there.
    Outside,
}

impl Ring {
    /// `capacity` buckets, of which the last is the one after now: clocks differ.
    pub(super) fn new(width_us: i64, capacity: usize, cells_max: usize) -> Self {
        Self { width_us, capacity, cells_max, first: i64::MIN, slots: VecDeque::new(), cells: 0 }
    }

    pub(super) const fn width_us(&self) -> i64 {
        self.width_us
    }

    pub(super) const fn cells(&self) -> usize {
        self.cells
    }

    /// Where the oldest bucket begins.
    pub(super) const fn begins_us(&self) -> i64 {
        self.first.saturating_mul(self.width_us)
    }

    /// Makes room up to the bucket after `now`.
    pub(super) fn advance(&mut self, now_us: i64) {
        let first = now_us.div_euclid(self.width_us) + 2 - self.capacity as i64;
        if first <= self.first {
            return;
        }
        let gone = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.slots.len());
        self.cells -= self.slots.drain(..gone).map(|slot| slot.cells.len()).sum::<usize>();
        self.slots.resize_with(self.capacity, Slot::default);
        self.first = first;
    }

    /// Adds to a cell. `must` makes room where there is none: such cells are few whatever comes.
    pub(super) fn add(&mut self, at_us: i64, cell: Cell, requests: u32, version: u64, must: bool) -> Added {
        let number = at_us.div_euclid(self.width_us);
        let Some(slot) = usize::try_from(number - self.first).ok().and_then(|at| self.slots.get_mut(at)) else {
            return Added::Outside;
        };
        if let Some(count) = slot.cells.get_mut(&cell) {
            count.requests = count.requests.saturating_add(requests);
            count.version = version;
        } else if must || self.cells < self.cells_max {
            slot.cells.insert(cell, Count { requests, version });
            self.cells += 1;
        } else {
            return Added::Full;
        }
        slot.version = version;
        Added::Counted
    }

    /// Slots that begin within `[from, to)`, with where they begin.
    pub(super) fn within(&self, from_us: i64, to_us: i64) -> impl Iterator<Item = (i64, &Slot)> + '_ {
        let (first, width_us) = (self.first, self.width_us);
        let starts = (0i64..).map(move |at| (first + at) * width_us);
        starts.zip(&self.slots).filter(move |(at_us, _)| (from_us..to_us).contains(at_us))
    }
}
