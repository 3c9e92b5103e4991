//! Errors as a PostgreSQL client knows them: a code, a sentence, a hint.

use claviger_core::fault::Fault as _;
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError};

use crate::query::QueryError;

/// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
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
    let mut info = ErrorInfo::new("ERROR".to_owned(), code(error).to_owned(), error.to_string());
    info.hint = Some(error.hint());
    PgWireError::UserError(Box::new(info))
}

pub(super) fn error(code: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.to_owned())))
}

/// An error that ends the connection.
pub(super) fn fatal(code: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message.to_owned())))
}

/// Whatever the library says of the bytes it was given.
pub(super) fn of_protocol(error: impl std::fmt::Display) -> PgWireError {
    self::error("08P01", &error.to_string())
}
