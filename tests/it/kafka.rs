//! The Kafka source against a broker: nothing lost, nothing twice, whatever groups and pipelines do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use claviger::source::kafka::{KafkaSource, SourceError};
use claviger::source::{Positions, PositionsError, Reaction, SourceEvent};
use claviger_core::config::{Config, Kafka};
use claviger_core::fault::Fault as _;
use claviger_core::frame::RawBatch;
use claviger_core::offsets::{Offset, Stream};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::Producer as _;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::support::kafka::{Broker, send};
use crate::support::{PATIENCE, in_ci, wait_for};

/// A lake in memory: positions by partition, moved by compare-and-set like the real one.
#[derive(Default)]
struct Table {
    positions: Mutex<HashMap<i32, i64>>,
    rows: Mutex<Vec<(i32, i64)>>,
    refused: Mutex<u32>,
}

impl Positions for Table {
    fn positions(&self, streams: &[Stream]) -> Result<Vec<Option<Offset>>, PositionsError> {
        let positions = self.positions.lock().unwrap();
        Ok(streams.iter().map(|stream| positions.get(&stream.partition).copied().map(Offset)).collect())
    }
}

impl Table {
    fn at(positions: &[(i32, i64)]) -> Arc<Self> {
        let table = Self::default();
        table.positions.lock().unwrap().extend(positions.iter().copied());
        Arc::new(table)
    }

    fn commit(&self, partition: i32, held: &Held) {
        let mut positions = self.positions.lock().unwrap();
        let position = positions.entry(partition).or_default();
        if *position == held.begin {
            *position = held.end;
            self.rows.lock().unwrap().extend(held.offsets.iter().map(|offset| (partition, *offset)));
        } else {
            *self.refused.lock().unwrap() += 1;
        }
    }
}

/// Rows of one partition that no commit holds yet.
#[derive(Debug, Default)]
struct Held {
    begin: i64,
    end: i64,
    offsets: Vec<i64>,
}

/// A running source, and a pipeline that is the test itself.
struct Rig {
    source: KafkaSource,
    events: mpsc::Receiver<SourceEvent>,
    reactions: std_mpsc::Sender<Reaction>,
}

fn options(broker: &Broker, topic: &str, more: &str) -> Kafka {
    let file = format!(
        "[kafka]\nbrokers = ['{}']\ntopics = ['{topic}']\ngroup = '{topic}'\n[kafka.options]\nheartbeat.interval.ms = 500\n{more}",
        broker.address
    );
    Config::parse(&file, []).expect("the options are right").kafka
}

impl Rig {
    fn start(config: &Kafka, table: &Arc<Table>, queue: usize) -> Self {
        let (sender, events) = mpsc::channel(queue);
        let (reactions, heard) = std_mpsc::channel();
        let table: Arc<dyn Positions> = table.clone();
        let source = KafkaSource::start(config, table, sender, heard).expect("a source");
        Self { source, events, reactions }
    }

    fn next(&mut self) -> SourceEvent {
        wait_for("event", || match self.events.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the source has ended"),
        })
    }

    fn assigned(&mut self) -> Vec<(i32, i64)> {
        let SourceEvent::Assigned(starts) = self.next() else { panic!("not an assignment") };
        let mut starts = starts.iter().map(|(stream, at)| (stream.partition, at.0)).collect::<Vec<_>>();
        starts.sort_unstable();
        starts
    }

    fn batch(&mut self) -> RawBatch {
        match self.next() {
            SourceEvent::Batch(batch) => batch,
            other => panic!("not a batch: {other:?}"),
        }
    }

    /// Frames of the next batches, by partition, checking that spans join and frames are in order.
    fn frames(&mut self, number: usize, starts: &[(i32, i64)]) -> HashMap<i32, Vec<(i64, Vec<u8>)>> {
        let mut next = starts.iter().copied().collect::<HashMap<_, _>>();
        let mut frames = HashMap::<i32, Vec<(i64, Vec<u8>)>>::new();
        let mut count = 0;
        while count < number {
            let batch = self.batch();
            for span in batch.spans() {
                let expected = next.insert(span.stream.partition, span.end.0);
                assert_eq!(expected, Some(span.begin.0), "spans of {} do not join", span.stream);
            }
            for frame in batch.frames() {
                let span = &batch.spans()[frame.span as usize];
                assert!(span.begin.0 <= frame.offset && frame.offset < span.end.0);
                frames.entry(span.stream.partition).or_default().push((frame.offset, frame.bytes.to_vec()));
                count += 1;
            }
        }
        assert_eq!(count, number, "more frames than were sent");
        frames
    }

    /// Stops and returns how long that took.
    fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.source.stop().ask();
        while !matches!(self.next(), SourceEvent::Ended) {}
        drop(self.reactions);
        self.source.join().expect("a clean end");
        began.elapsed()
    }
}

fn payloads(number: i64) -> impl Iterator<Item = Option<String>> {
    (0..number).map(|offset| Some(format!("frame {offset}")))
}

fn offsets(frames: &[(i64, Vec<u8>)]) -> Vec<i64> {
    frames.iter().map(|(offset, _)| *offset).collect()
}

#[test]
fn every_message_comes_once_and_in_order_and_tombstones_come_as_empty_frames() {
    let broker = Broker::get();
    let topic = broker.topic(3);
    for partition in 0..3 {
        broker.produce(&topic, partition, payloads(5_000).chain([None]));
    }
    let mut rig = Rig::start(&options(&broker, &topic, ""), &Table::at(&[]), 4);
    let starts = rig.assigned();
    assert_eq!(starts, [(0, 0), (1, 0), (2, 0)]);
    let frames = rig.frames(15_003, &starts);
    for partition in 0..3 {
        let frames = &frames[&partition];
        assert_eq!(offsets(frames), (0..5_001).collect::<Vec<_>>());
        assert!(frames[..5_000].iter().all(|(offset, bytes)| *bytes == format!("frame {offset}").into_bytes()));
        assert!(frames[5_000].1.is_empty());
    }
    rig.stop();
}

#[test]
fn reading_resumes_where_the_lake_ends_and_a_refused_commit_leads_back_there() {
    let broker = Broker::get();
    let topic = broker.topic(2);
    broker.produce(&topic, 0, payloads(100));
    broker.produce(&topic, 1, payloads(10));
    let mut rig = Rig::start(&options(&broker, &topic, ""), &Table::at(&[(0, 60), (1, 10)]), 4);
    let starts = rig.assigned();
    assert_eq!(starts, [(0, 60), (1, 10)]);
    assert_eq!(offsets(&rig.frames(40, &starts)[&0]), (60..100).collect::<Vec<_>>());

    let stream = Stream::new(wait_cluster(&broker), topic.as_str(), 0);
    rig.reactions.send(Reaction::Seek { stream, offset: Offset(95) }).expect("the source listens");
    assert_eq!(rig.assigned(), [(0, 95)]);
    assert_eq!(offsets(&rig.frames(5, &[(0, 95)])[&0]), (95..100).collect::<Vec<_>>());
    rig.stop();
}

fn wait_cluster(broker: &Broker) -> String {
    let consumer: BaseConsumer = broker.client().create().expect("a consumer");
    wait_for("cluster id", || consumer.client().fetch_cluster_id(Duration::from_secs(1)))
}

#[test]
fn offsets_that_the_broker_dropped_are_declared_and_reading_goes_on_behind_them() {
    let broker = Broker::get();
    let topic = broker.topic(1);
    let low = broker.forget_the_oldest(&topic, 0);
    let mut rig = Rig::start(&options(&broker, &topic, ""), &Table::at(&[(0, 1)]), 64);
    assert_eq!(rig.assigned(), [(0, 1)]);
    let SourceEvent::Gap { stream, from, to } = rig.next() else { panic!("no gap was declared") };
    assert_eq!((stream.partition, from.0, to.0), (0, 1, low));
    let batch = rig.batch();
    assert_eq!(batch.spans()[0].begin.0, low);
    assert_eq!(batch.frames().next().map(|frame| frame.offset), Some(low));
    rig.stop();
}

#[test]
fn offsets_dropped_while_reading_are_declared_too() {
    let broker = Broker::get();
    let topic = broker.topic(1);
    broker.produce(&topic, 0, payloads(10));
    let mut rig = Rig::start(&options(&broker, &topic, ""), &Table::at(&[]), 64);
    let starts = rig.assigned();
    rig.frames(10, &starts);
    let low = broker.forget_the_oldest(&topic, 0);
    let stream = Stream::new(wait_cluster(&broker), topic.as_str(), 0);
    rig.reactions.send(Reaction::Seek { stream, offset: Offset(2) }).expect("the source listens");
    let gap = loop {
        if let SourceEvent::Gap { from, to, .. } = rig.next() {
            break (from.0, to.0);
        }
    };
    assert_eq!(gap, (2, low));
    assert_eq!(rig.batch().spans()[0].begin.0, low);
    rig.stop();
}

#[test]
fn a_lake_ahead_of_the_broker_refuses_that_partition_and_no_other() {
    let broker = Broker::get();
    let topic = broker.topic(2);
    broker.produce(&topic, 0, payloads(50));
    broker.produce(&topic, 1, payloads(50));
    let mut rig = Rig::start(&options(&broker, &topic, ""), &Table::at(&[(0, 51), (1, 0)]), 64);
    assert_eq!(rig.assigned(), [(1, 0)]);
    broker.produce(&topic, 0, payloads(50));
    broker.produce(&topic, 1, payloads(50));
    let frames = rig.frames(100, &[(1, 0)]);
    assert_eq!(frames.keys().copied().collect::<Vec<_>>(), [1]);
    rig.stop();
}

#[test]
fn a_stuck_pipeline_pauses_reading_but_keeps_the_partitions_and_its_memory() {
    let broker = Broker::get();
    let topic = broker.topic(4);
    let payload = "x".repeat(500);
    for partition in 0..4 {
        broker.produce(&topic, partition, (0..8_000).map(|_| Some(&payload)));
    }
    // A member that did not poll for this long would be thrown out of the group.
    let impatient = "session.timeout.ms = 6000\nmax.poll.interval.ms = 6000\n";
    let mut rig = Rig::start(&options(&broker, &topic, impatient), &Table::at(&[]), 2);
    let starts = rig.assigned();
    wait_for("full queue", || (rig.events.len() == 2).then_some(()));
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(rig.events.len(), 2, "the queue is bounded");
    let frames = rig.frames(32_000, &starts);
    for partition in 0..4 {
        assert_eq!(offsets(&frames[&partition]), (0..8_000).collect::<Vec<_>>());
    }
    rig.stop();
}

#[test]
fn partitions_change_hands_without_loss_or_repetition() {
    const MESSAGES: i64 = 3_000;
    let broker = Broker::get();
    let topic = broker.topic(4);
    let config = options(&broker, &topic, "session.timeout.ms = 6000\n");
    let table = Table::at(&[]);
    let done = || table.positions.lock().unwrap().values().sum::<i64>() == 4 * MESSAGES;

    std::thread::scope(|scope| {
        let first = scope.spawn(|| pump(Rig::start(&config, &table, 4), &table, done));
        let producer = broker.producer(&[]);
        let mut second = None;
        for offset in 0..MESSAGES {
            for partition in 0..4 {
                send(&producer, &topic, partition, Some(b"x"));
            }
            if offset % 10 == 0 {
                producer.poll(Duration::ZERO);
                std::thread::sleep(Duration::from_millis(50));
            }
            if second.is_none() && !table.rows.lock().unwrap().is_empty() {
                second = Some(scope.spawn(|| pump(Rig::start(&config, &table, 4), &table, done)));
            }
        }
        producer.flush(PATIENCE).expect("the broker takes the messages");
        let counts = [first.join().unwrap(), second.expect("rows were committed").join().unwrap()];
        assert!(counts.iter().all(|rows| *rows > 0), "both read something: {counts:?}");
    });

    let mut rows = std::mem::take(&mut *table.rows.lock().unwrap());
    rows.sort_unstable();
    let expected =
        (0..4).flat_map(|partition| (0..MESSAGES).map(move |offset| (partition, offset))).collect::<Vec<_>>();
    assert_eq!(rows, expected);
    assert_eq!(*table.refused.lock().unwrap(), 0, "a drained hand-over needs no fencing");
}

/// A pipeline of the simplest kind: holds rows, commits now and then, and before partitions are handed over.
fn pump(mut rig: Rig, table: &Table, done: impl Fn() -> bool) -> usize {
    let mut held = HashMap::<i32, Held>::new();
    let mut rows = 0;
    let mut batches = 0;
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "rows are missing: {:?}", table.positions.lock().unwrap());
        let Ok(event) = rig.events.try_recv() else {
            held.drain().for_each(|(partition, held)| table.commit(partition, &held));
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        match event {
            SourceEvent::Assigned(starts) => starts.iter().for_each(|(stream, _)| _ = held.remove(&stream.partition)),
            SourceEvent::Batch(batch) => {
                for frame in batch.frames() {
                    let span = &batch.spans()[frame.span as usize];
                    let held = held
                        .entry(span.stream.partition)
                        .or_insert_with(|| Held { begin: span.begin.0, ..Held::default() });
                    held.offsets.push(frame.offset);
                    held.end = span.end.0;
                    rows += 1;
                }
                batches += 1;
                if batches % 5 == 0 {
                    held.drain().for_each(|(partition, held)| table.commit(partition, &held));
                }
            }
            SourceEvent::Revoked { streams, done } => {
                for stream in streams {
                    if let Some(held) = held.remove(&stream.partition) {
                        table.commit(stream.partition, &held);
                    }
                }
                done.answer();
            }
            SourceEvent::Lost(streams) => streams.iter().for_each(|stream| _ = held.remove(&stream.partition)),
            SourceEvent::Gap { .. } | SourceEvent::Ended => panic!("nothing was dropped, nobody asked to stop"),
        }
    }
    rig.stop();
    rows
}

#[test]
fn a_stop_hands_on_what_was_read_and_shows_the_committed_offsets_to_kafka() {
    let broker = Broker::get();
    let topic = broker.topic(1);
    broker.produce(&topic, 0, payloads(10));
    let mut rig = Rig::start(&options(&broker, &topic, ""), &Table::at(&[]), 4);
    let starts = rig.assigned();
    rig.frames(10, &starts);
    rig.source.stop().ask();
    assert!(matches!(rig.next(), SourceEvent::Ended));
    let stream = Stream::new(wait_cluster(&broker), topic.as_str(), 0);
    rig.reactions.send(Reaction::Committed(vec![(stream, Offset(10))])).expect("the source waits for the last commit");
    drop(rig.reactions);
    rig.source.join().expect("a clean end");

    let consumer: BaseConsumer = broker.client().set("group.id", &topic).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition(&topic, 0);
    let committed = consumer.committed_offsets(list, PATIENCE).expect("an answer");
    assert_eq!(committed.elements()[0].offset(), rdkafka::Offset::Offset(10));
}

#[test]
fn offsets_of_transaction_markers_are_passed_over() {
    let broker = Broker::get();
    if !broker.is_real() {
        return; // the embedded broker writes no markers
    }
    let topic = broker.topic(1);
    let producer = broker.producer(&[("transactional.id", &topic)]);
    producer.init_transactions(PATIENCE).expect("transactions");
    for aborted in [false, true] {
        producer.begin_transaction().expect("a transaction");
        for _ in 0..10 {
            send(&producer, &topic, 0, Some(b"x"));
        }
        producer.flush(PATIENCE).expect("the broker takes the messages");
        if aborted { producer.abort_transaction(PATIENCE) } else { producer.commit_transaction(PATIENCE) }
            .expect("an end");
    }
    let mut rig = Rig::start(&options(&broker, &topic, ""), &Table::at(&[]), 4);
    let starts = rig.assigned();
    assert_eq!(offsets(&rig.frames(10, &starts)[&0]), (0..10).collect::<Vec<_>>());
    let rest = rig.batch();
    assert_eq!(rest.len(), 0);
    assert_eq!((rest.spans()[0].begin.0, rest.spans()[0].end.0), (10, 22));
    broker.produce(&topic, 0, payloads(1));
    assert_eq!(offsets(&rig.frames(1, &[(0, 22)])[&0]), [22]);
    rig.stop();
}

#[test]
fn options_that_make_no_client_are_named_without_their_value() {
    let broker = Broker::get();
    let config = options(&broker, "topic", "sasl.pasword = 'hunter2'\n");
    let (sender, _events) = mpsc::channel(1);
    let (_reactions, heard) = std_mpsc::channel();
    let error = KafkaSource::start(&config, Table::at(&[]), sender, heard).expect_err("there is no such option");
    assert!(matches!(error, SourceError::Options { .. }));
    let said = format!("{error} {error:?} {} {config:?}", error.hint());
    assert!(said.contains("sasl.pasword") && !said.contains("hunter2"), "{said}");
}

/// What an operator writes to reach the broker's secured listener; `None` without one (the embedded broker has none).
fn secured(broker: &Broker, topic: &str, password: &str, authority: Option<&str>) -> Option<Kafka> {
    let Ok(address) = std::env::var("CLAVIGER_TEST_KAFKA_SECURED") else {
        assert!(!broker.is_real() || !in_ci(), "CI tests TLS and SASL: take both from tests/services/kafka.sh");
        return None;
    };
    let authority =
        authority.map_or_else(|| std::env::var("CLAVIGER_TEST_KAFKA_CA").expect("beside it"), str::to_owned);
    let file = format!(
        "[kafka]\nbrokers = ['{address}']\ntopics = ['{topic}']\ngroup = '{topic}'\n[kafka.options]\n\
         security.protocol = 'SASL_SSL'\nssl.ca.location = '{authority}'\nsasl.mechanism = 'SCRAM-SHA-512'\n\
         sasl.username = 'claviger'\nsasl.password = '{password}'\n"
    );
    Some(Config::parse(&file, []).expect("the options are right").kafka)
}

#[test]
fn a_broker_behind_tls_and_a_password_is_read() {
    let broker = Broker::get();
    let topic = broker.topic(1);
    let Some(config) = secured(&broker, &topic, "let-me-read", None) else { return };
    broker.produce(&topic, 0, payloads(100));
    let mut rig = Rig::start(&config, &Table::at(&[]), 4);
    let starts = rig.assigned();
    assert_eq!(rig.frames(100, &starts)[&0].len(), 100);
    rig.stop();
}

#[test]
fn a_wrong_password_ends_the_source_at_once_and_says_what_the_broker_said() {
    let broker = Broker::get();
    let Some(config) = secured(&broker, "any", "wrong", None) else { return };
    let rig = Rig::start(&config, &Table::at(&[]), 4);
    let Rig { source, events: _events, reactions } = rig;
    drop(reactions);
    let error = source.join().expect_err("nothing to read");
    assert!(matches!(&error, SourceError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("Authentication failed"), "{error}");
    assert!(!error.to_string().contains("wrong"), "the password is in the message: {error}");
    assert_eq!(error.blame().exit_code(), 2);
}
