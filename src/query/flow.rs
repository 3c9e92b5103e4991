//! Rows on their way from the engine to whoever asked, within the limits.
//!
//! The engine runs on the room's own threads and hands over a batch at a time; a reader that is slow holds it back, one
//! that has gone ends it. Each batch passes here once: its rows and bytes are counted, and the answer is cut where the
//! limits are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use claviger_core::lake::TableName;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::admission::Ticket;
use super::barrier::TenantScan;
use super::error::QueryError;
use super::guard::Running;
use super::{Limits, signals};

/// What a question cost. Complete once its rows are read to the end.
#[derive(Debug)]
pub struct Cost {
    began: Instant,
    rows: AtomicU64,
    bytes: AtomicU64,
    read_bytes: AtomicU64,
    took_us: AtomicU64,
    is_cut: AtomicBool,
    tables: Vec<(TableName, u64)>,
}

impl Cost {
    pub(super) fn new(began: Instant, tables: Vec<(TableName, u64)>) -> Self {
        Self {
            began,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            took_us: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            tables,
        }
    }

    /// Rows handed over so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Their size in memory, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes read from the lake's files. For one tenant, the size of its own rows: what else was read is not its business.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Whether rows beyond the limits were left out.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// From the admission to the last row, or until now.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match self.took_us.load(Ordering::Relaxed) {
            0 => self.began.elapsed(),
            us => Duration::from_micros(us),
        }
    }

    /// The tables that were named, with the versions that were read.
    #[must_use]
    pub fn tables(&self) -> &[(TableName, u64)] {
        &self.tables
    }

    /// Counts a batch, or what of it is within the limits; `false` when nothing may follow.
    fn take(&self, batch: RecordBatch, limits: &Limits) -> (RecordBatch, bool) {
        let room = limits.rows.saturating_sub(self.rows());
        let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        let kept = if rows > room { batch.slice(0, usize::try_from(room).unwrap_or(usize::MAX)) } else { batch };
        self.rows.fetch_add(rows.min(room), Ordering::Relaxed);
        let size = u64::try_from(kept.get_array_memory_size()).unwrap_or(u64::MAX);
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        let is_cut = rows > room || bytes > limits.bytes;
        self.is_cut.store(is_cut, Ordering::Relaxed);
        (kept, !is_cut)
    }

    fn close(&self, plan: &dyn ExecutionPlan) {
        self.read_bytes.store(read_bytes(plan), Ordering::Relaxed);
        let took = self.began.elapsed();
        self.took_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        signals::Ended { rows: self.rows(), took }.emit();
    }
}

fn read_bytes(plan: &dyn ExecutionPlan) -> u64 {
    if let Some(scan) = plan.downcast_ref::<TenantScan>() {
        return scan.own_bytes();
    }
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned")).map_or(0, |sum| sum.as_usize());
    let below: u64 = plan.children().into_iter().map(|child| read_bytes(child.as_ref())).sum();
    below + u64::try_from(own).unwrap_or(0)
}

/// All that one question holds while it runs.
pub(super) struct Work {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) rows: SendableRecordBatchStream,
    pub(super) running: Arc<Running>,
    pub(super) ticket: Ticket,
    pub(super) cost: Arc<Cost>,
    pub(super) limits: Limits,
    pub(super) deadline: Instant,
}

/// What passes the channel. The end is said too: a task that died without a word is no end of the rows.
enum Item {
    Rows(RecordBatch),
    Failed(DataFusionError),
    End,
}

impl Work {
    /// Starts to read; the stream that is returned ends, by an error if need be, soon after the deadline.
    pub(super) fn start(self) -> SendableRecordBatchStream {
        let schema = self.rows.schema();
        let (limits, deadline) = (self.limits, self.deadline);
        let (outbox, inbox) = mpsc::channel(1);
        #[expect(clippy::disallowed_methods, reason = "it ends by itself: at the deadline, or when nobody listens")]
        tokio::spawn(self.pump(outbox));
        let rows = futures::stream::unfold(Some(inbox), move |inbox| async move {
            let mut inbox: mpsc::Receiver<Item> = inbox?;
            match tokio::time::timeout_at(deadline + GRACE, inbox.recv()).await {
                Ok(Some(Item::Rows(batch))) => Some((Ok(batch), Some(inbox))),
                Ok(Some(Item::Failed(error))) => Some((Err(error), None)),
                Ok(Some(Item::End)) => None,
                Ok(None) => Some((Err(died()), None)),
                // A function that does not let go of its thread: whoever asked does not wait for it.
                Err(_) => Some((Err(too_slow(&limits)), None)),
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }

    async fn pump(mut self, outbox: mpsc::Sender<Item>) {
        signals::Started::emit();
        let last = loop {
            let room = tokio::select! {
                biased;
                error = ended(&self.running, self.deadline, &self.limits) => break Some(Item::Failed(error)),
                room = outbox.reserve() => match room {
                    Ok(room) => room,
                    Err(_) => break None,
                },
            };
            let next = tokio::select! {
                biased;
                error = ended(&self.running, self.deadline, &self.limits) => Some(Err(error)),
                () = outbox.closed() => break None,
                next = self.rows.next() => next.map(|batch| batch.map_err(|error| told(error, &self.limits))),
            };
            match next {
                None => break Some(Item::End),
                Some(Err(error)) => break Some(Item::Failed(error)),
                Some(Ok(batch)) => {
                    let (batch, goes_on) = self.cost.take(batch, &self.limits);
                    room.send(Item::Rows(batch));
                    if !goes_on {
                        break Some(Item::End);
                    }
                }
            }
        };
        // The cost is closed and the place given back before the end is told: whoever reads the end reads the bill next.
        let Self { plan, rows, ticket, cost, .. } = self;
        drop(rows);
        cost.close(plan.as_ref());
        drop(ticket);
        if let Some(last) = last {
            // A reader that has gone needs no end; one that stays away is waited for with nothing held.
            drop(outbox.send(last).await);
        }
    }
}

async fn ended(running: &Running, deadline: Instant, limits: &Limits) -> DataFusionError {
    tokio::select! {
        () = running.stopped() => external(QueryError::Stopped),
        () = tokio::time::sleep_until(deadline) => too_slow(limits),
    }
}

fn told(error: DataFusionError, limits: &Limits) -> DataFusionError {
    external(if is_exhausted(error.find_root()) {
        QueryError::TooLarge { limit_bytes: limits.memory_bytes }
    } else {
        QueryError::failed(&error)
    })
}

/// Whether memory was short, or the disk that memory is spilled to: the engine tells of that as of a failed write.
fn is_exhausted(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::ResourcesExhausted(_) => true,
        DataFusionError::ArrowError(error, _) => {
            matches!(error.as_ref(), ArrowError::IoError(text, _) if text.contains("max_temp_directory_size"))
        }
        _ => false,
    }
}

fn too_slow(limits: &Limits) -> DataFusionError {
    external(QueryError::TooSlow { limit: limits.time })
}

fn died() -> DataFusionError {
    external(QueryError::failed(&DataFusionError::Internal("the task of a query ended early".to_owned())))
}

fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What a question that is over its time gets to notice it.
const GRACE: Duration = Duration::from_secs(1);
