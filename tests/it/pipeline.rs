//! The wiring, with a source, refiners and a lake that do as they are told.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use async_trait::async_trait;
use claviger::pipeline::{AnyFault, Parts, Refine, RunningSource, Sink, StageError, run};
use claviger::serve::Server;
use claviger::serve::health::Health;
use claviger::source::Stop;
use claviger::source::{Drained, Reaction, SourceEvent};
use claviger_core::config;
use claviger_core::event::EventBuilder;
use claviger_core::fault::{Blame, Fault};
use claviger_core::frame::RawBatch;
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::{Counts, Refined};
use claviger_core::reject::RejectBuilder;
use futures::stream::{self, BoxStream, StreamExt as _};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::{mpsc, watch};

use crate::support::wait_for;

fn limits(shutdown_ms: u64) -> config::Pipeline {
    config::Pipeline {
        raw_queue_batches: 2,
        refined_queue_batches: 2,
        refine_threads: 3,
        shutdown_limit_ms: config::Millis(shutdown_ms),
    }
}

fn access() -> Stream {
    Stream::new("cluster", "access", 0)
}

fn batch(begin: i64) -> RawBatch {
    let mut batch = RawBatch::new(0);
    let span = batch.open_span(access(), Offset(begin));
    batch.push(span, begin, b"frame");
    batch
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct DiskFull;

impl Fault for DiskFull {
    fn hint(&self) -> String {
        "make room".to_owned()
    }

    fn blame(&self) -> Blame {
        Blame::Environment
    }
}

/// Refines odd batches slowly, so that order is not a matter of luck. The directory is a number.
struct Uneven {
    seen: Arc<Mutex<Vec<u32>>>,
    panic_at: i64,
}

impl Refine<u32> for Uneven {
    fn refine(&mut self, raw: &RawBatch, directory: &Arc<u32>) -> Refined {
        let begin = raw.spans()[0].begin.0;
        assert_ne!(begin, self.panic_at, "told to");
        if begin % 2 == 1 {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.seen.lock().unwrap().push(**directory);
        Refined {
            spans: raw.spans().to_vec(),
            events: EventBuilder::default().finish(),
            rejects: RejectBuilder::default().finish(),
            minutes: RecordBatch::new_empty(Arc::new(Schema::empty())),
            counts: Counts::default(),
        }
    }
}

/// What the lake was given, as words.
#[derive(Clone, Default)]
struct Book {
    lines: Arc<Mutex<Vec<String>>>,
    fail_at: Option<i64>,
    stuck: Arc<AtomicBool>,
    reactions: Option<mpsc::UnboundedSender<Reaction>>,
}

impl Book {
    fn write(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

#[async_trait]
impl Sink for Book {
    fn reactions(&mut self) -> BoxStream<'static, Reaction> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.reactions = Some(sender);
        let receive =
            async |mut receiver: mpsc::UnboundedReceiver<_>| receiver.recv().await.map(|next| (next, receiver));
        stream::unfold(receiver, receive).boxed()
    }

    async fn take(&mut self, event: SourceEvent<Refined>) -> Result<(), AnyFault> {
        while self.stuck.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        match event {
            SourceEvent::Assigned(_) => self.write("assigned"),
            SourceEvent::Batch(refined) => {
                let begin = refined.spans[0].begin.0;
                if self.fail_at == Some(begin) {
                    return Err(Box::new(DiskFull));
                }
                self.write(begin.to_string());
            }
            SourceEvent::Revoked { done, .. } => {
                self.write("revoked");
                done.answer();
            }
            SourceEvent::Lost(_) => self.write("lost"),
            SourceEvent::Gap { .. } => self.write("gap"),
            SourceEvent::Ended => self.write("ended"),
        }
        Ok(())
    }

    async fn finish(self) -> Result<(), AnyFault> {
        self.write("finished");
        let reactions = self.reactions.expect("somebody listens");
        reactions.send(Reaction::Committed(vec![(access(), Offset(7))])).expect("somebody listens");
        Ok(())
    }
}

type Script = Box<dyn FnOnce(&dyn Fn(SourceEvent) -> bool, &Stop) + Send>;

struct Rig {
    book: Book,
    directories: Arc<Mutex<Vec<u32>>>,
    publish: watch::Sender<Arc<u32>>,
    health: Arc<Health>,
    /// What the source heard after its last event.
    heard: Arc<Mutex<Vec<String>>>,
    panic_at: i64,
}

impl Rig {
    fn new(book: Book) -> Self {
        Self {
            book,
            directories: Arc::default(),
            publish: watch::Sender::new(Arc::new(0)),
            health: Arc::new(Health::new(Duration::from_secs(60))),
            heard: Arc::default(),
            panic_at: -1,
        }
    }

    fn parts(&self, script: Script) -> Parts<Uneven, Book, u32> {
        let heard = Arc::clone(&self.heard);
        Parts {
            source: Box::new(move |events, reactions| {
                let stop = Stop::default();
                let asked = stop.clone();
                let thread = std::thread::spawn(move || {
                    script(&|event| events.blocking_send(event).is_ok(), &asked);
                    drop(events);
                    for reaction in reactions {
                        heard.lock().unwrap().push(format!("{reaction:?}"));
                    }
                });
                let join = move || thread.join().map_err(|_| Box::new(DiskFull) as AnyFault);
                Ok(RunningSource { stop, join: Box::new(join) })
            }),
            refiners: (0..3).map(|_| Uneven { seen: Arc::clone(&self.directories), panic_at: self.panic_at }).collect(),
            directory: self.publish.subscribe(),
            sink: self.book.clone(),
            behind: Vec::new(),
            beside: Vec::new(),
            health: Arc::clone(&self.health),
        }
    }
}

async fn forever() {
    std::future::pending().await
}

#[tokio::test]
async fn events_reach_the_lake_in_order_however_long_refining_takes() {
    let rig = Rig::new(Book::default());
    let parts = rig.parts(Box::new(|send, _| {
        send(SourceEvent::Assigned(vec![(access(), Offset(0))]));
        (0..40).for_each(|begin| _ = send(SourceEvent::Batch(batch(begin))));
        let (done, answered) = Drained::pair();
        send(SourceEvent::Revoked { streams: vec![access()], done });
        wait_for("answer", || answered.try_recv().ok());
        send(SourceEvent::Batch(batch(40)));
        send(SourceEvent::Ended);
    }));
    run(parts, &limits(5_000), forever()).await.expect("a clean end");
    let expected = std::iter::once("assigned".to_owned()).chain((0..40).map(|begin| begin.to_string())).chain([
        "revoked".to_owned(),
        "40".to_owned(),
        "finished".to_owned(),
    ]);
    assert_eq!(rig.book.lines(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stop_ends_the_source_and_the_source_hears_of_the_last_commit() {
    let rig = Rig::new(Book::default());
    let parts = rig.parts(Box::new(|send, stop| {
        let mut begin = 0;
        while !stop.asked() {
            send(SourceEvent::Batch(batch(begin)));
            begin += 1;
        }
        send(SourceEvent::Ended);
    }));
    let book = rig.book.clone();
    let stop = async move {
        while book.lines().len() < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    run(parts, &limits(5_000), stop).await.expect("a clean end");
    let lines = rig.book.lines();
    let (last, batches) = lines.split_last().expect("the lake was given something");
    assert_eq!(last, "finished");
    assert_eq!(*batches, (0..batches.len()).map(|begin| begin.to_string()).collect::<Vec<_>>());
    let heard = rig.heard.lock().unwrap();
    assert!(heard.last().is_some_and(|last| last.starts_with("Committed") && last.contains("Offset(7)")), "{heard:?}");
}

#[tokio::test]
async fn a_lake_that_fails_stops_the_source_and_is_the_reason_given() {
    let rig = Rig::new(Book { fail_at: Some(3), ..Book::default() });
    let parts = rig.parts(Box::new(|send, stop| {
        let mut begin = 0;
        while !stop.asked() && send(SourceEvent::Batch(batch(begin))) {
            begin += 1;
        }
    }));
    let error = run(parts, &limits(5_000), forever()).await.expect_err("the disk is full");
    assert!(matches!(error, StageError::Failed { stage: "lake", .. }), "{error:?}");
    assert_eq!((error.hint(), error.blame()), ("make room".to_owned(), Blame::Environment));
    assert_eq!(rig.book.lines(), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_panic_while_refining_ends_the_pipeline_as_a_bug_and_stores_nothing_behind_it() {
    let mut rig = Rig::new(Book::default());
    rig.panic_at = 4;
    let parts = rig.parts(Box::new(|send, stop| {
        let mut begin = 0;
        while !stop.asked() && send(SourceEvent::Batch(batch(begin))) {
            begin += 1;
        }
    }));
    let error = run(parts, &limits(5_000), forever()).await.expect_err("a refiner panicked");
    assert_eq!(error.blame(), Blame::Bug);
    assert_eq!(rig.book.lines(), ["0", "1", "2", "3", "finished"]);
}

#[tokio::test]
async fn stages_that_do_not_end_in_time_are_named() {
    let rig = Rig::new(Book::default());
    rig.book.stuck.store(true, SeqCst);
    let parts = rig.parts(Box::new(|send, _| {
        send(SourceEvent::Batch(batch(0)));
        send(SourceEvent::Ended);
    }));
    let began = Instant::now();
    let error = run(parts, &limits(200), async {}).await.expect_err("the lake is stuck");
    let StageError::Overdue { running } = error else { panic!("not overdue: {error:?}") };
    assert!(running.contains(&"lake") && !running.contains(&"refine"), "{running:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_fails_beside_the_flow_stops_it_in_order() {
    let rig = Rig::new(Book::default());
    let mut parts = rig.parts(Box::new(|send, stop| {
        send(SourceEvent::Batch(batch(0)));
        wait_for("stop", || stop.asked().then_some(()));
        send(SourceEvent::Ended);
    }));
    parts.beside.push(("maintenance", Box::pin(async { Err(Box::new(DiskFull) as AnyFault) })));
    let error = run(parts, &limits(5_000), forever()).await.expect_err("maintenance failed");
    assert!(matches!(error, StageError::Failed { stage: "maintenance", .. }), "{error:?}");
    assert_eq!(rig.book.lines(), ["0", "finished"]);
}

#[tokio::test]
async fn batches_after_a_new_directory_are_refined_with_it() {
    let rig = Rig::new(Book::default());
    let publish = rig.publish.clone();
    let directories = Arc::clone(&rig.directories);
    let parts = rig.parts(Box::new(move |send, _| {
        send(SourceEvent::Batch(batch(0)));
        wait_for("first batch", || (directories.lock().unwrap().len() == 1).then_some(()));
        publish.send_replace(Arc::new(1));
        send(SourceEvent::Batch(batch(2)));
        send(SourceEvent::Ended);
    }));
    run(parts, &limits(5_000), forever()).await.expect("a clean end");
    assert_eq!(*rig.directories.lock().unwrap(), [0, 1]);
}

#[tokio::test]
async fn health_answers_while_the_lake_is_stuck() {
    let mut rig = Rig::new(Book::default());
    rig.health = Arc::new(Health::new(Duration::from_millis(20)));
    rig.health.directory_loaded();
    rig.book.stuck.store(true, SeqCst);
    let handle = PrometheusBuilder::new().build_recorder().handle();
    let server = Server::start(crate::serve::entrance(), Arc::clone(&rig.health), handle).expect("a server");
    let address = server.address();
    let stuck = Arc::clone(&rig.book.stuck);
    let parts = rig.parts(Box::new(move |send, _| {
        send(SourceEvent::Assigned(vec![(access(), Offset(0))]));
        send(SourceEvent::Batch(batch(0)));
        wait_for("overdue commit", || crate::serve::get(address, "/ready").contains("lake_commit").then_some(()));
        assert!(crate::serve::get(address, "/live").starts_with("HTTP/1.1 200"));
        stuck.store(false, SeqCst);
        send(SourceEvent::Ended);
    }));
    run(parts, &limits(5_000), forever()).await.expect("a clean end");
}
