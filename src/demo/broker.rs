//! The in-process Kafka: librdkafka's mock cluster, and a producer that never gets far ahead of the reader.
//!
//! The mock keeps 5 MiB or 100 000 messages a partition and forgets the oldest. So the producer counts what is
//! unread in each partition and stops at [`UNREAD_BYTES_MAX`]; the reader reports how far it has read by
//! [`Consumed::report`]. (Read, not committed: what is read is safe from forgetting, and waiting for commits
//! would make their interval the speed limit.)

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DefaultProducerContext, DeliveryResult, Producer as _, ProducerContext,
};

use super::DemoError;
use super::routes::Gateway;

/// Partitions of each topic.
pub const PARTITIONS: usize = 4;
/// Unread bytes in one partition at which the producer waits.
pub const UNREAD_BYTES_MAX: usize = 2 * 1024 * 1024;
const UNREAD_MESSAGES_MAX: usize = 40_000;

/// A Kafka broker inside this process; gone when dropped.
pub struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Broker {
    /// Starts listening on loopback, with the gateways' topics in place.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> Result<Self, DemoError> {
        let start = || -> Result<Self, KafkaError> {
            let cluster = MockCluster::new(1)?;
            let partitions = i32::try_from(PARTITIONS).expect("a few");
            for gateway in Gateway::ALL {
                cluster.create_topic(gateway.topic(), partitions, 1)?;
            }
            Ok(Self { cluster })
        };
        start().map_err(|source| DemoError::NoBroker { source })
    }

    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Broker").field(&self.bootstrap_servers()).finish()
    }
}

/// How far each partition has been read. Shared by the reader, who reports, and the producer, who waits.
#[derive(Clone, Debug, Default)]
pub struct Consumed(Arc<[[AtomicI64; PARTITIONS]; 2]>);

impl Consumed {
    /// The reader's next offset in a partition. Topics that are not the demo's are ignored.
    pub fn report(&self, topic: &str, partition: i32, next_offset: i64) {
        let lanes = Gateway::ALL.iter().zip(self.0.iter()).find(|(gateway, _)| gateway.topic() == topic);
        let partition = usize::try_from(partition).ok();
        if let Some(lane) = lanes.and_then(|(_, lanes)| lanes.get(partition?)) {
            lane.fetch_max(next_offset, Ordering::Release);
        }
    }

    fn get(&self, gateway: Gateway, partition: usize) -> i64 {
        self.0[gateway as usize][partition].load(Ordering::Acquire)
    }
}

/// Sends log lines, each gateway's to its topic.
pub struct Producer {
    client: BaseProducer<Deliveries>,
    consumed: Consumed,
    lanes: [[Lane; PARTITIONS]; 2],
    /// Where the search for a partition begins: turns, so that all get lines when none is behind.
    turn: usize,
}

/// What was sent to one partition and not yet read.
#[derive(Debug, Default)]
struct Lane {
    /// Offset of the first unread message: the mock numbers them from 0, and the order sent is kept.
    begin: i64,
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl Lane {
    fn forget_read(&mut self, consumed: i64) {
        while self.begin < consumed
            && let Some(size) = self.sizes.pop_front()
        {
            self.bytes -= size;
            self.begin += 1;
        }
    }

    fn has_room(&self) -> bool {
        self.bytes < UNREAD_BYTES_MAX && self.sizes.len() < UNREAD_MESSAGES_MAX
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Queued,
    /// All partitions are full of unread lines: come again.
    NoRoom,
}

impl Producer {
    /// # Errors
    /// When the client cannot be made.
    pub fn new(broker: &Broker, consumed: Consumed) -> Result<Self, DemoError> {
        let client = ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap_servers())
            .set("client.id", "claviger-demo")
            // One request in flight keeps messages in the order sent, which the lanes rely on.
            .set("max.in.flight", "1")
            .set("linger.ms", "5")
            .create_with_context(Deliveries::default())
            .map_err(|source| DemoError::NoBroker { source })?;
        Ok(Self { client, consumed, lanes: Default::default(), turn: 0 })
    }

    /// Queues one line for the gateway's topic, in the partition with the fewest unread bytes.
    ///
    /// # Errors
    /// When the broker has refused a line: the truth would no longer hold.
    pub fn send(&mut self, gateway: Gateway, line: &[u8]) -> Result<Sent, DemoError> {
        self.client.poll(Duration::ZERO);
        let lanes = &mut self.lanes[gateway as usize];
        for (partition, lane) in lanes.iter_mut().enumerate() {
            lane.forget_read(self.consumed.get(gateway, partition));
        }
        self.turn += 1;
        let turns = |partition: usize| (partition + self.turn) % PARTITIONS;
        let least = lanes.iter_mut().enumerate().min_by_key(|(partition, lane)| (lane.bytes, turns(*partition)));
        let (partition, lane) = least.expect("a topic has partitions");
        if !lane.has_room() {
            return self.check().map(|()| Sent::NoRoom);
        }
        let record = BaseRecord::<(), [u8]>::to(gateway.topic())
            .partition(i32::try_from(partition).expect("a few"))
            .payload(line);
        match self.client.send(record) {
            Ok(()) => {
                lane.sizes.push_back(line.len());
                lane.bytes += line.len();
                Ok(Sent::Queued)
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Sent::NoRoom),
            Err((source, _)) => Err(DemoError::NotProduced { source }),
        }
    }

    /// Waits until the broker has everything.
    ///
    /// # Errors
    /// When it does not take it within `deadline`.
    pub fn flush(&self, deadline: Duration) -> Result<(), DemoError> {
        self.client.flush(deadline).map_err(|source| DemoError::NotProduced { source })?;
        self.check()
    }

    /// Whether the reader has read everything that was sent.
    pub fn all_read(&mut self) -> bool {
        for (gateway, lanes) in Gateway::ALL.iter().zip(&mut self.lanes) {
            for (partition, lane) in lanes.iter_mut().enumerate() {
                lane.forget_read(self.consumed.get(*gateway, partition));
            }
        }
        self.lanes.iter().flatten().all(|lane| lane.sizes.is_empty())
    }

    fn check(&self) -> Result<(), DemoError> {
        match self.client.context().refused.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(DemoError::NotProduced { source: KafkaError::MessageProduction(RDKafkaErrorCode::Fail) }),
        }
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("consumed", &self.consumed).finish_non_exhaustive()
    }
}

/// Counts lines that the broker refused.
#[derive(Debug, Default)]
struct Deliveries {
    refused: AtomicU64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}
