//! The state of detection after a restart: the lake's entity minutes, fed to the engine again.
//!
//! Day by day, so that only a day is ever sorted. Who reads Kafka learns what the lake holds now; who follows the lake
//! learns what it held at the place from which it follows, and of the last hours the events as well, which say what
//! minutes do not: what hashes stand for, and which entities met in one request.

use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use claviger_core::detect::Watch;
use claviger_core::event::Events;
use claviger_core::fault::{Blame, Fault, Retry};
use claviger_core::lake::partition_date;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;
use tokio::task::spawn_blocking;

use crate::lake::{Lake, LakeError, Past};
use crate::pipeline::Panicked;

/// Feeds `watch` the minutes of the last `days` that the lake knows anything of, without telling what is found in them:
/// that was told when it happened. Returns how many rows there were.
///
/// # Errors
/// The lake cannot be read.
pub async fn remember(lake: &Lake, watch: Box<Watch>, days: u32) -> Result<(Box<Watch>, u64), PastError> {
    learn(Shelf::Newest(lake), watch, days, "").await
}

/// As [`remember`], of the lake as it was at some place, and exactly: what was judged there (minutes before `closed_us`)
/// counts as told, and what waited waits again. `None` where nothing was ever judged: then all of it is past.
///
/// # Errors
/// Those versions of the lake can no longer be read.
pub async fn remember_at(
    past: &Past,
    closed_us: Option<i64>,
    watch: Box<Watch>,
    days: u32,
) -> Result<(Box<Watch>, u64), PastError> {
    let shelf = Shelf::At(past);
    let Some(closed_us) = closed_us else {
        let (watch, rows) = learn(shelf, watch, days, "").await?;
        let from_us = watch.closed_us();
        return Ok((look_back(shelf, watch, from_us).await?, rows));
    };
    let closed = format!("to_timestamp_micros({closed_us})");
    let (mut watch, mut rows) = learn(shelf, watch, days, &format!("and minute < {closed}")).await?;
    watch.warm_to(closed_us);
    let mut waiting = shelf.select(&format!("select * from entity_minutes where minute >= {closed}")).await?;
    while let Some(batch) = waiting.next().await {
        let batch = batch.map_err(|source| PastError::Failed { source })?;
        rows += batch.num_rows() as u64;
        watch.observe(&batch).map_err(|source| PastError::NotMinutes { source })?;
    }
    Ok((look_back(shelf, watch, closed_us).await?, rows))
}

/// Where the past is read.
#[derive(Clone, Copy)]
enum Shelf<'a> {
    Newest(&'a Lake),
    At(&'a Past),
}

impl Shelf<'_> {
    async fn select(self, sql: &str) -> Result<SendableRecordBatchStream, PastError> {
        let found = match self {
            Self::Newest(lake) => lake.query(sql).await,
            Self::At(past) => past.select(sql).await,
        };
        found.map_err(|source| PastError::Unreadable { source })
    }
}

/// Shows the events of the hour that holds `from_us` and of the one before, without telling what is found in them.
async fn look_back(shelf: Shelf<'_>, mut watch: Box<Watch>, from_us: i64) -> Result<Box<Watch>, PastError> {
    if from_us == 0 {
        return Ok(watch);
    }
    let from_us = from_us - from_us.rem_euclid(HOUR_US) - HOUR_US;
    let columns: Vec<String> = Watch::EVENT_COLUMNS.iter().map(|column| format!("\"{}\"", column.name())).collect();
    let date = partition_date(from_us);
    let sql = format!(
        "select {} from events where date >= '{date}' and event_at >= to_timestamp_micros({from_us})",
        columns.join(", ")
    );
    let mut events = shelf.select(&sql).await?;
    while let Some(batch) = events.next().await {
        let batch = batch.map_err(|source| PastError::Failed { source })?;
        let shown = spawn_blocking(move || {
            Events::of_some(&batch).map(|events| {
                let _told = watch.observe_events(&events);
                watch
            })
        });
        watch = shown.await.map_err(|_| PastError::Panicked)?.map_err(|source| PastError::NotMinutes { source })?;
    }
    Ok(watch)
}

const HOUR_US: i64 = 3_600_000_000;

/// Feeds the minutes of the last `days` for which `more` holds.
async fn learn(shelf: Shelf<'_>, mut watch: Box<Watch>, days: u32, more: &str) -> Result<(Box<Watch>, u64), PastError> {
    let began = Instant::now();
    let mut said = began;
    let mut rows = 0;
    for date in last_dates(shelf, days).await? {
        let sql = format!("select * from entity_minutes where date = '{date}' {more} order by minute");
        let mut minutes = shelf.select(&sql).await?;
        while let Some(batch) = minutes.next().await {
            let batch = batch.map_err(|source| PastError::Failed { source })?;
            rows += batch.num_rows() as u64;
            let warmed = spawn_blocking(move || watch.warm(&batch).map(|()| watch));
            watch =
                warmed.await.map_err(|_| PastError::Panicked)?.map_err(|source| PastError::NotMinutes { source })?;
        }
        if said.elapsed() > SAY_EVERY {
            said = Instant::now();
            tracing::info!(rows, through = %date, "detection learns from the lake what was normal");
        }
    }
    if rows > 0 {
        let stats = watch.stats();
        let seconds = began.elapsed().as_secs_f64();
        let known_to = DateTime::<Utc>::from_timestamp_micros(stats.closed_us).map(|at| at.to_rfc3339());
        tracing::info!(rows, entities = stats.entities, seconds, known_to, "detection knows the past");
    }
    Ok((watch, rows))
}

const SAY_EVERY: Duration = Duration::from_secs(10);

/// The dates that have minutes and are within `days` of the newest one, earliest first.
async fn last_dates(shelf: Shelf<'_>, days: u32) -> Result<Vec<String>, PastError> {
    let sql = format!(
        "select distinct date from entity_minutes where cast(date as date) > \
         (select cast(max(date) as date) from entity_minutes) - interval '{days} days' order by date"
    );
    let mut found = shelf.select(&sql).await?;
    let mut dates = Vec::new();
    while let Some(batch) = found.next().await {
        let batch = batch.map_err(|source| PastError::Failed { source })?;
        let column = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8);
        let column = column.map_err(|source| PastError::NotMinutes { source })?;
        dates.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(dates)
}

/// Why detection cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    #[error("the lake's entity minutes cannot be read")]
    Unreadable { source: LakeError },
    #[error("reading the lake's entity minutes failed")]
    Failed { source: DataFusionError },
    #[error("rows are no entity minutes")]
    NotMinutes { source: ArrowError },
    #[error("detection panicked over the past")]
    Panicked,
}

impl Fault for PastError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { source } => source.hint(),
            Self::Failed { .. } => "check the lake with `claviger check-lake`; nothing is lost meanwhile".to_owned(),
            Self::NotMinutes { .. } => "the lake was written by another version of Claviger".to_owned(),
            Self::Panicked => Panicked.hint(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { source } => source.blame(),
            Self::Failed { .. } => Blame::Environment,
            Self::NotMinutes { .. } => Blame::Data,
            Self::Panicked => Blame::Bug,
        }
    }

    fn retry(&self) -> Retry {
        match self.blame() {
            Blame::Environment => Retry::WithBackoff,
            Blame::Operator | Blame::Data | Blame::Bug => Retry::Never,
        }
    }
}
