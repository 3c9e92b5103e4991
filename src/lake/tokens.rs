//! The table `tokens`: appended to by commands and by services that note a token's use, read as a whole, hidden from SQL.

use claviger_core::access::ledger::TokenEvent;
use claviger_core::access::rows::{read_token_rows, token_rows};
use claviger_core::lake::TableName;
use futures::StreamExt as _;

use super::Lake;
use super::error::LakeError;
use super::read::{select, session_over};
use super::table::Table;

/// The table `tokens` at some version.
#[derive(Debug)]
pub struct TokenTable(Table);

impl Lake {
    /// Opens the table `tokens`, which a lake of an earlier version has not got yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn tokens(&self) -> Result<TokenTable, LakeError> {
        Box::pin(self.create_if_missing(TableName::Tokens)).await?;
        self.table(TableName::Tokens).await.map(TokenTable)
    }

    /// Stores what somebody did to tokens, all of it or nothing, whatever the storage answers.
    ///
    /// Every call is a writer of its own: two people on two machines whose clocks differ must not take each other's rows
    /// for their own.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_tokens(&self, events: &[TokenEvent]) -> Result<(), LakeError> {
        let app_id = format!("claviger/{}/tokens/{}", self.pipeline, uuid::Uuid::new_v4().simple());
        Box::pin(self.append_once(TableName::Tokens, &app_id, 1, token_rows(events))).await.map(drop)
    }

    /// Stores that tokens were used, at the latest at `at_us`. Of two services that do so at once one may win.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record_token_uses(&self, at_us: i64, events: &[TokenEvent]) -> Result<(), LakeError> {
        let app_id = format!("claviger/{}/token_uses", self.pipeline);
        Box::pin(self.append_once(TableName::Tokens, &app_id, at_us, token_rows(events))).await.map(drop)
    }
}

impl TokenTable {
    /// Whether the table has a newer version than when this was asked last; it is then at that version.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn moved(&mut self) -> Result<bool, LakeError> {
        let before = self.0.version();
        Box::pin(self.0.refresh()).await?;
        Ok(self.0.version() != before)
    }

    /// All events, in any order. Rows that another version wrote and this one cannot read are left out.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn read(&self) -> Result<Vec<TokenEvent>, LakeError> {
        let session = session_over(std::slice::from_ref(&self.0)).await?;
        let mut rows = select(&session, "select * from tokens").await?;
        let mut events = Vec::new();
        let mut unread = 0;
        while let Some(batch) = rows.next().await {
            let (read, more_unread) = read_token_rows(&batch.map_err(|source| LakeError::Query { source })?);
            events.extend(read);
            unread += more_unread;
        }
        if unread > 0 {
            tracing::warn!(unread, "rows of `tokens` that this version cannot read are left out");
        }
        Ok(events)
    }
}
