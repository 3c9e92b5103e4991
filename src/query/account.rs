//! What one piece of work has read of the lake, for whoever must say so later.
//!
//! A request may have a room ask several questions that its endpoint never sees. Work that is done within an account has
//! all of them noted, so that no endpoint can forget one. Questions of tasks that the work starts are not its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::lake::TableName;

use super::Cost;

tokio::task_local! {
    static ACCOUNT: Account;
}

/// The questions of one piece of work. Clones are the same account.
#[derive(Clone, Debug, Default)]
pub struct Account(Arc<Mutex<Vec<Arc<Cost>>>>);

impl Account {
    /// Does the work, and notes every question that is asked in it.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        ACCOUNT.scope(self.clone(), work).await
    }

    /// A question has been let in, and its answer begins.
    pub(super) fn note(cost: &Arc<Cost>) {
        // Outside of an account nobody wants to know.
        _ = ACCOUNT.try_with(|account| account.costs(|costs| costs.push(Arc::clone(cost))));
    }

    /// The tables that were named.
    #[must_use]
    pub fn tables(&self) -> BTreeSet<TableName> {
        self.costs(|costs| costs.iter().flat_map(|cost| cost.tables().iter().map(|(table, _)| *table)).collect())
    }

    /// Rows that were answered so far; `None` if nothing was asked.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        self.costs(|costs| (!costs.is_empty()).then(|| costs.iter().map(|cost| cost.rows()).sum()))
    }

    fn costs<T>(&self, look: impl FnOnce(&mut Vec<Arc<Cost>>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
