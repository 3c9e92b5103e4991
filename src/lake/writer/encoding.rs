//! One table's encoder on a thread of its own, and the storing of the files it closes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use claviger_core::ingest::Input;
use claviger_core::lake::StreamTable;
use deltalake::kernel::Add;
use deltalake::logstore::LogStoreRef;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::encode::{EncodedFile, Encoder, FileLimits};
use super::super::error::LakeError;
use super::super::table::Table;
use super::{back_off, now_ms};

/// What the driver hears from its workers.
pub(super) enum Fact {
    Input(Input),
    /// An encoder took a batch in: there is room for another.
    Taken,
    Sealed {
        attempt: u64,
        table: StreamTable,
        adds: Vec<Add>,
    },
    Failed(LakeError),
}

enum Work {
    Rows(RecordBatch),
    Seal(u64),
}

/// The driver's end of the thread.
pub(super) struct Encoding {
    work: mpsc::UnboundedSender<(u64, Work)>,
    epoch: Arc<AtomicU64>,
}

impl Encoding {
    /// The thread ends when the driver is gone.
    pub(super) fn start(
        table: StreamTable,
        log_store: LogStoreRef,
        limits: FileLimits,
        facts: mpsc::UnboundedSender<Fact>,
    ) -> Self {
        let (work, inbox) = mpsc::unbounded_channel();
        let epoch = Arc::new(AtomicU64::new(0));
        let mut worker = Worker {
            table,
            log_store,
            encoder: Encoder::of_stream(table, limits),
            adds: Vec::new(),
            storing: VecDeque::new(),
            epoch: 0,
            current: Arc::clone(&epoch),
            facts,
            runtime: Handle::current(),
        };
        tokio::task::spawn_blocking(move || worker.run(inbox));
        Self { work, epoch }
    }

    pub(super) fn push(&self, epoch: u64, rows: RecordBatch) {
        self.send(epoch, Work::Rows(rows));
    }

    pub(super) fn seal(&self, epoch: u64, attempt: u64) {
        self.send(epoch, Work::Seal(attempt));
    }

    /// Whatever was given before `epoch` is forgotten, even if it is being stored right now.
    pub(super) fn drop_before(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    fn send(&self, epoch: u64, work: Work) {
        // A worker that is gone has said why.
        let _ended = self.work.send((epoch, work));
    }
}

struct Worker {
    table: StreamTable,
    log_store: LogStoreRef,
    encoder: Encoder,
    /// Files of the open attempt that are stored already.
    adds: Vec<Add>,
    /// Those on their way: encoding goes on meanwhile.
    storing: VecDeque<JoinHandle<Option<Add>>>,
    epoch: u64,
    current: Arc<AtomicU64>,
    facts: mpsc::UnboundedSender<Fact>,
    runtime: Handle,
}

impl Worker {
    fn run(&mut self, mut inbox: mpsc::UnboundedReceiver<(u64, Work)>) {
        while let Some((epoch, work)) = inbox.blocking_recv() {
            let taken = matches!(work, Work::Rows(_));
            if epoch > self.epoch {
                self.epoch = epoch;
                self.encoder.reset();
                self.adds.clear();
                // Their epoch is over, so they give up by themselves.
                self.storing.clear();
            }
            if !self.is_stale()
                && let Err(error) = self.carry_out(work)
            {
                let _ended = self.facts.send(Fact::Failed(error));
                return;
            }
            if taken && self.facts.send(Fact::Taken).is_err() {
                return;
            }
        }
    }

    fn is_stale(&self) -> bool {
        self.epoch < self.current.load(Ordering::Acquire)
    }

    fn carry_out(&mut self, work: Work) -> Result<(), LakeError> {
        match work {
            Work::Rows(rows) => {
                self.encoder.push(rows)?;
                let closed = self.encoder.take_closed();
                self.store(closed)?;
            }
            Work::Seal(attempt) => {
                let closed = self.encoder.seal()?;
                self.store(closed)?;
                self.wait_for_all_but(0)?;
                if !self.is_stale() {
                    let adds = std::mem::take(&mut self.adds);
                    let _ended = self.facts.send(Fact::Sealed { attempt, table: self.table, adds });
                }
            }
        }
        Ok(())
    }

    fn store(&mut self, files: Vec<EncodedFile>) -> Result<(), LakeError> {
        for file in files {
            self.wait_for_all_but(FILES_STORING_MAX - 1)?;
            let storing = Storing {
                table: self.table,
                log_store: Arc::clone(&self.log_store),
                epoch: self.epoch,
                current: Arc::clone(&self.current),
                facts: self.facts.clone(),
            };
            self.storing.push_back(self.runtime.spawn(storing.store(file)));
        }
        Ok(())
    }

    fn wait_for_all_but(&mut self, left: usize) -> Result<(), LakeError> {
        while self.storing.len() > left {
            let Some(oldest) = self.storing.pop_front() else { break };
            let stored = self.runtime.block_on(oldest).map_err(|_panicked| LakeError::WorkerEnded)?;
            // A file that is not stored belongs to rows that were dropped meanwhile.
            self.adds.extend(stored);
        }
        Ok(())
    }
}

/// Files of one table that are held in memory until the storage has taken them.
const FILES_STORING_MAX: usize = 2;

struct Storing {
    table: StreamTable,
    log_store: LogStoreRef,
    epoch: u64,
    current: Arc<AtomicU64>,
    facts: mpsc::UnboundedSender<Fact>,
}

impl Storing {
    /// Tries until the storage takes the file or its rows are dropped: meanwhile rows pile up no further
    /// than the driver allows, and wait in their source.
    async fn store(self, file: EncodedFile) -> Option<Add> {
        let mut failures = 0;
        while self.epoch >= self.current.load(Ordering::Acquire) && !self.facts.is_closed() {
            match Table::store(self.table.table(), &self.log_store, file.clone(), now_ms()).await {
                Ok(add) => return Some(add),
                Err(error) => {
                    super::warn(self.table, &error, "a file cannot be stored; trying again");
                    failures += 1;
                    back_off(failures).await;
                }
            }
        }
        None
    }
}
