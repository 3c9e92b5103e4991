//! Reports by name: the embedded ones, and those of an operator's own folder, which may add and replace.
//!
//! What a report's header says and how values are bound is decided in `claviger_core::report`; here files are read
//! and statements run. The values stay values: the engine gets them beside the statement.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use claviger_core::access::TenantScope;
use claviger_core::fault::{Blame, Fault};
use claviger_core::report::{Binding, Report, ReportError, Value};
use datafusion::common::ScalarValue;
use rust_embed::RustEmbed;

use crate::query::{Answer, Queries, QueryError, Question, Trust};

#[derive(RustEmbed)]
#[folder = "queries/"]
struct Embedded;

/// Larger files are no reports.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// All reports at hand.
#[derive(Clone, Debug)]
pub struct Reports(BTreeMap<String, Report>);

impl Reports {
    /// The embedded reports, and those of `own` before them.
    ///
    /// # Errors
    /// The first file that cannot be read as a report.
    pub fn load(own: Option<&Path>) -> Result<Self, ReportsError> {
        let mut reports = BTreeMap::new();
        for file in Embedded::iter().filter(|file| file.ends_with(".sql")) {
            let text = Embedded::get(&file).map(|embedded| embedded.data).unwrap_or_default();
            add(&mut reports, Path::new(file.as_ref()), &String::from_utf8_lossy(&text))?;
        }
        for path in own.map(sql_files).transpose()?.unwrap_or_default() {
            let unreadable = |source| ReportsError::Unreadable { path: path.clone(), source };
            if path.metadata().map_err(unreadable)?.len() > FILE_BYTES_MAX {
                return Err(unreadable(io::Error::other("larger than 256 KiB")));
            }
            let text = std::fs::read_to_string(&path).map_err(unreadable)?;
            add(&mut reports, &path, &text)?;
        }
        Ok(Self(reports))
    }

    /// # Errors
    /// When there is none of this name.
    pub fn find(&self, name: &str) -> Result<&Report, ReportsError> {
        self.0.get(name).ok_or_else(|| ReportsError::NoSuchReport { name: name.to_owned(), alike: self.alike(name) })
    }

    /// By group, then by name.
    #[must_use]
    pub fn listed(&self) -> Vec<&Report> {
        let mut list: Vec<&Report> = self.0.values().collect();
        list.sort_by_key(|report| report.group);
        list
    }

    /// Names that share a word with `name`.
    fn alike(&self, name: &str) -> Vec<String> {
        let words: Vec<&str> = name.split(['-', '_', ' ']).filter(|word| word.len() > 2).collect();
        let shares = |other: &&String| words.iter().any(|word| other.contains(word));
        self.0.keys().filter(shares).cloned().collect()
    }
}

fn add(reports: &mut BTreeMap<String, Report>, path: &Path, text: &str) -> Result<(), ReportsError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let report = Report::parse(&name, &path.to_string_lossy(), text).map_err(ReportsError::Report)?;
    reports.insert(report.name.clone(), report);
    Ok(())
}

fn sql_files(folder: &Path) -> Result<Vec<PathBuf>, ReportsError> {
    let unreadable = |source| ReportsError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Starts a report for a caller who may see `tenants`. `now` (UTC microseconds) is what relative times are relative to.
///
/// # Errors
/// What was given does not fit the report, or the engine refuses.
pub async fn run(
    queries: &Queries,
    report: &Report,
    given: &[(String, String)],
    tenants: &TenantScope,
    now: i64,
) -> Result<Answer, ReportsError> {
    let parameters = scalars(report.bind(given, now).map_err(ReportsError::Report)?);
    let question = Question { sql: &report.sql, parameters: &parameters, tenants, trust: Trust::Own };
    queries.run(question).await.map_err(ReportsError::Query)
}

/// Values as the engine binds them to `$name`.
#[must_use]
pub fn scalars(bindings: Vec<Binding>) -> Vec<(String, ScalarValue)> {
    bindings.into_iter().map(|Binding { name, value }| (name, scalar(value))).collect()
}

fn scalar(value: Value) -> ScalarValue {
    const NANOS_A_MICRO: i64 = 1_000;
    match value {
        Value::Time(at) => ScalarValue::TimestampMicrosecond(at, Some("UTC".into())),
        Value::Duration(Some(us)) => ScalarValue::new_interval_mdn(0, 0, us.saturating_mul(NANOS_A_MICRO)),
        Value::Duration(None) => ScalarValue::IntervalMonthDayNano(None),
        Value::Text(text) => ScalarValue::Utf8(text),
        Value::Integer(number) => ScalarValue::Int64(number),
        Value::Number(number) => ScalarValue::Float64(number),
        Value::Boolean(flag) => ScalarValue::Boolean(flag),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReportsError {
    #[error(transparent)]
    Report(ReportError),
    #[error(transparent)]
    Query(QueryError),
    #[error("there is no report `{name}`")]
    NoSuchReport { name: String, alike: Vec<String> },
    #[error("cannot read reports from `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

impl Fault for ReportsError {
    fn hint(&self) -> String {
        match self {
            Self::Report(error) => error.hint(),
            Self::Query(error) => error.hint(),
            Self::NoSuchReport { alike, .. } if alike.is_empty() => {
                "`claviger report --list` names them all".to_owned()
            }
            Self::NoSuchReport { alike, .. } => format!("did you mean {}?", alike.join(", ")),
            Self::Unreadable { .. } => "check the folder of your own reports and its permissions".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Report(error) => error.blame(),
            Self::Query(error) => error.blame(),
            Self::NoSuchReport { .. } | Self::Unreadable { .. } => Blame::Operator,
        }
    }
}
