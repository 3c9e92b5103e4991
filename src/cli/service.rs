//! What `run` and `demo` share: the whole service, wired.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::config::{Config, Kafka, Lake as LakeConfig, Millis};
use claviger_core::detect::Watch;
use claviger_core::identity::Directory;
use claviger_core::ingest::Protocol;
use claviger_core::lake::CompactionLimits;
use claviger_core::minutes::minutes;
use claviger_core::overview::BoardLimits;
use claviger_core::refine::Refiner;
use claviger_core::secret::Pepper;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::interval;

use super::Failure;
use super::recording::Recording;
use super::serve::Rooms;
use crate::alert::{Courier, EventStore, LakeEvents, Sinks};
use crate::detect::{self, Engine, Showing};
use crate::identity::Refresher;
use crate::lake::{FileLimits, Lake, Maintenance, Writer, WriterOptions, maintain};
use crate::overview::{self, LiveBoard};
use crate::pipeline::{
    self, AnyFault, LakePositions, LakeSink, Parts, RunningSource, Sink, StageError, StartSource, any, record_history,
};
use crate::serve::Server;
use crate::serve::api::Api;
use crate::serve::health::Health;
use crate::signals;
use crate::source::kafka::{KafkaSource, Onlooker};

/// Batches that may wait for each table's encoder; the queue before the lake is the place to wait.
pub(super) const BATCHES_WAITING: usize = 4;
/// Looks of detection that may wait for the courier.
pub(super) const FOUND_WAITING: usize = 64;
/// How often it is looked who else is in the group.
const LOOK_FOR_OTHERS: Duration = Duration::from_secs(30);

/// Reads until `stop`. `open` is given what the API asks, once there is a lake, and gives back what listens;
/// `before_lake` may put something before the lake, and `before_events` before the table of incidents.
#[expect(clippy::too_many_arguments, reason = "what `run` and `demo` differ in, each of a type of its own")]
pub(super) async fn serve<S: Sink + Sync, E: EventStore>(
    config: &Config,
    pepper: Pepper,
    refresher: Refresher,
    health: Arc<Health>,
    open: impl FnOnce(Api) -> Result<Server, Failure>,
    before_lake: impl FnOnce(LakeSink) -> S,
    before_events: impl FnOnce(LakeEvents) -> E,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let lake = Lake::open(&config.lake.uri, &config.lake.pipeline, &Default::default()).await?;
    let recording = Recording::begin(config, &lake).await?;
    let board = Arc::new(LiveBoard::new(BoardLimits::default(), chrono::Utc::now().timestamp_micros()));
    let rooms = Rooms::of(config, pepper.clone());
    let api = rooms.api(lake, refresher.subscribe(), &recording, Some(&board))?;
    let server = open(api.clone())?;
    let flowed =
        Box::pin(flow(config, pepper, refresher, health, (api, board), before_lake, before_events, stop)).await;
    let recorded = recording.close(server, config.pipeline.shutdown_limit_ms).await;
    flowed.and(recorded)
}

/// The pipeline from its source to the people that it tells, until `stop`.
#[expect(clippy::too_many_arguments, reason = "those of `serve`, which is the one that calls it")]
async fn flow<S: Sink + Sync, E: EventStore>(
    config: &Config,
    pepper: Pepper,
    refresher: Refresher,
    health: Arc<Health>,
    (Api { lake, queries, exports, .. }, board): (Api, Arc<LiveBoard>),
    before_lake: impl FnOnce(LakeSink) -> S,
    before_events: impl FnOnce(LakeEvents) -> E,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let refiners = refiners(config, &pepper)?;
    let watch = Box::new(Watch::new(config.detect.options()));
    let mut stop = std::pin::pin!(stop);
    let (watch, _rows) = tokio::select! {
        past = Box::pin(detect::remember(&lake, watch, config.detect.memory_days)) => past?,
        () = &mut stop => return Ok(()), // nothing was read yet
    };
    tokio::select! {
        remembered = Box::pin(overview::remember(&board, &queries)) => {
            if let Err(error) = remembered {
                tracing::warn!(%error, "the live board does not know the last hour: the lake answers for it");
            }
        }
        () = &mut stop => return Ok(()),
    }
    let plan = crate::config::alert_plan(config)?;
    let sinks = Sinks::new(&plan, &config.kafka)?;
    let events = before_events(LakeEvents::new(lake.clone()));
    let courier = Box::pin(Courier::start(&plan, sinks, events))
        .await
        .map_err(|fault| StageError::Failed { stage: "alerts", fault })?;
    let (shows_in, shows_out) = mpsc::channel(detect::WAITING_MAX);
    let (found_in, found_out) = mpsc::channel(FOUND_WAITING);
    let (board_in, board_out) = mpsc::channel(detect::WAITING_MAX);

    let (writer, said) = Writer::start(&lake, writer_options(config)).await?;
    let maintenance = maintain(lake.clone(), maintenance_options(&config.lake));
    let directory = refresher.subscribe();
    let history = Box::pin(record_history(lake.clone(), refresher.subscribe()));
    let sink = before_lake(LakeSink::new(lake.clone(), writer, said));
    let mut beside: Vec<(_, BoxFuture<'static, Result<(), AnyFault>>)> = vec![
        ("identity", Box::pin(endless(refresher.run()))),
        ("identity history", history),
        ("maintenance", Box::pin(endless(maintenance))),
        ("group", Box::pin(endless(look_for_others(config.kafka.clone())))),
    ];
    if let Some(exports) = exports {
        beside.push(("exports", Box::pin(endless(exports.work()))));
    }
    let parts = Parts::<Refiner, Showing<S>, Directory> {
        source: source(config, &lake),
        refiners,
        directory,
        sink: Showing::new(sink, lake, vec![shows_in, board_in]),
        behind: vec![
            ("detection", Box::pin(detect::detect(Engine::new(watch), shows_out, found_in))),
            ("alerts", Box::pin(courier.run(found_out))),
            ("live board", Box::pin(overview::follow(board, board_out))),
        ],
        beside,
        health,
    };
    pipeline::run(parts, &config.pipeline, stop).await.map_err(Failure::from)
}

/// As many as there are threads to refine with.
pub(super) fn refiners(config: &Config, pepper: &Pepper) -> Result<Vec<Refiner>, Failure> {
    let geography = crate::geography::load(&config.geography)?;
    geography.blind_spots().iter().for_each(|gap| tracing::info!("{gap}"));
    let options = || {
        let mut options = config.refine_options(pepper.clone());
        options.geography = Arc::clone(&geography);
        options
    };
    Ok((0..refine_threads(config)).map(|_| Refiner::new(options())).collect())
}

/// Kafka, from where the lake ends.
pub(super) fn source(config: &Config, lake: &Lake) -> StartSource {
    let kafka = config.kafka.clone();
    let positions = Arc::new(LakePositions::new(lake.clone(), kafka.start, Handle::current()));
    Box::new(move |events, reactions| {
        let source = KafkaSource::start(&kafka, positions, events, reactions);
        source.map(RunningSource::from).map_err(any)
    })
}

/// Says so when several processes read and each detects by itself.
async fn look_for_others(kafka: Kafka) {
    let mut known = 1;
    let mut looks = interval(LOOK_FOR_OTHERS);
    // The first comes at once, when the group is still forming.
    looks.tick().await;
    loop {
        looks.tick().await;
        let kafka = kafka.clone();
        // A client for each question: one that is kept would have to be heard all the time.
        let asked = spawn_blocking(move || Onlooker::new(&kafka).ok()?.members());
        let members = asked.await.ok().flatten().unwrap_or(known);
        if members > 1 && members != known {
            signals::JudgedInParts { members }.emit();
        }
        known = members;
    }
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

pub(super) fn writer_options(config: &Config) -> WriterOptions {
    let protocol = Protocol {
        commit_interval_us: micros(config.lake.commit_interval_ms),
        seal_rows: config.lake.commit_rows_max,
        drain_us: micros(config.kafka.drain_limit_ms),
        ..Protocol::default()
    };
    WriterOptions { protocol, files: FileLimits::default(), batches_waiting: BATCHES_WAITING, roll_up: minutes }
}

pub(super) fn maintenance_options(lake: &LakeConfig) -> Maintenance {
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
