//! What the machine is told, and what it orders.

use crate::lake::{Advance, PerTable, StreamTable};
use crate::offsets::{Offset, OffsetSpan, Stream};

/// When to seal and commit, and how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Rows wait at most this long before they are sealed.
    pub commit_interval_us: i64,
    /// A table that got no rows records its positions at this interval.
    pub idle_interval_us: i64,
    /// Rows (of all tables) that seal an attempt early.
    pub seal_rows: u64,
    /// Bytes of input that seal an attempt early.
    pub seal_bytes: u64,
    /// While an attempt is in flight: rows of the next one above which reading pauses.
    pub pause_rows: u64,
    /// How long a revoked stream may take to be committed before its rows are dropped instead.
    pub drain_us: i64,
    /// Read and compare positions before a commit. Off only in the test that shows what it prevents.
    pub compare: bool,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            commit_interval_us: 5_000_000,
            idle_interval_us: 60_000_000,
            seal_rows: 4_000_000,
            seal_bytes: 4 << 30,
            pause_rows: 4_000_000,
            drain_us: 20_000_000,
            compare: true,
        }
    }
}

/// What every table holds of a stream, and where to begin if none holds anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    pub stored: PerTable<Option<Offset>>,
    /// The configured start, for streams the lake has never seen.
    pub start: Offset,
}

impl Positions {
    /// The next offset that a table needs.
    #[must_use]
    pub fn next(&self, table: StreamTable) -> Offset {
        self.stored[table].unwrap_or(self.start)
    }

    /// Where reading must begin so that no table misses a row.
    #[must_use]
    pub fn resume(&self) -> Offset {
        StreamTable::ALL.map(|table| self.next(table)).into_iter().min().unwrap_or(self.start)
    }
}

/// Facts the shell reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Streams were given to this process.
    Assigned(Vec<(Stream, Positions)>),
    /// A refined batch. `rows` counts what it holds for each table.
    Batch {
        spans: Vec<OffsetSpan>,
        rows: PerTable<u64>,
        bytes: u64,
    },
    /// Time passes; UTC microseconds.
    Tick(i64),
    /// The files of an attempt are stored, and visible to nobody yet.
    Sealed(u64),
    /// They could not be stored.
    SealFailed(u64),
    /// The answer to [`Action::Read`], one value a stream that was asked for.
    Stored {
        attempt: u64,
        table: StreamTable,
        positions: Vec<(Stream, Option<Offset>)>,
    },
    ReadFailed {
        attempt: u64,
        table: StreamTable,
    },
    /// The table took the commit.
    Committed {
        attempt: u64,
        table: StreamTable,
    },
    /// Anything else: it may be in the table or not.
    CommitUnclear {
        attempt: u64,
        table: StreamTable,
    },
    /// The answer to [`Action::Locate`].
    Located(Vec<(Stream, Positions)>),
    LocateFailed,
    /// Streams go to another process, which waits until they are handed over.
    Revoked(Vec<Stream>),
    /// Streams have already gone to another process.
    Lost(Vec<Stream>),
    /// Everything buffered is to be committed now, in all tables.
    FlushRequested,
    ShutdownRequested,
}

/// Orders the shell carries out, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Buffer the batch that was just reported, without the rows that `trims` name.
    Encode(Vec<RowTrim>),
    /// Forget the batch that was just reported.
    Discard,
    /// Close the open files and store them as this attempt's; later rows belong to the next one.
    Seal {
        attempt: u64,
    },
    /// Read the table's positions of these streams (after a back-off when there were failures) and keep the
    /// snapshot for the commit.
    Read {
        attempt: u64,
        table: StreamTable,
        streams: Vec<Stream>,
        failures: u32,
    },
    /// Commit the attempt's files of one table, with the positions, against the snapshot of the last read.
    Commit {
        attempt: u64,
        table: StreamTable,
        advances: Vec<Advance>,
    },
    /// Everything below these offsets is in all tables.
    Acknowledge(Vec<(Stream, Offset)>),
    /// Everything that had been taken in when a flush was last asked for is in all tables.
    Flushed,
    /// Forget all rows, encoded or not, of all attempts.
    DropBuffers,
    /// Read the positions of all tables afresh (after a back-off when there were failures).
    Locate {
        streams: Vec<Stream>,
        failures: u32,
    },
    /// Read on from here.
    SeekTo(Stream, Offset),
    Pause,
    Resume,
    /// The streams may go to their next owner.
    HandOver(Vec<Stream>),
    /// Offsets were never offered: this stream stays stopped until somebody declares the gap.
    Halt {
        stream: Stream,
        expected: Offset,
        offered: Offset,
    },
    /// Everything is committed or let go: end.
    Stop,
}

/// Rows of `stream` below `from` are not for `table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowTrim {
    pub table: StreamTable,
    pub stream: Stream,
    pub from: Offset,
}
