//! What the directory remembers beyond the last snapshot, kept in a folder of its own so that a restart does not
//! turn deleted users into unknown ones. The folder is a canonical snapshot and can be read as one.
//!
//! A memory that cannot be read or written costs history, never the service.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use claviger_core::identity::{Directory, Table};
use claviger_core::secret::Pepper;
use claviger_core::time;

use super::{IdentityError, folder};

/// `directory`, with what an earlier process remembered in `memory`. An absent folder is no memory.
pub(super) fn recall(memory: &Path, pepper: &Pepper, directory: Directory) -> (Directory, Option<IdentityError>) {
    if !memory.join(file_name(Table::Keys)).is_file() {
        return (directory, None);
    }
    match folder::load(&[memory.to_owned()], pepper) {
        Ok(past) => (Directory::recall(&past.directory, directory), None),
        Err(error) => (directory, Some(error)),
    }
}

/// Writes what `directory` remembers, file by file, each complete or not at all.
pub(super) fn keep(memory: &Path, directory: &Directory) -> Result<(), IdentityError> {
    let unwritable = |source| IdentityError::Unwritable { path: memory.to_owned(), source };
    fs::create_dir_all(memory).map_err(unwritable)?;
    let mut tables: BTreeMap<Table, Vec<String>> = [(Table::Keys, Vec::new())].into();
    for (table, row) in directory.past_rows() {
        tables.entry(table).or_default().push(row);
    }
    for &table in Table::ALL {
        let path = memory.join(file_name(table));
        match tables.get(&table) {
            Some(rows) => replace(&path, rows).map_err(unwritable)?,
            None if path.is_file() => fs::remove_file(&path).map_err(unwritable)?,
            None => {}
        }
    }
    let snapshot = serde_json::json!({"as_of": time::format(directory.noticed_at()), "source": "claviger"});
    replace(&memory.join("snapshot.json"), &[snapshot.to_string()]).map_err(unwritable)
}

fn file_name(table: Table) -> PathBuf {
    format!("{}.ndjson", table.name()).into()
}

/// Puts lines in the place of a file, so that a crash leaves the old or the new one.
fn replace(path: &Path, lines: &[String]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut writer = BufWriter::new(File::create(&fresh)?);
    for line in lines {
        writer.write_all(line.as_bytes())?;
        writer.write_all(b"\n")?;
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&fresh, path)
}
