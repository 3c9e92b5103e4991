//! What the sandbox tells log and metrics.

use std::time::Duration;

use datafusion::error::DataFusionError;
use metrics::{counter, gauge};

const FAILED: &str = "claviger_query_failed_queries_total";
const ENDED: &str = "claviger_query_ended_queries_total";
const STOPPED: &str = "claviger_query_stopped_queries_total";
const RUNNING: &str = "claviger_query_running_queries";

/// Gives the metrics their meaning.
pub(crate) fn describe() {
    metrics::describe_counter!(FAILED, "queries that failed while they ran");
    metrics::describe_counter!(ENDED, "queries that were started and are over");
    metrics::describe_counter!(STOPPED, "queries stopped because the process ran short of memory");
    metrics::describe_gauge!(RUNNING, "queries that are running");
}

/// The only place where an error of the engine is shown in full.
pub(super) struct Failed<'a> {
    pub(super) id: &'a str,
    pub(super) error: &'a DataFusionError,
}

impl Failed<'_> {
    pub(super) fn emit(&self) {
        counter!(FAILED).increment(1);
        tracing::info!(id = self.id, error = %self.error.strip_backtrace(), "a query failed");
    }
}

pub(super) struct Started;

impl Started {
    pub(super) fn emit() {
        gauge!(RUNNING).increment(1.0);
    }
}

pub(super) struct Ended {
    pub(super) rows: u64,
    pub(super) took: Duration,
}

impl Ended {
    pub(super) fn emit(&self) {
        gauge!(RUNNING).decrement(1.0);
        counter!(ENDED).increment(1);
        tracing::debug!(
            rows = self.rows,
            took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "query over"
        );
    }
}

pub(super) struct Stopped {
    pub(super) resident_bytes: u64,
    pub(super) limit_bytes: u64,
}

impl Stopped {
    pub(super) fn emit(&self) {
        counter!(STOPPED).increment(1);
        tracing::warn!(self.resident_bytes, self.limit_bytes, "the largest query is stopped: memory is short");
    }
}
