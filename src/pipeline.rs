//! The wiring: source → refine → lake, what runs beside them, and the order in which they end.
//!
//! ```text
//! source thread ──raw queue──► refine (blocking threads, order kept) ──refined queue──► lake
//!        ◄──────────────────────────── reactions: seek, committed ─────────────────────────┤
//!                                                                     detection ──► alerts ◄┘
//! ```
//!
//! A stop signal stops the source only. Its last event and the closing of the queues carry the end downstream;
//! the lake commits, the closing of the reactions tells the source so, and the source leaves the group. The
//! first failure does the same. A deadline ends all of it, naming the stages that still ran.

mod history;
mod lake;
mod stages;
mod watched;

use std::collections::HashMap;
use std::sync::{Arc, mpsc as std_mpsc};

use async_trait::async_trait;
use claviger_core::config;
use claviger_core::fault::{Blame, Fault, Retry};
use claviger_core::frame::RawBatch;
use claviger_core::identity::Directory;
use claviger_core::refine::{Refined, Refiner};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};

pub use history::{record, record_history};
pub use lake::{LakePositions, LakeSink};
pub(crate) use stages::Panicked;
pub use watched::Watched;

use crate::serve::health::Health;
use crate::signals;
use crate::source::kafka::KafkaSource;
use crate::source::{Reaction, SourceEvent, Stop};

/// A fault of any room.
pub type AnyFault = Box<dyn Fault + Send + Sync>;

/// For `map_err`: which room it was is told by the fault's own words.
pub fn any(fault: impl Fault + Send + Sync + 'static) -> AnyFault {
    Box::new(fault)
}

/// Decodes, identifies and classifies. One value a thread.
pub trait Refine<D>: Send + 'static {
    fn refine(&mut self, raw: &RawBatch, directory: &Arc<D>) -> Refined;
}

impl Refine<Directory> for Refiner {
    fn refine(&mut self, raw: &RawBatch, directory: &Arc<Directory>) -> Refined {
        Self::refine(self, raw, directory)
    }
}

/// Where refined batches end: the lake.
#[async_trait]
pub trait Sink: Send + 'static {
    /// What it asks of the source, whenever it comes up. Asked for once; ends with the sink.
    fn reactions(&mut self) -> BoxStream<'static, Reaction>;
    /// Takes the next event, waiting while too much is in work. A revoked stream's rows are committed or let go
    /// of, and the answer given, before this returns.
    async fn take(&mut self, event: SourceEvent<Refined>) -> Result<(), AnyFault>;
    /// Commits everything that is held.
    async fn finish(self) -> Result<(), AnyFault>;
}

/// A source that runs on a thread of its own.
pub struct RunningSource {
    pub stop: Stop,
    /// Waits for its end; blocking.
    pub join: Box<dyn FnOnce() -> Result<(), AnyFault> + Send>,
}

impl From<KafkaSource> for RunningSource {
    fn from(source: KafkaSource) -> Self {
        let stop = source.stop();
        Self { stop, join: Box::new(move || source.join().map_err(any)) }
    }
}

/// How a source begins: with where its events go and where it hears the reactions.
pub type StartSource =
    Box<dyn FnOnce(mpsc::Sender<SourceEvent>, std_mpsc::Receiver<Reaction>) -> Result<RunningSource, AnyFault> + Send>;

/// What flows through, and what runs beside it until the flow has ended (identity refresh, maintenance).
pub struct Parts<R, S, D> {
    pub source: StartSource,
    pub refiners: Vec<R>,
    pub directory: watch::Receiver<Arc<D>>,
    pub sink: S,
    /// Stages that end by themselves once the flow has ended: detection, delivery.
    pub behind: Named,
    pub beside: Named,
    pub health: Arc<Health>,
}

/// Runs until `stop`, or until a stage fails.
///
/// # Errors
/// The first failure of a stage, or the stages that did not end in time.
pub async fn run<R, S, D>(
    parts: Parts<R, S, D>,
    limits: &config::Pipeline,
    stop: impl Future<Output = ()>,
) -> Result<(), StageError>
where
    R: Refine<D>,
    S: Sink,
    D: Send + Sync + 'static,
{
    let (raw_in, raw_out) = mpsc::channel(limits.raw_queue_batches);
    let (refined_in, refined_out) = mpsc::channel(limits.refined_queue_batches);
    let (reactions_in, reactions_out) = std_mpsc::channel();
    let source =
        (parts.source)(raw_in, reactions_out).map_err(|fault| StageError::Failed { stage: "source", fault })?;
    let stop_source = source.stop;
    let mut flow = Stages::default();
    let health = parts.health;
    flow.spawn("refine", stages::refine(raw_out, refined_in, parts.directory, parts.refiners, Arc::clone(&health)));
    flow.spawn("lake", stages::store(refined_out, parts.sink, reactions_in, health));
    flow.spawn_blocking("source", source.join);
    parts.behind.into_iter().for_each(|(name, stage)| flow.spawn(name, stage));
    attend(flow, parts.beside, limits, stop, || stop_source.ask()).await
}

/// Stages with their names.
pub type Named = Vec<(&'static str, BoxFuture<'static, Result<(), AnyFault>>)>;

/// Runs stages that have no source of ours before them: until `stop`, or until one fails. They end by themselves once
/// `ask` was called; what runs `beside` them ends with them.
///
/// # Errors
/// As for [`run`].
pub async fn run_stages(
    stages: Named,
    beside: Named,
    limits: &config::Pipeline,
    stop: impl Future<Output = ()>,
    ask: impl Fn(),
) -> Result<(), StageError> {
    let mut flow = Stages::default();
    stages.into_iter().for_each(|(name, stage)| flow.spawn(name, stage));
    attend(flow, beside, limits, stop, ask).await
}

async fn attend(
    mut flow: Stages,
    parts: Named,
    limits: &config::Pipeline,
    stop: impl Future<Output = ()>,
    ask: impl Fn(),
) -> Result<(), StageError> {
    let mut beside = Stages::default();
    parts.into_iter().for_each(|(name, stage)| beside.spawn(name, stage));
    tokio::pin!(stop);
    let mut result = Ok(());
    let mut deadline = None;
    while !flow.names.is_empty() {
        let ended = tokio::select! {
            () = &mut stop, if deadline.is_none() => Ok(()),
            Some(ended) = flow.next() => ended,
            Some(Err(error)) = beside.next() => Err(error),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                let running = flow.names.values().copied().collect::<Vec<_>>();
                signals::ShutdownOverdue { running: &running, waited: limits.shutdown_limit_ms.duration() }.emit();
                return result.and(Err(StageError::Overdue { running }));
            }
        };
        result = result.and(ended);
        ask();
        deadline.get_or_insert_with(|| Instant::now() + limits.shutdown_limit_ms.duration());
    }
    beside.tasks.shutdown().await;
    result
}

/// Tasks with their names: none is detached.
#[derive(Default)]
struct Stages {
    tasks: JoinSet<Result<(), AnyFault>>,
    names: HashMap<Id, &'static str>,
}

impl Stages {
    fn spawn(&mut self, name: &'static str, stage: impl Future<Output = Result<(), AnyFault>> + Send + 'static) {
        let id = self.tasks.spawn(stage).id();
        self.names.insert(id, name);
    }

    fn spawn_blocking(&mut self, name: &'static str, stage: impl FnOnce() -> Result<(), AnyFault> + Send + 'static) {
        let id = self.tasks.spawn_blocking(stage).id();
        self.names.insert(id, name);
    }

    /// How the next one ended; `None` when all have.
    async fn next(&mut self) -> Option<Result<(), StageError>> {
        let (id, result) = match self.tasks.join_next_with_id().await? {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(())),
        };
        let stage = self.names.remove(&id).unwrap_or("unnamed");
        Some(match result {
            Ok(result) => result.map_err(|fault| StageError::Failed { stage, fault }),
            Err(()) => Err(StageError::Panicked { stage }),
        })
    }
}

/// Why the pipeline ended.
#[derive(Debug)]
pub enum StageError {
    Failed { stage: &'static str, fault: AnyFault },
    Panicked { stage: &'static str },
    Overdue { running: Vec<&'static str> },
}

impl std::fmt::Display for StageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed { stage, .. } => write!(f, "{stage} stopped"),
            Self::Panicked { stage } => write!(f, "{stage} panicked"),
            Self::Overdue { running } => write!(f, "these stages did not end in time: {}", running.join(", ")),
        }
    }
}

impl std::error::Error for StageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { fault, .. } => Some(&**fault),
            Self::Panicked { .. } | Self::Overdue { .. } => None,
        }
    }
}

impl Fault for StageError {
    fn hint(&self) -> String {
        match self {
            Self::Failed { fault, .. } => fault.hint(),
            Self::Panicked { .. } => {
                "please report this with the lines above; reading resumes where the lake ends".to_owned()
            }
            Self::Overdue { .. } => {
                "check broker and lake; nothing is lost, reading resumes where the lake ends".to_owned()
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Failed { fault, .. } => fault.blame(),
            Self::Panicked { .. } => Blame::Bug,
            Self::Overdue { .. } => Blame::Environment,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Failed { fault, .. } => fault.retry(),
            Self::Panicked { .. } | Self::Overdue { .. } => Retry::WithBackoff,
        }
    }
}
