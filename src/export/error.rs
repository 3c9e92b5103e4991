//! What can go wrong while a trail is written.

use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;
use claviger_core::fault::{Blame, Fault};
use claviger_core::trail::Kind;
use parquet::errors::ParquetError;

use crate::lake::LakeError;

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the period is empty")]
    NoPeriod,
    #[error("the rows of another tenant were asked for")]
    OtherTenant,
    #[error("`{}` is not empty", path.display())]
    Occupied { path: PathBuf },
    #[error("{kept} exports are kept already")]
    TooMany { kept: usize },
    #[error("cannot write `{}`", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lake(LakeError),
    #[error("rows of {} cannot be written as records", kind.name())]
    Unspeakable { kind: Kind, source: ArrowError },
    #[error("rows of {} cannot be encoded", kind.name())]
    Unencodable { kind: Kind, source: ParquetError },
    #[error("the lake counts {in_lake} {} and {exported} were read", kind.name())]
    Incomplete { kind: Kind, in_lake: u64, exported: u64 },
}

impl Fault for ExportError {
    fn hint(&self) -> String {
        match self {
            Self::NoPeriod => "give `from` before `to`; the period ends before `to`".to_owned(),
            Self::OtherTenant => "leave the tenant out: only your own rows are yours to export".to_owned(),
            Self::Occupied { .. } => {
                "name a folder that does not exist yet: an export never adds to what is there".to_owned()
            }
            Self::TooMany { .. } => "throw one away that is no longer needed".to_owned(),
            Self::Unwritable { .. } => "check the path, its permissions and the free space".to_owned(),
            Self::Lake(error) => error.hint(),
            Self::Unspeakable { .. } | Self::Unencodable { .. } => "report it: nothing was exported".to_owned(),
            Self::Incomplete { .. } => {
                "do not rely on this export; `claviger check-lake` tells whether the lake is whole".to_owned()
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoPeriod | Self::OtherTenant | Self::Occupied { .. } | Self::TooMany { .. } => Blame::Operator,
            Self::Unwritable { .. } => Blame::Environment,
            Self::Lake(error) => error.blame(),
            Self::Incomplete { .. } => Blame::Data,
            Self::Unspeakable { .. } | Self::Unencodable { .. } => Blame::Bug,
        }
    }
}
