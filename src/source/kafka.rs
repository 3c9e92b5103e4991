//! Kafka: a `BaseConsumer` on one thread of its own, frames copied out into batches.
//!
//! Promises: reading begins where the lake ends; every message of an assigned partition comes once and in
//! order, tombstones as empty frames; offsets without a message (transaction markers) are passed over in the
//! spans; partitions are given away only after the pipeline has drained them or a deadline has passed; a
//! full pipeline pauses the broker and not the group membership. Kafka's own committed offsets are written
//! as a courtesy to lag dashboards and never read.
//!
//! The thread polls, and librdkafka's callbacks run inside that poll ([`context`]): neither may ever run on an
//! async worker. `BaseConsumer` and not `StreamConsumer`, which builds a stream and takes a lock a message.

mod context;
mod onlooker;
mod reader;
mod settings;
mod thread;

use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::JoinHandle;

use claviger_core::config::Kafka;
use claviger_core::fault::{Blame, Fault, Retry};
use claviger_core::offsets::Stream;
use rdkafka::error::KafkaError;
use tokio::sync::mpsc;

pub use onlooker::Onlooker;

use super::{Positions, PositionsError, Reaction, SourceEvent, Stop};

/// A running source.
#[derive(Debug)]
pub struct KafkaSource {
    thread: JoinHandle<Result<(), SourceError>>,
    stop: Stop,
}

impl KafkaSource {
    /// Starts the thread. What goes wrong from here on is the answer of [`KafkaSource::join`].
    ///
    /// `reactions` is unbounded because there is one a commit, and the pipeline must never wait for the source
    /// while the source waits for the pipeline. Its closing says that no commit will follow.
    ///
    /// # Errors
    /// The options make no client, or there is no thread to be had.
    pub fn start(
        config: &Kafka,
        positions: Arc<dyn Positions>,
        events: mpsc::Sender<SourceEvent>,
        reactions: std_mpsc::Receiver<Reaction>,
    ) -> Result<Self, SourceError> {
        let stop = Stop::default();
        let reading = thread::Reading::new(config, positions, events, reactions, stop.clone())?;
        let thread = std::thread::Builder::new()
            .name("kafka".to_owned())
            .spawn(move || reading.run())
            .map_err(|source| SourceError::NoThread { source })?;
        Ok(Self { thread, stop })
    }

    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits for the thread: blocking, and only sensible once it was asked to stop or has ended.
    ///
    /// # Errors
    /// What ended it.
    pub fn join(self) -> Result<(), SourceError> {
        self.thread.join().unwrap_or(Err(SourceError::Panicked))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the kafka options make no client: {reason}")]
    Options { reason: String },
    #[error("no kafka broker answers at {brokers}")]
    Unreachable { brokers: String },
    #[error("no connection to kafka at {brokers}: {reason}")]
    Refused { brokers: String, reason: String },
    #[error("cannot subscribe to {topics}")]
    Subscription { topics: String, source: KafkaError },
    #[error("cannot learn what {stream} holds")]
    Watermarks { stream: Stream, source: KafkaError },
    #[error("cannot begin reading")]
    Positions { source: PositionsError },
    #[error("cannot {what} partitions")]
    Assignment { what: &'static str, source: KafkaError },
    #[error("the kafka client gave up: {reason}")]
    Fatal { reason: String },
    #[error("no thread for the kafka client")]
    NoThread { source: std::io::Error },
    #[error("the kafka thread panicked")]
    Panicked,
}

impl Fault for SourceError {
    fn hint(&self) -> String {
        match self {
            Self::Options { .. } => "compare `kafka.options` with librdkafka's CONFIGURATION.md".to_owned(),
            Self::Unreachable { .. } => "check `kafka.brokers`, the network, and `security.protocol`".to_owned(),
            Self::Refused { .. } => {
                "check `security.protocol`, `sasl.mechanism`, `sasl.username`, `sasl.password` and \
                                     `ssl.ca.location` in `kafka.options`"
                    .to_owned()
            }
            Self::Subscription { .. } => "check `kafka.topics`".to_owned(),
            Self::Watermarks { .. } => {
                "check that the partition has a leader and that the user may describe it".to_owned()
            }
            Self::Positions { .. } => "check that `lake.uri` can be read; nothing is lost meanwhile".to_owned(),
            Self::Assignment { .. } => "start again: reading resumes where the lake ends".to_owned(),
            Self::Fatal { .. } => "start again: reading resumes where the lake ends. If it says fenced, two processes \
                                   share one `kafka.instance_id`"
                .to_owned(),
            Self::NoThread { .. } => "raise the limit of threads or memory".to_owned(),
            Self::Panicked => "please report this with the lines above".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Options { .. } | Self::Refused { .. } => Blame::Operator,
            Self::Unreachable { .. }
            | Self::Subscription { .. }
            | Self::Watermarks { .. }
            | Self::Positions { .. }
            | Self::Assignment { .. }
            | Self::Fatal { .. }
            | Self::NoThread { .. } => Blame::Environment,
            Self::Panicked => Blame::Bug,
        }
    }

    fn retry(&self) -> Retry {
        match self.blame() {
            Blame::Environment => Retry::WithBackoff,
            Blame::Operator | Blame::Data | Blame::Bug => Retry::Never,
        }
    }
}
