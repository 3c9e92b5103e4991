//! What there is to ask for: the tables with their columns, and the words that stand in them.
//!
//! Gathers what the rooms say of themselves, so that the API, the dashboard and the files under `schemas/` tell the
//! same. Holds no rows and knows no caller.

use arrow::datatypes::{DataType, Field};

use crate::access::rows::meaning_of_token_column;
use crate::alert::{meaning_of_finding_column, meaning_of_incident_column};
use crate::audit::meaning_of_audit_column;
use crate::event::Column;
use crate::identity::{meaning_of_directory_key_column, meaning_of_directory_route_column, meaning_of_history_column};
use crate::lake::{PARTITION_COLUMN, TableName, meaning_of_gap_column};
use crate::minutes::meaning_of_minute_column;
use crate::reject::meaning_of_reject_column;
use crate::saved::meaning_of_saved_column;

/// A column as people read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnWords {
    pub name: String,
    /// In the words of Delta and Parquet.
    pub type_name: String,
    /// `None` for what is counted in nothing: names, times, flags.
    pub unit: Option<&'static str>,
    pub meaning: &'static str,
}

impl TableName {
    /// What a row is.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Events => "one request at a gateway, with who sent it and why it ended as it did",
            Self::Rejects => "one frame, or part of one, that no decoder could read",
            Self::EntityMinutes => "what one key, source, tenant, route or gateway did in one minute, by cause",
            Self::IdentityHistory => "one change of a key, principal, tenant or grant",
            Self::DirectoryKeys => "one key, as one version of the identity directory knew it",
            Self::DirectoryRoutes => "one route, as one version of the identity directory knew it",
            Self::Findings => "one claim of a detector",
            Self::Incidents => "one event in the life of an incident: opened, told, acknowledged, resolved",
            Self::Gaps => "a range of offsets that was never read, and why",
            Self::SavedQueries => "one query that somebody saved, changed or took away",
            Self::Tokens => "one event in the life of an access token: made, used, replaced, revoked",
            Self::Audit => "one access to the service: who did what, to whose rows, with what outcome",
        }
    }

    /// Every column, the partition column last, as it is stored.
    #[must_use]
    pub fn columns(self) -> Vec<ColumnWords> {
        let described = |field: &Field| ColumnWords {
            name: field.name().clone(),
            type_name: type_name(field.data_type()),
            unit: unit(field.name(), field.data_type()),
            meaning: self.meaning_of_column(field.name()),
        };
        let mut columns: Vec<ColumnWords> = self.schema().fields().iter().map(|field| described(field)).collect();
        columns.push(described(&Field::new(PARTITION_COLUMN, DataType::Utf8, false)));
        columns
    }

    /// What a column means, with its unit; empty for a name that is none of the table's.
    #[must_use]
    pub fn meaning_of_column(self, name: &str) -> &'static str {
        if name == PARTITION_COLUMN {
            return "UTC date of the row: a condition on it leaves out whole files";
        }
        match self {
            Self::Events => {
                Column::ALL.iter().find(|column| column.name() == name).map_or("", |column| column.meaning())
            }
            Self::Rejects => meaning_of_reject_column(name),
            Self::EntityMinutes => meaning_of_minute_column(name),
            Self::IdentityHistory => meaning_of_history_column(name),
            Self::DirectoryKeys => meaning_of_directory_key_column(name),
            Self::DirectoryRoutes => meaning_of_directory_route_column(name),
            Self::Findings => meaning_of_finding_column(name),
            Self::Incidents => meaning_of_incident_column(name),
            Self::Gaps => meaning_of_gap_column(name),
            Self::SavedQueries => meaning_of_saved_column(name),
            Self::Tokens => meaning_of_token_column(name),
            Self::Audit => meaning_of_audit_column(name),
        }
    }
}

/// A type in the words of Delta and Parquet: how text is held in memory is nobody else's business.
#[must_use]
#[expect(clippy::wildcard_enum_match_arm, reason = "types that no table of ours has are called what Arrow calls them")]
pub fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Boolean => "boolean",
        DataType::Int8 => "byte",
        DataType::Int16 | DataType::UInt8 => "short",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "timestamp",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary",
        DataType::Decimal128(precision, scale) => return format!("decimal({precision},{scale})"),
        DataType::Dictionary(_, value) => return type_name(value),
        DataType::List(item) => return format!("array<{}>", type_name(item.data_type())),
        other => return other.to_string().to_lowercase(),
    };
    name.to_owned()
}

/// The unit that a name ends with. Only numbers have one.
#[must_use]
pub fn unit(name: &str, data_type: &DataType) -> Option<&'static str> {
    if !data_type.is_numeric() {
        return None;
    }
    let ending = name.rsplit('_').next().unwrap_or(name);
    match ending {
        "us" => Some("µs"),
        "ms" => Some("ms"),
        "s" | "seconds" => Some("s"),
        "bytes" => Some("bytes"),
        "tokens" => Some("tokens"),
        "micros" => Some("millionths of the billing currency"),
        "requests" => Some("requests"),
        "rows" => Some("rows"),
        _ => None,
    }
}

/// Who can have said no, as `denied_by` holds it, with the label that pages show. `nobody` stands for null.
pub const DENIED_BY: &[(&str, &str)] = &[
    ("gateway", "Gateway"),
    ("authorizer", "Identity service"),
    ("application", "Application"),
    ("limiter", "Limiter"),
    ("firewall", "Firewall"),
    ("nobody", "Nobody"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{CauseClass, RootCause};

    #[test]
    fn no_table_and_no_column_goes_without_a_meaning() {
        for table in TableName::ALL {
            assert!(!table.meaning().is_empty(), "{table}");
            for column in table.columns() {
                assert!(!column.meaning.is_empty(), "`{}` of `{table}`", column.name);
            }
        }
    }

    #[test]
    fn no_cause_and_no_class_goes_without_words() {
        for cause in RootCause::ALL {
            let (label, sentence) = (cause.label(), cause.sentence());
            assert!(!label.is_empty() && label.len() <= 30 && !label.ends_with('.'), "{label}");
            assert!(sentence.ends_with('.') && sentence.len() > label.len(), "{sentence}");
            assert!(!cause.remedy().is_empty() && !cause.class().label().is_empty());
        }
        let mut labels: Vec<_> = RootCause::ALL.iter().map(|cause| cause.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), RootCause::ALL.len(), "two causes share a label");
        assert_eq!(CauseClass::ALL.len(), 11);
    }

    #[test]
    fn units_come_from_the_end_of_a_name_and_for_numbers_only() {
        assert_eq!(unit("latency_us", &DataType::Int64), Some("µs"));
        assert_eq!(unit("input_tokens", &DataType::Int64), Some("tokens"));
        assert_eq!(unit("status", &DataType::Int16), None);
        assert_eq!(unit("route_bytes", &DataType::Utf8), None);
    }
}
