//! CSV: a header that names the columns, then one row a record. An empty cell is an absent one.

use std::fs::File;
use std::path::Path;

use claviger_core::identity::{DirectoryBuilder, FindingCode, Place, ROW_BYTES_MAX, Table};
use csv::{ByteRecord, ReaderBuilder, StringRecord};

use super::IdentityError;

pub(super) fn read(path: &Path, name: &str, table: Table, builder: &mut DirectoryBuilder) -> Result<(), IdentityError> {
    let bad = |source: csv::Error| IdentityError::BadCsv { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| IdentityError::Unreadable { path: path.to_owned(), source })?;
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers().map_err(bad)?.clone();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(bad)? {
        let line = record.position().map_or(0, csv::Position::line);
        let place = Place { file: name, line };
        if record.as_slice().len() > ROW_BYTES_MAX {
            builder.note(FindingCode::BadRow, place, "the record is longer than 1 MiB; it is left out");
            continue;
        }
        if record.len() > header.len() {
            builder.note(FindingCode::BadRow, place, "the record has more cells than the header; it is left out");
            continue;
        }
        match StringRecord::from_byte_record(record.clone()) {
            Ok(cells) => builder.push_cells(table, place, header.iter().map(str::trim).zip(cells.iter())),
            Err(_) => builder.note(FindingCode::BadRow, place, "the record is not UTF-8; it is left out"),
        }
    }
    Ok(())
}
