//! Drives the detection engine: what the flow shows it, the passing of time, and the past after a restart.
//!
//! Detection stands beside the lake and waits for no commit. It is shown each row once: rows that the source reads again
//! after a refused commit are left out (`shown.rs`). Its state is lost with the process and made again from
//! `entity_minutes` (`past.rs`) before the source begins, from the very rows whose positions the source then resumes at.
//!
//! One process sees the traffic of the partitions it holds. Where several share a group, a key's traffic is spread over
//! them and each judges its part.

mod past;
mod shown;

use std::time::Duration;

use arrow::compute::max;
use chrono::Utc;
use claviger_core::detect::{Finding, Streams, Watch};
use claviger_core::event::{Column, Events};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

pub use past::remember;
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
pub const WAITING_MAX: usize = 16;

/// What detectors found since the last time, and how far event time has come.
#[derive(Debug)]
pub struct Found {
    pub findings: Vec<Finding>,
    /// UTC microseconds; `None` before the first row.
    pub watermark_us: Option<i64>,
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

    fn look_at(&mut self, show: Option<Show>, now_us: i64) -> Result<Found, arrow::error::ArrowError> {
        let mut findings = Vec::new();
        match show {
            Some(Show::Rows { streams, events, minutes }) => {
                let latest_us = latest(&events);
                for stream in streams {
                    self.streams.observe(&stream.to_string(), latest_us, now_us);
                }
                findings.extend(self.watch.observe_events(&events));
                self.watch.observe(&minutes)?;
            }
            // Until it shows rows or is idle, nothing is known of how far it has come.
            Some(Show::Begun(streams)) => {
                streams.iter().for_each(|stream| self.streams.observe(&stream.to_string(), 0, now_us));
            }
            Some(Show::Rejects(_)) => {}
            Some(Show::Gone(streams)) => streams.iter().for_each(|stream| self.streams.forget(&stream.to_string())),
            None => {}
        }
        let watermark_us = self.streams.watermark_us(now_us).filter(|&at| at > 0);
        if let Some(watermark_us) = watermark_us {
            findings.extend(self.watch.advance(watermark_us));
        }
        Ok(Found { findings, watermark_us })
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
