//! Checks a folder that claims to be an export or a chain: reads its files and asks `claviger_core::prove`.
//!
//! Promises that every fault is named, that nothing in the folder is believed before its signature is checked, and that
//! memory is bounded by one file of records. Does not need the lake, nor any secret.

mod chain;
mod export;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use claviger_core::fault::{Blame, Fault};
use claviger_core::prove::{ChainReport, Head, KeyId, Manifest, PublicKey, encoded};

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
        match export::check(folder, &key)? {
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
        let report = chain::check(proofs, &name, &key, &of_chain(&own), &outside).await?;
        verdict.faults.extend(report.faults.iter().map(|fault| format!("{name}: {fault}")));
        if let (Some(lake), Some((head, _))) = (&lake, &report.head) {
            verdict.faults.extend(chain::against_table(lake, proofs, &name, &head.tenant).await?);
        }
        verdict.chains.push((name, report));
    }
    if export {
        let contradicted = export::contradicted(verdict.manifest.as_ref(), &known.heads);
        verdict.faults.extend(contradicted.iter().map(ToString::to_string));
    }
    Ok(verdict)
}

fn read_key(folder: &Path) -> Result<PublicKey, VerifyError> {
    let inside = [folder.join(KEY), folder.join("audit_proof").join(KEY)];
    let path = inside.iter().find(|path| path.exists()).unwrap_or(&inside[0]);
    signing::read_public_key(path).map_err(VerifyError::Key)
}
