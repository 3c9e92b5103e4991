//! What operators see of alerts: a struct an occurrence, whose `emit` writes the log line and the metrics.

use claviger_core::alert::{Desk, Happening, IncidentEvent, Outbox};
use claviger_core::fault::Fault;
use claviger_core::time;
use metrics::{counter, gauge};

/// An event of an incident was decided.
pub(super) struct Happened<'a> {
    pub(super) event: &'a IncidentEvent,
}

impl Happened<'_> {
    pub(super) fn emit(&self) {
        let IncidentEvent { incident, what, .. } = self.event;
        counter!("claviger_alert_events_total", "event" => what.name()).increment(1);
        match what {
            Happening::Opened(claim) => {
                tracing::info!(%incident, severity = claim.severity.name(), summary = claim.summary, "incident opened");
            }
            Happening::Reopened(claim) => tracing::info!(%incident, summary = claim.summary, "incident is back"),
            Happening::Resolved { .. } => tracing::info!(%incident, "incident resolved"),
            Happening::Suppressed { rule, .. } => tracing::debug!(%incident, rule, "finding suppressed"),
            Happening::Muted { rule } => tracing::info!(%incident, rule, "notice held back"),
            Happening::Failed { destination, reason, .. } => {
                tracing::warn!(%incident, destination, reason, "notice not delivered, it is tried again");
            }
            Happening::Dead { notice, destination, reason } => {
                tracing::error!(%incident, notice, destination, reason, "notice given up: nobody was told by this way");
            }
            Happening::Escalated { destination, to, .. } => {
                tracing::warn!(%incident, destination, to, "destination did not answer in time, another is told");
            }
            Happening::Grouped(_)
            | Happening::Acknowledged { .. }
            | Happening::Unacknowledged { .. }
            | Happening::Noted { .. }
            | Happening::Silenced { .. }
            | Happening::Feedback { .. }
            | Happening::Noticed { .. }
            | Happening::Delivered { .. } => {}
        }
    }
}

/// How many incidents there are, and how many notices wait.
pub(super) struct Standing<'a> {
    pub(super) desk: &'a Desk,
    pub(super) outbox: &'a Outbox,
    pub(super) rows: usize,
}

impl Standing<'_> {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point; 2^53 is beyond any of these")]
    pub(super) fn emit(&self) {
        let counts = self.desk.count_by_status();
        for status in ["open", "acknowledged", "resolved"] {
            let count = counts.get(status).copied().unwrap_or(0);
            gauge!("claviger_alert_incidents", "status" => status).set(count as f64);
        }
        let waiting: usize = self.outbox.waiting().map(|(_, waiting)| waiting).sum();
        gauge!("claviger_alert_waiting_notices").set(waiting as f64);
        gauge!("claviger_alert_waiting_rows").set(self.rows as f64);
    }
}

pub(super) struct CircuitOpened<'a> {
    pub(super) destination: &'a str,
    pub(super) until_us: i64,
}

impl CircuitOpened<'_> {
    pub(super) fn emit(&self) {
        counter!("claviger_alert_open_circuits_total").increment(1);
        let until = time::format(self.until_us);
        tracing::warn!(destination = self.destination, until, "destination does not answer: left alone for a while");
    }
}

pub(super) struct CircuitClosed<'a> {
    pub(super) destination: &'a str,
}

impl CircuitClosed<'_> {
    pub(super) fn emit(&self) {
        tracing::info!(destination = self.destination, "destination answers again");
    }
}

/// Rows could not be stored; they wait in memory.
pub(super) struct RowsNotStored<'a> {
    pub(super) error: &'a dyn Fault,
    pub(super) rows: usize,
}

impl RowsNotStored<'_> {
    pub(super) fn emit(&self) {
        counter!("claviger_alert_store_errors_total").increment(1);
        let (error, hint) = (self.error, self.error.hint());
        tracing::warn!(%error, hint, rows = self.rows, "incident events not stored: notices go out all the same");
    }
}
