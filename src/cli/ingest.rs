//! `claviger run --role ingest`: Kafka to the lake, and no more.

use std::sync::Arc;

use claviger_core::config::Config;
use claviger_core::identity::Directory;
use claviger_core::refine::Refiner;
use claviger_core::secret::Pepper;

use super::Failure;
use super::service::{endless, maintenance_options, refiners, source, writer_options};
use crate::identity::Refresher;
use crate::lake::{Lake, Writer, maintain};
use crate::pipeline::{self, LakeSink, Parts, record_history};
use crate::serve::health::Health;

/// Reads until `stop`.
pub(super) async fn ingest(
    config: &Config,
    pepper: &Pepper,
    refresher: Refresher,
    health: Arc<Health>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let refiners = refiners(config, pepper)?;
    let lake = Lake::open(&config.lake.uri, &config.lake.pipeline, &Default::default()).await?;
    let (writer, said) = Writer::start(&lake, writer_options(config)).await?;
    let parts = Parts::<Refiner, LakeSink, Directory> {
        source: source(config, &lake),
        refiners,
        directory: refresher.subscribe(),
        sink: LakeSink::new(lake.clone(), writer, said),
        behind: Vec::new(),
        beside: vec![
            ("identity history", Box::pin(record_history(lake.clone(), refresher.subscribe()))),
            ("identity", Box::pin(endless(refresher.run()))),
            ("maintenance", Box::pin(endless(maintain(lake, maintenance_options(&config.lake))))),
        ],
        health,
    };
    Ok(pipeline::run(parts, &config.pipeline, stop).await?)
}
