//! How each column is laid out in a Parquet file: what is worth encoding, indexing and counting.
//!
//! Statistics and dictionaries cost a comparison or a hash a row and column. They are kept where a reader prunes
//! by them or where they shrink the file, and left out elsewhere.

use arrow::datatypes::{DataType, Field};
use claviger_core::lake::TableName;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Columns that queries look single values up by, and how often a row group may be read in vain. A lake of 50 million rows
/// has some 800 of them, and who asks for a request waits; a filter of one in a hundred is half as large.
const BLOOM_COLUMNS: &[(&str, f64)] = &[("request_id", 0.001), ("fingerprint", 0.01)];

/// Columns whose page statistics let a reader skip pages.
const PRUNING_COLUMNS: &[&str] = &[
    "event_at",
    "ingested_at",
    "offset",
    "partition",
    "tenant_id",
    "key_id",
    "principal_id",
    "status",
    "cause",
    "minute",
    "entity_kind",
    "entity",
    "reason",
    "at",
    "from_at",
    "detector",
    "incident_id",
    "seq",
];

/// Columns whose least and greatest values are written into the log, for skipping whole files.
pub(super) fn log_statistics(table: TableName) -> &'static [&'static str] {
    match table {
        TableName::Events => &["event_at", "tenant_id", "partition", "offset", "status", "cause"],
        TableName::Rejects => &["ingested_at", "partition", "offset", "reason"],
        TableName::EntityMinutes => &["minute", "entity_kind", "entity"],
        TableName::IdentityHistory => &["at", "kind", "id"],
        TableName::DirectoryKeys => &["as_of", "tenant_id", "key_id"],
        TableName::DirectoryRoutes => &["as_of"],
        TableName::Findings => &["from_at", "detector", "entity", "tenant_id"],
        TableName::Incidents => &["at", "sequence", "event", "incident_id"],
        TableName::Gaps => &["declared_at", "partition", "begin", "end"],
        TableName::SavedQueries => &["at"],
        TableName::Tokens => &["at"],
        TableName::Audit => &["at", "tenant_id", "seq"],
    }
}

pub(super) fn writer_properties(table: TableName) -> WriterProperties {
    let schema = table.schema();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(sorting_columns(table)));
    for field in schema.fields() {
        properties = lay_out(properties, field);
    }
    properties.build()
}

fn lay_out(properties: WriterPropertiesBuilder, field: &Field) -> WriterPropertiesBuilder {
    let name = field.name().as_str();
    let column = ColumnPath::from(name);
    let mut properties = match field.data_type() {
        // Counters and instants: neighbours differ by little.
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) => properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column.clone(), Encoding::DELTA_BINARY_PACKED),
        // Text that seldom repeats: a dictionary would only be built to be thrown away.
        DataType::Utf8 => properties.set_column_dictionary_enabled(column.clone(), false),
        _ => properties,
    };
    if PRUNING_COLUMNS.contains(&name) {
        properties = properties.set_column_statistics_enabled(column.clone(), EnabledStatistics::Page);
    }
    if let Some((_, false_positives)) = BLOOM_COLUMNS.iter().find(|(column, _)| *column == name) {
        properties = properties
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_fpp(column.clone(), *false_positives)
            .set_column_bloom_filter_max_ndv(column, BLOOM_VALUES_MAX);
    }
    properties
}

/// Distinct values a bloom filter is sized for before it is folded to what was seen: a row group's rows.
const BLOOM_VALUES_MAX: u64 = 128 * 1024;

fn sorting_columns(table: TableName) -> Vec<SortingColumn> {
    let schema = table.schema();
    let places = table.sort_columns().iter().filter_map(|column| schema.index_of(column).ok());
    places
        .filter_map(|place| i32::try_from(place).ok())
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true })
        .collect()
}
