//! The driver: carries out what the ingest state machine orders, and reports back what came of it.
//!
//! One task owns the machine and never waits for anything but facts; encoding runs on one blocking thread a table;
//! reads and commits are jobs of a `JoinSet`. Rows in work are bounded: when the tables cannot keep up,
//! [`Writer::submit`] waits, and that is the backpressure the source feels.

mod encoding;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use claviger_core::event::Events;
use claviger_core::ingest::{Action, Ingest, Input, Positions, Protocol, RowTrim};
use claviger_core::lake::{Advance, PerTable, StreamTable, TableName};
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::Refined;
use deltalake::kernel::Add;
use rand::RngExt as _;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use self::encoding::{Encoding, Fact};
use super::Lake;
use super::encode::{FileLimits, filter};
use super::error::LakeError;
use super::table::Table;

#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    pub protocol: Protocol,
    pub files: FileLimits,
    /// Batches that may wait for an encoder before `submit` waits.
    pub batches_waiting: usize,
    /// Makes rollups from events: needed when a replayed batch is cut, because rollups cannot be.
    pub roll_up: fn(&Events) -> RecordBatch,
}

/// What the pipeline has to know or do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Read this stream from here on: after an assignment, and whenever buffered rows had to be let go.
    SeekTo(Stream, Offset),
    /// Everything below these offsets is in all tables.
    Committed(Vec<(Stream, Offset)>),
    /// Offsets were never offered: the stream is stopped until its gap is declared.
    Halted { stream: Stream, expected: Offset, offered: Offset },
}

enum Control {
    Assign { streams: Vec<(Stream, Positions)>, begin: oneshot::Sender<Vec<(Stream, Offset)>> },
    Revoke { streams: Vec<Stream>, done: oneshot::Sender<()> },
    Lose(Vec<Stream>),
}

/// What goes through the bounded queue, in order.
enum Inflow {
    Batch(Box<Refined>),
    Flush(oneshot::Sender<()>),
}

/// The way in. [`Writer::finish`] is the orderly end: it commits what was submitted, and tells when it could not.
#[derive(Debug)]
pub struct Writer {
    lake: Lake,
    rows: mpsc::Sender<Inflow>,
    control: mpsc::UnboundedSender<Control>,
    driver: JoinHandle<Result<(), LakeError>>,
}

impl Writer {
    /// Starts the driver over the lake's tables.
    ///
    /// # Errors
    /// When a table cannot be loaded.
    pub async fn start(
        lake: &Lake,
        options: WriterOptions,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Signal>), LakeError> {
        let mut tables = Vec::with_capacity(StreamTable::ALL.len());
        for table in StreamTable::ALL {
            tables.push(Arc::new(Mutex::new(lake.table(table.table()).await?)));
        }
        let (facts, inbox) = mpsc::unbounded_channel();
        let (signals, signalled) = mpsc::unbounded_channel();
        let (rows, rows_in) = mpsc::channel(1);
        let (control, control_in) = mpsc::unbounded_channel();
        let mut encoders = Vec::with_capacity(StreamTable::ALL.len());
        for table in StreamTable::ALL {
            encoders.push(Encoding::start(table, lake.log_store(table.table())?, options.files, facts.clone()));
        }
        let [encode_events, encode_rejects, encode_minutes] =
            <[Encoding; 3]>::try_from(encoders).map_err(|_| LakeError::WorkerEnded)?;
        let mut encoders = [Some(encode_events), Some(encode_rejects), Some(encode_minutes)].into_iter();
        let driver = Driver {
            options,
            pipeline: lake.pipeline().into(),
            machine: Ingest::new(options.protocol, now_us()),
            tables: PerTable::of(|table| Arc::clone(&tables[table as usize])),
            encoders: PerTable::of(|_| encoders.next().flatten()),
            starts: BTreeMap::new(),
            facts,
            signals,
            jobs: JoinSet::new(),
            sealing: None,
            in_work: 0,
            epoch: 0,
            paused: false,
            handing_over: Vec::new(),
            flushing: Vec::new(),
            ended: None,
        };
        #[expect(clippy::disallowed_methods, reason = "not detached: `finish` waits for it, and passes its error on")]
        let driver = tokio::spawn(driver.run(rows_in, control_in, inbox));
        Ok((Self { lake: lake.clone(), rows, control, driver }, signalled))
    }

    /// Takes streams over. Returns where to begin reading each: what the tables remember, else its start.
    ///
    /// # Errors
    /// When the positions cannot be read.
    pub async fn assign(&self, starts: &[(Stream, Offset)]) -> Result<Vec<(Stream, Offset)>, LakeError> {
        let start_of: BTreeMap<&Stream, Offset> = starts.iter().map(|(stream, at)| (stream, *at)).collect();
        let streams: Vec<Stream> = starts.iter().map(|(stream, _)| stream.clone()).collect();
        let streams = self.lake.positions(&streams, |stream| start_of.get(stream).copied().unwrap_or_default()).await?;
        let (begin, begins) = oneshot::channel();
        self.send(Control::Assign { streams, begin })?;
        begins.await.map_err(|_ended| LakeError::WorkerEnded)
    }

    /// Hands a refined batch in; waits while too much is in work.
    ///
    /// # Errors
    /// When the writer has ended; [`Writer::finish`] says why.
    pub async fn submit(&self, batch: Refined) -> Result<(), LakeError> {
        self.rows.send(Inflow::Batch(Box::new(batch))).await.map_err(|_ended| LakeError::WorkerEnded)
    }

    /// Commits what these streams have buffered, and lets go of them; at the latest when the drain deadline passes.
    ///
    /// # Errors
    /// When the writer has ended.
    pub async fn revoke(&self, streams: Vec<Stream>) -> Result<(), LakeError> {
        let (done, handed_over) = oneshot::channel();
        self.send(Control::Revoke { streams, done })?;
        handed_over.await.map_err(|_ended| LakeError::WorkerEnded)
    }

    /// Lets go of streams that have gone already.
    ///
    /// # Errors
    /// When the writer has ended.
    pub fn lose(&self, streams: Vec<Stream>) -> Result<(), LakeError> {
        self.send(Control::Lose(streams))
    }

    /// Waits until everything taken in so far is in all tables.
    ///
    /// # Errors
    /// When that does not happen in time, or the writer has ended.
    pub async fn flush(&self, deadline: Duration) -> Result<(), LakeError> {
        let (done, flushed) = oneshot::channel();
        let asked = async {
            self.rows.send(Inflow::Flush(done)).await.ok()?;
            flushed.await.ok()
        };
        match tokio::time::timeout(deadline, asked).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(LakeError::WorkerEnded),
            Err(_late) => Err(LakeError::FlushTimeout { seconds: deadline.as_secs() }),
        }
    }

    /// The last batch has been submitted: commits everything and ends.
    ///
    /// # Errors
    /// When rows could not be committed before the drain deadline, or an encoder failed earlier.
    pub async fn finish(self) -> Result<(), LakeError> {
        let Self { lake: _, rows, control, driver } = self;
        drop(rows);
        let ended = driver.await.map_err(|_panicked| LakeError::WorkerEnded)?;
        drop(control);
        ended
    }

    fn send(&self, control: Control) -> Result<(), LakeError> {
        self.control.send(control).map_err(|_ended| LakeError::WorkerEnded)
    }
}

/// Files of the attempt in flight, as its encoders deliver them.
struct Sealing {
    attempt: u64,
    missing: usize,
    adds: PerTable<Vec<Add>>,
}

struct Driver {
    options: WriterOptions,
    pipeline: Arc<str>,
    machine: Ingest,
    tables: PerTable<Arc<Mutex<Table>>>,
    encoders: PerTable<Option<Encoding>>,
    starts: BTreeMap<Stream, Offset>,
    facts: mpsc::UnboundedSender<Fact>,
    signals: mpsc::UnboundedSender<Signal>,
    jobs: JoinSet<()>,
    sealing: Option<Sealing>,
    /// Batches given to encoders and not taken in yet, over all tables.
    in_work: usize,
    /// Rises when buffers are dropped; encoders skip what belongs to an earlier one.
    epoch: u64,
    paused: bool,
    handing_over: Vec<(BTreeSet<Stream>, oneshot::Sender<()>)>,
    flushing: Vec<oneshot::Sender<()>>,
    ended: Option<Result<(), LakeError>>,
}

impl Driver {
    async fn run(
        mut self,
        mut rows: mpsc::Receiver<Inflow>,
        mut control: mpsc::UnboundedReceiver<Control>,
        mut facts: mpsc::UnboundedReceiver<Fact>,
    ) -> Result<(), LakeError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut more_rows, mut more_control) = (true, true);
        loop {
            let room = !self.paused && self.in_work < self.options.batches_waiting * StreamTable::ALL.len();
            tokio::select! {
                biased;
                Some(fact) = facts.recv() => self.learn(fact),
                order = control.recv(), if more_control => match order {
                    Some(order) => self.obey(order),
                    None => more_control = false,
                },
                batch = rows.recv(), if more_rows && room => match batch {
                    Some(Inflow::Batch(batch)) => self.take(*batch),
                    Some(Inflow::Flush(done)) => {
                        self.flushing.push(done);
                        self.step(Input::FlushRequested);
                    }
                    None => {
                        more_rows = false;
                        self.step(Input::ShutdownRequested);
                    }
                },
                _ = ticks.tick() => self.step(Input::Tick(now_us())),
                Some(_job) = self.jobs.join_next() => {}
            }
            if let Some(ended) = self.ended.take() {
                return ended;
            }
        }
    }

    fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Input(input) => self.step(input),
            Fact::Taken => self.in_work = self.in_work.saturating_sub(1),
            Fact::Failed(error) => self.ended = Some(Err(error)),
            Fact::Sealed { attempt, table, adds } => {
                let Some(sealing) = self.sealing.as_mut().filter(|sealing| sealing.attempt == attempt) else { return };
                sealing.adds[table] = adds;
                sealing.missing -= 1;
                if sealing.missing == 0 {
                    self.step(Input::Sealed(attempt));
                }
            }
        }
    }

    fn obey(&mut self, order: Control) {
        match order {
            Control::Assign { streams, begin } => {
                self.starts.extend(streams.iter().map(|(stream, positions)| (stream.clone(), positions.start)));
                let begins = streams.iter().map(|(stream, positions)| (stream.clone(), positions.resume())).collect();
                self.step(Input::Assigned(streams));
                // A caller that stopped waiting learns the same from the signals.
                let _unheard = begin.send(begins);
            }
            Control::Revoke { streams, done } => {
                self.handing_over.push((streams.iter().cloned().collect(), done));
                self.step(Input::Revoked(streams));
            }
            Control::Lose(streams) => self.step(Input::Lost(streams)),
        }
    }

    fn take(&mut self, batch: Refined) {
        let rows = PerTable::of(|table| match table {
            StreamTable::Events => batch.events.len() as u64,
            StreamTable::Rejects => batch.rejects.num_rows() as u64,
            StreamTable::EntityMinutes => batch.minutes.num_rows() as u64,
        });
        let input = Input::Batch { spans: batch.spans.clone(), rows, bytes: batch.counts.frame_bytes };
        let actions = self.machine.step(input);
        self.carry_out(actions, Some(batch));
    }

    fn step(&mut self, input: Input) {
        let actions = self.machine.step(input);
        self.carry_out(actions, None);
    }

    fn carry_out(&mut self, actions: Vec<Action>, mut batch: Option<Refined>) {
        let mut dropped = false;
        for action in actions {
            match action {
                Action::Encode(trims) => {
                    if let Some(batch) = batch.take() {
                        self.encode(batch, &trims);
                    }
                }
                Action::Discard => batch = None,
                Action::Seal { attempt } => {
                    self.sealing =
                        Some(Sealing { attempt, missing: StreamTable::ALL.len(), adds: PerTable::default() });
                    for (_, encoder) in self.encoders.iter() {
                        encoder.iter().for_each(|encoder| encoder.seal(self.epoch, attempt));
                    }
                }
                Action::Read { attempt, table, streams, failures } => self.read(attempt, table, streams, failures),
                Action::Commit { attempt, table, advances } => self.commit(attempt, table, advances),
                Action::Acknowledge(reached) => self.signal(Signal::Committed(reached)),
                Action::DropBuffers => {
                    dropped = true;
                    self.sealing = None;
                    self.epoch += 1;
                    for (_, encoder) in self.encoders.iter() {
                        encoder.iter().for_each(|encoder| encoder.drop_before(self.epoch));
                    }
                }
                Action::Flushed => {
                    for flushed in self.flushing.drain(..) {
                        let _unheard = flushed.send(());
                    }
                }
                Action::Locate { streams, failures } => self.locate(streams, failures),
                Action::SeekTo(stream, offset) => self.signal(Signal::SeekTo(stream, offset)),
                Action::Pause => self.paused = true,
                Action::Resume => self.paused = false,
                Action::HandOver(streams) => self.hand_over(&streams),
                Action::Halt { stream, expected, offered } => {
                    tracing::error!(%stream, expected = expected.0, offered = offered.0, "offsets are missing");
                    self.signal(Signal::Halted { stream, expected, offered });
                }
                Action::Stop => {
                    let seconds = self.options.protocol.drain_us.unsigned_abs() / 1_000_000;
                    self.ended = Some(if dropped { Err(LakeError::FlushTimeout { seconds }) } else { Ok(()) });
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // Nobody may be listening any more; the tables hold the truth either way.
        let _unheard = self.signals.send(signal);
    }

    fn hand_over(&mut self, gone: &[Stream]) {
        for (waiting, _) in &mut self.handing_over {
            gone.iter().for_each(|stream| {
                waiting.remove(stream);
            });
        }
        for (_, done) in self.handing_over.extract_if(.., |(waiting, _)| waiting.is_empty()) {
            let _unheard = done.send(());
        }
    }

    fn encode(&mut self, batch: Refined, trims: &[RowTrim]) {
        let rows = match cut(batch, trims, self.options.roll_up) {
            Ok(rows) => rows,
            Err(error) => {
                self.ended = Some(Err(error));
                return;
            }
        };
        for (rows, (_, encoder)) in rows.into_iter().zip(self.encoders.iter()) {
            if rows.num_rows() > 0
                && let Some(encoder) = encoder
            {
                encoder.push(self.epoch, rows);
                self.in_work += 1;
            }
        }
    }

    fn read(&mut self, attempt: u64, table: StreamTable, streams: Vec<Stream>, failures: u32) {
        let (handle, facts, pipeline) =
            (Arc::clone(&self.tables[table]), self.facts.clone(), Arc::clone(&self.pipeline));
        self.jobs.spawn(async move {
            back_off(failures).await;
            let mut handle = handle.lock().await;
            // After a failure nothing that the handle remembers is trusted.
            let refreshed = if failures > 0 { handle.reopen().await } else { handle.refresh().await };
            let input = match refreshed {
                Ok(()) => {
                    let position = |stream: Stream| {
                        let position = handle.position(&stream, &pipeline);
                        (stream, position)
                    };
                    Input::Stored { attempt, table, positions: streams.into_iter().map(position).collect() }
                }
                Err(error) => {
                    warn(table, &error, "positions cannot be read; trying again");
                    Input::ReadFailed { attempt, table }
                }
            };
            let _ended = facts.send(Fact::Input(input));
        });
    }

    fn commit(&mut self, attempt: u64, table: StreamTable, advances: Vec<Advance>) {
        let Some(sealing) = self.sealing.as_ref().filter(|sealing| sealing.attempt == attempt) else { return };
        let adds = sealing.adds[table].clone();
        let (handle, facts, pipeline) =
            (Arc::clone(&self.tables[table]), self.facts.clone(), Arc::clone(&self.pipeline));
        self.jobs.spawn(async move {
            let input = match handle.lock().await.append(&adds, &advances, &pipeline).await {
                Ok(()) => Input::Committed { attempt, table },
                Err(error) => {
                    warn(table, &error, "commit without a clear answer; the positions will tell");
                    Input::CommitUnclear { attempt, table }
                }
            };
            let _ended = facts.send(Fact::Input(input));
        });
    }

    fn locate(&mut self, streams: Vec<Stream>, failures: u32) {
        let (tables, facts, pipeline) = (self.tables.clone(), self.facts.clone(), Arc::clone(&self.pipeline));
        let mut found: Vec<(Stream, Positions)> = streams
            .into_iter()
            .map(|stream| {
                let start = self.starts.get(&stream).copied().unwrap_or_default();
                (stream, Positions { stored: PerTable::default(), start })
            })
            .collect();
        self.jobs.spawn(async move {
            back_off(failures).await;
            for (table, handle) in tables.iter() {
                let mut handle = handle.lock().await;
                if let Err(error) = handle.reopen().await {
                    warn(table, &error, "positions cannot be read; trying again");
                    let _ended = facts.send(Fact::Input(Input::LocateFailed));
                    return;
                }
                for (stream, positions) in &mut found {
                    positions.stored[table] = handle.position(stream, &pipeline);
                }
            }
            let _ended = facts.send(Fact::Input(Input::Located(found)));
        });
    }
}

/// The rows of a batch for each table, without those that `trims` name.
fn cut(batch: Refined, trims: &[RowTrim], roll_up: fn(&Events) -> RecordBatch) -> Result<[RecordBatch; 3], LakeError> {
    let Refined { events, rejects, minutes, .. } = batch;
    let minutes = match trims.iter().any(|trim| trim.table == StreamTable::EntityMinutes) {
        true => {
            let kept = without(StreamTable::EntityMinutes, TableName::Events, events.batch(), trims)?;
            roll_up(&Events::of_batch(kept))
        }
        false => minutes,
    };
    let events = without(StreamTable::Events, TableName::Events, &events.into_batch(), trims)?;
    let rejects = without(StreamTable::Rejects, TableName::Rejects, &rejects, trims)?;
    Ok([events, rejects, minutes])
}

/// The events that remain when the rows below `trims` are left out.
pub(crate) fn trimmed(events: &Events, trims: &[RowTrim]) -> Result<Events, LakeError> {
    without(StreamTable::Events, TableName::Events, events.batch(), trims).map(Events::of_batch)
}

fn without(
    table: StreamTable,
    schema: TableName,
    rows: &RecordBatch,
    trims: &[RowTrim],
) -> Result<RecordBatch, LakeError> {
    let trims: Vec<&RowTrim> = trims.iter().filter(|trim| trim.table == table).collect();
    if trims.is_empty() || rows.num_rows() == 0 {
        return Ok(rows.clone());
    }
    let column = |name| rows.column_by_name(name).ok_or(LakeError::WorkerEnded);
    let topics = column("topic")?.as_dictionary::<Int32Type>();
    let topics = topics.downcast_dict::<arrow::array::StringArray>().ok_or(LakeError::WorkerEnded)?;
    let partitions = column("partition")?.as_primitive::<Int32Type>();
    let offsets = column("offset")?.as_primitive::<Int64Type>();
    filter(schema, rows, |row| {
        let topic = topics.values().value(usize::try_from(topics.keys().value(row)).unwrap_or(0));
        !trims.iter().any(|trim| {
            *trim.stream.topic == *topic
                && trim.stream.partition == partitions.value(row)
                && offsets.value(row) < trim.from.0
        })
    })
}

fn warn(table: StreamTable, error: &LakeError, message: &str) {
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(table = table.table().name(), %error, %reason, "{message}");
}

const TICK: Duration = Duration::from_millis(50);
const BACK_OFF_MIN: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(15);

/// Waits a random time below a bound that doubles with every failure: writers that collided must not meet again.
pub(super) async fn back_off(failures: u32) {
    if failures > 0 {
        let bound = BACK_OFF_MIN.saturating_mul(1 << failures.min(10)).min(BACK_OFF_MAX);
        let wait = rand::rng().random_range(Duration::ZERO..bound);
        tokio::time::sleep(wait).await;
    }
}

pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn now_ms() -> i64 {
    now_us() / 1_000
}
