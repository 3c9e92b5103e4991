//! Real frames in, columns out: one case a file, one snapshot a case.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use claviger_core::decode::{DecodeOptions, DecodedBatch, Decoder};
use claviger_core::frame::RawBatch;
use claviger_core::offsets::{Offset, Stream};
use claviger_core::secret::{Pepper, Schemes};

/// A day after every time in the fixtures.
pub(crate) const RECEIVED_AT: i64 = 1_795_600_000_000_000;

pub(crate) fn decoder() -> Decoder {
    Decoder::new(DecodeOptions::new(Pepper::new(b"pepper for the tests").expect("long enough")))
}

pub(crate) fn batch_of(frames: &[&[u8]]) -> RawBatch {
    let mut raw = RawBatch::new(RECEIVED_AT);
    let span = raw.open_span(Stream::new("test", "gateway", 0), Offset(0));
    for (offset, frame) in (0..).zip(frames) {
        raw.push(span, offset, frame);
    }
    raw
}

pub(crate) fn decode(frames: &[&[u8]]) -> DecodedBatch {
    decoder().decode(&batch_of(frames), Schemes::default())
}

/// Every value that is there, a line a column, a block a row.
pub(crate) fn sparse(batch: &RecordBatch, leave_out: &[&str]) -> String {
    let options = FormatOptions::default();
    let text =
        |column: &ArrayRef, row| ArrayFormatter::try_new(column, &options).expect("printable").value(row).to_string();
    let mut out = String::new();
    for row in 0..batch.num_rows() {
        out.push_str(&format!("- row {row}\n"));
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if column.is_valid(row) && !leave_out.contains(&field.name().as_str()) {
                out.push_str(&format!("  {}: {}\n", field.name(), text(column, row)));
            }
        }
    }
    out
}

#[test]
fn every_fixture_reads_as_its_snapshot_says() {
    insta::glob!("../fixtures/decode", "*/*.*", |path| {
        let frame = std::fs::read(path).expect("fixture");
        let read = decode(&[&frame]);
        let same = ["topic", "partition", "offset", "ingested_at"];
        let events = sparse(read.decoded.events().batch(), &same);
        let rejects = sparse(&read.rejects, &same);
        insta::assert_snapshot!(format!("events:\n{events}rejects:\n{rejects}"));
    });
}

#[test]
fn what_the_fast_path_reads_equals_what_the_strict_parser_reads() {
    insta::glob!("../fixtures/decode", "*/*.*", |path| {
        let frame = std::fs::read(path).expect("fixture");
        // The first of each pair teaches the skeleton, the second is read by it.
        let twice = decode(&[&frame, &frame]);
        let once = decode(&[&frame]);
        let (events, parts) = (twice.decoded.events().batch(), once.decoded.events().len());
        assert_eq!(events.num_rows(), 2 * parts);
        let second = events.slice(parts, parts);
        assert_eq!(
            sparse(&second, &["offset"]),
            sparse(once.decoded.events().batch(), &["offset"]),
            "{}",
            path.display()
        );
        assert_eq!(twice.rejects.num_rows(), 2 * once.rejects.num_rows());
    });
}
