//! The live board, shared: one stage shows it what passes, streams look at it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::overview::{Board, BoardLimits, Buckets, Delta, Overview};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use crate::detect::Show;
use crate::pipeline::{AnyFault, Panicked, any};

/// A board behind a lock that is held for as long as it takes to add a batch, or to draw an hour.
#[derive(Debug)]
pub struct LiveBoard {
    board: Mutex<Board>,
    changed: watch::Sender<u64>,
}

impl LiveBoard {
    #[must_use]
    pub fn new(limits: BoardLimits, now_us: i64) -> Self {
        Self { board: Mutex::new(Board::new(limits, now_us)), changed: watch::Sender::new(0) }
    }

    /// Changes whenever the board does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn overview(&self, tenants: &TenantScope, buckets: Buckets, now_us: i64) -> Option<(Overview, u64)> {
        let board = self.lock();
        Some((board.overview(tenants, buckets, now_us)?, board.version()))
    }

    pub(super) fn delta(&self, tenants: &TenantScope, buckets: Buckets, version: u64) -> Option<Delta> {
        self.lock().delta(tenants, buckets, version)
    }

    #[must_use]
    pub fn complete_until_us(&self, buckets: Buckets, now_us: i64) -> i64 {
        self.lock().complete_until_us(buckets, now_us)
    }

    /// How far event time has come.
    #[must_use]
    pub fn watermark_us(&self, now_us: i64) -> Option<i64> {
        self.lock().watermark_us(now_us)
    }

    pub(super) fn latest_us(&self, tenants: &TenantScope) -> Option<i64> {
        self.lock().latest_us(tenants)
    }

    pub(super) fn since_us(&self) -> i64 {
        self.lock().since_us()
    }

    pub(super) fn rejects(&self, since_us: i64) -> u64 {
        self.lock().rejects(since_us)
    }

    /// Changes the board, and tells those who look at it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Board)) {
        let version = {
            let mut board = self.lock();
            change(&mut board);
            board.version()
        };
        self.changed.send_if_modified(|seen| std::mem::replace(seen, version) != version);
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // Counts are added one by one: a panic elsewhere leaves none of them half written.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, show: &Show, now_us: i64) {
        self.change(|board| match show {
            Show::Begun(streams) => streams.iter().for_each(|stream| board.begin(&stream.to_string(), now_us)),
            Show::Rows { streams, events, .. } => {
                let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
                board.observe(names.iter().map(String::as_str), events, now_us);
            }
            Show::Rejects(rejects) => board.add_rejects(*rejects, now_us),
            Show::Gone(streams) => streams.iter().for_each(|stream| board.forget(&stream.to_string())),
        });
    }
}

/// Shows the board everything that passes, until nothing more can come.
///
/// # Errors
/// The board panicked.
pub async fn follow(board: Arc<LiveBoard>, mut inbox: mpsc::Receiver<Show>) -> Result<(), AnyFault> {
    while let Some(show) = inbox.recv().await {
        let board = Arc::clone(&board);
        let seen = spawn_blocking(move || board.see(&show, Utc::now().timestamp_micros()));
        seen.await.map_err(|_| any(Panicked))?;
    }
    Ok(())
}
