//! The part of the chain of accesses that belongs to a period, copied as it stands: it is signed already.

use claviger_core::prove::{Digest, Head, Scope, digest_path, encoded};

use super::error::ExportError;
use super::files::Folder;
use crate::lake::{Lake, Proofs};

/// The folder of an export that holds chains.
pub(super) const FOLDER: &str = "accesses";

#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) records: u64,
    /// The last digests that were copied.
    pub(super) heads: Vec<Head>,
    /// The newest digests there are.
    pub(super) newest: Vec<Head>,
}

/// Copies the digests whose periods touch the scope's, with their records. A tenant's export has its own chain only;
/// filters by key or principal leave the chains out, since they speak of neither.
pub(super) async fn copy(lake: &Lake, scope: &Scope, folder: &mut Folder) -> Result<Copied, ExportError> {
    let mut copied = Copied::default();
    if scope.key.is_some() || scope.principal.is_some() {
        return Ok(copied);
    }
    let proofs = lake.proofs();
    let chains = match &scope.tenant {
        Some(tenant) => vec![encoded(tenant)],
        None => proofs.chains().await.map_err(ExportError::Lake)?,
    };
    for chain in chains {
        copy_chain(&proofs, &chain, scope, folder, &mut copied).await?;
    }
    Ok(copied)
}

async fn copy_chain(
    proofs: &Proofs,
    chain: &str,
    scope: &Scope,
    folder: &mut Folder,
    copied: &mut Copied,
) -> Result<(), ExportError> {
    let (mut last, mut newest) = (None, None);
    for sequence in proofs.digests(chain).await.map_err(ExportError::Lake)? {
        let path = format!("{chain}/{}", digest_path(sequence));
        let get = async |path: String| proofs.get(&path).await.map_err(ExportError::Lake);
        let Some(text) = get(path.clone()).await? else { continue };
        // What cannot be read goes out as it is: whoever checks it shall see that.
        let digest = Digest::parse(&text).ok();
        let head = digest.as_ref().map(|digest| digest.head(&text));
        newest = head.clone().or(newest);
        if digest.as_ref().is_some_and(|digest| digest.to_us <= scope.from_us || digest.from_us >= scope.to_us) {
            continue;
        }
        last = head.or(last);
        folder.put(&format!("{FOLDER}/{path}"), &text, None)?;
        let signature = format!("{path}.sig");
        if let Some(bytes) = get(signature.clone()).await? {
            folder.put(&format!("{FOLDER}/{signature}"), &bytes, None)?;
        }
        let Some((digest, segment)) = digest.as_ref().and_then(|digest| Some((digest, digest.segment.as_ref()?)))
        else {
            continue;
        };
        let path = format!("{chain}/{}", segment.path);
        if let Some(bytes) = get(path.clone()).await? {
            folder.put(&format!("{FOLDER}/{path}"), &bytes, Some(digest.records))?;
            copied.records += digest.records;
        }
    }
    copied.heads.extend(last);
    copied.newest.extend(newest);
    Ok(())
}
