//! Why a question has no answer, told without a word of anybody's rows.
//!
//! What the person wrote may be quoted (SQL, names of tables and columns that they may see); values of rows may not.
//! Whatever goes wrong while rows are read is therefore one of a few sentences, with an id that leads to the log.

use std::time::Duration;

use arrow::error::ArrowError;
use claviger_core::fault::{Blame, Fault, Retry};
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use uuid::Uuid;

use super::hint;
use super::signals;
use crate::lake::LakeError;

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("the query has {found} {what}; {max} are allowed")]
    TooMuch { what: &'static str, found: usize, max: usize },
    #[error("{what} is not allowed in a query")]
    Forbidden { what: String },
    #[error("{message}")]
    NotUnderstood { message: String, hint: String },
    #[error("a lake table cannot be read")]
    Lake { source: Box<LakeError> },
    #[error("{running} queries are running and {waiting} wait")]
    Busy { running: usize, waiting: usize },
    #[error("memory is short: queries are refused until it is free again")]
    Overloaded,
    #[error("the query took longer than {} s", .limit.as_secs_f32())]
    TooSlow { limit: Duration },
    #[error("the query needs more memory than the {} MiB that one may use", .limit_bytes >> 20)]
    TooLarge { limit_bytes: usize },
    #[error("the query was stopped because the process ran short of memory")]
    Stopped,
    #[error("{what} (error {id})")]
    Failed { what: &'static str, id: String },
    #[error("no threads can be started")]
    NoThreads { source: std::io::Error },
}

impl QueryError {
    /// An error of an [`Answer`](super::Answer)'s rows, as this room's own.
    #[must_use]
    pub fn of_rows(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(source) => match source.downcast::<Self>() {
                Ok(own) => *own,
                Err(source) => Self::failed(&DataFusionError::External(source)),
            },
            other => Self::failed(&other),
        }
    }

    /// What the planner says about the text: it has seen no row yet.
    pub(super) fn of_plan(error: DataFusionError, visible: &[String]) -> Self {
        match root(&error) {
            DataFusionError::SchemaError(schema, _) => Self::of_schema(schema, &error),
            DataFusionError::Plan(_) | DataFusionError::SQL(..) | DataFusionError::NotImplemented(_) => {
                let message = sentence(&error);
                let hint = hint::for_message(&message, visible);
                Self::NotUnderstood { message, hint }
            }
            _ => Self::of_lake(error),
        }
    }

    fn of_schema(schema: &SchemaError, error: &DataFusionError) -> Self {
        match schema {
            SchemaError::FieldNotFound { field, valid_fields } => Self::NotUnderstood {
                message: format!("there is no column `{}`", field.flat_name()),
                hint: hint::for_column(field.name(), valid_fields.iter().map(|field| field.name())),
            },
            SchemaError::AmbiguousReference { .. }
            | SchemaError::DuplicateQualifiedField { .. }
            | SchemaError::DuplicateUnqualifiedField { .. } => Self::NotUnderstood {
                message: sentence(error),
                hint: "give the column the name of its table, or another name with `as`".to_owned(),
            },
        }
    }

    fn of_lake(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(source) => match source.downcast::<LakeError>() {
                Ok(source) => Self::Lake { source },
                Err(source) => Self::failed(&DataFusionError::External(source)),
            },
            other => Self::failed(&other),
        }
    }

    /// What went wrong below the plan. The error itself, which may hold values, goes to the log and nowhere else.
    pub(super) fn failed(error: &DataFusionError) -> Self {
        let id = format!("{:08x}", Uuid::new_v4().as_fields().0);
        signals::Failed { id: &id, error }.emit();
        Self::Failed { what: kind(error), id }
    }
}

fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(all) => all.first().map_or(error, root),
        other => other,
    }
}

fn sentence(error: &DataFusionError) -> String {
    let text = root(error).strip_backtrace();
    let text = ["Error during planning: ", "SQL error: ", "Schema error: ", "This feature is not implemented: "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(&text);
    text.chars().take(MESSAGE_CHARS_MAX).map(|c| if c == '\n' { ' ' } else { c }).collect()
}

fn kind(error: &DataFusionError) -> &'static str {
    match root(error) {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => "a number was divided by zero",
            ArrowError::CastError(_) | ArrowError::ParseError(_) => "a value does not fit the type it was cast to",
            ArrowError::ArithmeticOverflow(_) => "a number grew too large for its type",
            _ => "the query failed while it ran",
        },
        _ => "the query failed while it ran",
    }
}

impl Fault for QueryError {
    fn hint(&self) -> String {
        match self {
            Self::TooMuch { .. } => "ask in several queries, or join with a table instead of a list".to_owned(),
            Self::Forbidden { .. } => {
                "one SELECT that only reads; the functions and limits are listed in the catalog".to_owned()
            }
            Self::NotUnderstood { hint, .. } => hint.clone(),
            Self::Lake { source } => source.hint(),
            Self::Busy { .. } => "try again in a few seconds".to_owned(),
            Self::Overloaded | Self::Stopped => "try again in a few seconds, over fewer days".to_owned(),
            Self::TooSlow { .. } | Self::TooLarge { .. } => {
                "narrow the query by `date`, select fewer columns, or add a limit".to_owned()
            }
            Self::Failed { .. } => {
                "check casts and divisions (`try_cast`, `nullif`); the log has more under this id".to_owned()
            }
            Self::NoThreads { .. } => "raise the limit of processes (`ulimit -u`)".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::TooMuch { .. }
            | Self::Forbidden { .. }
            | Self::NotUnderstood { .. }
            | Self::TooSlow { .. }
            | Self::TooLarge { .. }
            | Self::Failed { .. } => Blame::Operator,
            Self::Lake { source } => source.blame(),
            Self::Busy { .. } | Self::Overloaded | Self::Stopped | Self::NoThreads { .. } => Blame::Environment,
        }
    }

    fn retry(&self) -> Retry {
        match self.blame() {
            Blame::Environment => Retry::WithBackoff,
            Blame::Operator | Blame::Data | Blame::Bug => Retry::Never,
        }
    }
}

/// Planner messages list whole schemas.
const MESSAGE_CHARS_MAX: usize = 600;
