//! An export's manifest, its files, and whatever else lies among them.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use claviger_core::prove::{FileSeen, Hash, Head, Manifest, ManifestCheck, PublicKey, Tampering, place_of};
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
        match look_at(&path, &entry.sum.hash) {
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

/// A file's sum, and its records where they are lines. Their order is looked at only when the sum is not the signed one:
/// it tells how the bytes were changed, and costs more than all the rest.
fn look_at(path: &Path, signed: &Hash) -> io::Result<FileSeen> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut hash = Sha256::new();
    let mut lines = 0;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        hash.update(bytes);
        lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let read = bytes.len();
        reader.consume(read);
    }
    let sum: Hash = hash.finalize().into();
    let is_lines = path.extension().is_some_and(|extension| extension == "ndjson");
    let in_order = sum == *signed || !is_lines || is_in_order(path)?;
    Ok(FileSeen { sum, records: is_lines.then_some(lines), in_order })
}

fn is_in_order(path: &Path) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let (mut last, mut line) = (0, Vec::new());
    while io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line)? > 0 {
        let number = number_of(&line).unwrap_or(last);
        if number < last {
            return Ok(false);
        }
        last = number;
        line.clear();
    }
    Ok(true)
}

/// The number of a record, in our own form or in OCSF's.
fn number_of(line: &[u8]) -> Option<u64> {
    place_of(line).map(|(sequence, _)| sequence).or_else(|| {
        let event: serde_json::Value = serde_json::from_slice(line).ok()?;
        event.get("metadata")?.get("sequence")?.as_u64()
    })
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
