//! The state of detection after a restart: the lake's entity minutes, fed to the engine again.
//!
//! Day by day, so that only a day is ever sorted.

use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use claviger_core::detect::Watch;
use claviger_core::fault::{Blame, Fault, Retry};
use datafusion::error::DataFusionError;
use futures::StreamExt as _;
use tokio::task::spawn_blocking;

use crate::lake::{Lake, LakeError};
use crate::pipeline::Panicked;

/// Feeds `watch` the minutes of the last `days` that the lake knows anything of, without telling what is found in them:
/// that was told when it happened. Returns how many rows there were.
///
/// # Errors
/// The lake cannot be read.
pub async fn remember(lake: &Lake, mut watch: Box<Watch>, days: u32) -> Result<(Box<Watch>, u64), PastError> {
    let began = Instant::now();
    let mut said = began;
    let mut rows = 0;
    for date in last_dates(lake, days).await? {
        let sql = format!("select * from entity_minutes where date = '{date}' order by minute");
        let mut minutes = lake.query(&sql).await.map_err(|source| PastError::Unreadable { source })?;
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
async fn last_dates(lake: &Lake, days: u32) -> Result<Vec<String>, PastError> {
    let sql = format!(
        "select distinct date from entity_minutes where cast(date as date) > \
         (select cast(max(date) as date) from entity_minutes) - interval '{days} days' order by date"
    );
    let mut found = lake.query(&sql).await.map_err(|source| PastError::Unreadable { source })?;
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
