//! The guard of the process: when its memory runs short, no question starts, and the largest one ends.
//!
//! Pools count what sorts and joins hold, not what functions, scans and batches take. Only the process knows the
//! sum, so a thread of its own looks at it while anything runs. It looks at `/proc`; elsewhere it sees nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;
use tokio::sync::Notify;

use super::error::QueryError;
use super::signals;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One question that runs.
#[derive(Debug)]
pub(super) struct Running {
    pool: Arc<dyn MemoryPool>,
    is_stopped: AtomicBool,
    stopped: Notify,
}

impl Running {
    /// Returns when the guard wants the question to end.
    pub(super) async fn stopped(&self) {
        let told = self.stopped.notified();
        if !self.is_stopped.load(Ordering::Acquire) {
            told.await;
        }
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.stopped.notify_waiters();
    }
}

#[derive(Debug)]
pub(super) struct Guard {
    limit_bytes: u64,
    running: Mutex<Vec<Weak<Running>>>,
    watcher: Mutex<Option<Thread>>,
}

impl Guard {
    pub(super) fn start(limit_bytes: u64) -> Result<Arc<Self>, QueryError> {
        let guard = Arc::new(Self { limit_bytes, running: Mutex::default(), watcher: Mutex::default() });
        if limit_bytes == u64::MAX {
            return Ok(guard);
        }
        let watched = Arc::downgrade(&guard);
        let watcher = std::thread::Builder::new()
            .name("query-guard".to_owned())
            .spawn(move || watch(&watched))
            .map_err(|source| QueryError::NoThreads { source })?;
        *guard.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher.thread().clone());
        Ok(guard)
    }

    /// # Errors
    /// `Overloaded` while the process has too much memory.
    pub(super) fn admit(&self) -> Result<(), QueryError> {
        if self.limit_bytes != u64::MAX && resident_bytes().is_some_and(|bytes| bytes > self.limit_bytes) {
            return Err(QueryError::Overloaded);
        }
        Ok(())
    }

    /// Watches over a question for as long as what is returned lives.
    pub(super) fn watch_over(&self, pool: Arc<dyn MemoryPool>) -> Arc<Running> {
        let running = Arc::new(Running { pool, is_stopped: AtomicBool::new(false), stopped: Notify::new() });
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&running));
        self.wake();
        running
    }

    fn wake(&self) {
        if let Some(watcher) = &*self.watcher.lock().unwrap_or_else(PoisonError::into_inner) {
            watcher.unpark();
        }
    }

    /// Whether anything runs.
    fn look(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|running| running.strong_count() > 0);
        let resident_bytes = resident_bytes().unwrap_or(0);
        if resident_bytes > self.limit_bytes {
            let alive = running.iter().filter_map(Weak::upgrade).filter(|one| !one.is_stopped.load(Ordering::Acquire));
            // Of several that hold nothing in their pools, the youngest: memory was enough before it came.
            if let Some(largest) = alive.max_by_key(|one| one.pool.reserved()) {
                signals::Stopped { resident_bytes, limit_bytes: self.limit_bytes }.emit();
                largest.stop();
            }
        }
        !running.is_empty()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.wake();
    }
}

fn watch(guard: &Weak<Guard>) {
    while let Some(is_busy) = guard.upgrade().map(|guard| guard.look()) {
        if is_busy {
            std::thread::park_timeout(LOOK_EVERY);
        } else {
            std::thread::park();
        }
    }
}

/// Memory of this process that is in RAM.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}
