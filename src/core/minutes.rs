//! Events to entity-minute partials: the table that detectors and dashboards work from.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::event::ColumnKind;

/// Columns of the `entity_minutes` table.
pub static MINUTE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("minute", ColumnKind::Time.arrow_type(), false),
        Field::new("entity_kind", ColumnKind::Dict.arrow_type(), false),
        Field::new("entity", ColumnKind::Dict.arrow_type(), false),
        Field::new("requests", DataType::Int64, false),
    ]))
});
