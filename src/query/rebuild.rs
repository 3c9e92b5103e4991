//! Arrays without what their rows do not use.
//!
//! A filtered array may share its buffers with the rows that were filtered out: the values of a dictionary, the text
//! behind a view. SQL does not show them, but a writer that stores whole buffers would.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, GenericListArray, OffsetSizeTrait, make_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// The same values, in buffers that hold nothing else.
pub(super) fn rebuilt(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => {
            let plain = rebuilt(&arrow::compute::cast(array, values)?)?;
            arrow::compute::cast(&plain, array.data_type())
        }
        DataType::Utf8View => Ok(Arc::new(array.as_string_view().gc())),
        DataType::BinaryView => Ok(Arc::new(array.as_binary_view().gc())),
        DataType::List(_) => list(array.as_list::<i32>()),
        DataType::LargeList(_) => list(array.as_list::<i64>()),
        _ => copied(array),
    }
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<ArrayRef, ArrowError> {
    let (DataType::List(item) | DataType::LargeList(item)) = array.data_type() else {
        return Err(ArrowError::SchemaError("a list that is none".to_owned()));
    };
    let (first, last) = (array.value_offsets()[0], array.value_offsets()[array.len()]);
    let values = rebuilt(&array.values().slice(first.as_usize(), (last - first).as_usize()))?;
    let offsets = OffsetBuffer::from_lengths(array.offsets().lengths());
    Ok(Arc::new(GenericListArray::<O>::try_new(Arc::clone(item), offsets, values, array.nulls().cloned())?))
}

/// A slice as an array of its own.
fn copied(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let mut copy = arrow::array::MutableArrayData::new(vec![&data], false, array.len());
    copy.try_extend(0, 0, array.len())?;
    Ok(make_array(copy.freeze()))
}
