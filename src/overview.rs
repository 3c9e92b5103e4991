//! The picture of a range of time, from whoever knows it: the live board for the last hours, the lake for everything else.
//!
//! Promises one picture: the board and the lake fill the same [`Overview`], and where the board does not hold all that was
//! asked for (a process that has just begun, a tenant there was no room for), the lake answers.
//!
//! The board is shown rows on their way to the lake. After a crash between the commits of two tables, the rows of that one
//! commit are counted twice on the board until they have passed out of it; the lake is exact.

mod board;
mod counted;
mod past;
mod rows;
mod seed;
mod usual;

use std::sync::Arc;

use claviger_core::access::TenantScope;
use claviger_core::overview::{Buckets, Delta, Overview, Usual};

pub use board::{LiveBoard, follow};
pub use counted::{Counted, Counts};
pub(crate) use rows::{at, rows, text};
pub use seed::remember;

use crate::query::{Queries, QueryError};
use usual::UsualCache;

/// Draws pictures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Overviews {
    queries: Queries,
    board: Option<Arc<LiveBoard>>,
    usual: Arc<UsualCache>,
    counted: Arc<Counted>,
}

impl Overviews {
    /// Over a lake that nobody here writes to.
    #[must_use]
    pub fn at_rest(queries: Queries) -> Self {
        Self { queries, board: None, usual: Arc::default(), counted: Arc::default() }
    }

    /// Over a lake whose rows `board` is shown on their way.
    #[must_use]
    pub fn live(queries: Queries, board: Arc<LiveBoard>) -> Self {
        Self { board: Some(board), ..Self::at_rest(queries) }
    }

    #[must_use]
    pub const fn queries(&self) -> &Queries {
        &self.queries
    }

    #[must_use]
    pub fn board(&self) -> Option<&Arc<LiveBoard>> {
        self.board.as_ref()
    }

    /// What was counted behind incidents.
    #[must_use]
    pub fn counted(&self) -> &Counted {
        &self.counted
    }

    /// The picture of a scope, with the version of the board that it shows; the lake's has none.
    ///
    /// # Errors
    /// When neither knows it.
    pub async fn draw(
        &self,
        tenants: &TenantScope,
        buckets: Buckets,
        now_us: i64,
    ) -> Result<(Overview, Option<u64>), QueryError> {
        // The board knows nothing of ranges that ended before now: its keys are those seen until now.
        if buckets.ends_us() >= now_us
            && let Some(board) = &self.board
            && let Some((overview, version)) = board.overview(tenants, buckets, now_us)
        {
            return Ok((overview, Some(version)));
        }
        let mut overview = Box::pin(past::overview(&self.queries, tenants, buckets, now_us)).await?;
        if let Some(board) = &self.board {
            overview.complete_until_us = board.complete_until_us(buckets, now_us);
        }
        Ok((overview, None))
    }

    /// Whether the board holds all of a scope's range.
    #[must_use]
    pub fn holds(&self, tenants: &TenantScope, buckets: Buckets) -> bool {
        self.board.as_ref().is_some_and(|board| {
            board.since_us() <= buckets.begins_us() && board.delta(tenants, buckets, u64::MAX).is_some()
        })
    }

    /// What changed on the board since `version`; `None` where it does not hold all of it.
    #[must_use]
    pub fn changes(&self, tenants: &TenantScope, version: u64, now_us: i64) -> Option<Delta> {
        self.board.as_ref()?.delta(tenants, Buckets::last_hour(now_us), version)
    }

    /// How many refusals a minute are usual now.
    ///
    /// # Errors
    /// When the lake does not answer.
    pub async fn usual(&self, tenants: &TenantScope, now_us: i64) -> Result<Usual, QueryError> {
        self.usual.of(&self.queries, tenants, now_us).await
    }

    /// Frames since an instant that could not be read.
    ///
    /// # Errors
    /// When the lake does not answer.
    pub async fn rejects(&self, since_us: i64, until_us: i64) -> Result<u64, QueryError> {
        match &self.board {
            Some(board) if board.since_us() <= since_us => Ok(board.rejects(since_us)),
            _ => past::rejects(&self.queries, since_us, until_us).await,
        }
    }

    /// When the last request of the scope arrived.
    ///
    /// # Errors
    /// When the lake does not answer.
    pub async fn last_event_us(&self, tenants: &TenantScope, now_us: i64) -> Result<Option<i64>, QueryError> {
        if let Some(latest_us) = self.board.as_ref().and_then(|board| board.latest_us(tenants)) {
            return Ok(Some(latest_us));
        }
        past::last_event(&self.queries, tenants, now_us).await
    }
}
