//! What the machine remembers: streams and where they stand, rows since the last seal, the attempt in flight.

use super::messages::{Action, Positions};
use crate::lake::{Advance, PerTable, StreamTable};
use crate::offsets::{Offset, Stream};

/// What a stream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its positions are being read; whatever arrives was read from an old one.
    Locating,
    /// Told where to read; batches from before the seek may still arrive.
    Seeking,
    Reading,
    Halted,
    /// Revoked: no more rows; what is buffered is being committed.
    Leaving,
}

#[derive(Debug)]
pub(super) struct Reading {
    pub(super) phase: Phase,
    pub(super) positions: Positions,
    /// Everything below is buffered or stored.
    pub(super) next: Offset,
}

impl Reading {
    pub(super) fn at(positions: Positions) -> Self {
        Self { phase: Phase::Seeking, positions, next: positions.resume() }
    }

    pub(super) fn behind(&self, table: StreamTable) -> bool {
        self.positions.next(table) < self.next
    }

    pub(super) fn behind_anywhere(&self) -> bool {
        StreamTable::ALL.into_iter().any(|table| self.behind(table))
    }

    pub(super) fn keeps_us_draining(&self) -> bool {
        self.phase == Phase::Leaving && self.behind_anywhere()
    }
}

/// What has been buffered since the last seal.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) rows: PerTable<u64>,
    pub(super) bytes: u64,
    /// When the first rows came.
    pub(super) since: Option<i64>,
}

impl Open {
    pub(super) fn rows_total(&self) -> u64 {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: u64,
    pub(super) tables: PerTable<Option<TableCommit>>,
}

#[derive(Debug)]
pub(super) struct TableCommit {
    pub(super) advances: Vec<Advance>,
    pub(super) failures: u32,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Sealing,
    Reading,
    Committing,
    Done,
}

impl TableCommit {
    pub(super) fn streams(&self) -> Vec<Stream> {
        self.advances.iter().map(|advance| advance.stream.clone()).collect()
    }

    pub(super) fn read(&mut self, attempt: u64, table: StreamTable) -> Action {
        self.stage = Stage::Reading;
        Action::Read { attempt, table, streams: self.streams(), failures: self.failures }
    }

    pub(super) fn write(&mut self, attempt: u64, table: StreamTable) -> Action {
        self.stage = Stage::Committing;
        Action::Commit { attempt, table, advances: self.advances.clone() }
    }
}
