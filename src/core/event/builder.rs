//! Column builders of the event table. Text that repeats becomes a dictionary at once: a batch of access
//! logs holds a handful of hosts, routes and agents, and every later room then works a distinct value at a
//! time instead of a row at a time.
//!
//! Batches resemble each other, so a builder makes room for the next one by the last one: what is finished is given away
//! with its memory, and growing anew from nothing would copy every text several times.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int16Array, Int32Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Int32Type};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Most bytes of text that a builder makes room for by the last batch: one huge batch is no reason for the next.
const EXPECTED_BYTES_MAX: usize = 4 << 20;
/// Bytes that a text is expected to have before any was seen.
const TEXT_BYTES_USUAL: usize = 32;

/// Distinct strings of one batch, each with a small code. The empty string is never stored: in every text
/// column of ours it means "none", so that a missing value costs no branch on the caller's side.
#[derive(Debug, Default)]
pub struct Interner {
    bytes: String,
    /// End of each value in `bytes`.
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: RandomState,
    last: u32,
    /// What the last batch came to.
    expected_bytes: usize,
}

impl Interner {
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The value behind `code`; empty for a code that was never given out.
    #[must_use]
    pub fn get(&self, code: u32) -> &str {
        value(&self.bytes, &self.ends, code)
    }

    /// The code of `text`, new or known. Codes count up from 0.
    pub fn intern(&mut self, text: &str) -> u32 {
        if self.get(self.last) == text && !self.ends.is_empty() {
            return self.last;
        }
        let hash = self.hasher.hash_one(text);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(&code) = self.table.find(hash, |&code| value(bytes, ends, code) == text) {
            self.last = code;
            return code;
        }
        let code = u32::try_from(self.ends.len()).expect("a batch has far fewer than 2^32 rows");
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.table.insert_unique(hash, code, |&code| hasher.hash_one(value(bytes, ends, code)));
        self.last = code;
        code
    }

    /// The code of `text`, if it has one.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<u32> {
        let (bytes, ends) = (&self.bytes, &self.ends);
        self.table.find(self.hasher.hash_one(text), |&code| value(bytes, ends, code) == text).copied()
    }

    /// Makes room for as much text as the last batch held.
    fn reserve(&mut self) {
        self.bytes.reserve(self.expected_bytes);
    }

    /// Empties it and overwrites what it held.
    pub(crate) fn forget(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes).into_bytes();
        bytes.fill(0);
        bytes.clear();
        self.bytes = String::from_utf8(bytes).expect("nothing is UTF-8");
        self.empty();
    }

    fn empty(&mut self) {
        self.ends.clear();
        self.table.clear();
        self.last = 0;
    }

    /// Gives back memory that growing has left over.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.table.allocation_size()
    }

    /// All values in code order, leaving this interner empty.
    pub fn take(&mut self) -> StringArray {
        let lengths = self.ends.iter().scan(0, |start, &end| {
            let length = end - *start;
            *start = end;
            Some(length)
        });
        let offsets = OffsetBuffer::from_lengths(lengths);
        self.expected_bytes = self.bytes.len().min(EXPECTED_BYTES_MAX);
        let values = Buffer::from(std::mem::take(&mut self.bytes).into_bytes());
        self.empty();
        StringArray::new(offsets, values, None)
    }
}

fn value<'a>(bytes: &'a str, ends: &[usize], code: u32) -> &'a str {
    let code = code as usize;
    let Some(&end) = ends.get(code) else { return "" };
    let start = if code == 0 { 0 } else { ends[code - 1] };
    bytes.get(start..end).unwrap_or("")
}

/// Which rows hold a value, worked out once a batch from a sentinel: pushing a row then costs no branch.
fn presence(rows: usize, is_present: impl Fn(usize) -> bool) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows, is_present));
    (nulls.null_count() > 0).then_some(nulls)
}

/// The code of no text.
const NO_CODE: i32 = -1;

/// Text that repeats: codes into an [`Interner`].
#[derive(Debug, Default)]
pub struct DictColumn {
    codes: Vec<i32>,
    values: Interner,
}

impl DictColumn {
    pub fn reserve(&mut self, rows: usize) {
        self.codes.reserve(rows);
        self.values.reserve();
    }

    pub fn push(&mut self, text: &str) {
        let code = if text.is_empty() { NO_CODE } else { self.values.intern(text).cast_signed() };
        self.codes.push(code);
    }

    /// Repeats a value whose code the caller kept from [`DictColumn::code`]: no hashing.
    pub fn push_code(&mut self, code: Option<u32>) {
        self.codes.push(code.map_or(NO_CODE, u32::cast_signed));
    }

    /// The code under which `text` can be pushed; `None` for the empty text.
    pub fn code(&mut self, text: &str) -> Option<u32> {
        (!text.is_empty()).then(|| self.values.intern(text))
    }

    pub fn finish(&mut self) -> ArrayRef {
        let mut codes = std::mem::take(&mut self.codes);
        let nulls = presence(codes.len(), |row| codes[row] != NO_CODE);
        if nulls.is_some() {
            codes.iter_mut().for_each(|code| *code = (*code).max(0));
        }
        let keys = Int32Array::new(ScalarBuffer::from(codes), nulls);
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(self.values.take())))
    }
}

/// Text that seldom repeats.
#[derive(Debug)]
pub struct TextColumn {
    bytes: String,
    offsets: Vec<i32>,
    /// By the last batch, with an eighth to spare.
    expected_bytes_per_row: usize,
}

impl Default for TextColumn {
    fn default() -> Self {
        Self { bytes: String::new(), offsets: vec![0], expected_bytes_per_row: TEXT_BYTES_USUAL }
    }
}

impl TextColumn {
    pub fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows);
        self.bytes.reserve(rows.saturating_mul(self.expected_bytes_per_row).min(EXPECTED_BYTES_MAX));
    }

    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        let end = i32::try_from(self.bytes.len()).expect("a batch holds far less than 2 GiB of text");
        self.offsets.push(end);
    }

    pub fn finish(&mut self) -> ArrayRef {
        let (offsets, nulls) = finish_offsets(&mut self.offsets);
        let (rows, bytes) = (offsets.len() - 1, self.bytes.len());
        self.expected_bytes_per_row = (bytes + bytes / 8).div_ceil(rows.max(1));
        let values = Buffer::from(std::mem::take(&mut self.bytes).into_bytes());
        Arc::new(StringArray::new(offsets, values, nulls))
    }
}

/// Offsets of texts or lists, and which of them are not empty; `offsets` begins anew.
fn finish_offsets(offsets: &mut Vec<i32>) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
    let offsets = std::mem::replace(offsets, vec![0]);
    let nulls = presence(offsets.len() - 1, |row| offsets[row] != offsets[row + 1]);
    (OffsetBuffer::new(ScalarBuffer::from(offsets)), nulls)
}

macro_rules! number_column {
    ($name:ident, $native:ty, $finish:expr) => {
        /// Numbers, absent ones as null; so is the least value of the type.
        #[derive(Debug, Default)]
        pub struct $name {
            values: Vec<$native>,
        }

        impl $name {
            pub fn reserve(&mut self, rows: usize) {
                self.values.reserve(rows);
            }

            pub fn push(&mut self, value: Option<$native>) {
                self.values.push(value.unwrap_or(<$native>::MIN));
            }

            pub fn finish(&mut self) -> ArrayRef {
                let mut values = std::mem::take(&mut self.values);
                let nulls = presence(values.len(), |row| values[row] != <$native>::MIN);
                if nulls.is_some() {
                    values.iter_mut().filter(|value| **value == <$native>::MIN).for_each(|value| *value = 0);
                }
                let build: fn(ScalarBuffer<$native>, Option<NullBuffer>) -> ArrayRef = $finish;
                build(ScalarBuffer::from(values), nulls)
            }
        }
    };
}

number_column!(ShortColumn, i16, |values, nulls| Arc::new(Int16Array::new(values, nulls)));
number_column!(IntColumn, i32, |values, nulls| Arc::new(Int32Array::new(values, nulls)));
number_column!(LongColumn, i64, |values, nulls| Arc::new(Int64Array::new(values, nulls)));
number_column!(TimeColumn, i64, |values, nulls| {
    Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone("UTC"))
});

/// A short list of repeating texts a row (evidence, alternatives); an empty list is null.
#[derive(Debug)]
pub struct ListColumn {
    items: DictColumn,
    offsets: Vec<i32>,
}

impl Default for ListColumn {
    fn default() -> Self {
        Self { items: DictColumn::default(), offsets: vec![0] }
    }
}

impl ListColumn {
    pub fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows);
    }

    pub fn push<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        for text in texts {
            self.items.push(text);
        }
        self.offsets.push(i32::try_from(self.items.codes.len()).expect("lists of a batch are short"));
    }

    /// The code under which `text` can be pushed; `None` for the empty text.
    pub fn code(&mut self, text: &str) -> Option<u32> {
        self.items.code(text)
    }

    /// A list of texts by the codes that [`ListColumn::code`] gave.
    pub fn push_codes(&mut self, codes: &[u32]) {
        for &code in codes {
            self.items.push_code(Some(code));
        }
        self.offsets.push(i32::try_from(self.items.codes.len()).expect("lists of a batch are short"));
    }

    pub fn finish(&mut self) -> ArrayRef {
        let (offsets, nulls) = finish_offsets(&mut self.offsets);
        Arc::new(ListArray::new(list_item(), offsets, self.items.finish(), nulls))
    }
}

/// The element field of every list column.
pub(crate) fn list_item() -> Arc<Field> {
    Arc::new(Field::new("element", dict_type(), true))
}

pub(crate) fn dict_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, AsArray as _};

    use super::*;

    #[test]
    fn room_is_made_by_the_last_batch_and_holds_what_the_next_one_brings() {
        let mut column = TextColumn::default();
        for (rows, text) in [(1_000, "/v1/orders/6fa459ea-ee8a-3ca4-894e-db77e160355e/lines"), (1_000, ""), (10, "/")] {
            column.reserve(rows);
            let room = column.bytes.capacity();
            (0..rows).for_each(|_| column.push(text));
            let built = column.finish();
            assert_eq!((built.len(), built.null_count()), (rows, if text.is_empty() { rows } else { 0 }));
            assert!(room <= rows * 64, "room for {room} bytes of {rows} rows");
        }
        column.expected_bytes_per_row = usize::MAX;
        column.reserve(2);
        assert!(column.bytes.capacity() <= 2 * EXPECTED_BYTES_MAX, "one huge text is no reason");

        let mut dict = DictColumn::default();
        for text in ["curl/8.9", "python-requests/2.32.3", ""] {
            dict.reserve(3);
            (0..3).for_each(|_| dict.push(text));
            let built = dict.finish();
            let values = built.as_dictionary::<Int32Type>().downcast_dict::<StringArray>().expect("text");
            let expected = Some(text).filter(|text| !text.is_empty());
            assert_eq!(values.into_iter().collect::<Vec<_>>(), [expected; 3]);
            assert_eq!(dict.values.expected_bytes, text.len());
        }
    }

    #[test]
    fn what_is_forgotten_is_overwritten_and_gone() {
        let mut values = Interner::default();
        values.intern("ck_live_0123456789abcdef");
        values.forget();
        assert_eq!((values.len(), values.find("ck_live_0123456789abcdef")), (0, None));
        assert_eq!(values.intern("another"), 0);
        assert_eq!(values.get(0), "another");
    }
}
