//! `claviger run`: Kafka to the lake, until a signal stops it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use claviger_core::config::{Config, Lake as LakeConfig, Millis};
use claviger_core::identity::Directory;
use claviger_core::ingest::Protocol;
use claviger_core::lake::CompactionLimits;
use claviger_core::minutes::minutes;
use claviger_core::refine::Refiner;
use claviger_core::secret::Pepper;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use super::{Answer, Failure};
use crate::identity::{Refresher, Sources};
use crate::lake::{FileLimits, Lake, Maintenance, Writer, WriterOptions, maintain};
use crate::pipeline::{self, AnyFault, LakePositions, LakeSink, Parts, RunningSource, Sink, any, record_history};
use crate::serve::Server;
use crate::serve::health::Health;
use crate::source::kafka::KafkaSource;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger run --config claviger.toml
  CLAVIGER__KAFKA__OPTIONS__SASL_PASSWORD=... claviger run --config claviger.toml

SIGTERM or SIGINT commits what was read and leaves the group. Liveness, readiness and metrics are at
/live, /ready and /metrics of `serve.address`. All options: claviger check-config --defaults")]
pub(super) struct RunArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// A commit that is this many intervals late means that the lake is stuck.
const COMMITS_LATE: u32 = 6;
/// Batches that may wait for each table's encoder; the queue before the lake is the place to wait.
pub(super) const BATCHES_WAITING: usize = 4;

pub(super) fn run(arguments: &RunArguments) -> Result<Answer, Failure> {
    let config = crate::config::load(&arguments.config)?;
    let pepper = crate::config::pepper(&config)?;
    let metrics = crate::telemetry::start(&config.telemetry)?;

    let health = Arc::new(Health::new(config.lake.commit_interval_ms.duration() * COMMITS_LATE));
    let server = Server::start(config.serve.address, Arc::clone(&health), metrics)?;
    tracing::info!(address = %server.address(), version = env!("CARGO_PKG_VERSION"), "claviger runs");

    let folders = config.identity.dirs.iter().map(PathBuf::from).collect();
    let memory = (!config.identity.memory_dir.is_empty()).then(|| PathBuf::from(&config.identity.memory_dir));
    let interval = config.identity.refresh_interval_ms.duration();
    let (refresher, _findings) = Refresher::open(Sources { folders, pepper: pepper.clone(), memory, interval })?;
    health.directory_loaded();

    let runtime = super::runtime()?;
    let result = runtime.block_on(ingest(&config, pepper, refresher, health, |sink| sink, stop_signal()));
    // A stage that did not end in time may still hold a thread: the process does not wait for it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.map(|()| Answer::Yes)
}

/// Reads until `stop`. `end` may put something before the lake.
pub(super) async fn ingest<S: Sink>(
    config: &Config,
    pepper: Pepper,
    refresher: Refresher,
    health: Arc<Health>,
    end: impl FnOnce(LakeSink) -> S,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let lake = Lake::open(&config.lake.uri, &config.lake.pipeline, &Default::default()).await?;
    let (writer, signals) = Writer::start(&lake, writer_options(config)).await?;
    let maintenance = maintain(lake.clone(), maintenance_options(&config.lake));
    let directory = refresher.subscribe();
    let history = Box::pin(record_history(lake.clone(), refresher.subscribe()));
    let parts = Parts::<Refiner, S, Directory> {
        source: {
            let kafka = config.kafka.clone();
            let positions = Arc::new(LakePositions::new(lake.clone(), kafka.start, Handle::current()));
            Box::new(move |events, reactions| {
                let source = KafkaSource::start(&kafka, positions, events, reactions);
                source.map(RunningSource::from).map_err(any)
            })
        },
        refiners: (0..refine_threads(config)).map(|_| Refiner::new(config.refine_options(pepper.clone()))).collect(),
        directory,
        sink: end(LakeSink::new(lake, writer, signals)),
        beside: vec![
            ("identity", Box::pin(endless(refresher.run()))),
            ("identity history", history),
            ("maintenance", Box::pin(endless(maintenance))),
        ],
        health,
    };
    pipeline::run(parts, &config.pipeline, stop).await.map_err(Failure::from)
}

/// Work that mends its own failures, and ends only with the flow.
pub(super) async fn endless(work: impl Future<Output = ()>) -> Result<(), AnyFault> {
    work.await;
    Ok(())
}

fn refine_threads(config: &Config) -> usize {
    match config.pipeline.refine_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

fn writer_options(config: &Config) -> WriterOptions {
    let protocol = Protocol {
        commit_interval_us: micros(config.lake.commit_interval_ms),
        seal_rows: config.lake.commit_rows_max,
        drain_us: micros(config.kafka.drain_limit_ms),
        ..Protocol::default()
    };
    WriterOptions { protocol, files: FileLimits::default(), batches_waiting: BATCHES_WAITING, roll_up: minutes }
}

fn maintenance_options(lake: &LakeConfig) -> Maintenance {
    Maintenance {
        interval: lake.maintenance_interval_ms.duration(),
        compaction: CompactionLimits {
            small_bytes: lake.compact_small_bytes.0,
            joined_bytes_max: lake.compact_joined_bytes_max.0,
            ..CompactionLimits::default()
        },
        checkpoint_every: lake.checkpoint_commits,
        vacuum_after: lake.vacuum_retention_ms.duration(),
    }
}

fn micros(millis: Millis) -> i64 {
    i64::try_from(millis.0.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

/// SIGTERM, as service managers send it, or SIGINT from a terminal.
pub(super) async fn stop_signal() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => _ = signals.recv().await,
        Err(error) => {
            tracing::warn!(%error, "this signal cannot be listened for");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
    tracing::info!("stopping: what was read is being committed");
}
