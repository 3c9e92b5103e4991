//! The broker of the tests: the one that `CLAVIGER_TEST_KAFKA` names, else librdkafka's own, in process.
//!
//! The embedded one keeps at most 5 MiB of each partition, knows no transaction markers and waits three
//! seconds before it forms a group.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const VARIABLE: &str = "CLAVIGER_TEST_KAFKA";
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Broker {
    pub(crate) address: String,
    embedded: Option<MockCluster<'static, DefaultProducerContext>>,
}

impl Broker {
    pub(crate) fn get() -> Self {
        match std::env::var(VARIABLE) {
            Ok(address) => Self { address, embedded: None },
            Err(_) if super::in_ci() => {
                panic!("CI tests a real broker: run `eval \"$(tests/services/kafka.sh start)\"`, which sets {VARIABLE}")
            }
            Err(_) => {
                let cluster = MockCluster::new(1).expect("an embedded broker");
                Self { address: cluster.bootstrap_servers(), embedded: Some(cluster) }
            }
        }
    }

    pub(crate) fn is_real(&self) -> bool {
        self.embedded.is_none()
    }

    /// A fresh topic; its name serves as the group's, too.
    pub(crate) fn topic(&self, partitions: i32) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        if let Some(cluster) = &self.embedded {
            cluster.create_topic(&name, partitions, 1).expect("a topic");
        } else {
            let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
            let created = block_on(self.admin().create_topics([&topic], &AdminOptions::new())).expect("an answer");
            assert!(created.iter().all(Result::is_ok), "{created:?}");
        }
        name
    }

    pub(crate) fn producer(&self, options: &[(&str, &str)]) -> BaseProducer {
        let mut config = self.client();
        config.set("linger.ms", "5").set("queue.buffering.max.messages", "2000000");
        options.iter().for_each(|(name, value)| _ = config.set(*name, *value));
        config.create().expect("a producer")
    }

    /// Sends payloads to one partition and waits until the broker has them. `None` is a tombstone.
    pub(crate) fn produce<P: AsRef<[u8]>>(
        &self,
        topic: &str,
        partition: i32,
        payloads: impl IntoIterator<Item = Option<P>>,
    ) {
        let producer = self.producer(&[]);
        for payload in payloads {
            send(&producer, topic, partition, payload.as_ref().map(AsRef::as_ref));
        }
        producer.flush(LIMIT).expect("the broker takes the messages");
    }

    /// Makes the broker forget everything below some offset above 0, and returns that offset.
    pub(crate) fn forget_the_oldest(&self, topic: &str, partition: i32) -> i64 {
        if self.is_real() {
            self.produce(topic, partition, (0..500).map(|_| Some("x")));
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, partition, Offset::Offset(123)).expect("a partition");
            block_on(self.admin().delete_records(&list, &AdminOptions::new())).expect("records are deleted");
        } else {
            let payload = "x".repeat(100_000);
            self.produce(topic, partition, (0..100).map(|_| Some(&payload)));
        }
        let consumer: rdkafka::consumer::BaseConsumer = self.client().create().expect("a consumer");
        let (low, _) =
            rdkafka::consumer::Consumer::fetch_watermarks(&consumer, topic, partition, LIMIT).expect("an answer");
        assert!(low > 0, "the broker keeps everything");
        low
    }

    /// The shortest time after which a group may take a silent member for dead.
    pub(crate) fn session_min(&self) -> Duration {
        if !self.is_real() {
            return Duration::ZERO;
        }
        let admin = self.admin();
        let cluster = admin.inner().fetch_metadata(None, LIMIT).expect("metadata");
        let broker = ResourceSpecifier::Broker(cluster.brokers()[0].id());
        let answer = block_on(admin.describe_configs([&broker], &AdminOptions::new())).expect("an answer");
        let options = answer[0].as_ref().expect("the broker tells its options");
        let option = options.get("group.min.session.timeout.ms").and_then(|option| option.value.as_deref());
        Duration::from_millis(option.expect("a broker has this option").parse().expect("milliseconds"))
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("an admin client")
    }
}

/// Sends without waiting, except for room in the producer's queue.
pub(crate) fn send(producer: &BaseProducer, topic: &str, partition: i32, payload: Option<&[u8]>) {
    let mut record = BaseRecord::<(), [u8]>::to(topic).partition(partition);
    record.payload = payload;
    while let Err((error, unsent)) = producer.send(record) {
        assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
        producer.poll(Duration::from_millis(10));
        record = unsent;
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}
