//! Every occurrence worth seeing: a struct whose `emit` writes the log line and the metric together.
//!
//! Emitted a batch or an occurrence, never a row. Metrics are named `claviger_<room>_<noun>_<unit>_total`;
//! labels come from enums only, so their number is fixed. Levels: `error` is lost data or a stop, `warn`
//! heals by itself, `info` is rare.

use std::time::Duration;

use claviger_core::detect::{Finding, WatchStats};
use claviger_core::fault::Fault;
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::Counts;
use metrics::{counter, gauge};

macro_rules! metrics {
    ($($constant:ident $name:literal $help:literal)*) => {
        $(const $constant: &str = $name;)*

        /// Gives every metric its meaning. Once, before the first is counted.
        pub(crate) fn describe() {
            $(metrics::describe_counter!($name, $help);)*
            metrics::describe_gauge!(PARTITIONS, "partitions that this process reads");
            metrics::describe_gauge!(PAUSED, "1 while reading is paused because the pipeline is full");
            metrics::describe_gauge!(WATCHED_ENTITIES, "keys, sources, tenants, routes and gateways under watch");
            metrics::describe_gauge!(WATCHED_BYTES, "memory of the detection engine, bytes");
            metrics::describe_gauge!(JUDGES, "1 in the process that judges the lake, 0 in one that stands by");
            metrics::describe_gauge!(BEHIND_VERSIONS, "commits of the lake that wait to be judged");
            metrics::describe_gauge!(BEHIND_SECONDS, "age of the last judged commit while others wait, else 0");
            metrics::describe_gauge!(EVENT_TIME, "how far event time has come, seconds since 1970");
        }
    };
}

const PARTITIONS: &str = "claviger_source_assigned_partitions";
const PAUSED: &str = "claviger_source_paused";
const WATCHED_ENTITIES: &str = "claviger_detect_watched_entities";
const WATCHED_BYTES: &str = "claviger_detect_state_bytes";
const JUDGES: &str = "claviger_detect_judges";
const BEHIND_VERSIONS: &str = "claviger_detect_behind_versions";
const BEHIND_SECONDS: &str = "claviger_detect_behind_seconds";
const EVENT_TIME: &str = "claviger_detect_event_time_seconds";

metrics! {
    READ_FRAMES "claviger_source_read_frames_total" "frames read from Kafka"
    READ_BYTES "claviger_source_read_bytes_total" "payload bytes read from Kafka"
    BACKWARDS "claviger_source_backwards_frames_total" "frames left out because their offset was read before"
    GAP_OFFSETS "claviger_source_gap_offsets_total" "offsets that the broker no longer had"
    REFUSED "claviger_source_refused_partitions_total" "partitions refused because the lake is ahead of the broker"
    COMMITS "claviger_lake_commits_total" "commits after which every table held what had been read for them"
    HISTORY_ERRORS "claviger_lake_history_errors_total" "changes of identity that could not be stored at once"
    HALTS "claviger_lake_halted_streams_total" "streams stopped at a hole that nobody declared"
    LATE_DRAINS "claviger_source_late_drains_total" "rebalances that did not wait for the pipeline to the end"
    PAUSES "claviger_source_pauses_total" "times reading was paused because the pipeline was full"
    CLIENT_ERRORS "claviger_source_client_errors_total" "errors reported by the Kafka client"
    REFINED_FRAMES "claviger_refine_in_frames_total" "frames decoded"
    REFINED_EVENTS "claviger_refine_out_events_total" "events that frames became"
    REFINED_REJECTS "claviger_refine_rejected_frames_total" "frames, or parts of them, that no decoder could read"
    DENIED_EVENTS "claviger_refine_denied_events_total" "events of refused requests"
    FINDINGS "claviger_detect_findings_total" "claims of detectors"
    LATE_ROWS "claviger_detect_late_rows_total" "rows of minutes that were closed already"
    UNWATCHED "claviger_detect_unwatched_minutes_total" "minutes of entities that were not watched: there were too many"
    SUPPRESSED "claviger_detect_suppressed_findings_total" "claims about allowed entities, counted and not told"
    LAKE_AWAY "claviger_detect_lake_errors_total" "times the lake could not be followed at once"
    AUDIT_RECORDS "claviger_audit_records_total" "accesses put on record"
    AUDIT_LOST "claviger_audit_lost_records_total" "accesses that could not be put on record: alert on any"
    AUDIT_FAILURES "claviger_audit_failures_total" "commits and digests of the audit log that failed: alert when it grows"
    FAILED_REQUESTS "claviger_serve_failed_requests_total" "HTTP requests that failed for reasons of ours"
    ACCESS_REFUSED "claviger_access_refused_requests_total" "requests whose proof of who sent them did not hold"
    FAILED_EXPORTS "claviger_export_failed_exports_total" "exports asked for over HTTP that came to nothing"
    LEFT_OUT_LINES "claviger_telemetry_left_out_lines_total" "log lines left out because they repeated themselves"
}

/// Somebody showed a proof that does not hold. What was shown is in no line.
pub(crate) struct AccessRefused<'a> {
    pub(crate) from: std::net::IpAddr,
    pub(crate) error: &'a dyn Fault,
}

impl AccessRefused<'_> {
    pub(crate) fn emit(&self) {
        counter!(ACCESS_REFUSED).increment(1);
        let Self { from, error } = self;
        tracing::warn!(%from, %error, "somebody is not let in");
    }
}

/// A batch left the source.
pub(crate) struct BatchRead {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

impl BatchRead {
    pub(crate) fn emit(&self) {
        counter!(READ_FRAMES).increment(self.frames as u64);
        counter!(READ_BYTES).increment(self.bytes as u64);
    }
}

pub(crate) struct Assigned<'a> {
    pub(crate) starts: &'a [(Stream, Offset)],
    pub(crate) held: usize,
}

impl Assigned<'_> {
    pub(crate) fn emit(&self) {
        gauge!(PARTITIONS).set(count(self.held));
        tracing::info!(added = %List(self.starts), partitions = self.held, "partitions assigned");
    }
}

/// Partitions went to another member of the group.
pub(crate) struct Unassigned {
    pub(crate) partitions: usize,
    pub(crate) held: usize,
    pub(crate) lost: bool,
}

impl Unassigned {
    pub(crate) fn emit(&self) {
        gauge!(PARTITIONS).set(count(self.held));
        let Self { partitions, held, lost } = *self;
        if lost {
            tracing::warn!(
                removed = partitions,
                partitions = held,
                "partitions lost: what was read of them is dropped"
            );
        } else {
            tracing::info!(removed = partitions, partitions = held, "partitions handed over");
        }
    }
}

pub(crate) struct LateDrain {
    pub(crate) partitions: usize,
    pub(crate) waited: Duration,
}

impl LateDrain {
    pub(crate) fn emit(&self) {
        counter!(LATE_DRAINS).increment(1);
        let waited_ms = millis(self.waited);
        tracing::warn!(self.partitions, waited_ms, "a rebalance did not wait longer: the next owner reads again");
    }
}

/// Offsets that can never be read.
pub(crate) struct Gap<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
}

impl Gap<'_> {
    pub(crate) fn emit(&self) {
        let offsets = self.to.0 - self.from.0;
        counter!(GAP_OFFSETS).increment(u64::try_from(offsets).unwrap_or(0));
        tracing::error!(stream = %self.stream, from = self.from.0, to = self.to.0, offsets,
            "the broker dropped offsets before they were read: raise the topic's retention");
    }
}

pub(crate) struct Refused<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) position: Offset,
    pub(crate) high: Offset,
}

impl Refused<'_> {
    pub(crate) fn emit(&self) {
        counter!(REFUSED).increment(1);
        tracing::error!(stream = %self.stream, position = self.position.0, high = self.high.0,
            "partition refused: the lake is ahead of the broker, so the topic was re-created or lost its tail; \
             use another `lake.pipeline` for the new topic");
    }
}

/// Rows are in the lake. One a commit interval, so it is a debug line.
pub(crate) struct Committed<'a> {
    pub(crate) reached: &'a [(Stream, Offset)],
}

impl Committed<'_> {
    pub(crate) fn emit(&self) {
        counter!(COMMITS).increment(1);
        tracing::debug!(reached = %List(self.reached), "rows committed");
    }
}

/// The lake was offered offsets behind a hole that nobody declared.
pub(crate) struct Halted<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) expected: Offset,
    pub(crate) offered: Offset,
}

impl Halted<'_> {
    pub(crate) fn emit(&self) {
        counter!(HALTS).increment(1);
        tracing::error!(stream = %self.stream, expected = self.expected.0, offered = self.offered.0,
            "stream stopped: offsets are missing that nobody declared lost; please report this");
    }
}

/// The client delivered an offset again.
pub(crate) struct Backwards<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) expected: Offset,
}

impl Backwards<'_> {
    pub(crate) fn emit(&self) {
        counter!(BACKWARDS).increment(1);
        tracing::debug!(self.topic, self.partition, self.offset, expected = self.expected.0, "frame came again");
    }
}

pub(crate) struct Paused;

impl Paused {
    pub(crate) fn emit(&self) {
        counter!(PAUSES).increment(1);
        gauge!(PAUSED).set(1.0);
        tracing::warn!("reading paused: the pipeline is full");
    }
}

pub(crate) struct Resumed {
    pub(crate) paused_for: Duration,
}

impl Resumed {
    pub(crate) fn emit(&self) {
        gauge!(PAUSED).set(0.0);
        tracing::info!(paused_ms = millis(self.paused_for), "reading resumed");
    }
}

pub(crate) struct Sought<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) offset: Offset,
}

impl Sought<'_> {
    pub(crate) fn emit(&self) {
        tracing::warn!(stream = %self.stream, offset = self.offset.0, "reading again from where the lake ends");
    }
}

/// Something the Kafka client says about itself.
pub(crate) struct ClientError<'a> {
    pub(crate) error: &'a dyn std::fmt::Display,
}

impl ClientError<'_> {
    pub(crate) fn emit(&self) {
        counter!(CLIENT_ERRORS).increment(1);
        tracing::warn!(error = %self.error, "the kafka client reports an error");
    }
}

/// Closing the client did not come to an end.
pub(crate) struct CloseHangs {
    pub(crate) waited: Duration,
}

impl CloseHangs {
    pub(crate) fn emit(&self) {
        tracing::warn!(
            waited_ms = millis(self.waited),
            "the kafka client does not close: leaving it to the process's end"
        );
    }
}

/// A batch was decoded, identified and classified.
pub(crate) struct BatchRefined(pub(crate) Counts);

impl BatchRefined {
    pub(crate) fn emit(&self) {
        counter!(REFINED_FRAMES).increment(self.0.frames);
        counter!(REFINED_EVENTS).increment(self.0.events);
        counter!(REFINED_REJECTS).increment(self.0.rejects);
        counter!(DENIED_EVENTS).increment(self.0.denied);
    }
}

/// A log line was left out. Counted only: saying so would be another line.
pub(crate) struct LineLeftOut;

impl LineLeftOut {
    pub(crate) fn emit(&self) {
        counter!(LEFT_OUT_LINES).increment(1);
    }
}

/// Stages that did not finish in time.
pub(crate) struct ShutdownOverdue<'a> {
    pub(crate) running: &'a [&'static str],
    pub(crate) waited: Duration,
}

impl ShutdownOverdue<'_> {
    pub(crate) fn emit(&self) {
        let waited_ms = millis(self.waited);
        tracing::error!(running = self.running.join(", "), waited_ms, "ending without waiting for these stages");
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Gauges are floating-point: exact for any number of partitions there can be.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// The first few of a list of streams, and how many more there are.
struct List<'a>(&'a [(Stream, Offset)]);

impl std::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 8;
        for (number, (stream, offset)) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{stream}@{}", if number == 0 { "" } else { " " }, offset.0)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Changes of identity could not be stored; the next change tries again.
pub(crate) struct HistoryNotStored<'a> {
    pub(crate) error: &'a dyn Fault,
}

impl HistoryNotStored<'_> {
    pub(crate) fn emit(&self) {
        counter!(HISTORY_ERRORS).increment(1);
        let (error, hint) = (self.error, self.error.hint());
        tracing::warn!(%error, hint, "changes of identity not stored in the lake");
    }
}

/// What detectors claim.
pub(crate) struct Found<'a> {
    pub(crate) findings: &'a [Finding],
}

impl Found<'_> {
    pub(crate) fn emit(&self) {
        for finding in self.findings {
            let (detector, severity) = (finding.detector.name(), finding.severity.name());
            counter!(FINDINGS, "detector" => detector, "severity" => severity).increment(1);
            tracing::debug!(detector, severity, entity = %finding.entity, id = %finding.id(), "{}", finding.summary);
        }
    }
}

/// What the detection engine holds.
pub(crate) struct Watched {
    pub(crate) stats: WatchStats,
    pub(crate) watermark_us: Option<i64>,
}

impl Watched {
    pub(crate) fn emit(&self) {
        let stats = &self.stats;
        gauge!(WATCHED_ENTITIES).set(count(stats.entities));
        gauge!(WATCHED_BYTES).set(count(stats.state_bytes));
        counter!(LATE_ROWS).absolute(stats.late_rows);
        counter!(UNWATCHED).absolute(stats.dropped_entities);
        counter!(SUPPRESSED).absolute(stats.suppressed);
        if let Some(watermark_us) = self.watermark_us {
            gauge!(EVENT_TIME).set(std::time::Duration::from_micros(watermark_us.unsigned_abs()).as_secs_f64());
        }
    }
}

/// This process judges from now on.
pub(crate) struct SeatTaken {
    pub(crate) waited: Duration,
}

impl SeatTaken {
    pub(crate) fn emit(&self) {
        gauge!(JUDGES).set(1.0);
        tracing::info!(waited_ms = millis(self.waited), "this process judges the lake");
    }
}

/// Another process judges.
pub(crate) struct StandsBy {
    pub(crate) patience: Duration,
}

impl StandsBy {
    pub(crate) fn emit(&self) {
        gauge!(JUDGES).set(0.0);
        let patience_ms = millis(self.patience);
        tracing::info!(patience_ms, "another process judges the lake: standing by, to take over when it is gone");
    }
}

/// The lake does not answer. Said at each try, and repeated lines are left out.
pub(crate) struct LakeAway<'a> {
    pub(crate) error: &'a dyn Fault,
}

impl LakeAway<'_> {
    pub(crate) fn emit(&self) {
        counter!(LAKE_AWAY).increment(1);
        let (error, hint) = (self.error, self.error.hint());
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(%error, reason, hint, "detection waits for the lake; nothing is lost");
    }
}

/// How far detection is behind the lake.
pub(crate) struct Behind {
    pub(crate) versions: u64,
    pub(crate) since_us: i64,
}

impl Behind {
    pub(crate) fn emit(&self) {
        gauge!(BEHIND_VERSIONS).set(count(usize::try_from(self.versions).unwrap_or(usize::MAX)));
        gauge!(BEHIND_SECONDS).set(Duration::from_micros(self.since_us.max(0).unsigned_abs()).as_secs_f64());
    }
}

/// Several processes detect, each in its own partitions.
pub(crate) struct JudgedInParts {
    pub(crate) members: usize,
}

impl JudgedInParts {
    pub(crate) fn emit(&self) {
        tracing::warn!(
            members = self.members,
            "each process of the group judges only the traffic of its own partitions: a key whose traffic is spread over \
             them is judged in parts. Run them with `--role ingest`, and one more with `--role detect`"
        );
    }
}

/// Accesses are in the table `audit`.
pub(crate) struct AccessesRecorded {
    pub(crate) records: u64,
}

impl AccessesRecorded {
    pub(crate) fn emit(&self) {
        counter!(AUDIT_RECORDS).increment(self.records);
    }
}

/// The audit log had no room. It says so itself once it has.
pub(crate) struct AccessUnrecorded {
    pub(crate) accesses: u64,
}

impl AccessUnrecorded {
    pub(crate) fn emit(&self) {
        counter!(AUDIT_LOST).increment(self.accesses);
        tracing::error!(accesses = self.accesses, "accesses are not on record");
    }
}

/// A commit or a digest of the audit log failed.
pub(crate) struct AuditFailed<'a, F: Fault> {
    pub(crate) error: &'a F,
}

impl<F: Fault> AuditFailed<'_, F> {
    pub(crate) fn emit(&self) {
        counter!(AUDIT_FAILURES).increment(1);
        let reason = self.error.source().map(ToString::to_string).unwrap_or_default();
        tracing::error!(error = %self.error, %reason, hint = self.error.hint(), "the audit log does not keep up");
    }
}

/// A request could not be answered, for reasons that its client is not told.
pub(crate) struct RequestFailed<'a> {
    pub(crate) id: &'a str,
    pub(crate) fault: &'a dyn Fault,
}

impl RequestFailed<'_> {
    pub(crate) fn emit(&self) {
        counter!(FAILED_REQUESTS).increment(1);
        let (id, error, hint) = (self.id, self.fault, self.fault.hint());
        let reasons: Vec<String> =
            std::iter::successors(error.source(), |reason| reason.source()).map(ToString::to_string).collect();
        tracing::warn!(id, %error, reasons = reasons.join(": "), hint, "a request could not be answered");
    }
}

/// An endpoint panicked.
pub(crate) struct RequestPanicked<'a> {
    pub(crate) id: &'a str,
    pub(crate) said: &'a str,
}

impl RequestPanicked<'_> {
    pub(crate) fn emit(&self) {
        counter!(FAILED_REQUESTS).increment(1);
        let (id, said) = (self.id, self.said);
        tracing::error!(id, said, "an endpoint panicked");
    }
}

/// An export that was asked for over HTTP came to nothing.
pub(crate) struct ExportFailed<'a, F: Fault> {
    pub(crate) id: &'a str,
    pub(crate) error: &'a F,
}

impl<F: Fault> ExportFailed<'_, F> {
    pub(crate) fn emit(&self) {
        counter!(FAILED_EXPORTS).increment(1);
        let reason = self.error.source().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(id = self.id, error = %self.error, %reason, hint = self.error.hint(), "an export failed");
    }
}
