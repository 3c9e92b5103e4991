//! Arrow schemas of the core as Delta schemas: text stays text, whatever it is encoded as in memory.

use arrow::datatypes::{DataType as Arrow, Field, TimeUnit};
use claviger_core::lake::{PARTITION_COLUMN, TableName};
use deltalake::kernel::{ArrayType, DataType, PrimitiveType, StructField};

/// The columns of a table as stored, the partition column last.
pub(super) fn delta_fields(table: TableName) -> Vec<StructField> {
    let schema = table.schema();
    let mut fields: Vec<StructField> = schema.fields().iter().map(|field| delta_field(field)).collect();
    fields.push(StructField::new(PARTITION_COLUMN, DataType::Primitive(PrimitiveType::String), false));
    fields
}

fn delta_field(field: &Field) -> StructField {
    StructField::new(field.name(), delta_type(field.data_type()), field.is_nullable())
}

fn delta_type(arrow: &Arrow) -> DataType {
    let primitive = match arrow {
        Arrow::Dictionary(_, value) => return delta_type(value),
        Arrow::List(item) => {
            return DataType::Array(Box::new(ArrayType::new(delta_type(item.data_type()), item.is_nullable())));
        }
        Arrow::Boolean => PrimitiveType::Boolean,
        Arrow::Int8 => PrimitiveType::Byte,
        Arrow::Int16 | Arrow::UInt8 => PrimitiveType::Short,
        Arrow::Int32 | Arrow::UInt16 => PrimitiveType::Integer,
        Arrow::Int64 | Arrow::UInt32 => PrimitiveType::Long,
        Arrow::Float32 => PrimitiveType::Float,
        Arrow::Float64 => PrimitiveType::Double,
        Arrow::Timestamp(TimeUnit::Microsecond, Some(_)) => PrimitiveType::Timestamp,
        Arrow::Binary => PrimitiveType::Binary,
        // Everything else that a table of ours could hold is text; the stored schema is checked at open.
        _ => PrimitiveType::String,
    };
    DataType::Primitive(primitive)
}

/// The first column that the stored table lacks, or holds as another type.
pub(super) fn first_difference(table: TableName, stored: &deltalake::kernel::StructType) -> Option<String> {
    delta_fields(table)
        .into_iter()
        .find(|wanted| stored.field(wanted.name()).is_none_or(|found| found.data_type() != wanted.data_type()))
        .map(|wanted| wanted.name().clone())
}
