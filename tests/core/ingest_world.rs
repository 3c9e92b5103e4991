//! A simulated world for the ingest protocol: several processes that run the real state machine, a table log
//! with application transactions and conflict checks, and a broker that moves streams about. A seeded
//! schedule interleaves their steps with lost acknowledgements, late writes, conflicts, crashes, rebalances and
//! frozen processes. Then faults stop, and the books must balance.
//!
//! `CLAVIGER_WORLD_SCHEDULES` sets how many schedules run; `CLAVIGER_WORLD_SEED` replays a single one.

use std::collections::{BTreeMap, VecDeque};

use claviger_core::ingest::{Action, Ingest, Input, Positions, Protocol, RowTrim};
use claviger_core::lake::{Advance, PerTable, StreamTable};
use claviger_core::offsets::{Offset, OffsetSpan, Stream};

const PROCESSES: usize = 3;
const STREAMS: i32 = 3;
const FAULTY_STEPS: usize = 220;
const SETTLING_STEPS: usize = 6_000;
const SECOND: i64 = 1_000_000;

/// SplitMix64: small, seedable, good enough to pick interleavings.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.roll().is_multiple_of(n)
    }
}

type Rows = Vec<(i32, i64)>;

/// One entry of a table's log.
#[derive(Clone)]
struct LogEntry {
    file: u64,
    rows: Rows,
    positions: Vec<(i32, i64)>,
}

/// A table: put-if-absent by version, and the conflict check on application transactions of a Delta log.
#[derive(Default)]
struct Table {
    log: Vec<LogEntry>,
}

impl Table {
    fn position(&self, stream: i32) -> Option<Offset> {
        self.log.iter().rev().flat_map(|entry| &entry.positions).find(|(s, _)| *s == stream).map(|(_, p)| Offset(*p))
    }

    /// A winner since `snapshot` that carries one of our application ids refuses us; the order of versions
    /// is not looked at, exactly as in the real one.
    fn conflicts(&self, snapshot: usize, entry: &LogEntry) -> bool {
        self.log[snapshot..]
            .iter()
            .flat_map(|winner| &winner.positions)
            .any(|(stream, _)| entry.positions.iter().any(|(ours, _)| ours == stream))
    }

    /// Rows that a reader sees: a file that is added twice is one file.
    fn rows(&self) -> Rows {
        let files: BTreeMap<u64, &Rows> = self.log.iter().map(|entry| (entry.file, &entry.rows)).collect();
        files.into_values().flatten().copied().collect()
    }
}

/// A put whose sender was told that it failed, still on its way to one fixed version.
struct LatePut {
    table: StreamTable,
    version: usize,
    entry: LogEntry,
}

/// What the shell of one process holds.
struct Process {
    machine: Ingest,
    inbox: VecDeque<Input>,
    orders: VecDeque<Action>,
    /// Batches read and not yet refined.
    pipe: VecDeque<(Stream, i64, i64)>,
    reads_at: BTreeMap<Stream, i64>,
    buffers: PerTable<Rows>,
    sealed: Option<(u64, PerTable<(u64, Rows)>)>,
    snapshots: PerTable<usize>,
    paused: bool,
    frozen: bool,
    stopped: bool,
}

impl Process {
    fn new(protocol: Protocol, now: i64) -> Self {
        Self {
            machine: Ingest::new(protocol, now),
            inbox: VecDeque::new(),
            orders: VecDeque::new(),
            pipe: VecDeque::new(),
            reads_at: BTreeMap::new(),
            buffers: PerTable::default(),
            sealed: None,
            snapshots: PerTable::default(),
            paused: false,
            frozen: false,
            stopped: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    Held(usize),
    /// Revoked from the first, promised to the second.
    Moving(usize, usize),
}

struct World {
    dice: Dice,
    protocol: Protocol,
    now: i64,
    faults: bool,
    streams: Vec<Stream>,
    high: Vec<i64>,
    holders: Vec<Holder>,
    tables: PerTable<Table>,
    late: Vec<LatePut>,
    processes: Vec<Process>,
    files: u64,
}

fn belongs(table: StreamTable, offset: i64) -> bool {
    match table {
        StreamTable::Events => offset % 3 != 0,
        StreamTable::Rejects => offset % 3 == 0,
        StreamTable::EntityMinutes => true,
    }
}

impl World {
    fn new(seed: u64, compare: bool) -> Self {
        let protocol = Protocol {
            commit_interval_us: SECOND,
            idle_interval_us: 4 * SECOND,
            seal_rows: 12,
            seal_bytes: u64::MAX,
            pause_rows: 8,
            drain_us: 6 * SECOND,
            compare,
        };
        Self {
            dice: Dice(seed),
            protocol,
            now: 0,
            faults: true,
            streams: (0..STREAMS).map(|n| Stream::new("cluster", "topic", n)).collect(),
            high: vec![0; STREAMS as usize],
            holders: vec![Holder::Nobody; STREAMS as usize],
            tables: PerTable::default(),
            late: Vec::new(),
            processes: (0..PROCESSES).map(|_| Process::new(protocol, 0)).collect(),
            files: 0,
        }
    }

    fn positions(&self, stream: &Stream) -> Positions {
        let stored = PerTable::of(|table| self.tables[table].position(stream.partition));
        Positions { stored, start: Offset(0) }
    }

    fn step(&mut self) {
        if self.faults {
            match self.dice.below(100) {
                0 => return self.crash(),
                1..=2 => return self.freeze_or_thaw(),
                3..=6 => return self.rebalance(),
                7..=10 => return self.land_late_put(),
                11 => return self.flush(),
                12..=22 => return self.produce(),
                _ => {}
            }
        }
        self.assign_free_streams();
        let p = self.dice.below(PROCESSES);
        if self.processes[p].frozen || self.processes[p].stopped {
            return;
        }
        match self.dice.below(8) {
            0 => {
                self.now += SECOND / 8;
                let now = self.now;
                self.tell(p, Input::Tick(now));
            }
            1 => self.fetch(p),
            2..=3 => self.refine(p),
            4 => {
                if let Some(input) = self.processes[p].inbox.pop_front() {
                    self.tell(p, input);
                }
            }
            _ => self.obey(p),
        }
    }

    fn tell(&mut self, p: usize, input: Input) {
        let orders = self.processes[p].machine.step(input);
        self.begin(p, orders, None);
    }

    /// What concerns buffers is carried out at once and in order, as in the shell; everything else is queued, and may
    /// be slow or fail.
    fn begin(&mut self, p: usize, orders: Vec<Action>, batch: Option<(&Stream, std::ops::Range<i64>)>) {
        for order in orders {
            match order {
                Action::Encode(trims) => {
                    let (stream, span) = batch.clone().expect("encoding is the answer to a batch");
                    self.buffer(p, stream, span, &trims);
                }
                Action::Seal { attempt } => {
                    let process = &mut self.processes[p];
                    let files = PerTable::of(|table| {
                        self.files += 1;
                        (self.files, std::mem::take(&mut process.buffers[table]))
                    });
                    process.sealed = Some((attempt, files));
                    process.orders.push_back(order);
                }
                Action::DropBuffers => {
                    self.processes[p].buffers = PerTable::default();
                    self.processes[p].sealed = None;
                }
                other => self.processes[p].orders.push_back(other),
            }
        }
    }

    fn produce(&mut self) {
        let stream = self.dice.below(self.high.len());
        self.high[stream] += 1 + i64::try_from(self.dice.below(4)).unwrap();
    }

    fn flush(&mut self) {
        let p = self.dice.below(PROCESSES);
        self.processes[p].inbox.push_back(Input::FlushRequested);
    }

    fn crash(&mut self) {
        let p = self.dice.below(PROCESSES);
        self.processes[p] = Process::new(self.protocol, self.now);
        self.expel(p);
    }

    /// The group gives the streams of a dead or silent member away.
    fn expel(&mut self, p: usize) {
        for holder in &mut self.holders {
            match *holder {
                Holder::Held(who) if who == p => *holder = Holder::Nobody,
                Holder::Moving(from, _) if from == p => *holder = Holder::Nobody,
                Holder::Moving(from, to) if to == p => *holder = Holder::Held(from),
                Holder::Nobody | Holder::Held(_) | Holder::Moving(..) => {}
            }
        }
    }

    /// A stopped process keeps its buffers, and learns late that its streams have gone: the zombie.
    fn freeze_or_thaw(&mut self) {
        let p = self.dice.below(PROCESSES);
        if self.processes[p].frozen {
            self.processes[p].frozen = false;
        } else {
            self.processes[p].frozen = true;
            let lost: Vec<Stream> = self.processes[p].reads_at.keys().cloned().collect();
            self.processes[p].inbox.push_back(Input::Lost(lost));
            self.expel(p);
        }
    }

    fn rebalance(&mut self) {
        let n = self.dice.below(self.holders.len());
        let to = self.dice.below(PROCESSES);
        match self.holders[n] {
            Holder::Held(from) if from != to => {
                self.holders[n] = Holder::Moving(from, to);
                self.processes[from].inbox.push_back(Input::Revoked(vec![self.streams[n].clone()]));
            }
            // The group's patience ends before the hand-over: the stream is taken.
            Holder::Moving(from, to) if self.dice.one_in(3) => {
                self.processes[from].inbox.push_back(Input::Lost(vec![self.streams[n].clone()]));
                self.processes[from].reads_at.remove(&self.streams[n]);
                self.give(n, to);
            }
            Holder::Nobody | Holder::Held(_) | Holder::Moving(..) => {}
        }
    }

    fn assign_free_streams(&mut self) {
        for n in 0..self.holders.len() {
            if self.holders[n] == Holder::Nobody {
                let p = self.dice.below(PROCESSES);
                if !self.processes[p].frozen && !self.processes[p].stopped {
                    self.give(n, p);
                }
            }
        }
    }

    fn give(&mut self, n: usize, p: usize) {
        self.holders[n] = Holder::Held(p);
        let stream = self.streams[n].clone();
        let positions = self.positions(&stream);
        self.processes[p].inbox.push_back(Input::Assigned(vec![(stream, positions)]));
    }

    fn fetch(&mut self, p: usize) {
        let process = &mut self.processes[p];
        if process.paused || process.pipe.len() > 3 || process.reads_at.is_empty() {
            return;
        }
        let pick = self.dice.below(process.reads_at.len());
        let (stream, at) = process.reads_at.iter_mut().nth(pick).unwrap();
        let end = self.high[stream.partition as usize].min(*at + 1 + i64::try_from(self.dice.below(5)).unwrap());
        if *at < end {
            process.pipe.push_back((stream.clone(), *at, end));
            *at = end;
        }
    }

    fn refine(&mut self, p: usize) {
        let Some((stream, begin, end)) = self.processes[p].pipe.pop_front() else { return };
        let rows =
            PerTable::of(|table| u64::try_from((begin..end).filter(|offset| belongs(table, *offset)).count()).unwrap());
        let spans = vec![OffsetSpan::new(stream.clone(), begin, end)];
        let orders = self.processes[p].machine.step(Input::Batch { spans, rows, bytes: 1 });
        self.begin(p, orders, Some((&stream, begin..end)));
    }

    fn buffer(&mut self, p: usize, stream: &Stream, span: std::ops::Range<i64>, trims: &[RowTrim]) {
        for table in StreamTable::ALL {
            let from = trims.iter().filter(|trim| trim.table == table && trim.stream == *stream);
            let from = from.map(|trim| trim.from.0).max().unwrap_or(span.start);
            let rows = span.clone().filter(|offset| *offset >= from && belongs(table, *offset));
            self.processes[p].buffers[table].extend(rows.map(|offset| (stream.partition, offset)));
        }
    }

    fn obey(&mut self, p: usize) {
        let Some(order) = self.processes[p].orders.pop_front() else { return };
        let trouble = self.faults && self.dice.one_in(6);
        let process = &mut self.processes[p];
        match order {
            Action::Encode(_) | Action::DropBuffers => unreachable!("carried out at once"),
            Action::Discard | Action::Acknowledge(_) | Action::Flushed => {}
            Action::Seal { attempt } => {
                process.inbox.push_back(if trouble { Input::SealFailed(attempt) } else { Input::Sealed(attempt) });
            }
            Action::Read { attempt, table, streams, .. } => {
                if trouble {
                    process.inbox.push_back(Input::ReadFailed { attempt, table });
                    return;
                }
                process.snapshots[table] = self.tables[table].log.len();
                let stored = streams.into_iter().map(|s| (s.clone(), self.tables[table].position(s.partition)));
                let positions = stored.collect();
                process.inbox.push_back(Input::Stored { attempt, table, positions });
            }
            Action::Commit { attempt, table, advances } => self.commit(p, attempt, table, &advances),
            Action::Locate { streams, .. } => {
                if trouble {
                    process.inbox.push_back(Input::LocateFailed);
                    return;
                }
                let located = streams.into_iter().map(|stream| (stream.clone(), self.positions(&stream))).collect();
                self.processes[p].inbox.push_back(Input::Located(located));
            }
            Action::SeekTo(stream, offset) => {
                let n = stream.partition as usize;
                if matches!(self.holders[n], Holder::Held(who) | Holder::Moving(who, _) if who == p) {
                    process.reads_at.insert(stream, offset.0);
                }
            }
            Action::Pause => process.paused = true,
            Action::Resume => process.paused = false,
            Action::HandOver(streams) => {
                for stream in streams {
                    let n = stream.partition as usize;
                    self.processes[p].reads_at.remove(&stream);
                    match self.holders[n] {
                        Holder::Moving(from, to) if from == p => self.give(n, to),
                        Holder::Held(who) if who == p => self.holders[n] = Holder::Nobody,
                        Holder::Nobody | Holder::Held(_) | Holder::Moving(..) => {}
                    }
                }
            }
            Action::Halt { stream, expected, offered } => {
                panic!("{stream} halted: {offered:?} offered where {expected:?} was due")
            }
            Action::Stop => process.stopped = true,
        }
    }

    fn commit(&mut self, p: usize, attempt: u64, table: StreamTable, advances: &[Advance]) {
        let process = &mut self.processes[p];
        let Some((sealed, files)) = &process.sealed else { return };
        if *sealed != attempt {
            return;
        }
        let (file, rows) = files[table].clone();
        let positions = advances.iter().map(|advance| (advance.stream.partition, advance.end.0)).collect();
        let entry = LogEntry { file, rows, positions };
        let log = &mut self.tables[table];
        let snapshot = if self.protocol.compare { process.snapshots[table] } else { log.log.len() };
        let unclear = Input::CommitUnclear { attempt, table };
        if log.conflicts(snapshot, &entry) {
            process.inbox.push_back(unclear);
            return;
        }
        if !self.faults {
            log.log.push(entry);
            process.inbox.push_back(Input::Committed { attempt, table });
            return;
        }
        match self.dice.below(8) {
            // Refused before anything happened.
            0 => process.inbox.push_back(unclear),
            // Done, and the answer was lost.
            1 => {
                log.log.push(entry);
                process.inbox.push_back(unclear);
            }
            // Given up on, and still under way.
            2 => {
                self.late.push(LatePut { table, version: log.log.len(), entry });
                process.inbox.push_back(unclear);
            }
            _ => {
                log.log.push(entry);
                process.inbox.push_back(Input::Committed { attempt, table });
            }
        }
    }

    fn land_late_put(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let put = self.late.swap_remove(self.dice.below(self.late.len()));
        let log = &mut self.tables[put.table].log;
        if log.len() == put.version {
            log.push(put.entry);
        }
    }

    fn settle(&mut self) {
        self.faults = false;
        for process in &mut self.processes {
            process.frozen = false;
        }
    }

    fn everything_is_stored(&self) -> bool {
        self.tables.iter().all(|(_, table)| {
            (0..STREAMS).zip(&self.high).all(|(n, high)| {
                table.position(n).is_none_or(|at| at.0 == *high) && (*high == 0 || table.position(n).is_some())
            })
        })
    }

    /// Every produced offset once in the tables it belongs to, and nothing else.
    fn breach(&self) -> Option<String> {
        for (table, stored) in self.tables.iter() {
            let mut rows = stored.rows();
            rows.sort_unstable();
            let due = (0..STREAMS).zip(&self.high).flat_map(|(n, high)| {
                (0..*high).filter(|offset| belongs(table, *offset)).map(move |offset| (n, offset))
            });
            let due: Rows = due.collect();
            if rows != due {
                let twice = rows.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
                let missing = due.iter().find(|row| !rows.contains(row));
                return Some(format!("{table:?}: twice {twice:?}, missing {missing:?}"));
            }
        }
        None
    }
}

/// Runs one schedule. What went wrong, if anything did.
fn run(seed: u64, compare: bool) -> Result<(), String> {
    let mut world = World::new(seed, compare);
    for _ in 0..FAULTY_STEPS {
        world.step();
    }
    world.settle();
    let mut steps = 0;
    while !world.everything_is_stored() {
        world.step();
        steps += 1;
        if steps > SETTLING_STEPS {
            return Err(format!("no progress once faults stopped; high {:?}", world.high));
        }
    }
    world.breach().map_or(Ok(()), Err)
}

fn schedules() -> u64 {
    std::env::var("CLAVIGER_WORLD_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

#[test]
fn every_offset_is_stored_once_under_any_schedule_of_faults() {
    if let Some(seed) = std::env::var("CLAVIGER_WORLD_SEED").ok().and_then(|seed| seed.parse().ok()) {
        run(seed, true).unwrap();
        return;
    }
    for seed in 0..schedules() {
        if let Err(breach) = run(seed, true) {
            panic!("CLAVIGER_WORLD_SEED={seed}: {breach}");
        }
    }
}

#[test]
fn the_world_notices_when_positions_are_not_compared() {
    assert!((0..2_000).any(|seed| run(seed, false).is_err_and(|breach| breach.contains("twice Some"))));
}

#[test]
fn shutdown_stores_what_was_read_and_stops_every_process() {
    for seed in 0..500 {
        let mut world = World::new(seed, true);
        for _ in 0..FAULTY_STEPS {
            world.step();
        }
        world.settle();
        for process in &mut world.processes {
            process.inbox.push_back(Input::ShutdownRequested);
        }
        let mut steps = 0;
        while !world.processes.iter().all(|process| process.stopped) {
            world.step();
            steps += 1;
            assert!(steps < SETTLING_STEPS, "seed {seed}: a process never stopped");
        }
    }
}
