//! The table `audit`: numbered records, appended by whoever stands where the numbers end.
//!
//! The last number of every chain is an application transaction of the commit that brings its records. So two writers
//! cannot both continue a chain: the second finds that it has moved, and numbers its records anew.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use claviger_core::audit::Place;
use claviger_core::lake::TableName;
use claviger_core::prove::{decoded, encoded};
use claviger_core::trail::{Rows, write_numbered};
use datafusion::common::ScalarValue;
use deltalake::kernel::{Action, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::StreamExt as _;
use futures::future::BoxFuture;

use super::error::LakeError;
use super::read::session_over;
use super::table::Table;
use super::{APPEND_TRIES, Lake, encode, writer};

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Stored,
    /// Another writer's records stand where these were to stand.
    Moved,
}

/// How far back the newest instant of a chain is looked for.
const NEWEST_DAYS: i64 = 3;
const DAY_US: i64 = 86_400_000_000;

impl Lake {
    /// The place of every chain: numbers as committed, instants of the newest records.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn audit_places(&self, now_us: i64) -> Result<BTreeMap<String, Place>, LakeError> {
        let table = self.table(TableName::Audit).await?;
        let mut places = BTreeMap::new();
        for (tenant, last) in numbers(&table) {
            places.insert(tenant, Place { last, at_us: 0 });
        }
        let session = session_over(std::slice::from_ref(&table)).await?;
        let since = claviger_core::time::date(now_us - NEWEST_DAYS * DAY_US);
        let sql = format!(
            "select coalesce(tenant_id, '') as tenant, max(at) as at from audit where date >= '{since}' group by 1"
        );
        let mut rows = super::read::select(&session, &sql).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|source| LakeError::Query { source })?;
            let newest =
                Rows::of(&batch).map_err(|source| LakeError::Unarrangeable { table: TableName::Audit, source })?;
            for row in 0..newest.len() {
                let place = places.entry(newest.text("tenant", row).to_owned()).or_default();
                place.at_us = newest.integer("at", row).unwrap_or_default();
            }
        }
        Ok(places)
    }

    /// Appends records that continue the chains at `before` up to the numbers of `after`, or nothing.
    ///
    /// # Errors
    /// When the storage does not answer clearly: the records may be in the table. Trying again with the same records
    /// from the places read anew tells.
    pub async fn append_audit(
        &self,
        before: &BTreeMap<String, Place>,
        after: &BTreeMap<String, Place>,
        rows: RecordBatch,
    ) -> Result<Appended, LakeError> {
        let name = TableName::Audit;
        let log_store = self.log_store(name)?;
        let (mut adds, mut paths) = (Vec::new(), Vec::new());
        for file in encode::encode_all(name, rows)? {
            paths.push(file.path.clone());
            adds.push(Action::Add(Table::store(name, &log_store, file, writer::now_ms()).await?));
        }
        let number = |places: &BTreeMap<String, Place>, tenant: &String| places.get(tenant).map_or(0, |at| at.last);
        let touched: Vec<&String> =
            after.keys().filter(|tenant| number(after, tenant) != number(before, tenant)).collect();
        let transactions: Vec<Transaction> = touched
            .iter()
            .map(|tenant| {
                let last = i64::try_from(number(after, tenant)).unwrap_or(i64::MAX);
                Transaction::new(app_id(tenant), last)
            })
            .collect();
        let mut tries = 0;
        loop {
            let mut table = Table::load(name, self.log_store(name)?).await?;
            let stored = numbers(&table);
            if touched.iter().any(|tenant| stored.get(*tenant).copied().unwrap_or(0) != number(before, tenant)) {
                // Committed by a try whose answer was lost, or by another writer.
                let ours = tries > 0 && holds(&table, &paths)?;
                return Ok(if ours { Appended::Stored } else { Appended::Moved });
            }
            let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
            match table.commit(adds.clone(), transactions.clone(), operation).await {
                Ok(()) => return Ok(Appended::Stored),
                Err(_) if tries < APPEND_TRIES => {
                    tries += 1;
                    writer::back_off(tries).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The lines of a chain's records `first` to `last` as the table holds them, in order.
    pub fn audit_lines<'a>(
        &'a self,
        tenant: &'a str,
        first: u64,
        last: u64,
    ) -> BoxFuture<'a, Result<String, LakeError>> {
        Box::pin(async move {
            let table = self.table(TableName::Audit).await?;
            let session = session_over(std::slice::from_ref(&table)).await?;
            let sql = "select * from audit where coalesce(tenant_id, '') = $tenant and seq >= $first and seq <= $last order by seq";
            let failed = |source| LakeError::Query { source };
            let number = |number| ScalarValue::Int64(Some(i64::try_from(number).unwrap_or(i64::MAX)));
            let values = vec![("tenant", ScalarValue::from(tenant)), ("first", number(first)), ("last", number(last))];
            let plan = session.sql(sql).await.map_err(failed)?.with_param_values(values).map_err(failed)?;
            let mut rows = plan.execute_stream().await.map_err(failed)?;
            let mut lines = String::new();
            while let Some(batch) = rows.next().await {
                let rows = Rows::of(&batch.map_err(failed)?)
                    .map_err(|source| LakeError::Unarrangeable { table: TableName::Audit, source })?;
                (0..rows.len()).for_each(|row| write_numbered(&rows, row, &mut lines));
            }
            Ok(lines)
        })
    }

    /// The next offset of every stream in the table of events, in words that a digest can hold.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn event_positions(&self) -> Result<Vec<String>, LakeError> {
        let table = self.table(TableName::Events).await?;
        Ok(super::trail::stream_positions(std::slice::from_ref(&table)))
    }
}

const APP_PREFIX: &str = "claviger/audit/";

fn app_id(tenant: &str) -> String {
    format!("{APP_PREFIX}{}", encoded(tenant))
}

/// The last number of every chain by its tenant.
fn numbers(table: &Table) -> BTreeMap<String, u64> {
    let chains = table.transactions().iter().filter_map(|(app_id, last)| {
        let tenant = decoded(app_id.strip_prefix(APP_PREFIX)?)?;
        Some((tenant, u64::try_from(*last).ok()?))
    });
    chains.collect()
}

/// Whether all files are in the table.
fn holds(table: &Table, paths: &[String]) -> Result<bool, LakeError> {
    let snapshot = table.handle().snapshot().map_err(|source| LakeError::Unreadable { table: table.name(), source })?;
    let files: std::collections::BTreeSet<String> =
        snapshot.log_data().iter().map(|file| file.path().to_string()).collect();
    Ok(paths.iter().all(|path| files.contains(path)))
}
