//! An export's manifest, its files, and whatever else lies among them.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use claviger_core::prove::{FileSeen, Head, Manifest, ManifestCheck, PublicKey, Tampering, place_of};
use sha2::{Digest as _, Sha256};

use super::VerifyError;
use crate::signing;

pub(super) type Checked = Result<(Manifest, Vec<Tampering>), Tampering>;

/// The manifest of an export and the faults of its files; or why the manifest itself cannot be believed.
pub(super) fn check(folder: &Path, key: &PublicKey) -> Result<Checked, VerifyError> {
    let read = |name: &str| match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(VerifyError::Unreadable { path: folder.join(name), source }),
    };
    let Some(text) = read(Manifest::NAME)? else {
        return Ok(Err(Tampering::FileMissing { path: Manifest::NAME.to_owned() }));
    };
    let signature = read(Manifest::SIGNATURE_NAME)?;
    let trusted = [*key];
    let mut check = match ManifestCheck::open(&text, signature.as_deref(), &trusted, &signing::verify) {
        Ok(check) => check,
        Err(fault) => return Ok(Err(fault)),
    };
    let manifest = check.manifest().clone();
    for (place, entry) in manifest.files.iter().enumerate() {
        let path = folder.join(&entry.sum.path);
        match look_at(&path) {
            Ok(seen) => check.file(place, seen),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(VerifyError::Unreadable { path, source }),
        }
    }
    let mut present = Vec::new();
    list(folder, "", &mut present).map_err(|source| VerifyError::Unreadable { path: folder.to_owned(), source })?;
    present.sort_unstable();
    let faults = check.finish(&present);
    Ok(Ok((manifest, faults)))
}

/// Longest line of a record that is read for its number.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// A file's sum, and its records where they are lines.
fn look_at(path: &Path) -> io::Result<FileSeen> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut hash = Sha256::new();
    let extension = path.extension().and_then(|extension| extension.to_str());
    if extension != Some("ndjson") {
        io::copy(&mut reader, &mut HashInto(&mut hash))?;
        return Ok(FileSeen { sum: hash.finalize().into(), records: None, in_order: true });
    }
    let (mut records, mut in_order, mut last, mut line) = (0, true, 0, Vec::new());
    while io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line)? > 0 {
        hash.update(&line);
        records += u64::from(line.ends_with(b"\n"));
        let number = number_of(&line).unwrap_or(last);
        in_order &= number >= last;
        last = number;
        line.clear();
    }
    Ok(FileSeen { sum: hash.finalize().into(), records: Some(records), in_order })
}

/// The number of a record, in our own form or in OCSF's.
fn number_of(line: &[u8]) -> Option<u64> {
    place_of(line).map(|(sequence, _)| sequence).or_else(|| {
        let event: serde_json::Value = serde_json::from_slice(line).ok()?;
        event.get("metadata")?.get("sequence")?.as_u64()
    })
}

struct HashInto<'a>(&'a mut Sha256);

impl io::Write for HashInto<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Paths of all files below a folder. Links are listed, and not followed.
fn list(folder: &Path, prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(prefix))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            list(folder, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Heads in the manifest against heads of the same sequence that are known from outside.
pub(super) fn contradicted(manifest: Option<&Manifest>, known: &[Head]) -> Vec<Tampering> {
    let stated = || manifest.iter().flat_map(|manifest| manifest.heads.iter().chain(&manifest.newest));
    let newest = |tenant: &str| stated().filter(|head| head.tenant == tenant).map(|head| head.sequence).max();
    let mut faults = Vec::new();
    for head in known {
        let same = |stated: &&Head| stated.tenant == head.tenant && stated.sequence == head.sequence;
        if stated().any(|stated| same(&stated) && stated.digest != head.digest) {
            faults.push(Tampering::Forked { sequence: head.sequence });
        } else if let Some(last) = newest(&head.tenant).filter(|last| *last < head.sequence) {
            faults.push(Tampering::OldHead { last, known: head.sequence });
        }
    }
    faults
}
