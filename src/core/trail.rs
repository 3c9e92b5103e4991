//! The audit trail: which rows of the lake it is made of, and each row as a record that reads the same for ever.
//!
//! A record is a canonical line of all columns that hold something, or an event of the Open Cybersecurity Schema
//! Framework. Instants are RFC 3339 in UTC with microseconds, numbers with fractions are texts, so that no reader's
//! arithmetic changes a record. Does not choose rows: the filter is a query of the shell's.

mod cells;
mod ocsf;

use arrow::error::ArrowError;

use crate::lake::TableName;
use crate::prove::{Line, NotCanonical, canonical};

pub use cells::Rows;
pub use ocsf::OCSF_VERSION;

/// What a trail holds. Each kind is a folder of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Who used which key, when, from where, for what, and how it ended.
    Requests,
    /// What detectors claimed.
    Findings,
    /// How keys, principals and tenants changed.
    Changes,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Requests, Self::Findings, Self::Changes];

    /// The folder's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Findings => "findings",
            Self::Changes => "changes",
        }
    }

    #[must_use]
    pub const fn table(self) -> TableName {
        match self {
            Self::Requests => TableName::Events,
            Self::Findings => TableName::Findings,
            Self::Changes => TableName::IdentityHistory,
        }
    }

    /// The instant by which a row is in a period or not.
    #[must_use]
    pub const fn time_column(self) -> &'static str {
        match self {
            Self::Requests => "event_at",
            Self::Findings => "to_at",
            Self::Changes => "at",
        }
    }

    /// Columns that put the rows into one order, whatever the files they lie in.
    #[must_use]
    pub const fn order(self) -> &'static [&'static str] {
        match self {
            Self::Requests => &["event_at", "topic", "partition", "offset", "part"],
            Self::Findings => &["to_at", "finding_id"],
            Self::Changes => {
                &["at", "kind", "id", "field", "before", "after", "directory_version", "noticed_as_of", "source"]
            }
        }
    }

    /// Whether the kind has a form in OCSF that says more than the row.
    #[must_use]
    pub const fn has_ocsf(self) -> bool {
        match self {
            Self::Requests | Self::Findings => true,
            Self::Changes => false,
        }
    }
}

/// How records are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Canonical lines of the lake's own columns.
    Own,
    /// OCSF events, as canonical lines.
    Ocsf,
}

/// Writes the rows of a batch as lines, numbered from `first` on.
///
/// # Errors
/// When a column is of a type that no table of the lake has.
pub fn write_lines(
    kind: Kind,
    spelling: Spelling,
    rows: &Rows,
    first: u64,
    text: &mut String,
) -> Result<(), ArrowError> {
    for row in 0..rows.len() {
        let sequence = first + row as u64;
        match (spelling, kind) {
            (Spelling::Ocsf, Kind::Requests) => push(&ocsf::of_request(rows, row, sequence), text)?,
            (Spelling::Ocsf, Kind::Findings) => push(&ocsf::of_finding(rows, row, sequence), text)?,
            (Spelling::Own, _) | (Spelling::Ocsf, Kind::Changes) => rows.write_line(row, Some(sequence), text),
        }
    }
    Ok(())
}

fn push(event: &serde_json::Value, text: &mut String) -> Result<(), ArrowError> {
    let line = canonical(event).map_err(|error: NotCanonical| ArrowError::ComputeError(error.to_string()))?;
    text.push_str(&line);
    text.push('\n');
    Ok(())
}

/// A row of a table that numbers its own records, as the line that its chain signs.
pub fn write_numbered(rows: &Rows, row: usize, text: &mut String) {
    rows.write_line(row, None, text);
}

#[cfg(test)]
mod tests;
