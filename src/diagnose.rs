//! Why does it fail? Reads what the lake and the identity directory know about a request, a key, a user, a tenant or an
//! incident, and has `claviger_core::diagnose` explain it.
//!
//! Promise: a caller of one tenant is told of that tenant's rows and keys only; what belongs to another is "never seen".
//! A key that is shown is hashed at once and forgotten.

mod find;
mod flows;
mod rows;
mod traffic;

use std::sync::Arc;

use claviger_core::access::TenantScope;
use claviger_core::classify::ClassifyOptions;
use claviger_core::diagnose::{Diagnosis, SubjectKind};
use claviger_core::fault::{Blame, Fault, Retry};
use claviger_core::identity::Directory;
use claviger_core::secret::{Credential, Pepper, Slips};

pub use flows::{coming_stops, impact};

use crate::lake::{Lake, LakeError};
use crate::query::{Queries, QueryError};

/// What a question is about.
#[derive(Clone, Debug)]
pub enum Asked {
    Request(String),
    Key(String),
    Principal(String),
    Tenant(String),
    /// An id, or its first letters.
    Incident(String),
    /// An id of any kind; if it is several, the first in the order of this list, and the others are named.
    Any(String),
    /// A credential that somebody showed. Made by [`Asked::shown`], which forgets the key.
    Credential(Box<Credential>),
}

impl Asked {
    /// A key as it was shown, hashed as a decoder would hash it.
    #[must_use]
    pub fn shown(key: &str, pepper: &Pepper, directory: &Directory) -> Self {
        let schemes = directory.schemes();
        let slips = Slips::of(key, pepper, schemes);
        Self::Credential(Box::new(Credential { slips: Some(Box::new(slips)), ..Credential::of(key, pepper, schemes) }))
    }

    /// The question about an id of this kind.
    #[must_use]
    pub fn of(kind: SubjectKind, id: String) -> Option<Self> {
        Some(match kind {
            SubjectKind::Request => Self::Request(id),
            SubjectKind::Key => Self::Key(id),
            SubjectKind::Principal => Self::Principal(id),
            SubjectKind::Tenant => Self::Tenant(id),
            SubjectKind::Incident => Self::Incident(id),
            SubjectKind::Credential => return None,
        })
    }
}

/// Answers questions over one lake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Diagnoser {
    lake: Lake,
    queries: Queries,
    options: Arc<ClassifyOptions>,
}

impl Diagnoser {
    /// Over one lake and the sandbox that reads it.
    #[must_use]
    pub fn new(lake: Lake, queries: Queries, options: ClassifyOptions) -> Self {
        Self { lake, queries, options: Arc::new(options) }
    }

    /// Explains what was asked about, as of `at` (UTC microseconds) or of when it was last seen. `None` when neither the
    /// lake nor the directory knows it, as far as `tenants` may see.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn diagnose(
        &self,
        asked: &Asked,
        at: Option<i64>,
        directory: &Arc<Directory>,
        tenants: &TenantScope,
    ) -> Result<Option<Diagnosis>, DiagnoseError> {
        let rows = rows::Rows { queries: &self.queries, tenants };
        let search = find::Search { lake: &self.lake, rows: &rows, directory, tenants, at };
        let Some(found) = Box::pin(search.find(asked)).await? else { return Ok(None) };
        let traffic = Box::pin(traffic::traffic(&rows, &found, directory)).await?;
        let case = claviger_core::diagnose::Case {
            subject: found.subject,
            row: found.row,
            is_request: found.is_request,
            directory,
            options: &self.options,
            traffic: &traffic,
            others: found.others,
        };
        Ok(Some(claviger_core::diagnose::diagnose(&case)))
    }
}

/// Why a diagnosis could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DiagnoseError {
    #[error("the lake's rows cannot be read")]
    Unreadable { source: QueryError },
    #[error("the incidents of the lake cannot be read")]
    NoIncidents { source: LakeError },
    #[error("rows of the lake cannot be understood")]
    NotRows { source: arrow::error::ArrowError },
    #[error("several incidents begin with `{id}`")]
    Ambiguous { id: String },
}

impl Fault for DiagnoseError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { source } => source.hint(),
            Self::NoIncidents { source } => source.hint(),
            Self::NotRows { .. } => "the lake was written by another version of Claviger".to_owned(),
            Self::Ambiguous { .. } => "write more of the id".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { source } => source.blame(),
            Self::NoIncidents { source } => source.blame(),
            Self::NotRows { .. } => Blame::Data,
            Self::Ambiguous { .. } => Blame::Operator,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unreadable { source } => source.retry(),
            Self::NoIncidents { source } => source.retry(),
            Self::NotRows { .. } | Self::Ambiguous { .. } => Retry::Never,
        }
    }
}
