//! What clients say to a database and not to its tables, answered by hand.
//!
//! Nothing of it changes anything here: there are no transactions, and settings that a client makes of its own session
//! are acknowledged when they are harmless. A setting that is not on the list is refused, so that nobody believes in it.

use std::sync::Arc;
use std::time::Duration;

use datafusion::sql::sqlparser::ast::{Set, Statement};
use datafusion_postgres::pgwire::api::Type;
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use datafusion_postgres::pgwire::error::PgWireResult;

use super::refusal;
use crate::query::setting;

/// A statement that is answered without asking the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fixed {
    Begin,
    /// The word that the client reads back.
    End(&'static str),
    Done(&'static str),
    /// How long a statement of this connection may take; `None` for as long as the sandbox lets it.
    Timeout(Option<Duration>),
    Show {
        name: String,
        value: String,
    },
}

/// Settings that a client may make: they change nothing that it could notice.
const SETTABLE: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "search_path",
    "standard_conforming_strings",
];

/// The answer to a statement of the fixed list; `None` for a query.
///
/// # Errors
/// For settings that nothing here follows.
pub(super) fn recognized(statement: &Statement) -> PgWireResult<Option<Fixed>> {
    Ok(Some(match statement {
        Statement::StartTransaction { .. } => Fixed::Begin,
        Statement::Commit { .. } => Fixed::End("COMMIT"),
        Statement::Rollback { .. } => Fixed::End("ROLLBACK"),
        Statement::Savepoint { .. } => Fixed::Done("SAVEPOINT"),
        Statement::ReleaseSavepoint { .. } => Fixed::Done("RELEASE"),
        Statement::Discard { .. } => Fixed::Done("DISCARD ALL"),
        Statement::Deallocate { .. } => Fixed::Done("DEALLOCATE"),
        Statement::Close { .. } => Fixed::Done("CLOSE CURSOR"),
        Statement::Reset(_) => Fixed::Done("RESET"),
        Statement::UNLISTEN { .. } => Fixed::Done("UNLISTEN"),
        Statement::Set(set) => settable(set)?,
        Statement::ShowVariable { variable } => {
            let words: Vec<String> = variable.iter().map(|word| word.value.to_lowercase()).collect();
            // `show time zone`, `show transaction isolation level`
            let name = match words.join("_").as_str() {
                "time_zone" => "timezone".to_owned(),
                "transaction_isolation_level" => "transaction_isolation".to_owned(),
                other => other.to_owned(),
            };
            let Some(value) = setting(&name) else {
                return Err(refusal::error("42704", &format!("there is no setting `{name}`")));
            };
            Fixed::Show { name, value: value.to_owned() }
        }
        _ => return Ok(None),
    }))
}

fn settable(set: &Set) -> PgWireResult<Fixed> {
    match set {
        Set::SingleAssignment { variable, values, .. }
            if variable.to_string().eq_ignore_ascii_case("statement_timeout") =>
        {
            let told = values.first().map(ToString::to_string).unwrap_or_default();
            let known = timeout(told.trim_matches(['\'', '"']));
            known.ok_or_else(|| {
                refusal::error("22023", "`statement_timeout` is a number of milliseconds, or like `30s`")
            })
        }
        Set::SingleAssignment { variable, .. } if is_settable(&variable.to_string()) => Ok(Fixed::Done("SET")),
        Set::SetTransaction { .. } | Set::SetNames { .. } | Set::SetNamesDefault {} => Ok(Fixed::Done("SET")),
        Set::SetTimeZone { value, .. } if is_utc(&value.to_string()) => Ok(Fixed::Done("SET")),
        Set::SetTimeZone { .. } => {
            Err(refusal::error("0A000", "times are UTC here: convert them where they are shown"))
        }
        Set::SingleAssignment { variable, values, .. } if variable.to_string().eq_ignore_ascii_case("timezone") => {
            if values.iter().all(|value| is_utc(&value.to_string())) {
                Ok(Fixed::Done("SET"))
            } else {
                Err(refusal::error("0A000", "times are UTC here: convert them where they are shown"))
            }
        }
        other => Err(refusal::error("42501", &format!("`{other}` is not allowed here"))),
    }
}

/// `0`, `1500`, `1500ms`, `30s` or `5min`.
fn timeout(told: &str) -> Option<Fixed> {
    let digits = told.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = told.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let unit_ms = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return None,
    };
    Some(Fixed::Timeout((number > 0).then(|| Duration::from_millis(number.saturating_mul(unit_ms)))))
}

fn is_settable(variable: &str) -> bool {
    SETTABLE.iter().any(|name| variable.eq_ignore_ascii_case(name))
}

fn is_utc(zone: &str) -> bool {
    let zone = zone.trim_matches(['\'', '"']);
    ["utc", "etc/utc", "gmt", "z", "default", "local"].iter().any(|name| zone.eq_ignore_ascii_case(name))
}

impl Fixed {
    pub(super) fn fields(&self) -> Vec<FieldInfo> {
        match self {
            Self::Begin | Self::End(_) | Self::Done(_) | Self::Timeout(_) => Vec::new(),
            Self::Show { name, .. } => {
                vec![FieldInfo::new(name.clone(), None, None, Type::TEXT, FieldFormat::Text)]
            }
        }
    }

    pub(super) fn response(&self) -> PgWireResult<Response> {
        Ok(match self {
            Self::Begin => Response::TransactionStart(Tag::new("BEGIN")),
            Self::End(word) => Response::TransactionEnd(Tag::new(word)),
            Self::Done(word) => Response::Execution(Tag::new(word)),
            Self::Timeout(_) => Response::Execution(Tag::new("SET")),
            Self::Show { value, .. } => {
                let fields = Arc::new(self.fields());
                let mut row = DataRowEncoder::new(Arc::clone(&fields));
                row.encode_field(&Some(value.as_str()))?;
                let row = Ok(row.take_row());
                Response::Query(QueryResponse::new(fields, Box::pin(futures::stream::once(async move { row }))))
            }
        })
    }
}
