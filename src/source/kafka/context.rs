//! The callbacks of librdkafka. They run inside `poll`, on the source's thread, and nowhere else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::offsets::Offset;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::reader::Reader;

pub(super) type Consumer = BaseConsumer<Context>;

/// Shares the reader between the loop and the callbacks. One thread takes this lock, so it is never waited
/// for; the loop must not hold it while it polls.
pub(super) struct Context(pub(super) Arc<Mutex<Reader>>);

impl Context {
    fn reader(&self) -> MutexGuard<'_, Reader> {
        lock(&self.0)
    }
}

pub(super) fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        self.reader().callbacks += 1;
        match level {
            Emerg | Alert | Critical | Error => tracing::error!(target: "librdkafka", facility, "{message}"),
            Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            Notice | Info => tracing::info!(target: "librdkafka", facility, "{message}"),
            Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        let mut reader = self.reader();
        reader.callbacks += 1;
        for (topic, held) in &statistics.topics {
            for (&number, partition) in &held.partitions {
                // An end counts only where fetching has arrived at it and nothing lies beyond.
                let end = partition.eof_offset;
                let certain = end >= 0
                    && partition.fetch_state == "active"
                    && end == partition.next_offset
                    && end == partition.ls_offset;
                reader.intake.reported_end(topic, number, certain.then_some(Offset(end)));
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut reader = self.reader();
        reader.callbacks += 1;
        if let Some(code @ (RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)) = error.rdkafka_error_code() {
            reader.refusal = Some((code, reason.to_owned()));
        }
        // Errors of a consumer are also the answer of `poll`, which the loop looks at.
        tracing::debug!(target: "librdkafka", %error, reason, "error event");
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &Consumer, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let mut reader = self.reader();
        reader.callbacks += 1;
        let result = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => reader.assign(consumer, partitions),
            _ if consumer.assignment_lost() => reader.lose(consumer, partitions),
            _ => reader.revoke(consumer, partitions),
        };
        if let Err(error) = result {
            reader.failure.get_or_insert(error);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.reader().callbacks += 1;
        if let Err(error) = result {
            // Only lag dashboards read these offsets, and the next commit writes them again.
            tracing::debug!(%error, "kafka did not take the offsets");
        }
    }
}
