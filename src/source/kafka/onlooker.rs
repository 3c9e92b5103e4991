//! Questions to the broker from a process that reads no partition, or has a question beside its reading.
//!
//! Blocking: for threads that may wait. Joins no group.

use std::time::Duration;

use claviger_core::config::Kafka;
use claviger_core::offsets::{Offset, Stream};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::{SourceError, settings};

/// Longer than an answer of a broker that lives takes.
const LIMIT: Duration = Duration::from_secs(5);

/// A client that only asks.
pub struct Onlooker {
    client: BaseConsumer,
    group: String,
    topics: Vec<String>,
}

impl Onlooker {
    /// # Errors
    /// The options make no client.
    pub fn new(kafka: &Kafka) -> Result<Self, SourceError> {
        let mut config = settings::client_config(kafka);
        // A static member's name is for the one that reads.
        config.remove("group.instance.id");
        // Nobody would take the figures away.
        config.set("statistics.interval.ms", "0");
        // A broker that is away is the source's to report; here it is an answer that does not come.
        config.set_log_level(RDKafkaLogLevel::Critical);
        let client = config.create().map_err(|error| SourceError::Options { reason: error.to_string() })?;
        Ok(Self { client, group: kafka.group.clone(), topics: kafka.topics.clone() })
    }

    /// Whether a stream is one of this broker's that somebody is to read.
    #[must_use]
    pub fn reads(&self, stream: &Stream) -> bool {
        self.topics.iter().any(|topic| **topic == *stream.topic)
    }

    /// The next offset that the broker will give a message of a stream.
    ///
    /// # Errors
    /// The broker does not say.
    pub fn end(&self, stream: &Stream) -> Result<Offset, SourceError> {
        let answer = self.client.fetch_watermarks(&stream.topic, stream.partition, LIMIT);
        self.hear();
        let (_, end) = answer.map_err(|source| SourceError::Watermarks { stream: stream.clone(), source })?;
        Ok(Offset(end))
    }

    /// What the client has to say waits until it is asked for: errors, of which the answers tell as well.
    fn hear(&self) {
        while let Some(said) = self.client.poll(Duration::ZERO) {
            drop(said);
        }
    }

    /// How many processes share the group's partitions; `None` when the broker does not say.
    #[must_use]
    pub fn members(&self) -> Option<usize> {
        let groups = self.client.fetch_group_list(Some(&self.group), LIMIT).ok();
        self.hear();
        let groups = groups?;
        groups.groups().iter().find(|group| group.name() == self.group).map(|group| group.members().len())
    }
}

impl std::fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Onlooker").field("group", &self.group).finish_non_exhaustive()
    }
}
