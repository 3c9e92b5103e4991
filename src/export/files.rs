//! The folder of an export: every file is hashed as it is written, and the manifest comes last.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use claviger_core::prove::{FileEntry, Hash, Manifest, Sum, hash, hex};
use sha2::{Digest as _, Sha256};

use super::error::ExportError;
use crate::signing::Signer;

/// Small enough to be looked into, large enough that a month is not thousands of files.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Lies in the folder until the manifest does: what has it may be thrown away and begun anew.
const UNFINISHED: &str = "UNFINISHED";

/// An export being written.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    entries: Vec<FileEntry>,
    bytes: u64,
}

impl Folder {
    /// # Errors
    /// When something lies there that is not the beginning of an export.
    pub(super) fn begin(path: &Path) -> Result<Self, ExportError> {
        let unwritable = |source| ExportError::Unwritable { path: path.to_owned(), source };
        if path.join(UNFINISHED).exists() {
            fs::remove_dir_all(path).map_err(unwritable)?;
        }
        fs::create_dir_all(path).map_err(unwritable)?;
        if fs::read_dir(path).map_err(unwritable)?.next().is_some() {
            return Err(ExportError::Occupied { path: path.to_owned() });
        }
        File::create(path.join(UNFINISHED)).map_err(unwritable)?;
        Ok(Self { path: path.to_owned(), entries: Vec::new(), bytes: 0 })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the files that are closed.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the manifest lists, in the order of paths.
    pub(super) fn entries(&self) -> Vec<FileEntry> {
        let mut entries = self.entries.clone();
        entries.sort_by(|left, right| left.sum.path.cmp(&right.sum.path));
        entries
    }

    pub(super) fn create(&self, path: String) -> Result<Hashing, ExportError> {
        let target = self.path.join(&path);
        let open = || {
            fs::create_dir_all(target.parent().unwrap_or(&self.path))?;
            File::create_new(&target)
        };
        let file = open().map_err(|source| self.unwritable(&path, source))?;
        Ok(Hashing { path, file: BufWriter::with_capacity(1 << 18, file), hash: Sha256::new(), bytes: 0 })
    }

    pub(super) fn close(&mut self, file: Hashing, records: Option<u64>) -> Result<(), ExportError> {
        let Hashing { path, file, hash, bytes } = file;
        let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|source| self.unwritable(&path, source))?;
        self.bytes += bytes;
        self.entries.push(FileEntry { sum: Sum { hash: hash.finalize().into(), path }, records });
        Ok(())
    }

    /// Writes a whole file.
    pub(super) fn put(&mut self, path: &str, bytes: &[u8], records: Option<u64>) -> Result<(), ExportError> {
        let mut file = self.create(path.to_owned())?;
        file.write_all(bytes).map_err(|source| self.unwritable(path, source))?;
        self.close(file, records)
    }

    /// Writes the manifest and its signature; only now is it an export. Returns the manifest's sum and all bytes.
    pub(super) fn seal(&self, manifest: &Manifest, signer: &Signer) -> Result<(String, u64), ExportError> {
        let text = manifest.to_text();
        let write = |name: &str, bytes: &[u8]| {
            let written = File::create_new(self.path.join(name)).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            written.map_err(|source| self.unwritable(name, source))
        };
        write(Manifest::SIGNATURE_NAME, &signer.sign(text.as_bytes()).0)?;
        write(Manifest::NAME, text.as_bytes())?;
        let removed = fs::remove_file(self.path.join(UNFINISHED));
        removed.map_err(|source| self.unwritable(UNFINISHED, source))?;
        let sum: Hash = hash(text.as_bytes());
        Ok((hex(&sum), self.bytes + text.len() as u64))
    }

    pub(super) fn unwritable(&self, path: &str, source: io::Error) -> ExportError {
        ExportError::Unwritable { path: self.path.join(path), source }
    }
}

/// A file that knows its sum when it is closed.
pub(super) struct Hashing {
    path: String,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
