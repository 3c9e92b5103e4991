//! `claviger demo`: the whole product on one machine with nothing else running.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use claviger_core::config::{Config, ConfigError};
use claviger_core::identity::Directory;
use claviger_core::refine::Refiner;
use claviger_core::secret::Pepper;
use metrics_exporter_prometheus::PrometheusHandle;

use super::run::stop_signal;
use super::serve::psql;
use super::service::serve;
use super::{Answer, Failure};
use crate::access::Access;
use crate::demo::DemoError;
use crate::demo::alarms::Hearing;
use crate::demo::company::{AI_PREFIX, Instant, LIVE_PREFIX, TEST_PREFIX};
use crate::demo::past::Past;
use crate::demo::run::{Doors, Options, Seat, Voice};
use crate::demo::watched::Watched;
use crate::identity::Refresher;
use crate::lake::Lake;
use crate::serve::api::Api;
use crate::serve::health::Health;
use crate::serve::{Entrance, ServeError, Server};

/// Watch a made-up company's API keys fail, and the reasons being named
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger demo                       until Ctrl-C, 2000 requests a second
  claviger demo --for 60s --json      one minute, then a summary for machines
  claviger demo --rate 20000 --data /tmp/demo")]
pub(super) struct DemoArguments {
    /// Requests per second, on average
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=200_000))]
    rate: u32,
    /// Folder for identity, pepper and lake; emptied first if an earlier demo made it
    #[arg(long, value_name = "DIR", default_value = "claviger-demo")]
    data: PathBuf,
    /// Ends after this long (20s, 5m), exit code 0 when at least 99 % was named right
    #[arg(long = "for", value_name = "TIME", value_parser = parse_length)]
    length: Option<Duration>,
    /// Same seed, same company, same incidents
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// One JSON object at the end instead of texts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: DemoArguments) -> Result<Answer, Failure> {
    let terminal = std::io::stdout().is_terminal();
    let voice = match (arguments.json, terminal) {
        (true, _) => Voice::Json,
        (false, true) => Voice::Terminal { colours: std::env::var_os("NO_COLOR").is_none(), rows: TERMINAL_ROWS },
        (false, false) => Voice::Plain,
    };
    let options = Options {
        data: arguments.data,
        rate: f64::from(arguments.rate),
        length: arguments.length,
        seed: arguments.seed,
        voice,
    };
    let mut out = std::io::stdout();
    let interrupted = async { stop_signal().await };
    let demo = crate::demo::run::run(&options, now(), now, interrupted, pipeline, &mut out);
    let passed = super::wait_for(Box::pin(demo))??;
    Ok(if passed { Answer::Yes } else { Answer::No })
}

/// The pipeline of `claviger run`, with the demo listening before the lake.
async fn pipeline(seat: Seat) -> Result<(), Failure> {
    let config = config_of(&seat)?;
    let pepper = crate::config::pepper(&config)?;
    let metrics = crate::telemetry::start(&config.telemetry)?;
    let interval = config.identity.refresh_interval_ms.duration();
    let (refresher, _findings) = Refresher::start(seat.identity, pepper.clone(), interval)?;
    let directory = Arc::clone(&refresher.subscribe().borrow());
    Box::pin(remember_a_past(&config, &pepper, seat.past, directory)).await?;
    let health = Arc::new(Health::new(LATE));
    health.directory_loaded();
    let access = Access::of(&config.serve, &pepper)?;
    let server = listen(Entrance::guarded(&config.serve, Arc::clone(&access))?, &health, &metrics)?;
    let open = |api: Api| {
        access.attach(api.lake.clone());
        server.open(api)?;
        // Nobody else says it.
        _ = seat.doors.set(Doors { dashboard: server.url(), psql: server.postgres_address().map(psql) });
        Ok(server)
    };
    let mut shutdown = seat.shutdown;
    let stop = async move {
        // A demo that has vanished ends the pipeline as well.
        _ = shutdown.wait_for(|end| *end).await;
    };
    let (consumed, verdicts, alarms) = (seat.consumed, seat.verdicts, seat.alarms);
    let watched = |sink| Watched::new(sink, consumed, verdicts);
    let hearing = |events| Hearing::new(events, alarms, now);
    Box::pin(serve(&config, pepper, refresher, health, open, watched, hearing, stop)).await
}

/// The configured port, or any other if that is taken.
fn listen(entrance: Entrance, health: &Arc<Health>, metrics: &PrometheusHandle) -> Result<Server, ServeError> {
    let start = |entrance| Server::start(entrance, Arc::clone(health), metrics.clone());
    match start(entrance.clone()) {
        Err(ServeError::Unusable { .. }) => start(Entrance { address: (entrance.address.ip(), 0).into(), ..entrance }),
        started => started,
    }
}

/// Writes what the company did before into its lake, where detection finds it as after any restart.
async fn remember_a_past(
    config: &Config,
    pepper: &Pepper,
    past: Past,
    directory: Arc<Directory>,
) -> Result<(), Failure> {
    let mut options = config.refine_options(pepper.clone());
    options.geography = crate::geography::load(&config.geography)?;
    let rows = tokio::task::spawn_blocking(move || past.rows(&mut Refiner::new(options), &directory)).await;
    let rows = rows.map_err(|_| DemoError::PastPanicked)?.map_err(|source| DemoError::NoPast { source })?;
    let lake = Lake::open(&config.lake.uri, &config.lake.pipeline, &Default::default()).await?;
    lake.record_past(1, rows).await?;
    Ok(())
}

fn now() -> Instant {
    chrono::Utc::now().timestamp_micros()
}

/// What an operator would write for it.
fn config_of(seat: &Seat) -> Result<Config, ConfigError> {
    let identity: Vec<String> = seat.identity.iter().map(|folder| folder.display().to_string()).collect();
    let written = serde_json::json!({
        "kafka": { "brokers": [seat.brokers], "topics": seat.topics },
        "decode": { "key_prefixes": [LIVE_PREFIX, TEST_PREFIX, AI_PREFIX] },
        "secrets": { "pepper_file": seat.pepper.display().to_string() },
        "identity": { "dirs": identity, "refresh_interval_ms": "250ms" },
        "lake": { "uri": seat.lake.display().to_string(), "commit_interval_ms": "1s", "maintenance_interval_ms": "10s" },
        // One refiner sees all requests of a client in order, and so what it is used to.
        "pipeline": { "refine_threads": 1 },
        "geography": { "networks": [seat.networks.display().to_string()] },
        // All clocks are one clock, and the past reaches back to a key that sleeps.
        "detect": { "lateness_ms": "2s", "memory_days": 90 },
        "serve": { "postgres_address": "127.0.0.1:0" },
        "telemetry": { "log_level": "error" },
    });
    let text = toml::to_string(&written).expect("texts and lists have a TOML form");
    Config::parse(&text, [])
}

/// `60s`, `5m`, `1h`, or a bare number of seconds.
fn parse_length(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or("");
    let seconds_per = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("write a number and s, m or h: 60s, 5m".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "write a number and s, m or h: 60s, 5m".to_owned())?;
    let seconds = count.saturating_mul(seconds_per);
    if (LENGTH_MIN..=7 * 86_400).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(format!("between {LENGTH_MIN} s, which the script needs, and a week"))
    }
}

/// Rows assumed of a terminal: the least that is common.
const TERMINAL_ROWS: usize = 24;
/// Below this, the pauses after changes of identity would be most of the run.
const LENGTH_MIN: u64 = 20;
/// Commits that are this late mean that the lake is stuck.
const LATE: Duration = Duration::from_secs(10);
