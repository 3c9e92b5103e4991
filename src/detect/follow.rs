//! Detection that follows the lake: every commit of its tables is shown to the engine, once and in order.
//!
//! Promise: what was found before a place is stored with the place (`Found::judged`), so that whoever goes on from there,
//! after whatever death, finds what is missing and repeats, under the same ids, what is not.
//!
//! Bounded: one file at a time is in memory, decoded a part at a time, and of it the columns that detection reads. Commits
//! wait in the lake while the engine is slow.
//!
//! What it does not do: give up while the lake cannot be read. It waits, `/ready` says so, and nothing is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use chrono::Utc;
use claviger_core::detect::{Finding, Watch};
use claviger_core::event::{Column, Events};
use claviger_core::fault::{Fault as _, Retry};
use claviger_core::lake::{LogCommit, NewFile, Place, StreamTable, TableName};
use claviger_core::minutes::MINUTE_SCHEMA;
use claviger_core::offsets::{Offset, Stream};
use tokio::sync::{mpsc, watch};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::sleep;

use super::logs::{Latest, Logs};
use super::past::PastError;
use super::{Engine, Found};
use crate::lake::{LakeError, Tenure, stored_rows};
use crate::pipeline::{AnyFault, Panicked, any};
use crate::serve::health::Health;
use crate::signals;
use crate::source::kafka::Onlooker;

/// How often it is looked for a new commit: what it adds to the commit interval.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How often the broker is asked what it holds, and the lake how much waits.
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// Of so many looks one is at what the engine holds: it visits every entity.
const SAY_LOOKS: u32 = 3;
/// Before the storage is asked again after a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// What a follower stands on.
pub struct Ground {
    pub logs: Logs,
    /// Knows which partitions hold more than was read; `None` where no broker can be asked.
    pub onlooker: Option<Arc<Onlooker>>,
    pub tenure: Arc<Tenure>,
    pub health: Arc<Health>,
    /// Turns true when the service is to end.
    pub stopping: watch::Receiver<bool>,
}

/// The engine behind the lake's logs.
pub struct Follower {
    engine: Engine,
    ground: Ground,
    outbox: mpsc::Sender<Found>,
    /// Everything before it has been told.
    judged: Place,
    beaten_at: Instant,
    asked_at: Option<Instant>,
    looks: u32,
    /// When nothing waited to be judged.
    rested_at: Option<Instant>,
    /// Where each stream ends at the broker; `None` where that is not known.
    ends: HashMap<String, Option<i64>>,
    watermark_us: Option<i64>,
}

/// What came of showing a file.
#[derive(Default)]
struct Shown {
    findings: Vec<Finding>,
    latest: Latest,
}

impl Follower {
    #[must_use]
    pub fn new(engine: Engine, ground: Ground, outbox: mpsc::Sender<Found>) -> Self {
        let judged = ground.logs.place(engine.watch.closed_us());
        Self {
            engine,
            ground,
            outbox,
            judged,
            beaten_at: Instant::now(),
            asked_at: None,
            looks: 0,
            rested_at: None,
            ends: HashMap::new(),
            watermark_us: None,
        }
    }

    /// Follows until the service ends.
    ///
    /// # Errors
    /// Somebody else judges the lake now, or the lake cannot be followed.
    pub async fn run(mut self) -> Result<(), AnyFault> {
        let now_us = Utc::now().timestamp_micros();
        let streams: Vec<String> = self.ground.logs.levels.positions().map(|(stream, _)| stream.to_owned()).collect();
        streams.iter().for_each(|stream| self.engine.moved(stream, 0, now_us));
        while !*self.ground.stopping.borrow() {
            if self.ground.tenure.is_lost() {
                return Err(any(LakeError::Superseded));
            }
            match self.ground.logs.next().await {
                Ok(Some((table, commit))) => self.judge(table, commit).await?,
                Ok(None) => self.rest().await?,
                Err(error) => self.bear(error).await?,
            }
            self.beat().await;
            self.look_around().await?;
        }
        self.tell(Found { findings: Vec::new(), watermark_us: None, judged: Some(self.judged) }).await;
        Ok(())
    }

    /// One commit, file by file.
    async fn judge(&mut self, table: StreamTable, commit: LogCommit) -> Result<(), AnyFault> {
        let mut latest = Latest::new();
        for file in &commit.files {
            let Some(bytes) = self.fetch(table, file).await? else { return Ok(()) };
            // The engine's work is not for threads that others wait for.
            let shown = block_in_place(|| show_file(&mut self.engine, table.table(), bytes))?;
            for (partition, event_us) in shown.latest {
                latest.entry(partition).and_modify(|known| *known = event_us.max(*known)).or_insert(event_us);
            }
            if !shown.findings.is_empty() {
                self.tell(Found { findings: shown.findings, watermark_us: None, judged: None }).await;
            }
            self.beat().await;
        }
        let now_us = Utc::now().timestamp_micros();
        for (stream, event_us) in self.ground.logs.moved(table, &commit, &latest) {
            self.engine.moved(&stream, event_us, now_us);
        }
        self.hold(now_us);
        self.close(now_us).await;
        Ok(())
    }

    /// Nothing waits: time passes by the clock.
    async fn rest(&mut self) -> Result<(), AnyFault> {
        if self.asked_at.is_none() {
            self.look_around().await?;
        }
        self.rested_at = Some(Instant::now());
        let now_us = Utc::now().timestamp_micros();
        self.hold(now_us);
        self.close(now_us).await;
        self.pause(POLL_INTERVAL).await;
        Ok(())
    }

    /// What fails for a while is waited for.
    async fn bear(&mut self, error: LakeError) -> Result<(), AnyFault> {
        if error.retry() != Retry::WithBackoff {
            return Err(any(error));
        }
        signals::LakeAway { error: &error }.emit();
        self.pause(AGAIN).await;
        Ok(())
    }

    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            // An error means that nobody is left who could stop us; the end comes by other ways.
            stopped = self.ground.stopping.wait_for(|stopping| *stopping) => drop(stopped),
            () = sleep(time) => {}
        }
    }

    /// A file's bytes; `None` when the service ends before the storage gives them.
    async fn fetch(&mut self, table: StreamTable, file: &NewFile) -> Result<Option<Bytes>, AnyFault> {
        loop {
            match self.ground.logs.tail(table).fetch(file).await {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => self.bear(error).await?,
            }
            if *self.ground.stopping.borrow() || self.ground.tenure.is_lost() {
                return Ok(None);
            }
        }
    }

    async fn close(&mut self, now_us: i64) {
        let found = block_in_place(|| self.engine.close_and_look(now_us));
        self.watermark_us = found.watermark_us;
        self.judged = self.ground.logs.place(self.engine.watch.closed_us());
        self.tell(found).await;
    }

    /// Silent partitions hold event time back of which somebody has yet to read more, or all of them while we are behind:
    /// what they sent may be in the next commit.
    fn hold(&mut self, now_us: i64) {
        let keeps_up = self.rested_at.is_some_and(|at| at.elapsed() < 2 * ASK_INTERVAL);
        let ends = &self.ends;
        let waits = |stream: &str, next: i64| match ends.get(stream) {
            _ if !keeps_up => true,
            Some(Some(end)) => *end > next,
            Some(None) => true, // the broker does not say
            None => false,
        };
        let engine = &mut self.engine;
        self.ground.logs.levels.held(waits).for_each(|stream| engine.moved(stream, 0, now_us));
    }

    async fn tell(&mut self, found: Found) {
        signals::Found { findings: &found.findings }.emit();
        if self.outbox.send(found).await.is_err() {
            // Whoever judges findings has stopped, and says why; its turn is not kept any more.
            tracing::debug!("nobody hears what is found");
        }
    }

    /// From time to time it is put on record what has been judged: with it the turn is kept.
    async fn beat(&mut self) {
        if self.beaten_at.elapsed() >= self.ground.tenure.beat() {
            self.beaten_at = Instant::now();
            self.tell(Found { findings: Vec::new(), watermark_us: None, judged: Some(self.judged) }).await;
        }
    }

    /// How far behind we are, and what partitions hold that nobody has read yet.
    async fn look_around(&mut self) -> Result<(), AnyFault> {
        if self.asked_at.is_some_and(|at| at.elapsed() < ASK_INTERVAL) {
            return Ok(());
        }
        self.asked_at = Some(Instant::now());
        match self.ground.logs.behind().await {
            Ok(versions) => {
                let lag_us = Utc::now().timestamp_micros().saturating_sub(self.ground.logs.at_us());
                let since_us = if versions == 0 || self.ground.logs.at_us() == 0 { 0 } else { lag_us };
                self.ground.health.follows(versions, Duration::from_micros(since_us.max(0).unsigned_abs()));
                signals::Behind { versions, since_us }.emit();
            }
            Err(error) => self.bear(error).await?,
        }
        self.looks += 1;
        if self.looks % SAY_LOOKS == 1 {
            let stats = block_in_place(|| self.engine.watch.stats());
            signals::Watched { stats, watermark_us: self.watermark_us }.emit();
        }
        let Some(onlooker) = self.ground.onlooker.clone() else { return Ok(()) };
        let streams: Vec<String> = self.ground.logs.levels.positions().map(|(id, _)| id.to_owned()).collect();
        let asked = spawn_blocking(move || ends_of(&onlooker, streams));
        self.ends = asked.await.map_err(|_| any(Panicked))?;
        Ok(())
    }
}

/// What the broker says of the streams that it can be asked about.
fn ends_of(onlooker: &Onlooker, streams: Vec<String>) -> HashMap<String, Option<i64>> {
    let mut ends = HashMap::new();
    let mut answers = true;
    for id in streams {
        let Some(stream) = Stream::of_app_id(&id).filter(|stream| onlooker.reads(stream)) else { continue };
        // One that does not answer is not asked for every partition.
        let end = answers.then(|| onlooker.end(&stream).ok()).flatten().map(|Offset(end)| end);
        answers = end.is_some();
        ends.insert(id, end);
    }
    ends
}

fn show_file(engine: &mut Engine, table: TableName, bytes: Bytes) -> Result<Shown, AnyFault> {
    let mut shown = Shown::default();
    let not_minutes = |source| any(PastError::NotMinutes { source });
    if table == TableName::EntityMinutes {
        let columns: Vec<&str> = MINUTE_SCHEMA.fields().iter().map(|field| field.name().as_str()).collect();
        for rows in stored_rows(table, bytes, &columns).map_err(any)? {
            engine.look_at_minutes(&rows.map_err(not_minutes)?).map_err(not_minutes)?;
        }
        return Ok(shown);
    }
    let places = [Column::Topic, Column::Partition];
    let columns: Vec<&str> = Watch::EVENT_COLUMNS.iter().chain(&places).map(|column| column.name()).collect();
    for rows in stored_rows(table, bytes, &columns).map_err(any)? {
        let events = Events::of_some(&rows.map_err(not_minutes)?).map_err(not_minutes)?;
        shown.findings.extend(engine.look_at_events(&events));
        note_latest(&events, &mut shown.latest);
    }
    Ok(shown)
}

fn note_latest(events: &Events, latest: &mut Latest) {
    let (topics, times) = (events.dict(Column::Topic), events.time(Column::EventAt).values());
    let partitions = events.batch().column(Column::Partition as usize).as_primitive::<Int32Type>().values();
    let mut of_batch: HashMap<(Option<usize>, i32), i64> = HashMap::new();
    for (row, (&partition, &at_us)) in partitions.iter().zip(times).enumerate() {
        of_batch.entry((topics.code(row), partition)).and_modify(|known| *known = at_us.max(*known)).or_insert(at_us);
    }
    for ((topic, partition), at_us) in of_batch {
        let topic = topic.map_or("", |code| topics.value(code)).to_owned();
        latest.entry((topic, partition)).and_modify(|known| *known = at_us.max(*known)).or_insert(at_us);
    }
}
