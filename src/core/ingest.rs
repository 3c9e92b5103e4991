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

mod messages;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use crate::lake::{Advance, CommitPlan, PerTable, Standing, StreamTable, plan_commit};
use crate::offsets::{Offset, OffsetSpan, Stream};

pub use messages::{Action, Input, Positions, Protocol, RowTrim};
use state::{Attempt, Open, Phase, Reading, Stage, TableCommit};

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
            || self.behind_since[table].is_some() && self.begins_in(table)
            || self.behind_since[table].is_some_and(|since| self.now - since >= self.protocol.idle_interval_us)
    }

    /// A stream has no position in `table` yet. Its first commit records one in every table: after a crash it would
    /// be read from its start again, or, where reading starts at the end, its earlier rejects would be missed.
    fn begins_in(&self, table: StreamTable) -> bool {
        self.streams.values().any(|reading| reading.positions.stored[table].is_none())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::new("cluster", "topic", 0)
    }

    fn protocol() -> Protocol {
        Protocol { commit_interval_us: 5, idle_interval_us: 100, ..Protocol::default() }
    }

    /// A machine that has one stream from offset 0, which every table knows, and took `0..10` in: events only.
    fn machine() -> Ingest {
        let mut machine = Ingest::new(protocol(), 0);
        let known = Positions { stored: PerTable::of(|_| Some(Offset(0))), start: Offset(0) };
        machine.step(Input::Assigned(vec![(stream(), known)]));
        assert_eq!(machine.step(events(0, 10)), [Action::Encode(Vec::new())]);
        machine
    }

    fn events(begin: i64, end: i64) -> Input {
        let rows = PerTable::of(|table| if table == StreamTable::Events { (end - begin).unsigned_abs() } else { 0 });
        Input::Batch { spans: vec![OffsetSpan::new(stream(), begin, end)], rows, bytes: 1 }
    }

    /// Seals what is due at `now`; the tables it is for.
    #[expect(clippy::wildcard_enum_match_arm, reason = "one kind of action is looked for")]
    fn seal(machine: &mut Ingest, now: i64, attempt: u64) -> Vec<StreamTable> {
        assert_eq!(machine.step(Input::Tick(now)), [Action::Seal { attempt }]);
        let reads = machine.step(Input::Sealed(attempt)).into_iter().filter_map(|action| match action {
            Action::Read { table, .. } => Some(table),
            _ => None,
        });
        reads.collect()
    }

    fn store(machine: &mut Ingest, attempt: u64, table: StreamTable, stored: Option<i64>) -> Vec<Action> {
        machine.step(Input::Stored { attempt, table, positions: vec![(stream(), stored.map(Offset))] })
    }

    #[test]
    fn a_table_without_rows_is_committed_at_its_own_slower_pace() {
        let mut machine = machine();
        assert_eq!(machine.step(Input::Tick(4)), []);
        assert_eq!(seal(&mut machine, 5, 1), [StreamTable::Events]);
        store(&mut machine, 1, StreamTable::Events, Some(0));
        let done = machine.step(Input::Committed { attempt: 1, table: StreamTable::Events });
        assert_eq!(done, [Action::Acknowledge(vec![(stream(), Offset(0))])], "the others do not hold it yet");
        assert_eq!(seal(&mut machine, 100, 2), [StreamTable::Rejects, StreamTable::EntityMinutes]);
    }

    #[test]
    fn the_first_commit_of_a_stream_records_a_position_in_every_table() {
        let mut machine = Ingest::new(protocol(), 0);
        machine.step(Input::Assigned(vec![(stream(), Positions::default())]));
        machine.step(events(0, 10));
        assert_eq!(machine.step(Input::Tick(5)), []);
        assert_eq!(machine.step(Input::Sealed(1)).len(), StreamTable::ALL.len(), "a read for each table");
    }

    #[test]
    fn a_moved_position_lets_go_of_everything() {
        let mut machine = machine();
        seal(&mut machine, 5, 1);
        machine.step(events(10, 20));
        let locate = Action::Locate { streams: vec![stream()], failures: 0 };
        assert_eq!(store(&mut machine, 1, StreamTable::Events, Some(4)), [Action::DropBuffers, locate]);
        assert_eq!(machine.step(events(20, 30)), [Action::Discard], "read from the old position");
    }

    #[test]
    fn an_unclear_commit_is_decided_by_the_position() {
        for (stored, committed) in [(Some(10), true), (Some(0), false)] {
            let mut machine = machine();
            seal(&mut machine, 5, 1);
            store(&mut machine, 1, StreamTable::Events, Some(0));
            let again = machine.step(Input::CommitUnclear { attempt: 1, table: StreamTable::Events });
            assert!(matches!(again[..], [Action::Read { failures: 1, .. }]), "{again:?}");
            let decided = store(&mut machine, 1, StreamTable::Events, stored);
            assert_eq!(matches!(decided[..], [Action::Acknowledge(_)]), committed, "{decided:?}");
            assert_eq!(matches!(decided[..], [Action::Commit { .. }]), !committed, "{decided:?}");
        }
    }

    #[test]
    fn a_hole_halts_its_stream_before_anything_is_stored_past_it() {
        let mut machine = machine();
        let halted = machine.step(events(15, 20));
        let halt = Action::Halt { stream: stream(), expected: Offset(10), offered: Offset(15) };
        assert_eq!(halted, [halt, Action::Discard]);
        assert_eq!(
            machine.step(events(10, 15)),
            [Action::Discard],
            "until its gap is declared and it is assigned anew"
        );
    }

    #[test]
    fn a_table_that_is_ahead_gets_only_what_it_lacks() {
        let mut machine = Ingest::new(Protocol::default(), 0);
        let stored = PerTable::of(|table| Some(Offset(if table == StreamTable::Events { 7 } else { 5 })));
        let seek = machine.step(Input::Assigned(vec![(stream(), Positions { stored, start: Offset(0) })]));
        assert_eq!(seek, [Action::SeekTo(stream(), Offset(5))]);
        let trim = RowTrim { table: StreamTable::Events, stream: stream(), from: Offset(7) };
        assert_eq!(machine.step(events(5, 9)), [Action::Encode(vec![trim])]);
    }
}
