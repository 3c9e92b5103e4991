//! The table `saved_queries`: appended to by people through the API, read as a whole, since it is small.

use claviger_core::lake::TableName;
use claviger_core::saved::{SavedEvent, read_saved_rows, saved_rows};
use futures::StreamExt as _;

use super::Lake;
use super::error::LakeError;
use super::read::{select, session_over};

impl Lake {
    /// All events of saved queries, in any order.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn saved_queries(&self) -> Result<Vec<SavedEvent>, LakeError> {
        Box::pin(self.create_if_missing(TableName::SavedQueries)).await?;
        let table = self.table(TableName::SavedQueries).await?;
        let session = session_over(std::slice::from_ref(&table)).await?;
        let mut rows = select(&session, "select * from saved_queries").await?;
        let mut events = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|source| LakeError::Query { source })?;
            let read = read_saved_rows(&batch);
            events.extend(read.map_err(|source| LakeError::Unarrangeable { table: TableName::SavedQueries, source })?);
        }
        Ok(events)
    }

    /// Stores what somebody did to saved queries, whatever the storage answers. Every call is a writer of its own.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_saved(&self, events: &[SavedEvent]) -> Result<(), LakeError> {
        let app_id = format!("claviger/{}/saved_queries/{}", self.pipeline, uuid::Uuid::new_v4().simple());
        Box::pin(self.append_once(TableName::SavedQueries, &app_id, 1, saved_rows(events))).await.map(drop)
    }
}
