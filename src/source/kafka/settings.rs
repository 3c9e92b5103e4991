//! What librdkafka is told. Its defaults are made for at-most-once: offsets stored and committed by
//! themselves, checksums unchecked, a lost position reset to the newest message.

use std::time::Duration;

use claviger_core::config::Kafka;
use rdkafka::ClientConfig;

/// What delivery rests on; the configuration refuses to override these.
const FIXED: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("isolation.level", "read_committed"),
    ("allow.auto.create.topics", "false"),
    // Together they show where a partition ends when its last offsets hold no message (see `core/intake.rs`).
    ("enable.partition.eof", "true"),
    ("statistics.interval.ms", "5000"),
];

/// What fits most, and `kafka.options` may override.
const USUAL: &[(&str, &str)] = &[
    ("max.poll.interval.ms", "300000"),
    ("fetch.queue.backoff.ms", "50"),
    ("queued.min.messages", "20000"),
    // For the whole consumer, since its partition queues are not split: the source's part of the memory budget.
    ("queued.max.messages.kbytes", "16384"),
];

/// Options of the classic group protocol; with `group.protocol=consumer` the broker decides both.
const CLASSIC: &[(&str, &str)] =
    &[("partition.assignment.strategy", "cooperative-sticky"), ("session.timeout.ms", SESSION_TIMEOUT_MS)];

const SESSION_TIMEOUT_MS: &str = "45000";

pub(super) fn client_config(kafka: &Kafka) -> ClientConfig {
    let mut client = ClientConfig::new();
    let mut set = |options: &[(&str, &str)]| options.iter().for_each(|&(name, value)| _ = client.set(name, value));
    set(USUAL);
    if kafka.options.get("group.protocol") != Some("consumer") {
        set(CLASSIC);
    }
    set(&kafka.options.reveal().collect::<Vec<_>>());
    set(FIXED);
    set(&[("bootstrap.servers", &kafka.brokers.join(",")), ("group.id", &kafka.group)]);
    if !kafka.instance_id.is_empty() {
        set(&[("group.instance.id", &kafka.instance_id)]);
    }
    client
}

/// How long a rebalance may wait for the pipeline before the group takes us for dead.
pub(super) fn drain_limit(kafka: &Kafka) -> Duration {
    let session = kafka.options.get("session.timeout.ms").unwrap_or(SESSION_TIMEOUT_MS);
    let session = session.parse().map_or(Duration::from_secs(10), Duration::from_millis);
    kafka.drain_limit_ms.duration().min(session / 2)
}
