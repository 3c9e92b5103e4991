//! `claviger serve`: the API and the dashboard over a lake that somebody else fills, or nobody. Accesses are on record in
//! the lake as those of `claviger run` are.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use claviger_core::classify::ClassifyOptions;
use claviger_core::config::{Config, Millis, Serve, ServeLimits};
use claviger_core::identity::Directory;
use claviger_core::secret::Pepper;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::watch;

use super::known::Known;
use super::recording::Recording;
use super::run::stop_signal;
use super::{Answer, Failure};
use crate::access::Access;
use crate::diagnose::Diagnoser;
use crate::export::Exports;
use crate::identity::Refresher;
use crate::lake::Lake;
use crate::overview::{LiveBoard, Overviews};
use crate::query::Queries;
use crate::report::Reports;
use crate::serve::api::{Api, query_limits};
use crate::serve::health::Health;
use crate::serve::{Entrance, Server};

/// The API and the dashboard over a lake at rest
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger serve --lake ./lake --identity ./identity
  curl -s 'http://127.0.0.1:7070/v1/sql?q=select+cause,count(*)+from+events+group+by+1'
  claviger serve --lake ./lake --identity ./identity --postgres-address 127.0.0.1:5433
  psql -h 127.0.0.1 -p 5433 -U me claviger

Whoever is on this machine may do everything. For others, and for tokens and TLS: claviger run --role serve --config FILE")]
pub(super) struct ServeArguments {
    #[command(flatten)]
    known: Known,
    /// Where to listen, on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    address: SocketAddr,
    /// Where PostgreSQL clients connect, on loopback; nowhere without it
    #[arg(long, value_name = "ADDRESS")]
    postgres_address: Option<SocketAddr>,
    /// File of the key that signs the log of accesses; else the one beside the lake
    #[arg(long, value_name = "FILE", default_value = "")]
    signing_key: String,
    /// Folder of your own reports
    #[arg(long, value_name = "DIR", default_value = "")]
    reports: String,
}

pub(super) fn run(arguments: &ServeArguments) -> Result<Answer, Failure> {
    let pepper = arguments.known.pepper(false)?;
    let health = Arc::new(Health::new(Duration::MAX));
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let ServeArguments { address, postgres_address, .. } = *arguments;
    let config = Serve { address, postgres_address, ..Serve::default() };
    let access = Access::of(&config, &pepper)?;
    let server = Server::start(Entrance::guarded(&config, Arc::clone(&access))?, Arc::clone(&health), metrics)?;
    let (refresher, _findings) = Refresher::start(arguments.known.folders(), pepper.clone(), REFRESH_INTERVAL)?;
    let rooms =
        Rooms { limits: &config.limits, own_reports: &arguments.reports, classify: ClassifyOptions::default(), pepper };
    super::wait_for(async {
        let stop = stop_signal();
        let lake = arguments.known.lake().await?;
        access.attach(lake.clone());
        let recording = Recording::of(arguments.known.uri(), &arguments.signing_key, &lake).await?;
        server.open(rooms.api(lake, refresher.subscribe(), &recording, None)?)?;
        super::print(&told(&server))?;
        at_rest(refresher, &health, recording.exports.clone(), stop).await;
        recording.close(server, RECORD_WITHIN).await?;
        Ok(Answer::Yes)
    })?
}

/// Where it can be found.
fn told(server: &Server) -> String {
    let psql = server.postgres_address().map(|address| format!("{}\n", psql(address))).unwrap_or_default();
    format!("dashboard: {}\n{psql}", server.url())
}

/// The command that asks the PostgreSQL port of this machine.
pub(super) fn psql(address: SocketAddr) -> String {
    format!("psql: psql -h {} -p {} -U me claviger", address.ip(), address.port())
}

/// What a service does that reads no topic: it follows the identity directory until it is told to stop.
pub(super) async fn at_rest(
    refresher: Refresher,
    health: &Health,
    exports: Option<Exports>,
    stop: impl Future<Output = ()>,
) {
    health.directory_loaded();
    health.assigned(0);
    let export = async {
        match exports {
            Some(exports) => exports.work().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = refresher.run() => {}
        () = export => {}
        () = stop => {}
    }
}

/// What the rooms behind the API are made with.
pub(super) struct Rooms<'a> {
    limits: &'a ServeLimits,
    /// A folder; empty for none.
    own_reports: &'a str,
    classify: ClassifyOptions,
    pepper: Pepper,
}

impl<'a> Rooms<'a> {
    pub(super) fn of(config: &'a Config, pepper: Pepper) -> Self {
        let classify = config.refine_options(pepper.clone()).classify;
        Self { limits: &config.serve.limits, own_reports: &config.reports.dir, classify, pepper }
    }

    pub(super) fn api(
        self,
        lake: Lake,
        directory: watch::Receiver<Arc<Directory>>,
        recording: &Recording,
        board: Option<&Arc<LiveBoard>>,
    ) -> Result<Api, Failure> {
        let own_reports = (!self.own_reports.is_empty()).then(|| Path::new(self.own_reports));
        let queries = Queries::new(lake.clone(), query_limits(self.limits))?;
        let rooms = Api::over(&lake, &queries, Reports::load(own_reports)?, self.pepper, directory);
        Ok(Api {
            diagnoser: Diagnoser::new(lake, queries.clone(), self.classify),
            overviews: match board {
                Some(board) => Overviews::live(queries, Arc::clone(board)),
                None => Overviews::at_rest(queries),
            },
            audit: Some(recording.audit.clone()),
            exports: recording.exports.clone(),
            ..rooms
        })
    }
}

/// Until the end of the log is on record.
const RECORD_WITHIN: Millis = Millis(10_000);
/// As often as the service looks, unless it is told otherwise.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);
