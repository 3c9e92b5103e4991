//! What can go wrong in the lake, as an operator would tell it apart.

use claviger_core::fault::{Blame, Fault, Retry};
use claviger_core::lake::{RowsChanged, TableName, TailError};
use deltalake::DeltaTableError;

#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    #[error("`{location}` is no place for a lake")]
    BadLocation { location: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("there is no lake at `{location}`")]
    Missing { location: String },
    #[error("table `{table}` cannot be read")]
    Unreadable { table: TableName, source: DeltaTableError },
    #[error("table `{table}` cannot be written")]
    Unwritable { table: TableName, source: DeltaTableError },
    #[error("files of table `{table}` cannot be stored")]
    Unstorable { table: TableName, source: object_store::Error },
    #[error("the log of table `{table}` cannot be read")]
    UnreadableLog { table: TableName, source: object_store::Error },
    #[error("version {version} of table `{table}` is {state}: the machine stopped while it was written")]
    TornCommit { table: TableName, version: u64, state: &'static str },
    #[error("table `{table}` sets `delta.setTransactionRetentionDuration`")]
    ForgetsPositions { table: TableName },
    #[error("table `{table}` lacks or retypes column `{column}`")]
    OtherSchema { table: TableName, column: String },
    #[error("rows for table `{table}` cannot be encoded")]
    Unencodable { table: TableName, source: parquet::errors::ParquetError },
    #[error("rows for table `{table}` cannot be arranged")]
    Unarrangeable { table: TableName, source: arrow::error::ArrowError },
    #[error("another writer moved the position of `{stream}` in table `{table}`")]
    Fenced { table: TableName, stream: String },
    #[error("detection cannot follow the lake")]
    Unfollowable { source: TailError },
    #[error("file `{path}` of table `{table}` is gone before its rows were judged")]
    FileGone { table: TableName, path: String },
    #[error("another process judges this lake now")]
    Superseded,
    #[error("compaction of table `{table}` would change its rows")]
    RowsChanged { table: TableName, source: RowsChanged },
    #[error("the query is not accepted")]
    Refused { source: datafusion::error::DataFusionError },
    #[error("the query failed")]
    Query { source: datafusion::error::DataFusionError },
    #[error("the lake was not flushed within {seconds} s")]
    FlushTimeout { seconds: u64 },
    #[error("{stream}: offset {offered} came where {expected} was due")]
    Gap { stream: String, expected: i64, offered: i64 },
    #[error("proof `{path}` cannot be read")]
    ProofUnreadable { path: String, source: object_store::Error },
    #[error("proof `{path}` cannot be written")]
    ProofUnwritable { path: String, source: object_store::Error },
    #[error("a worker of the lake ended early")]
    WorkerEnded,
}

impl Fault for LakeError {
    fn hint(&self) -> String {
        match self {
            Self::BadLocation { .. } => "give a folder, or a URL whose storage this build supports".to_owned(),
            Self::Missing { .. } => "check the path; `claviger replay` or `claviger run` creates a lake".to_owned(),
            Self::Refused { .. } => {
                "one SELECT over events, rejects, entity_minutes, identity_history, directory_keys, directory_routes, findings, incidents, gaps and audit; `select * from information_schema.columns` lists what they hold".to_owned()
            }
            Self::Unreadable { .. }
            | Self::UnreadableLog { .. }
            | Self::Query { .. }
            | Self::ProofUnreadable { .. } => {
                "check that the storage is reachable and the table complete".to_owned()
            }
            Self::Unwritable { .. } | Self::Unstorable { .. } | Self::ProofUnwritable { .. } => {
                "check credentials and free space; events wait in their source meanwhile".to_owned()
            }
            Self::TornCommit { table, version, .. } => {
                format!("its rows will be read again: move `{table}/_delta_log/{version:020}.json` away and start anew")
            }
            Self::ForgetsPositions { table } => {
                format!("unset the property on `{table}`: positions that expire are rows that are read twice")
            }
            Self::OtherSchema { table, .. } => {
                format!("`{table}` was written by another version: add the column, or use another lake folder")
            }
            Self::Unencodable { .. } | Self::Unarrangeable { .. } | Self::RowsChanged { .. } | Self::WorkerEnded => {
                "report it with the log: nothing was committed".to_owned()
            }
            Self::Fenced { .. } => {
                "nothing to do if a rebalance just happened; else give each pipeline its own name".to_owned()
            }
            Self::Unfollowable { source } => source.hint(),
            Self::FileGone { .. } => {
                "vacuum deleted it while detection was away: start it once with `--skip-unjudged`".to_owned()
            }
            Self::Superseded => {
                "nothing to do: started again, this process stands by until the other one is gone".to_owned()
            }
            Self::FlushTimeout { .. } => "what was not flushed will be read again at the next start".to_owned(),
            Self::Gap { .. } => {
                "retention deleted messages before they were read, or the topic was re-created: declare the gap"
                    .to_owned()
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::BadLocation { .. }
            | Self::Missing { .. }
            | Self::ForgetsPositions { .. }
            | Self::Refused { .. }
            | Self::FileGone { .. } => Blame::Operator,
            Self::Unfollowable { source } => source.blame(),
            Self::OtherSchema { .. } | Self::TornCommit { .. } | Self::Gap { .. } => Blame::Data,
            Self::Unreadable { .. }
            | Self::UnreadableLog { .. }
            | Self::Query { .. }
            | Self::ProofUnreadable { .. }
            | Self::ProofUnwritable { .. }
            | Self::Unwritable { .. }
            | Self::Unstorable { .. }
            | Self::Fenced { .. }
            | Self::Superseded
            | Self::FlushTimeout { .. } => Blame::Environment,
            Self::Unencodable { .. } | Self::Unarrangeable { .. } | Self::RowsChanged { .. } | Self::WorkerEnded => {
                Blame::Bug
            }
        }
    }

    fn retry(&self) -> Retry {
        match self.blame() {
            Blame::Environment => Retry::WithBackoff,
            Blame::Operator | Blame::Data | Blame::Bug => Retry::Never,
        }
    }
}
