//! NDJSON: one row a line. A line longer than a row may be is skipped without being held.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use claviger_core::identity::{DirectoryBuilder, Place, ROW_BYTES_MAX, Table};

use super::IdentityError;

pub(super) fn read(path: &Path, name: &str, table: Table, builder: &mut DirectoryBuilder) -> Result<(), IdentityError> {
    let unreadable = |source| IdentityError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut text = Vec::new();
    for line in 1.. {
        if !next_line(&mut reader, &mut text).map_err(unreadable)? {
            break;
        }
        builder.push_json(table, Place { file: name, line }, &text);
    }
    Ok(())
}

/// Fills `text` with the next line; `false` at the end. Of a longer line it keeps one byte more than a row may
/// have, for the builder to refuse.
fn next_line(reader: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<bool> {
    text.clear();
    let mut any = false;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = memchr::memchr(b'\n', chunk);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = (ROW_BYTES_MAX + 1).saturating_sub(text.len());
        text.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(chunk.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}
