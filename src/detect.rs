//! Drives the detection engine: what the flow shows it, the passing of time, and the past after a restart.
//!
//! Detection stands beside the lake and waits for no commit. It is shown each row once: rows that the source reads again
//! after a refused commit are left out (`shown.rs`). Its state is lost with the process and made again from
//! `entity_minutes` (`past.rs`) before the source begins, from the very rows whose positions the source then resumes at.
//!
//! One process sees the traffic of the partitions it holds. Where several share a group, a key's traffic is spread over
//! them and each judges its part: there the processes that read leave detection to one that follows the lake.
//!
//! Decision (2026-11): that one process follows the lake ([`follow`]) and is not one of many that share out the entities
//! over a Kafka topic. Detectors judge an entity against the others (the pace of its tenant, seasons, compound theft, what
//! explains the failures of all), so that parts split by entity do not add up to the findings of one process; and the lake
//! holds every row once whatever dies, which a topic between two services would have to be made to do. It costs a commit
//! interval of delay, and the engine's million keys are the limit of one machine either way.

mod follow;
mod logs;
mod past;
mod seat;
mod shown;

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::max;
use arrow::error::ArrowError;
use chrono::Utc;
use claviger_core::detect::{Finding, Streams, Watch};
use claviger_core::event::{Column, Events};
use claviger_core::lake::Place;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

pub use follow::{Follower, Ground};
pub use logs::Logs;
pub use past::{remember, remember_at};
pub use seat::wait_for_seat;
pub use shown::{Show, Showing};

use crate::pipeline::{AnyFault, Panicked, any};
use crate::signals;

/// A stream that shows nothing for so long holds event time back no longer.
const IDLE: Duration = Duration::from_secs(30);
/// How often time passes without rows.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks at what the engine holds: each visits every entity.
const SAY_TICKS: u32 = 15;
/// What may wait to be looked at; a full queue slows the flow down.
pub const WAITING_MAX: usize = 4;

/// What detectors found since the last time, and how far event time has come.
#[derive(Debug)]
pub struct Found {
    pub findings: Vec<Finding>,
    /// UTC microseconds; `None` before the first row.
    pub watermark_us: Option<i64>,
    /// With these findings everything before this place of the lake has been told. Said now and then, by whoever follows
    /// the lake.
    pub judged: Option<Place>,
}

/// The engine and its clock.
#[derive(Debug)]
pub struct Engine {
    watch: Box<Watch>,
    streams: Streams,
}

impl Engine {
    #[must_use]
    pub fn new(watch: Box<Watch>) -> Self {
        Self { watch, streams: Streams::new(i64::try_from(IDLE.as_micros()).unwrap_or(i64::MAX)) }
    }

    /// Claims that need no minute to end.
    fn look_at_events(&mut self, events: &Events) -> Vec<Finding> {
        self.watch.observe_events(events)
    }

    fn look_at_minutes(&mut self, minutes: &RecordBatch) -> Result<(), ArrowError> {
        self.watch.observe(minutes)
    }

    /// A stream has come to `event_us`. Until it shows rows or is idle, 0: nothing is known of how far it has come.
    fn moved(&mut self, stream: &str, event_us: i64, now_us: i64) {
        self.streams.observe(stream, event_us, now_us);
    }

    /// Closes what the streams have passed.
    fn close(&mut self, now_us: i64) -> Found {
        let watermark_us = self.streams.watermark_us(now_us).filter(|&at| at > 0);
        let findings = watermark_us.map(|watermark_us| self.watch.close(watermark_us)).unwrap_or_default();
        Found { findings, watermark_us, judged: None }
    }

    /// As [`Engine::close`], and looks at what is open of suspects.
    fn close_and_look(&mut self, now_us: i64) -> Found {
        let mut found = self.close(now_us);
        if found.watermark_us.is_some() {
            found.findings.extend(self.watch.look());
        }
        found
    }

    /// Takes in what is shown; nothing is a tick of the clock.
    fn look_at(&mut self, show: Option<Show>, now_us: i64) -> Result<Found, ArrowError> {
        let ticked = show.is_none();
        let mut findings = Vec::new();
        match show {
            Some(Show::Rows { streams, events, minutes }) => {
                let latest_us = latest(&events);
                for stream in streams {
                    self.moved(&stream.to_string(), latest_us, now_us);
                }
                findings.extend(self.look_at_events(&events));
                self.look_at_minutes(&minutes)?;
            }
            Some(Show::Begun(streams)) => {
                streams.iter().for_each(|stream| self.moved(&stream.to_string(), 0, now_us));
            }
            Some(Show::Rejects(_)) => {}
            Some(Show::Gone(streams)) => streams.iter().for_each(|stream| self.streams.forget(&stream.to_string())),
            None => {}
        }
        // A batch may come every few milliseconds, and looking at its suspects costs more than taking it in.
        let closed = if ticked { self.close_and_look(now_us) } else { self.close(now_us) };
        findings.extend(closed.findings);
        Ok(Found { findings, ..closed })
    }
}

fn latest(events: &Events) -> i64 {
    max(events.time(Column::EventAt)).unwrap_or(0)
}

/// Looks at everything that is shown until nothing more can come, and passes on what is found.
///
/// # Errors
/// The engine panicked, or was shown rows that are none of ours.
pub async fn detect(
    engine: Engine,
    mut inbox: mpsc::Receiver<Show>,
    outbox: mpsc::Sender<Found>,
) -> Result<(), AnyFault> {
    let mut engine = Some(engine);
    let mut ticks_since_said = 0;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (show, ticked) = tokio::select! {
            show = inbox.recv() => match show {
                Some(show) => (Some(show), false),
                None => return Ok(()), // the flow has ended; what is open is made again from the lake
            },
            _ = ticks.tick() => (None, true),
        };
        let Some(mut at_work) = engine.take() else { return Ok(()) };
        let look = spawn_blocking(move || {
            let found = at_work.look_at(show, Utc::now().timestamp_micros());
            (at_work, found)
        });
        let (rested, found) = look.await.map_err(|_| any(Panicked))?;
        let found = found.map_err(|source| any(past::PastError::NotMinutes { source }))?;
        ticks_since_said += u32::from(ticked);
        if ticks_since_said == SAY_TICKS {
            ticks_since_said = 0;
            signals::Watched { stats: rested.watch.stats(), watermark_us: found.watermark_us }.emit();
        }
        engine = Some(rested);
        signals::Found { findings: &found.findings }.emit();
        if (ticked || !found.findings.is_empty()) && outbox.send(found).await.is_err() {
            return Ok(()); // whoever judges findings has stopped, and says why
        }
    }
}
