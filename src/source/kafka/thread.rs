//! The loop of the source's thread: poll, take, seal, send; pause when the pipeline is full; leave in order.

use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use chrono::Utc;
use claviger_core::config::Kafka;
use claviger_core::offsets::{Offset, Stream};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as Place, TopicPartitionList};
use tokio::sync::mpsc;

use super::context::{Consumer, Context, lock};
use super::reader::{NAP, Reader};
use super::{Positions, Reaction, SourceError, SourceEvent, Stop, settings};
use crate::signals;

/// How long a broker may take to answer for the first time.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// Messages between two looks at everything else. 256 take well under a millisecond.
const STRIDE: usize = 256;
/// Short enough to seal a batch in time, and to see a stop soon.
const POLL: Duration = Duration::from_millis(10);
/// A full pipeline is common and short: waiting costs nothing. Pausing throws the client's queue away, so it is
/// kept for a pipeline that is stuck; polling on then keeps the group membership.
const PATIENCE: Duration = Duration::from_millis(500);
/// `BaseConsumer` may hang when it is dropped (rust-rdkafka#453, #509), above all without a coordinator.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Reading {
    consumer: Consumer,
    reader: Arc<Mutex<Reader>>,
    reactions: std_mpsc::Receiver<Reaction>,
    stop: Stop,
    brokers: String,
    topics: Vec<String>,
    full_since: Option<Instant>,
    paused_since: Option<Instant>,
}

impl Reading {
    pub(super) fn new(
        config: &Kafka,
        positions: Arc<dyn Positions>,
        events: mpsc::Sender<SourceEvent>,
        reactions: std_mpsc::Receiver<Reaction>,
        stop: Stop,
    ) -> Result<Self, SourceError> {
        let reader = Reader::new(events, positions, config.start, settings::drain_limit(config));
        let reader = Arc::new(Mutex::new(reader));
        let consumer = settings::client_config(config)
            .create_with_context(Context(Arc::clone(&reader)))
            .map_err(|error| SourceError::Options { reason: without_value(error) })?;
        let (brokers, topics) = (config.brokers.join(","), config.topics.clone());
        Ok(Self { consumer, reader, reactions, stop, brokers, topics, full_since: None, paused_since: None })
    }

    pub(super) fn run(mut self) -> Result<(), SourceError> {
        let result = self.join_group().and_then(|()| self.read());
        if result.is_ok() {
            lock(&self.reader).say(SourceEvent::Ended);
        }
        self.leave();
        result
    }

    fn join_group(&mut self) -> Result<(), SourceError> {
        let began = Instant::now();
        let cluster = loop {
            if let Some(cluster) = self.consumer.client().fetch_cluster_id(Duration::from_secs(1)) {
                break cluster;
            }
            if self.stop.asked() {
                return Ok(());
            }
            self.judge_connecting(began.elapsed())?;
            // Serves the callbacks, through which the client says why it cannot connect.
            if let Some(Err(error)) = self.consumer.poll(NAP) {
                self.judge(&error)?;
            }
        };
        lock(&self.reader).cluster = cluster.into();
        let topics = self.topics.iter().map(String::as_str).collect::<Vec<_>>();
        self.consumer
            .subscribe(&topics)
            .map_err(|source| SourceError::Subscription { topics: topics.join(", "), source })
    }

    /// A wrong password is final. A handshake also breaks with the network, so certificates are judged at the limit.
    fn judge_connecting(&self, waited: Duration) -> Result<(), SourceError> {
        let (refusal, brokers) = (lock(&self.reader).refusal.clone(), self.brokers.clone());
        let out_of_time = waited > CONNECT_LIMIT;
        match refusal {
            Some((code, reason)) if out_of_time || code == RDKafkaErrorCode::Authentication => {
                Err(SourceError::Refused { brokers, reason })
            }
            None if out_of_time => Err(SourceError::Unreachable { brokers }),
            _ => Ok(()),
        }
    }

    fn read(&mut self) -> Result<(), SourceError> {
        while !self.stop.asked() {
            self.react()?;
            let mut reader = lock(&self.reader);
            let flowing = reader.pump();
            let has_room = flowing && reader.has_room();
            if reader.pipeline_has_ended() {
                return Ok(());
            }
            drop(reader);
            match (self.paused_since, flowing) {
                (Some(_), _) if has_room => self.resume()?,
                (Some(_), _) => self.poll_once(POLL).map(|_| ())?,
                (None, true) => {
                    self.full_since = None;
                    self.poll_stride()?;
                }
                (None, false) => self.hold()?,
            }
        }
        Ok(())
    }

    fn poll_stride(&mut self) -> Result<(), SourceError> {
        for _ in 0..STRIDE {
            let more = self.poll_once(POLL)?;
            if !more || lock(&self.reader).intake.is_full() {
                break;
            }
        }
        let mut reader = lock(&self.reader);
        if reader.intake.is_full() || reader.intake.is_due(now()) {
            reader.seal();
        }
        Ok(())
    }

    /// False when there was nothing to read.
    fn poll_once(&mut self, wait: Duration) -> Result<bool, SourceError> {
        let callbacks = lock(&self.reader).callbacks;
        match self.consumer.poll(wait) {
            Some(Ok(message)) => {
                lock(&self.reader).take(&message, now());
                Ok(true)
            }
            Some(Err(error)) => self.judge(&error).map(|()| true),
            None => {
                let mut reader = lock(&self.reader);
                if reader.callbacks == callbacks && !reader.paused {
                    reader.intake.pass_holes(now());
                }
                reader.failure.take().map_or(Ok(false), Err)
            }
        }
    }

    /// What an error of the client means: most are temporary, and the client goes on by itself.
    fn judge(&mut self, error: &KafkaError) -> Result<(), SourceError> {
        use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
        match error {
            KafkaError::PartitionEOF(partition) => lock(&self.reader).intake.partition_ended(*partition),
            KafkaError::MessageConsumption(AutoOffsetReset | OffsetOutOfRange) => {
                lock(&self.reader).look_around(&self.consumer)?;
            }
            error => signals::ClientError { error }.emit(),
        }
        match self.consumer.client().fatal_error() {
            Some((_, reason)) => Err(SourceError::Fatal { reason }),
            None => Ok(()),
        }
    }

    fn hold(&mut self) -> Result<(), SourceError> {
        if self.full_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            std::thread::sleep(NAP);
            return Ok(());
        }
        let mut reader = lock(&self.reader);
        self.consumer.pause(&reader.list()).map_err(|source| SourceError::Assignment { what: "pause", source })?;
        reader.paused = true;
        reader.intake.forget_ends();
        self.paused_since = Some(Instant::now());
        signals::Paused.emit();
        Ok(())
    }

    fn resume(&mut self) -> Result<(), SourceError> {
        let mut reader = lock(&self.reader);
        self.consumer.resume(&reader.list()).map_err(|source| SourceError::Assignment { what: "resume", source })?;
        reader.paused = false;
        reader.intake.forget_ends();
        self.full_since = None;
        let paused_for = self.paused_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        signals::Resumed { paused_for }.emit();
        Ok(())
    }

    fn react(&mut self) -> Result<(), SourceError> {
        while let Ok(reaction) = self.reactions.try_recv() {
            match reaction {
                Reaction::Seek { stream, offset } => lock(&self.reader).seek(&self.consumer, &stream, offset)?,
                Reaction::Committed(offsets) => self.show_offsets(&offsets),
            }
        }
        Ok(())
    }

    /// Writes offsets to Kafka for whoever watches the lag. Nothing reads them back, so a failure is no failure.
    fn show_offsets(&self, offsets: &[(Stream, Offset)]) {
        let reader = lock(&self.reader);
        let mut list = TopicPartitionList::new();
        for (stream, offset) in offsets {
            let held = reader.intake.positions().any(|(held, _)| held == stream);
            if held && list.add_partition_offset(&stream.topic, stream.partition, Place::Offset(offset.0)).is_err() {
                return;
            }
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "kafka did not take the offsets");
        }
    }

    /// Sends the rest, waits for the commits that hold it, and only then leaves the group: the next owner of the
    /// partitions then begins where we ended.
    fn leave(self) {
        loop {
            let mut reader = lock(&self.reader);
            reader.seal();
            if reader.pump() {
                reader.stopping = true;
                reader.hang_up();
                break;
            }
            drop(reader);
            std::thread::sleep(NAP);
        }
        for reaction in &self.reactions {
            if let Reaction::Committed(offsets) = reaction {
                self.show_offsets(&offsets);
            }
        }
        close(self.consumer);
    }
}

/// Closes on a thread of its own, to be left behind if it hangs: all that matters is in the lake by now.
fn close(consumer: Consumer) {
    let (closed, wait) = std_mpsc::sync_channel::<()>(1);
    let thread = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
        drop(consumer);
        drop(closed);
    });
    if thread.is_ok() && wait.recv_timeout(CLOSE_LIMIT) == Err(std_mpsc::RecvTimeoutError::Timeout) {
        signals::CloseHangs { waited: CLOSE_LIMIT }.emit();
    }
}

fn now() -> i64 {
    Utc::now().timestamp_micros()
}

/// The client's own message repeats the value, which may be a secret.
fn without_value(error: KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, option, _) => format!("`{option}`: {reason}"),
        other => other.to_string(),
    }
}
