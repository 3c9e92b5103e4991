//! Reads identity snapshots from folders, keeps them fresh, and publishes each as one immutable value.
//!
//! What the files mean is decided in `claviger_core::identity`, which also documents their columns; here is only
//! what touches the disk. Nothing waits for a reload: readers of the channel go on with the directory they have.

mod csv_file;
mod folder;
mod memory;
mod ndjson_file;
mod parquet_file;
mod refresher;
mod signals;

use std::path::PathBuf;

use claviger_core::fault::{Blame, Fault, Retry};
use claviger_core::identity::{SnapshotError, Table};
use claviger_core::secret::Pepper;

pub use folder::load;
pub use refresher::{Refresher, Sources};

/// Why a folder cannot be used as a snapshot. Rows that are not in order are findings instead.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot read the folder `{}`", path.display())]
    NoFolder { path: PathBuf, source: std::io::Error },
    #[error("the folder `{}` holds no keys", path.display())]
    NoKeys { path: PathBuf },
    #[error("`{}` and `{}` are the same table", first.display(), second.display())]
    Twice { first: PathBuf, second: PathBuf },
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{}` does not say when the snapshot was taken", path.display())]
    BadSnapshot { path: PathBuf, source: SnapshotError },
    #[error("`{}` is no CSV file with a header", path.display())]
    BadCsv { path: PathBuf, source: csv::Error },
    #[error("`{}` is no Parquet file that can be read", path.display())]
    BadParquet { path: PathBuf, source: parquet::errors::ParquetError },
    #[error("`{}` is no Parquet file that can be read", path.display())]
    BadBatch { path: PathBuf, source: arrow::error::ArrowError },
    #[error("cannot write to `{}`", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("the pepper is shorter than {} bytes", Pepper::LENGTH_MIN)]
    ShortPepper,
    #[error("the folder changed while it was read")]
    Changing,
    #[error("loading the snapshot stopped half-way")]
    Stopped,
}

impl Fault for IdentityError {
    fn hint(&self) -> String {
        match self {
            Self::NoFolder { .. } => "name a folder with keys.ndjson, keys.csv or keys.parquet in it".to_owned(),
            Self::NoKeys { .. } => {
                let names: Vec<&str> = Table::ALL.iter().map(|table| table.name()).collect();
                format!("put keys.ndjson, keys.csv or keys.parquet there; it may hold {} alike", names.join(", "))
            }
            Self::Twice { .. } => "keep one of them: which rows count would depend on their order".to_owned(),
            Self::Unreadable { .. } => "check that the file exists and that this user may read it".to_owned(),
            Self::Unwritable { .. } => {
                "check free space and rights there; deletions are forgotten at a restart".to_owned()
            }
            Self::BadSnapshot { .. } => {
                "write {\"as_of\": \"2026-11-24T05:00:00Z\", \"source\": \"...\", \"environment\": \"prod\"} into it"
                    .to_owned()
            }
            Self::BadCsv { .. } => "its first line must name the columns, separated by commas".to_owned(),
            Self::BadParquet { .. } | Self::BadBatch { .. } => "write the file anew, or as NDJSON or CSV".to_owned(),
            Self::ShortPepper => "make one with `openssl rand -hex 32`".to_owned(),
            Self::Changing => "write a snapshot to a folder beside and rename it; it is read again".to_owned(),
            Self::Stopped => "this is a bug: please report it with the log lines before it".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoFolder { .. } | Self::NoKeys { .. } | Self::Twice { .. } | Self::ShortPepper => Blame::Operator,
            Self::Unreadable { .. } | Self::Unwritable { .. } | Self::Changing => Blame::Environment,
            Self::BadSnapshot { .. } | Self::BadCsv { .. } | Self::BadParquet { .. } | Self::BadBatch { .. } => {
                Blame::Data
            }
            Self::Stopped => Blame::Bug,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Changing | Self::Unreadable { .. } | Self::Unwritable { .. } => Retry::WithBackoff,
            Self::NoFolder { .. }
            | Self::NoKeys { .. }
            | Self::Twice { .. }
            | Self::BadSnapshot { .. }
            | Self::BadCsv { .. }
            | Self::BadParquet { .. }
            | Self::BadBatch { .. }
            | Self::ShortPepper
            | Self::Stopped => Retry::Never,
        }
    }
}
