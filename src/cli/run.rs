//! `claviger run`: Kafka to the lake, until a signal stops it. All in one process, or a part of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::recording::Recording;
use super::serve::{Rooms, at_rest};
use super::service::serve;
use super::{Answer, Failure};
use crate::access::Access;
use crate::identity::{Refresher, Sources};
use crate::lake::Lake;
use crate::serve::api::Api;
use crate::serve::health::Health;
use crate::serve::{Entrance, Server};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger run --config claviger.toml
  CLAVIGER__KAFKA__OPTIONS__SASL_PASSWORD=... claviger run --config claviger.toml
  claviger run --config claviger.toml --role ingest    # as many as there are partitions, one configuration for all
  claviger run --config claviger.toml --role detect    # one; a second one stands by
  claviger run --config claviger.toml --role serve     # as many as there are readers

More than one process with role `all` in a group judges a key in parts: use the roles instead (docs/deploy/roles.md).
SIGTERM or SIGINT commits what was read and leaves the group. Liveness, readiness and metrics are at
/live, /ready and /metrics of `serve.address`; `serve.postgres_address` is for psql, drivers and Grafana. All options: claviger check-config --defaults")]
pub(super) struct RunArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What this process does of what a service does
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// With role `detect`, when the lake no longer holds what was to be judged: learn what it holds as past, and judge what
    /// comes from now on
    #[arg(long)]
    skip_unjudged: bool,
    /// A proxy before the service speaks TLS, so that others may reach it in the clear; they still need a token
    #[arg(long)]
    insecure_behind_proxy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything, in one process: findings within a second
    All,
    /// Kafka to the lake, and no more: no detection, no alerts, no API
    Ingest,
    /// Detection and alerts over the lake that ingesters fill, and the API; one process judges, others stand by
    Detect,
    /// The API and the dashboard over a lake that others fill
    Serve,
}

/// What the flag of the same name stands for.
const BEHIND_PROXY: (&str, &str) = ("CLAVIGER__SERVE__INSECURE_BEHIND_PROXY", "true");

/// A commit that is this many intervals late means that the lake is stuck.
const COMMITS_LATE: u32 = 6;

pub(super) fn run(arguments: &RunArguments) -> Result<Answer, Failure> {
    let flags: &[_] = if arguments.insecure_behind_proxy { &[BEHIND_PROXY] } else { &[] };
    let config = crate::config::load_with(&arguments.config, flags)?;
    let pepper = crate::config::pepper(&config)?;
    let metrics = crate::telemetry::start(&config.telemetry)?;

    let health = Arc::new(Health::new(config.lake.commit_interval_ms.duration() * COMMITS_LATE));
    let access = Access::of(&config.serve, &pepper)?;
    let entrance = Entrance::guarded(&config.serve, Arc::clone(&access))?;
    let server = Server::start(entrance, Arc::clone(&health), metrics)?;
    tracing::info!(url = %server.url(), version = env!("CARGO_PKG_VERSION"), "claviger runs");

    let folders = config.identity.dirs.iter().map(PathBuf::from).collect();
    let memory = (!config.identity.memory_dir.is_empty()).then(|| PathBuf::from(&config.identity.memory_dir));
    let interval = config.identity.refresh_interval_ms.duration();
    let (refresher, _findings) = Refresher::open(Sources { folders, pepper: pepper.clone(), memory, interval })?;
    health.directory_loaded();

    let runtime = super::runtime()?;
    let result = runtime.block_on(async {
        let stop = stop_signal();
        let open = |api: Api| {
            access.attach(api.lake.clone());
            server.open(api)?;
            Ok(server)
        };
        match arguments.role {
            Role::All => serve(&config, pepper, refresher, health, open, |sink| sink, |events| events, stop).await,
            Role::Ingest => super::ingest::ingest(&config, &pepper, refresher, health, stop).await,
            Role::Detect => {
                let skip_unjudged = arguments.skip_unjudged;
                super::judge::judge(config.clone(), pepper, refresher, health, open, skip_unjudged, stop).await
            }
            Role::Serve => {
                let lake = Lake::open(&config.lake.uri, &config.lake.pipeline, &Default::default()).await?;
                let recording = Recording::begin(&config, &lake).await?;
                let api = Rooms::of(&config, pepper).api(lake, refresher.subscribe(), &recording, None)?;
                let server = open(api)?;
                at_rest(refresher, &health, recording.exports.clone(), stop).await;
                recording.close(server, config.pipeline.shutdown_limit_ms).await
            }
        }
    });
    // A stage that did not end in time may still hold a thread: the process does not wait for it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.map(|()| Answer::Yes)
}

/// SIGTERM, as service managers send it, or SIGINT from a terminal. Listens from this call on, which is made within a
/// runtime, and not only once it is awaited: a signal during a long start ends in order too.
pub(super) fn stop_signal() -> impl Future<Output = ()> {
    let listen = |kind| signal(kind).inspect_err(|error| tracing::warn!(%error, "a signal cannot be listened for"));
    let (terminate, interrupt) = (listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
    let wait = async |signals: std::io::Result<Signal>| match signals {
        Ok(mut signals) => _ = signals.recv().await,
        Err(_) => std::future::pending::<()>().await,
    };
    async move {
        tokio::select! {
            () = wait(terminate) => {}
            () = wait(interrupt) => {}
        }
        tracing::info!("stopping: what was read is being committed");
    }
}
