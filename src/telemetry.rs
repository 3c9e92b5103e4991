//! Log and metric set-up: lines on standard error, counters for `/metrics`.
//!
//! Promises that one event is one line whatever its fields hold (control characters are escaped), and that a
//! line repeated from one place of the code is printed at most [`limit::BURST`] times in [`limit::WINDOW`];
//! the next one printed says how many were left out. What is worth saying is decided in `signals`.

mod limit;
mod line;

use std::io::IsTerminal as _;

use claviger_core::config::{LogFormat, Telemetry};
use claviger_core::fault::{Blame, Fault};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

pub use limit::{BURST, Limiter, WINDOW};

/// Starts logging to standard error and counting, for the whole process.
///
/// # Errors
/// The level is none, or telemetry runs already.
pub fn start(config: &Telemetry) -> Result<PrometheusHandle, TelemetryError> {
    let subscriber = subscriber(config, std::io::stderr, std::io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Running)?;
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Running)?;
    crate::signals::describe();
    crate::query::signals::describe();
    Ok(handle)
}

/// The log as `start` sets it up, written to `writer`.
///
/// # Errors
/// The level is none.
pub fn subscriber<W>(config: &Telemetry, writer: W, colours: bool) -> Result<impl Subscriber + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.log_level)
        .map_err(|source| TelemetryError::Level { level: config.log_level.clone(), source })?;
    let json = config.log_format == LogFormat::Json;
    Ok(tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours && !json)
        .event_format(line::Line::new(config.log_format))
        .with_writer(writer)
        .finish())
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("`{level}` is no log level or filter")]
    Level { level: String, source: tracing_subscriber::filter::ParseError },
    #[error("telemetry was started twice in one process")]
    Running,
}

impl Fault for TelemetryError {
    fn hint(&self) -> String {
        match self {
            Self::Level { .. } => {
                "write `telemetry.log_level` as \"info\" or \"info,claviger::source=debug\"".to_owned()
            }
            Self::Running => "please report this".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Level { .. } => Blame::Operator,
            Self::Running => Blame::Bug,
        }
    }
}
