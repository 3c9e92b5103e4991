//! What is produced: APISIX lines at a steady rate, with messages among them that no decoder can read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::support::kafka::{Broker, send};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/decode");
/// Fixtures, and how many rows each becomes: events and rejects together.
const MESSAGES: &[(&str, i64)] = &[
    ("apisix/success-with-consumer.json", 1),
    ("apisix/denied-401-invalid-key.json", 1),
    ("apisix/success-query-key.json", 1),
    ("apisix/denied-403-consumer-restriction.json", 1),
    ("apisix/array-of-three.json", 3),
    ("apisix/denied-429-limit-count.json", 1),
    ("apisix/success-bearer-token.json", 1),
    ("apisix/array-with-one-bad-entry.json", 3),
    ("apisix/denied-401-missing-key.json", 1),
    ("apisix/array-empty.json", 1),
    ("hostile/truncated-in-string.json", 1),
    ("hostile/bad-utf8.json", 1),
];
/// Every so many messages of a partition one is a tombstone.
const TOMBSTONE_EVERY: i64 = 17;
const LIMIT: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(10);

/// What one partition was given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) messages: i64,
    pub(super) rows: i64,
}

/// By partition.
pub(super) struct Produced(pub(super) Vec<Share>);

impl std::fmt::Display for Produced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sum = |count: fn(&Share) -> i64| self.0.iter().map(count).sum::<i64>();
        write!(f, "{} messages, {} rows", sum(|share| share.messages), sum(|share| share.rows))
    }
}

/// A producer on a thread of its own.
pub(super) struct Load {
    topic: String,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Produced>,
}

impl Load {
    pub(super) fn start(broker: &Broker, topic: &str, partitions: i32, messages_a_second: u32) -> Self {
        let read = |name: &str| std::fs::read(Path::new(FIXTURES).join(name)).expect("a fixture");
        let messages = MESSAGES.iter().map(|(name, rows)| (read(name), *rows)).collect::<Vec<_>>();
        // Without idempotence a retry could put a message there twice, and the counts would be guesses.
        let producer = broker.producer(&[("enable.idempotence", "true")]);
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, name) = (Arc::clone(&stop), topic.to_owned());
        let thread = std::thread::spawn(move || {
            let mut shares = vec![Share::default(); usize::try_from(partitions).expect("a count")];
            let (began, mut sent) = (Instant::now(), 0_i32);
            while !asked.load(Relaxed) {
                let due = began.elapsed().as_secs_f64() * f64::from(messages_a_second);
                while f64::from(sent) < due {
                    put(&producer, &name, sent % partitions, &messages, &mut shares);
                    sent += 1;
                }
                producer.poll(Duration::ZERO);
                std::thread::sleep(TICK);
            }
            producer.flush(LIMIT).expect("the broker takes the messages");
            Produced(shares)
        });
        Self { topic: topic.to_owned(), stop, thread }
    }

    /// Ends it, and compares its own count with the broker's.
    pub(super) fn stop(self, broker: &Broker) -> Produced {
        self.stop.store(true, Relaxed);
        let produced = self.thread.join().expect("the producer goes on to its end");
        let consumer: BaseConsumer = broker.client().create().expect("a consumer");
        for (partition, share) in (0..).zip(&produced.0) {
            let (_, end) = consumer.fetch_watermarks(&self.topic, partition, LIMIT).expect("an answer");
            assert_eq!(end, share.messages, "the broker did not take every message of partition {partition}");
        }
        produced
    }
}

fn put(producer: &BaseProducer, topic: &str, partition: i32, messages: &[(Vec<u8>, i64)], shares: &mut [Share]) {
    let share = &mut shares[usize::try_from(partition).expect("a partition")];
    let (payload, rows) = if share.messages % TOMBSTONE_EVERY == 0 {
        (None, 1)
    } else {
        let number = usize::try_from(share.messages).expect("a count") % messages.len();
        (Some(messages[number].0.as_slice()), messages[number].1)
    };
    send(producer, topic, partition, payload);
    share.messages += 1;
    share.rows += rows;
}
