//! The lake's tables as they are now, opened once and kept fresh.
//!
//! A table is looked at again at most once a second, and only when a question names it. Its handle is opened afresh
//! now and then, because a handle grows slower and fatter with every version it follows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_core::access::TenantScope;
use claviger_core::lake::TableName;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

use crate::lake::{Lake, LakeError, Table};

const FRESH_FOR: Duration = Duration::from_secs(1);
const REFRESHES_A_HANDLE: u32 = 32;
/// A table nobody asked for meanwhile has moved too far to be followed commit by commit.
const FOLLOWED_FOR: Duration = Duration::from_secs(60);

/// Who may see a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// A tenant sees the rows that name it in this column; operators see all.
    Tenant { column: &'static str },
    /// No column names a tenant: only who may see every tenant sees it.
    Operator,
    /// No SQL sees it, whoever asks.
    Nobody,
}

pub(super) const fn sight(table: TableName) -> Sight {
    match table {
        TableName::Events
        | TableName::EntityMinutes
        | TableName::DirectoryKeys
        | TableName::Findings
        | TableName::Incidents
        | TableName::SavedQueries => Sight::Tenant { column: "tenant_id" },
        TableName::Rejects
        | TableName::IdentityHistory
        | TableName::DirectoryRoutes
        | TableName::Gaps
        | TableName::Audit => Sight::Operator,
        TableName::Tokens => Sight::Nobody,
    }
}

/// The tables that a caller may name.
pub fn visible(scope: &TenantScope) -> impl Iterator<Item = TableName> {
    let is_operator = *scope == TenantScope::All;
    TableName::ALL.iter().copied().filter(move |table| match sight(*table) {
        Sight::Tenant { .. } => true,
        Sight::Operator => is_operator,
        Sight::Nobody => false,
    })
}

/// A table at one version.
#[derive(Clone, Debug)]
pub(super) struct Fresh {
    pub(super) version: u64,
    pub(super) provider: Arc<dyn TableProvider>,
}

#[derive(Debug)]
struct Held {
    table: Table,
    fresh: Fresh,
    looked_at: Instant,
    refreshes: u32,
}

/// One lake's tables.
#[derive(Debug)]
pub(super) struct Tables {
    /// `None` where only names matter.
    lake: Option<Lake>,
    held: Vec<(TableName, Mutex<Option<Held>>)>,
}

impl Tables {
    pub(super) fn new(lake: Lake) -> Self {
        Self { lake: Some(lake), held: TableName::ALL.iter().map(|name| (*name, Mutex::new(None))).collect() }
    }

    /// Tables that cannot be opened.
    pub(super) const fn none() -> Self {
        Self { lake: None, held: Vec::new() }
    }

    /// The table at a version that was the newest within the last second.
    pub(super) fn newest(&self, name: TableName) -> BoxFuture<'_, Result<Fresh, DataFusionError>> {
        async move {
            let place = self.held.iter().find(|(held, _)| *held == name);
            let (Some(lake), Some((_, held))) = (&self.lake, place) else {
                return Err(DataFusionError::Internal(format!("there is no lake to open `{name}` in")));
            };
            let mut held = held.lock().await;
            let renewed = match held.take() {
                Some(held) if held.looked_at.elapsed() < FRESH_FOR => held,
                Some(old) if old.refreshes < REFRESHES_A_HANDLE && old.looked_at.elapsed() < FOLLOWED_FOR => {
                    old.followed().await?
                }
                _ => Held::opened(lake.table(name).await.map_err(external)?).await?,
            };
            Ok(held.insert(renewed).fresh.clone())
        }
        .boxed()
    }
}

impl Held {
    async fn opened(table: Table) -> Result<Self, DataFusionError> {
        let fresh = provided(&table).await?;
        Ok(Self { table, fresh, looked_at: Instant::now(), refreshes: 0 })
    }

    async fn followed(mut self) -> Result<Self, DataFusionError> {
        self.table.refresh().await.map_err(external)?;
        if self.table.version() != self.fresh.version {
            self.fresh = provided(&self.table).await?;
            self.refreshes += 1;
        }
        self.looked_at = Instant::now();
        Ok(self)
    }
}

async fn provided(table: &Table) -> Result<Fresh, DataFusionError> {
    Ok(Fresh { version: table.version(), provider: table.handle().table_provider().await? })
}

fn external(error: LakeError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
