//! Checks a folder that claims to be an export or a chain: reads its files and asks `claviger_core::prove`.
//!
//! Promises that every fault is named, that nothing in the folder is believed before its signature is checked, and that
//! memory is bounded by one file of records. Does not need the lake, nor any secret.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use claviger_core::fault::{Blame, Fault};
use claviger_core::prove::{
    ChainCheck, ChainReport, Digest, FileSeen, Head, KeyId, Manifest, ManifestCheck, PublicKey, Tampering, digest_path,
    encoded, hash, place_of,
};
use claviger_core::time::rfc3339;
use sha2::{Digest as _, Sha256};

use crate::lake::{Lake, LakeError, Proofs};
use crate::signing::{self, SigningError};

/// The folder of an export that holds chains.
const CHAINS: &str = "accesses";
const KEY: &str = "key.pem";

/// What is known from outside of the folder.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The operator's key; without it, the key in the folder is taken on trust.
    pub key: Option<PublicKey>,
    /// Heads of chains that left the system earlier.
    pub heads: Vec<Head>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub key: KeyId,
    /// The key came from outside.
    pub key_known: bool,
    pub manifest: Option<Manifest>,
    pub chains: Vec<(String, ChainReport)>,
    /// Every fault in a sentence, those of chains with the chain's name.
    pub faults: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` holds neither an export nor a chain", path.display())]
    Nothing { path: PathBuf },
    #[error(transparent)]
    Key(SigningError),
    #[error(transparent)]
    Lake(LakeError),
}

impl Fault for VerifyError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions".to_owned(),
            Self::Nothing { .. } => "name the folder in which MANIFEST lies, or a lake".to_owned(),
            Self::Key(error) => error.hint(),
            Self::Lake(error) => error.hint(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. } => Blame::Environment,
            Self::Nothing { .. } => Blame::Operator,
            Self::Key(error) => error.blame(),
            Self::Lake(error) => error.blame(),
        }
    }
}

/// Checks everything in a folder.
///
/// # Errors
/// When there is nothing to check, or it cannot be read. A fault is an answer, not an error.
pub async fn verify(folder: &Path, known: &Known) -> Result<Verdict, VerifyError> {
    let export = folder.join(Manifest::NAME).exists() || folder.join(Manifest::SIGNATURE_NAME).exists();
    let chains = if export { folder.join(CHAINS) } else { folder.to_owned() };
    let proofs = Proofs::in_folder(&chains);
    let names = match &proofs {
        Some(proofs) => proofs.chains().await.map_err(VerifyError::Lake)?,
        None => Vec::new(),
    };
    if !export && names.is_empty() {
        return Err(VerifyError::Nothing { path: folder.to_owned() });
    }
    let key = match known.key {
        Some(key) => key,
        None => read_key(folder)?,
    };
    let mut verdict = Verdict {
        key: key.id(),
        key_known: known.key.is_some(),
        manifest: None,
        chains: Vec::new(),
        faults: Vec::new(),
    };
    if export {
        match check_export(folder, &key)? {
            Ok((manifest, faults)) => {
                verdict.manifest = Some(manifest);
                verdict.faults.extend(faults.iter().map(ToString::to_string));
            }
            Err(fault) => verdict.faults.push(fault.to_string()),
        }
    }
    // Only a lake has the table beside the chains.
    let lake = match folder.join("audit/_delta_log").is_dir() {
        true => {
            let location = folder.to_string_lossy();
            let opened = Lake::open_existing(&location, Lake::DEFAULT_PIPELINE, &HashMap::new()).await;
            Some(opened.map_err(VerifyError::Lake)?)
        }
        false => None,
    };
    let own = verdict.manifest.as_ref().map(|manifest| manifest.heads.clone()).unwrap_or_default();
    for name in names {
        let Some(proofs) = &proofs else { continue };
        let of_chain = |heads: &[Head]| -> Vec<Head> {
            heads.iter().filter(|head| encoded(&head.tenant) == name).cloned().collect()
        };
        // An export holds a part of a chain: what left the system may lie behind its end.
        let outside = if export { Vec::new() } else { of_chain(&known.heads) };
        let report = check_chain(proofs, &name, &key, &of_chain(&own), &outside).await?;
        verdict.faults.extend(report.faults.iter().map(|fault| format!("{name}: {fault}")));
        if let (Some(lake), Some((head, _))) = (&lake, &report.head) {
            verdict.faults.extend(against_table(lake, proofs, &name, &head.tenant).await?);
        }
        verdict.chains.push((name, report));
    }
    if export {
        let contradicted = contradicted(verdict.manifest.as_ref(), &known.heads);
        verdict.faults.extend(contradicted.iter().map(ToString::to_string));
    }
    Ok(verdict)
}

fn read_key(folder: &Path) -> Result<PublicKey, VerifyError> {
    let inside = [folder.join(KEY), folder.join("audit_proof").join(KEY)];
    let path = inside.iter().find(|path| path.exists()).unwrap_or(&inside[0]);
    signing::read_public_key(path).map_err(VerifyError::Key)
}

/// Heads in the manifest against heads of the same sequence that are known from outside.
fn contradicted(manifest: Option<&Manifest>, known: &[Head]) -> Vec<Tampering> {
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

type Checked = Result<(Manifest, Vec<Tampering>), Tampering>;

fn check_export(folder: &Path, key: &PublicKey) -> Result<Checked, VerifyError> {
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

/// Walks one chain.
async fn check_chain(
    proofs: &Proofs,
    name: &str,
    key: &PublicKey,
    own: &[Head],
    outside: &[Head],
) -> Result<ChainReport, VerifyError> {
    let trusted = [*key];
    let mut check = ChainCheck::new(&trusted, &signing::verify);
    for sequence in proofs.digests(name).await.map_err(VerifyError::Lake)? {
        let path = format!("{name}/{}", digest_path(sequence));
        let Some(text) = proofs.get(&path).await.map_err(VerifyError::Lake)? else { continue };
        let signature = proofs.get(&format!("{path}.sig")).await.map_err(VerifyError::Lake)?;
        if let Some(records) = check.digest(sequence, &text, signature.as_deref()) {
            let bytes = proofs.get(&format!("{name}/{records}")).await.map_err(VerifyError::Lake)?;
            check.records(bytes.as_deref());
        }
    }
    Ok(check.finish(own, outside))
}

/// Longer than this no record waits for its digest while the log is alive, and the log's end writes one.
const WAIT_MAX_US: i64 = 2 * 3_600_000_000;

/// What the table `audit` says otherwise than the chain over it.
async fn against_table(lake: &Lake, proofs: &Proofs, chain: &str, tenant: &str) -> Result<Vec<String>, VerifyError> {
    let mut faults = Vec::new();
    let mut covered = 0;
    for sequence in proofs.digests(chain).await.map_err(VerifyError::Lake)? {
        let text = proofs.get(&format!("{chain}/{}", digest_path(sequence))).await.map_err(VerifyError::Lake)?;
        let Some(digest) = text.and_then(|text| Digest::parse(&text).ok()) else { continue };
        covered = digest.last();
        let Some(segment) = &digest.segment else { continue };
        let (first, last) = (digest.first(), digest.last());
        let lines = lake.audit_lines(tenant, first, last).await.map_err(VerifyError::Lake)?;
        if hash(lines.as_bytes()) != segment.sum {
            faults.push(format!(
                "{chain}: the table `audit` holds records {first} to {last} otherwise than they were signed"
            ));
        }
    }
    let now_us = chrono::Utc::now().timestamp_micros();
    let places = lake.audit_places(now_us).await.map_err(VerifyError::Lake)?;
    let records = places.get(tenant).map_or(0, |place| place.last).saturating_sub(covered);
    if records > 0 {
        let oldest = lake.audit_lines(tenant, covered + 1, covered + 1).await.map_err(VerifyError::Lake)?;
        let at_us = place_of(oldest.as_bytes()).and_then(|(_, at)| rfc3339(&at));
        if at_us.is_none_or(|at_us| now_us - at_us > WAIT_MAX_US) {
            faults.push(format!("{chain}: {}", Tampering::Overdue { since: covered + 1, records }));
        }
    }
    Ok(faults)
}
