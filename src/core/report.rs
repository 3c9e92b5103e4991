//! Reports: query files whose comment header is their documentation and their typed parameters.
//!
//! A file is the header, then one SELECT statement. Every header line is `-- word: …`, in any order of words:
//!
//! ```text
//! -- title: Failures by cause
//! -- question: What fails most, for whom?
//! -- group: failures
//! -- parameter: from   time            -24h  "start of the period"
//! -- parameter: tenant tenant          null  "only this tenant"
//! -- parameter: limit  integer(1..500) 50    "rows at most"
//! -- column: cause    text    -        "root cause"
//! -- column: failures integer requests "refused requests"
//! -- chart: bars x=cause y=failures
//! ```
//!
//! A parameter's default is a value of its type, `null` (then the statement says `($tenant is null or …)`), or
//! `required`. Beside every time `$from` the statement may use `$from_date`, its UTC date as text: the partition
//! column of every table, so that a filter on it leaves out whole files.
//!
//! Promise: what [`Report::bind`] returns are typed values within bounds. They are bound by the engine and never
//! become part of a statement's text. What it does not do: read files, know the time, or check the SQL itself.

mod bind;
mod header;
mod parameter;

pub use bind::{Binding, Value};
pub use parameter::{Default, Kind, Parameter};

use crate::fault::{Blame, Fault};

/// A named query with its documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The file's name without its ending.
    pub name: String,
    pub title: String,
    /// What a person would ask to get this answer.
    pub question: String,
    pub group: Group,
    pub parameters: Vec<Parameter>,
    pub columns: Vec<Column>,
    pub chart: Option<Chart>,
    /// The whole file: the engine skips the header as comments, and line numbers in its errors stay true.
    pub sql: String,
}

/// A column of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    /// `None` for what is counted in nothing: names, times, flags.
    pub unit: Option<String>,
    pub meaning: String,
}

/// How a report is best drawn: names of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    pub shape: Shape,
    pub x: String,
    pub y: String,
    /// One line or layer for each of its values.
    pub series: Option<String>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$each])* $variant),* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As written in headers and shown to people.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $word),* } }

            #[must_use]
            pub fn named(word: &str) -> Option<Self> { Self::ALL.iter().copied().find(|known| known.name() == word) }
        }
    };
}

words! {
    /// What a report is about, in the order in which lists show it.
    Group {
        Failures "failures",
        /// Access that should not be.
        Access "access",
        Keys "keys",
        /// What happened to one key, user or tenant.
        Histories "histories",
        Usage "usage",
        Alerts "alerts",
        Platform "platform",
    }
}

words! {
    /// What a cell of an answer holds.
    ColumnKind {
        Text "text",
        /// A list of texts.
        Texts "texts",
        Integer "integer",
        Number "number",
        Boolean "boolean",
        /// An instant in UTC.
        Time "time",
    }
}

words! {
    /// A form of chart.
    Shape {
        /// Ranked bars, a category each.
        Bars "bars",
        /// Stacked columns over time.
        Columns "columns",
        /// Lines over time.
        Lines "lines",
    }
}

impl Report {
    /// Reads a query file. `file` is what errors call it.
    ///
    /// # Errors
    /// The first line of the header that says nothing, says it twice, or what the header leaves out.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, ReportError> {
        header::parse(name, text).map_err(|(line, problem)| ReportError::Header {
            file: file.to_owned(),
            line,
            problem,
        })
    }

    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}

/// Why a report cannot be read, or not be asked for like this. Shows what was given only where an operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("{file}:{line}: {problem}")]
    Header { file: String, line: usize, problem: String },
    #[error("report `{report}` has no parameter `{parameter}`")]
    NoSuchParameter { report: String, parameter: String, known: Vec<String> },
    #[error("parameter `{parameter}` is given twice")]
    GivenTwice { parameter: String },
    #[error("report `{report}` needs the parameter `{parameter}`: {meaning}")]
    Required { report: String, parameter: String, meaning: String },
    #[error("parameter `{parameter}`: not {wanted}")]
    BadValue { parameter: String, wanted: String, example: String },
    #[error("the period is empty: `from` is not before `to`")]
    EmptyPeriod,
}

impl ReportError {
    /// The parameter to correct, where it is one.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::NoSuchParameter { parameter, .. }
            | Self::GivenTwice { parameter }
            | Self::Required { parameter, .. }
            | Self::BadValue { parameter, .. } => Some(parameter),
            Self::EmptyPeriod => Some("from"),
            Self::Header { .. } => None,
        }
    }
}

impl Fault for ReportError {
    fn hint(&self) -> String {
        match self {
            Self::Header { .. } => "compare its header with that of a report that works".to_owned(),
            Self::NoSuchParameter { known, .. } if known.is_empty() => "it takes no parameters".to_owned(),
            Self::NoSuchParameter { known, .. } => format!("its parameters are {}", known.join(", ")),
            Self::GivenTwice { .. } => "give it once".to_owned(),
            Self::Required { parameter, .. } => {
                format!("give it: `--param {parameter}=…`, or `?{parameter}=…` over HTTP")
            }
            Self::BadValue { example, .. } => format!("for example {example}"),
            Self::EmptyPeriod => "choose an earlier `from` or a later `to`".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

#[cfg(test)]
mod tests;
