//! Why a statement is not answered: as a PostgreSQL client knows it (a code, a sentence, a hint), and as it stands on
//! record.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use claviger_core::audit::Outcome;
use claviger_core::fault::Fault as _;
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError};

use super::Turned;
use crate::query::QueryError;

/// What ends a question before its answer is whole.
#[derive(Debug)]
pub(super) enum Refusal {
    Query(QueryError),
    /// The door does not let it pass.
    Turned(Turned),
    /// The client's own `statement_timeout`.
    TimedOut,
    /// The protocol has no word for an answer that is not whole.
    Cut {
        rows: u64,
    },
    /// In the protocol's own words: what was sent makes no sense, or is on no list.
    Wire(PgWireError),
}

impl Refusal {
    /// How the record of it ends, as over HTTP.
    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Query(error) => match error {
                QueryError::Forbidden { .. }
                | QueryError::NotUnderstood { .. }
                | QueryError::Failed { .. }
                | QueryError::TooMuch { .. }
                | QueryError::TooLarge { .. } => Outcome::Wrong,
                QueryError::Busy { .. } | QueryError::Overloaded => Outcome::Refused,
                QueryError::Lake { .. }
                | QueryError::NoThreads { .. }
                | QueryError::Stopped
                | QueryError::TooSlow { .. } => Outcome::Failed,
            },
            Self::Turned(Turned::TooOften { .. } | Turned::Ended) => Outcome::Refused,
            Self::Turned(Turned::Unknowable) | Self::TimedOut => Outcome::Failed,
            Self::Cut { .. } | Self::Wire(_) => Outcome::Wrong,
        }
    }
}

impl From<Refusal> for PgWireError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Query(error) => of_query(&error),
            Refusal::Turned(turned) => of_door(turned),
            Refusal::TimedOut => error("57014", "canceling statement due to statement timeout"),
            Refusal::Cut { rows } => {
                let message =
                    format!("the answer is longer than the {rows} rows that were sent: add a limit or a condition");
                error("54000", &message)
            }
            Refusal::Wire(error) => error,
        }
    }
}

impl From<PgWireError> for Refusal {
    fn from(error: PgWireError) -> Self {
        Self::Wire(error)
    }
}

fn of_door(turned: Turned) -> PgWireError {
    match turned {
        Turned::TooOften { wait } => {
            let hint = format!("wait {} ms; `serve.limits` sets the rate", wait.as_millis().max(1));
            hinted("ERROR", "53400", "more statements a second than a caller or tenant may ask", hint)
        }
        Turned::Ended => {
            let hint = "connect again with one that works: `claviger token create`, or sign in again".to_owned();
            hinted("FATAL", "28000", "the token of this connection was revoked or has ended", hint)
        }
        Turned::Unknowable => {
            let hint = "try again in a few seconds; `/ready` over HTTP says what the service waits for".to_owned();
            hinted("ERROR", "57P03", "whether the token still holds cannot be told now", hint)
        }
    }
}

const fn code(error: &QueryError) -> &'static str {
    match error {
        QueryError::TooMuch { .. } => "54000",
        QueryError::Forbidden { .. } => "42501",
        QueryError::NotUnderstood { .. } => "42601",
        QueryError::Lake { .. } | QueryError::NoThreads { .. } => "58000",
        QueryError::Busy { .. } => "53300",
        QueryError::Overloaded | QueryError::Stopped | QueryError::TooLarge { .. } => "53200",
        QueryError::TooSlow { .. } => "57014",
        QueryError::Failed { .. } => "22000",
    }
}

pub(super) fn of_query(error: &QueryError) -> PgWireError {
    hinted("ERROR", code(error), &error.to_string(), error.hint())
}

pub(super) fn error(code: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.to_owned())))
}

/// An error that ends the connection.
pub(super) fn fatal(code: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message.to_owned())))
}

/// An error that ends the connection, with what to do.
pub(super) fn fatal_with(code: &str, message: &str, hint: String) -> PgWireError {
    hinted("FATAL", code, message, hint)
}

fn hinted(severity: &str, code: &str, message: &str, hint: String) -> PgWireError {
    let mut info = ErrorInfo::new(severity.to_owned(), code.to_owned(), message.to_owned());
    info.hint = Some(hint);
    PgWireError::UserError(Box::new(info))
}

/// Whatever the library says of the bytes it was given.
pub(super) fn of_protocol(error: impl std::fmt::Display) -> PgWireError {
    self::error("08P01", &error.to_string())
}
