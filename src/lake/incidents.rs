//! The tables `incidents` and `findings`: appended to by the alert task and by people's commands, read as a whole.

use claviger_core::alert::{Claim, IncidentEvent, finding_rows, incident_rows, read_finding_ids, read_incident_rows};
use claviger_core::lake::TableName;
use futures::StreamExt as _;

use super::Lake;
use super::error::LakeError;
use super::read::{select, session_over};
use super::table::Table;

/// As long as incidents remember what they judged.
const DAYS_KNOWN: u32 = 8;

/// The table `incidents` at some version.
#[derive(Debug)]
pub struct IncidentTable(Table);

impl Lake {
    /// Opens the table `incidents`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn incidents(&self) -> Result<IncidentTable, LakeError> {
        self.table(TableName::Incidents).await.map(IncidentTable)
    }

    /// Stores events of the alert task, once for each `last` sequence, whatever the storage answers. Sequences only grow.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_incidents(&self, last: i64, events: &[IncidentEvent]) -> Result<(), LakeError> {
        let app_id = format!("claviger/{}/incidents", self.pipeline);
        Box::pin(self.append_once(TableName::Incidents, &app_id, last, incident_rows(events))).await.map(drop)
    }

    /// Ends of windows and ids of the findings of the newest [`DAYS_KNOWN`] days.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn known_findings(&self) -> Result<Vec<(i64, String)>, LakeError> {
        let table = self.table(TableName::Findings).await?;
        let session = session_over(std::slice::from_ref(&table)).await?;
        let newest = "(select coalesce(max(to_at), to_timestamp_micros(0)) from findings)";
        let sql =
            format!("select to_at, finding_id from findings where to_at >= {newest} - interval '{DAYS_KNOWN} days'");
        let mut rows = select(&session, &sql).await?;
        let mut found = Vec::new();
        while let Some(batch) = rows.next().await {
            found.extend(read_finding_ids(&batch.map_err(|source| LakeError::Query { source })?));
        }
        Ok(found)
    }

    /// Stores findings, once for each `stamp_us`, whatever the storage answers. Stamps only grow.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_findings(&self, stamp_us: i64, claims: &[Claim]) -> Result<(), LakeError> {
        let app_id = format!("claviger/{}/findings", self.pipeline);
        Box::pin(self.append_once(TableName::Findings, &app_id, stamp_us, finding_rows(claims))).await.map(drop)
    }

    /// Stores what a person did at `at_us`, beside an alert task that may be writing. Returns false, and stores nothing,
    /// when a person's act of that time or a later one is stored already.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_person(&self, at_us: i64, events: &[IncidentEvent]) -> Result<bool, LakeError> {
        let app_id = format!("claviger/{}/people", self.pipeline);
        Box::pin(self.append_once(TableName::Incidents, &app_id, at_us, incident_rows(events))).await
    }
}

impl IncidentTable {
    /// Whether the table has a newer version than when this was asked last; it is then at that version.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn moved(&mut self) -> Result<bool, LakeError> {
        let before = self.0.version();
        Box::pin(self.0.refresh()).await?;
        Ok(self.0.version() != before)
    }

    /// All events, in the order of their sequence. Rows that another version wrote and this one cannot read are left out.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn read(&self) -> Result<Vec<IncidentEvent>, LakeError> {
        self.events("select * from incidents order by sequence, at").await
    }

    /// What people did, in the same order.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn read_people(&self) -> Result<Vec<IncidentEvent>, LakeError> {
        self.events("select * from incidents where actor is not null order by sequence, at").await
    }

    async fn events(&self, sql: &str) -> Result<Vec<IncidentEvent>, LakeError> {
        let session = session_over(std::slice::from_ref(&self.0)).await?;
        let mut rows = select(&session, sql).await?;
        let mut events = Vec::new();
        let mut unread = 0;
        while let Some(batch) = rows.next().await {
            let (read, more_unread) = read_incident_rows(&batch.map_err(|source| LakeError::Query { source })?);
            events.extend(read);
            unread += more_unread;
        }
        if unread > 0 {
            tracing::warn!(unread, "rows of `incidents` that this version cannot read are left out");
        }
        Ok(events)
    }
}
