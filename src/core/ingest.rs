//! The ingest protocol of one process as a state machine without I/O: facts in, orders out.
//!
//! Promise: every offset reaches every table once, and reading goes on once faults stop, whatever is
//! killed, delayed or answered wrongly in between. The shell drives exactly this machine, and a simulated
//! world of several such machines (`tests/core/ingest_world.rs`) tries to break it.
//!
//! How it keeps the promise:
//! - Each table remembers its own next offset of each stream, in the commit that carries the rows. Reading
//!   starts at the lowest of them; a row goes only to tables that do not hold it yet.
//! - Before a commit the table's positions are read ([`Action::Read`]) and compared; the commit is valid only
//!   against that very snapshot. After a commit without a clear answer the same question is asked again,
//!   and its answer decides: commit the same files again, take them as stored, or let go of everything.
//! - One attempt is in flight at a time; rows that arrive meanwhile belong to the next one.
//! - A position that another writer moved means that the streams are no longer ours, whatever Kafka says:
//!   all buffers are dropped and the positions read afresh. Nothing is ever merged.
//!
//! A table without rows is committed only every [`Protocol::idle_interval_us`], and always before streams
//! are handed over: most lakes see no rejects for hours, and each commit is a file in the log.

use std::collections::{BTreeMap, BTreeSet};

use crate::lake::{Advance, CommitPlan, PerTable, Standing, StreamTable, plan_commit};
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

/// What a stream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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
struct Reading {
    phase: Phase,
    positions: Positions,
    /// Everything below is buffered or stored.
    next: Offset,
}

impl Reading {
    fn at(positions: Positions) -> Self {
        Self { phase: Phase::Seeking, positions, next: positions.resume() }
    }

    fn behind(&self, table: StreamTable) -> bool {
        self.positions.next(table) < self.next
    }

    fn behind_anywhere(&self) -> bool {
        StreamTable::ALL.into_iter().any(|table| self.behind(table))
    }

    fn keeps_us_draining(&self) -> bool {
        self.phase == Phase::Leaving && self.behind_anywhere()
    }
}

/// What has been buffered since the last seal.
#[derive(Debug, Default)]
struct Open {
    rows: PerTable<u64>,
    bytes: u64,
    /// When the first rows came.
    since: Option<i64>,
}

impl Open {
    fn rows_total(&self) -> u64 {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }
}

#[derive(Debug)]
struct Attempt {
    id: u64,
    tables: PerTable<Option<TableCommit>>,
}

#[derive(Debug)]
struct TableCommit {
    advances: Vec<Advance>,
    failures: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Sealing,
    Reading,
    Committing,
    Done,
}

/// The machine. See the module's description.
#[derive(Debug)]
pub struct Ingest {
    protocol: Protocol,
    now: i64,
    streams: BTreeMap<Stream, Reading>,
    open: Open,
    /// Since when a table's positions lag behind what was read.
    behind_since: PerTable<Option<i64>>,
    flight: Option<Attempt>,
    attempts: u64,
    locate_failures: u32,
    paused: bool,
    drain_until: Option<i64>,
    /// What a flush still waits for: offsets that all tables must reach.
    flushing: BTreeMap<Stream, Offset>,
    flush_asked: bool,
    stopping: bool,
    stopped: bool,
}

impl Ingest {
    #[must_use]
    pub fn new(protocol: Protocol, now: i64) -> Self {
        Self {
            protocol,
            now,
            streams: BTreeMap::new(),
            open: Open::default(),
            behind_since: PerTable::default(),
            flight: None,
            attempts: 0,
            locate_failures: 0,
            paused: false,
            drain_until: None,
            flushing: BTreeMap::new(),
            flush_asked: false,
            stopping: false,
            stopped: false,
        }
    }

    /// The next fact, and the orders that follow from it.
    pub fn step(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Assigned(streams) => self.assigned(streams, &mut actions),
            Input::Located(streams) => self.located(streams, &mut actions),
            Input::LocateFailed => {
                self.locate_failures += 1;
                self.locate(&mut actions);
            }
            Input::Batch { spans, rows, bytes } => self.batch(&spans, rows, bytes, &mut actions),
            Input::Tick(now) => self.tick(now, &mut actions),
            Input::Sealed(attempt) => self.sealed(attempt, &mut actions),
            Input::SealFailed(attempt) => {
                if self.flight.as_ref().is_some_and(|flight| flight.id == attempt) {
                    self.start_over(&mut actions);
                }
            }
            Input::Stored { attempt, table, positions } => self.compared(attempt, table, positions, &mut actions),
            Input::ReadFailed { attempt, table } => self.ask_again(attempt, table, Stage::Reading, &mut actions),
            Input::CommitUnclear { attempt, table } => {
                self.ask_again(attempt, table, Stage::Committing, &mut actions);
            }
            Input::Committed { attempt, table } => {
                if let Some(commit) = self.commit_of(attempt, table, Stage::Committing) {
                    commit.stage = Stage::Done;
                    self.finish_if_done(&mut actions);
                }
            }
            Input::Revoked(streams) => self.revoked(&streams, &mut actions),
            Input::Lost(streams) => self.lost(&streams, &mut actions),
            Input::FlushRequested => {
                self.flush_asked = true;
                self.flush();
                self.seal_if_due(&mut actions);
            }
            Input::ShutdownRequested => {
                self.stopping = true;
                let streams: Vec<Stream> = self.streams.keys().cloned().collect();
                self.revoked(&streams, &mut actions);
            }
        }
        self.report_flush(&mut actions);
        actions
    }

    /// Until every table holds what was taken in when the flush was asked for, all of them are due at once. Rows that had
    /// to be let go since are read and committed again first; streams that went to others are theirs to finish.
    fn flush(&mut self) {
        for (stream, reading) in &self.streams {
            let target = self.flushing.entry(stream.clone()).or_insert(reading.next);
            *target = reading.next.max(*target);
        }
    }

    fn report_flush(&mut self, actions: &mut Vec<Action>) {
        self.flushing.retain(|stream, target| {
            self.streams.get(stream).is_some_and(|reading| reading.positions.resume() < *target)
        });
        if self.flush_asked && self.flushing.is_empty() {
            self.flush_asked = false;
            actions.push(Action::Flushed);
        }
    }

    fn assigned(&mut self, streams: Vec<(Stream, Positions)>, actions: &mut Vec<Action>) {
        // What is still buffered of a stream that comes anew was read under an assignment that is over.
        let known = streams.iter().map(|(stream, _)| stream.clone()).collect::<Vec<_>>();
        self.lost(&known, actions);
        for (stream, positions) in streams {
            if self.stopping {
                actions.push(Action::HandOver(vec![stream]));
                continue;
            }
            let reading = Reading::at(positions);
            actions.push(Action::SeekTo(stream.clone(), reading.next));
            self.streams.insert(stream, reading);
        }
    }

    fn located(&mut self, streams: Vec<(Stream, Positions)>, actions: &mut Vec<Action>) {
        self.locate_failures = 0;
        for (stream, positions) in streams {
            if let Some(reading) = self.streams.get_mut(&stream)
                && reading.phase == Phase::Locating
            {
                *reading = Reading::at(positions);
                actions.push(Action::SeekTo(stream, reading.next));
            }
        }
    }

    fn locate(&self, actions: &mut Vec<Action>) {
        let streams: Vec<Stream> = self
            .streams
            .iter()
            .filter(|(_, reading)| reading.phase == Phase::Locating)
            .map(|(stream, _)| stream.clone())
            .collect();
        if !streams.is_empty() {
            actions.push(Action::Locate { streams, failures: self.locate_failures });
        }
    }

    fn batch(&mut self, spans: &[OffsetSpan], rows: PerTable<u64>, bytes: u64, actions: &mut Vec<Action>) {
        let mut trims = Vec::new();
        let mut any = false;
        for span in spans {
            let taken = self.admit(span, actions);
            any |= taken.is_some();
            for table in StreamTable::ALL {
                let from = taken.map_or(span.end, |from| from.max(self.streams[&span.stream].positions.next(table)));
                if from > span.begin {
                    trims.push(RowTrim { table, stream: span.stream.clone(), from });
                }
            }
        }
        if !any {
            actions.push(Action::Discard);
            return;
        }
        actions.push(Action::Encode(trims));
        self.open.bytes += bytes;
        self.open.since.get_or_insert(self.now);
        for table in StreamTable::ALL {
            self.open.rows[table] += rows[table];
            self.behind_since[table].get_or_insert(self.now);
        }
        self.seal_if_due(actions);
        if !self.paused && self.flight.is_some() && self.open.rows_total() >= self.protocol.pause_rows {
            self.paused = true;
            actions.push(Action::Pause);
        }
    }

    /// The offset from which the rows of `span` are taken; `None` when none are.
    fn admit(&mut self, span: &OffsetSpan, actions: &mut Vec<Action>) -> Option<Offset> {
        let reading = self.streams.get_mut(&span.stream)?;
        match reading.phase {
            Phase::Locating | Phase::Halted | Phase::Leaving => return None,
            Phase::Seeking | Phase::Reading => {}
        }
        let from = match plan_commit(reading.next, span) {
            CommitPlan::Append { .. } => Some(span.begin),
            CommitPlan::Trim { from } => Some(from),
            CommitPlan::AlreadyStored => None,
            CommitPlan::Gap { .. } if reading.phase == Phase::Seeking => return None,
            CommitPlan::Gap { expected, offered } => {
                reading.phase = Phase::Halted;
                actions.push(Action::Halt { stream: span.stream.clone(), expected, offered });
                return None;
            }
        };
        reading.phase = Phase::Reading;
        reading.next = reading.next.max(span.end);
        from
    }

    fn tick(&mut self, now: i64, actions: &mut Vec<Action>) {
        self.now = self.now.max(now);
        if self.drain_until.is_some_and(|until| self.now >= until) {
            self.start_over(actions);
        } else {
            self.seal_if_due(actions);
        }
    }

    fn draining(&self) -> bool {
        self.drain_until.is_some()
    }

    fn table_due(&self, table: StreamTable) -> bool {
        self.open.rows[table] > 0
            || self.draining()
            || !self.flushing.is_empty()
            || self.behind_since[table].is_some_and(|since| self.now - since >= self.protocol.idle_interval_us)
    }

    fn seal_if_due(&mut self, actions: &mut Vec<Action>) {
        if self.flight.is_some() {
            return;
        }
        if self.draining() && !self.streams.values().any(Reading::keeps_us_draining) {
            self.release(actions);
        }
        let rows = self.open.rows_total();
        let waited =
            |since: Option<i64>| since.is_some_and(|since| self.now - since >= self.protocol.commit_interval_us);
        let due = self.draining()
            || !self.flushing.is_empty()
            || rows >= self.protocol.seal_rows
            || self.open.bytes >= self.protocol.seal_bytes
            || (rows > 0 && waited(self.open.since))
            || StreamTable::ALL.into_iter().any(|table| self.open.rows[table] == 0 && self.table_due(table));
        if !due {
            return;
        }
        let tables = PerTable::of(|table| {
            let advances = if self.table_due(table) { self.advances(table) } else { Vec::new() };
            (!advances.is_empty()).then_some(TableCommit { advances, failures: 0, stage: Stage::Sealing })
        });
        if tables.iter().all(|(_, commit)| commit.is_none()) {
            return;
        }
        for (table, commit) in tables.iter() {
            if commit.is_some() {
                self.behind_since[table] = None;
            }
        }
        self.attempts += 1;
        self.open = Open::default();
        self.flight = Some(Attempt { id: self.attempts, tables });
        actions.push(Action::Seal { attempt: self.attempts });
        self.resume(actions);
    }

    fn advances(&self, table: StreamTable) -> Vec<Advance> {
        self.streams
            .iter()
            .filter(|(_, reading)| reading.behind(table))
            .map(|(stream, reading)| Advance {
                stream: stream.clone(),
                stored: reading.positions.stored[table],
                end: reading.next,
            })
            .collect()
    }

    fn commit_of(&mut self, attempt: u64, table: StreamTable, stage: Stage) -> Option<&mut TableCommit> {
        let flight = self.flight.as_mut().filter(|flight| flight.id == attempt)?;
        flight.tables[table].as_mut().filter(|commit| commit.stage == stage)
    }

    fn sealed(&mut self, attempt: u64, actions: &mut Vec<Action>) {
        let compare = self.protocol.compare;
        for table in StreamTable::ALL {
            if let Some(commit) = self.commit_of(attempt, table, Stage::Sealing) {
                if compare {
                    actions.push(commit.read(attempt, table));
                } else {
                    actions.push(commit.write(attempt, table));
                }
            }
        }
    }

    fn ask_again(&mut self, attempt: u64, table: StreamTable, stage: Stage, actions: &mut Vec<Action>) {
        let compare = self.protocol.compare;
        if let Some(commit) = self.commit_of(attempt, table, stage) {
            commit.failures += 1;
            actions.push(if compare { commit.read(attempt, table) } else { commit.write(attempt, table) });
        }
    }

    fn compared(
        &mut self,
        attempt: u64,
        table: StreamTable,
        positions: Vec<(Stream, Option<Offset>)>,
        actions: &mut Vec<Action>,
    ) {
        let Some(commit) = self.commit_of(attempt, table, Stage::Reading) else { return };
        let positions: BTreeMap<Stream, Option<Offset>> = positions.into_iter().collect();
        match Standing::of(&commit.advances, |stream| positions.get(stream).copied().flatten()) {
            Standing::Pending => {
                let order = commit.write(attempt, table);
                actions.push(order);
            }
            Standing::Committed => {
                commit.stage = Stage::Done;
                self.finish_if_done(actions);
            }
            Standing::Fenced => self.start_over(actions),
        }
    }

    fn finish_if_done(&mut self, actions: &mut Vec<Action>) {
        let Some(flight) = &self.flight else { return };
        if !flight.tables.iter().all(|(_, commit)| commit.as_ref().is_none_or(|commit| commit.stage == Stage::Done)) {
            return;
        }
        let Some(flight) = self.flight.take() else { return };
        let mut moved = BTreeSet::new();
        for (table, commit) in flight.tables.iter() {
            for advance in commit.iter().flat_map(|commit| &commit.advances) {
                if let Some(reading) = self.streams.get_mut(&advance.stream) {
                    reading.positions.stored[table] = Some(advance.end);
                    moved.insert(advance.stream.clone());
                }
            }
        }
        let reached = moved.into_iter().map(|stream| {
            let reading = &self.streams[&stream];
            (stream, reading.positions.resume())
        });
        actions.push(Action::Acknowledge(reached.collect()));
        self.seal_if_due(actions);
        self.resume(actions);
    }

    fn resume(&mut self, actions: &mut Vec<Action>) {
        if self.paused && self.open.rows_total() < self.protocol.pause_rows {
            self.paused = false;
            actions.push(Action::Resume);
        }
    }

    fn revoked(&mut self, streams: &[Stream], actions: &mut Vec<Action>) {
        let mut unknown = Vec::new();
        for stream in streams {
            match self.streams.get_mut(stream) {
                // Nothing of it is buffered: a stream waits to be located only after buffers were dropped.
                Some(reading) if reading.phase == Phase::Locating => {
                    self.streams.remove(stream);
                    unknown.push(stream.clone());
                }
                Some(reading) => reading.phase = Phase::Leaving,
                None => unknown.push(stream.clone()),
            }
        }
        if !unknown.is_empty() {
            actions.push(Action::HandOver(unknown));
        }
        let leaving = self.streams.values().any(|reading| reading.phase == Phase::Leaving);
        if leaving || self.stopping {
            self.drain_until.get_or_insert(self.now + self.protocol.drain_us);
            self.seal_if_due(actions);
        }
    }

    fn release(&mut self, actions: &mut Vec<Action>) {
        self.drain_until = None;
        let leaving: Vec<Stream> = self
            .streams
            .iter()
            .filter(|(_, reading)| reading.phase == Phase::Leaving)
            .map(|(stream, _)| stream.clone())
            .collect();
        self.streams.retain(|_, reading| reading.phase != Phase::Leaving);
        if !leaving.is_empty() {
            actions.push(Action::HandOver(leaving));
        }
        if self.stopping && !self.stopped {
            self.stopped = true;
            actions.push(Action::Stop);
        }
    }

    fn lost(&mut self, streams: &[Stream], actions: &mut Vec<Action>) {
        let mut buffered = false;
        for stream in streams {
            if let Some(reading) = self.streams.remove(stream) {
                buffered |= reading.behind_anywhere();
            }
        }
        if buffered {
            self.start_over(actions);
        } else {
            self.seal_if_due(actions);
        }
    }

    /// Lets go of every row that is not in a table, and of the streams that were leaving; the others are
    /// read again from where the tables stand.
    fn start_over(&mut self, actions: &mut Vec<Action>) {
        self.flight = None;
        self.open = Open::default();
        self.behind_since = PerTable::default();
        actions.push(Action::DropBuffers);
        self.resume(actions);
        for reading in self.streams.values_mut() {
            if reading.phase != Phase::Leaving {
                reading.phase = Phase::Locating;
                // Nothing of it is buffered any more, so the next attempt must not record a position for it.
                reading.next = reading.positions.resume();
            }
        }
        if self.draining() {
            self.release(actions);
        }
        self.locate(actions);
    }
}

impl TableCommit {
    fn streams(&self) -> Vec<Stream> {
        self.advances.iter().map(|advance| advance.stream.clone()).collect()
    }

    fn read(&mut self, attempt: u64, table: StreamTable) -> Action {
        self.stage = Stage::Reading;
        Action::Read { attempt, table, streams: self.streams(), failures: self.failures }
    }

    fn write(&mut self, attempt: u64, table: StreamTable) -> Action {
        self.stage = Stage::Committing;
        Action::Commit { attempt, table, advances: self.advances.clone() }
    }
}
