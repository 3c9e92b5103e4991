//! A snapshot folder: which files are in it, and when they last changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use claviger_core::identity::{DirectoryBuilder, FindingCode, Loaded, Place, Snapshot, Table};
use claviger_core::secret::Pepper;

use super::{IdentityError, csv_file, ndjson_file, parquet_file};

/// What says when a snapshot was taken, and of what.
const SNAPSHOT_FILE: &str = "snapshot.json";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Ndjson,
    Csv,
    Parquet,
}

/// Endings of table files.
const ENDINGS: &[(&str, FileKind)] = &[
    ("ndjson", FileKind::Ndjson),
    ("jsonl", FileKind::Ndjson),
    ("csv", FileKind::Csv),
    ("parquet", FileKind::Parquet),
];

/// Reads folders as one directory, in order: rows of later ones come after those of earlier ones.
///
/// # Errors
/// A folder without keys, two files for one table, or a file that cannot be read as what it claims to be.
/// Rows that are not in order are findings.
pub fn load(folders: &[PathBuf], pepper: &Pepper) -> Result<Loaded, IdentityError> {
    let mut builder = DirectoryBuilder::new(pepper);
    for folder in folders {
        let files = Files::in_folder(folder)?;
        let place = Place { file: SNAPSHOT_FILE, line: 0 };
        let written = files.snapshot()?;
        let has_time = written.is_some();
        builder.open(written.unwrap_or_else(|| files.assumed_snapshot()));
        if !has_time {
            builder.note(FindingCode::NoAsOf, place, "missing: the time of the newest file is taken instead");
        }
        for (table, kind, path) in &files.tables {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(table.name());
            match kind {
                FileKind::Ndjson => ndjson_file::read(path, name, *table, &mut builder)?,
                FileKind::Csv => csv_file::read(path, name, *table, &mut builder)?,
                FileKind::Parquet => parquet_file::read(path, name, *table, &mut builder)?,
            }
        }
    }
    Ok(builder.finish())
}

/// The files of one folder that belong to a snapshot.
struct Files {
    folder: PathBuf,
    tables: Vec<(Table, FileKind, PathBuf)>,
}

impl Files {
    fn in_folder(folder: &Path) -> Result<Self, IdentityError> {
        fs::read_dir(folder).map_err(|source| IdentityError::NoFolder { path: folder.to_owned(), source })?;
        let mut tables: Vec<(Table, FileKind, PathBuf)> = Vec::new();
        for &table in Table::ALL {
            for &(ending, kind) in ENDINGS {
                let path = folder.join(format!("{}.{ending}", table.name()));
                if !path.is_file() {
                    continue;
                }
                if let Some((_, _, first)) = tables.iter().find(|(other, _, _)| *other == table) {
                    return Err(IdentityError::Twice { first: first.clone(), second: path });
                }
                tables.push((table, kind, path));
            }
        }
        if tables.first().is_none_or(|(table, _, _)| *table != Table::Keys) {
            return Err(IdentityError::NoKeys { path: folder.to_owned() });
        }
        Ok(Self { folder: folder.to_owned(), tables })
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, IdentityError> {
        let path = self.folder.join(SNAPSHOT_FILE);
        match fs::read(&path) {
            Ok(text) => {
                Snapshot::from_json(&text).map(Some).map_err(|source| IdentityError::BadSnapshot { path, source })
            }
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IdentityError::Unreadable { path, source }),
        }
    }

    /// As of the newest file; without source and environment.
    fn assumed_snapshot(&self) -> Snapshot {
        let newest = self.tables.iter().filter_map(|(_, _, path)| modified_at(path)).max();
        Snapshot { as_of: newest.unwrap_or(0), source: String::new(), environment: String::new() }
    }
}

/// UTC microseconds.
fn modified_at(path: &Path) -> Option<i64> {
    micros(fs::metadata(path).ok()?.modified().ok()?)
}

fn micros(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
}

/// Names, times and sizes of all files that a load would read: equal stamps mean that nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(Vec<(PathBuf, Option<i64>, u64)>);

impl Stamp {
    pub(super) fn of(folders: &[PathBuf]) -> Self {
        let names = |folder: &PathBuf| {
            let folder = folder.clone();
            let tables =
                Table::ALL.iter().flat_map(|table| ENDINGS.iter().map(|(end, _)| format!("{}.{end}", table.name())));
            tables.chain([SNAPSHOT_FILE.to_owned()]).map(move |name| folder.join(name))
        };
        let seen = folders.iter().flat_map(names).filter_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            Some((path, metadata.modified().ok().and_then(micros), metadata.len()))
        });
        Self(seen.collect())
    }
}
