//! The real pipeline in the demo's seat: everything `claviger run` has, on the broker in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::config::{self, Config};
use claviger_core::identity::Directory;
use claviger_core::ingest::Protocol;
use claviger_core::minutes::minutes;
use claviger_core::refine::{Refined, Refiner};
use tokio::runtime::Handle;

use super::super::Failure;
use super::super::run::{BATCHES_WAITING, endless};
use crate::demo::run::Seat;
use crate::identity::Refresher;
use crate::lake::{FileLimits, Lake, Maintenance, Writer, WriterOptions, maintain};
use crate::pipeline::{self, AnyFault, LakePositions, LakeSink, Parts, RunningSource, Watched};
use crate::serve::health::Health;
use crate::source::kafka::KafkaSource;

/// Commits so often that the lake can be queried beside the running demo.
const COMMIT_INTERVAL: Duration = Duration::from_secs(2);
/// Identity changes of the script are noticed within this.
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

pub(super) async fn run(seat: Seat) -> Result<(), Failure> {
    let config = config_of(&seat)?;
    let pepper = crate::config::pepper(&config)?;
    let (folders, hashed_under) = (seat.identity.clone(), pepper.clone());
    let loading = tokio::task::spawn_blocking(move || Refresher::start(folders, hashed_under, REFRESH_INTERVAL));
    let (refresher, _findings) = loading.await.map_err(|_| Failure::bug("loading the identity folder panicked"))??;

    let lake = Lake::open(&config.lake.uri, &config.lake.pipeline, &Default::default()).await?;
    let protocol = Protocol {
        commit_interval_us: i64::try_from(COMMIT_INTERVAL.as_micros()).unwrap_or(i64::MAX),
        ..Protocol::default()
    };
    let options =
        WriterOptions { protocol, files: FileLimits::default(), batches_waiting: BATCHES_WAITING, roll_up: minutes };
    let (writer, signals) = Writer::start(&lake, options).await?;
    let maintenance = maintain(lake.clone(), Maintenance::default());
    let watch = |refined: &Refined, seat: &Seat| {
        let ends: BTreeMap<_, _> = refined.spans.iter().map(|span| (&span.stream, span.end)).collect();
        for (stream, end) in ends {
            seat.consumed.report(&stream.topic, stream.partition, end.0);
        }
        seat.verdicts.committed(&refined.events);
    };
    // One refiner: it sees all requests of a client in order, and so its habits.
    let refiner = {
        let seat = seat.clone();
        Watched::new(Refiner::new(config.refine_options(pepper)), move |refined: &Refined| watch(refined, &seat))
    };
    let parts = Parts::<_, LakeSink, Directory> {
        source: {
            let kafka = config.kafka.clone();
            let positions = Arc::new(LakePositions::new(lake.clone(), kafka.start, Handle::current()));
            Box::new(move |events, reactions| {
                let source = KafkaSource::start(&kafka, positions, events, reactions);
                source.map(RunningSource::from).map_err(|error| Box::new(error) as AnyFault)
            })
        },
        refiners: vec![refiner],
        directory: refresher.subscribe(),
        sink: LakeSink::new(lake, writer, signals),
        beside: vec![("identity", Box::pin(endless(refresher.run()))), ("maintenance", Box::pin(endless(maintenance)))],
        health: Arc::new(Health::new(COMMIT_INTERVAL * 10)),
    };
    let mut shutdown = seat.shutdown;
    let stop = async move {
        // A demo that is gone wants its pipeline to end too.
        _ = shutdown.wait_for(|end| *end).await;
    };
    pipeline::run(parts, &config.pipeline, stop).await.map_err(Failure::from)
}

/// The defaults, with what is the demo's own.
fn config_of(seat: &Seat) -> Result<Config, Failure> {
    let text = |path: &std::path::Path| path.display().to_string();
    let mut own = toml::Table::new();
    own.insert(
        "kafka".into(),
        toml::Table::from_iter([
            ("brokers".to_owned(), toml::Value::from(vec![seat.brokers.clone()])),
            ("topics".to_owned(), seat.topics.clone().into()),
            ("group".to_owned(), "claviger-demo".into()),
            ("start".to_owned(), "earliest".into()),
        ])
        .into(),
    );
    own.insert(
        "identity".into(),
        toml::Table::from_iter([
            ("dirs".to_owned(), toml::Value::from(seat.identity.iter().map(|path| text(path)).collect::<Vec<_>>())),
            ("propagation_window_ms".to_owned(), toml::Value::from(2_000)),
        ])
        .into(),
    );
    own.insert("lake".into(), toml::Table::from_iter([("uri".to_owned(), toml::Value::from(text(&seat.lake)))]).into());
    own.insert(
        "secrets".into(),
        toml::Table::from_iter([("pepper_file".to_owned(), toml::Value::from(text(&seat.pepper)))]).into(),
    );
    config::Config::parse(&own.to_string(), []).map_err(Failure::from)
}
