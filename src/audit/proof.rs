//! How far a chain is proven, and the proof of one record: its line, its path to a signed root, the digest around it.

use claviger_core::prove::{Digest, digest_path, encoded, hash, hex, leaf_hash, prove_inclusion};
use serde::Serialize;

use super::AuditError;
use crate::lake::{Lake, Proofs};

/// What somebody needs to check that one record stood in the chain, without seeing any other.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RecordProof {
    pub seq: u64,
    /// The canonical line, without its line end.
    pub record: String,
    /// RFC 6962: SHA-256 of a zero byte and the record.
    pub leaf_sha256: String,
    /// Siblings on the way to the root, nearest first.
    pub path: Vec<String>,
    pub tree_size: u64,
    pub tree_root: String,
    pub digest_sequence: u64,
    /// The signed text that holds size and root.
    pub digest: String,
    /// Ed25519 over the text, in hexadecimal.
    pub signature: String,
}

/// How far a chain has come.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChainState {
    /// Records on record.
    pub records: u64,
    /// Records that a signed digest covers.
    pub covered: u64,
    /// Sequence of the newest digest.
    pub digest_sequence: Option<u64>,
    /// End of its period.
    pub covered_until: Option<String>,
    /// What to keep outside: tenant, sequence, SHA-256 of the digest.
    pub head: Option<String>,
}

/// # Errors
/// When the lake cannot be read, or the newest digest is not sound.
pub async fn chain_state(lake: &Lake, tenant: &str, now_us: i64) -> Result<ChainState, AuditError> {
    let (proofs, chain) = (lake.proofs(), encoded(tenant));
    let places = lake.audit_places(now_us).await.map_err(AuditError::Lake)?;
    let mut state = ChainState { records: places.get(tenant).map_or(0, |place| place.last), ..ChainState::default() };
    if let Some(sequence) = proofs.digests(&chain).await.map_err(AuditError::Lake)?.pop() {
        let (text, digest) = read(&proofs, &chain, sequence).await?;
        state.covered = digest.last();
        state.digest_sequence = Some(sequence);
        state.covered_until = Some(claviger_core::time::format(digest.to_us));
        state.head = Some(digest.head(&text).to_string());
    }
    Ok(state)
}

/// The proof of a record; `None` when no digest covers it (yet).
///
/// # Errors
/// When the lake cannot be read, or a digest or its records are not sound.
pub async fn prove(lake: &Lake, tenant: &str, seq: u64) -> Result<Option<RecordProof>, AuditError> {
    let (proofs, chain) = (lake.proofs(), encoded(tenant));
    let sequences = proofs.digests(&chain).await.map_err(AuditError::Lake)?;
    // The first digest whose last record is not before the one asked for.
    let (mut low, mut high) = (0, sequences.len());
    while low < high {
        let middle = low.midpoint(high);
        let (_, digest) = read(&proofs, &chain, sequences[middle]).await?;
        if digest.last() < seq { low = middle + 1 } else { high = middle }
    }
    let Some(sequence) = sequences.get(low).copied().filter(|_| seq > 0) else { return Ok(None) };
    let (text, digest) = read(&proofs, &chain, sequence).await?;
    let before = match sequence {
        1 => claviger_core::prove::Tree::default(),
        _ => read(&proofs, &chain, sequence - 1).await?.1.tree,
    };
    let unsound = || AuditError::Unsound { chain: chain.clone(), sequence };
    let segment = digest.segment.as_ref().ok_or_else(unsound)?;
    let get = async |path: String| proofs.get(&path).await.map_err(AuditError::Lake)?.ok_or_else(unsound);
    let records = get(format!("{chain}/{}", segment.path)).await?;
    let records = std::str::from_utf8(&records).map_err(|_| unsound())?;
    if hash(records.as_bytes()) != segment.sum {
        return Err(unsound());
    }
    let lines: Vec<&str> = records.lines().collect();
    let leaves: Vec<_> = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
    let path = prove_inclusion(&before, &leaves, seq - 1).ok_or_else(unsound)?;
    let place = usize::try_from(seq - 1 - before.size()).map_err(|_| unsound())?;
    let signature = get(format!("{chain}/{}.sig", digest_path(sequence))).await?;
    Ok(Some(RecordProof {
        seq,
        record: (*lines.get(place).ok_or_else(unsound)?).to_owned(),
        leaf_sha256: hex(leaves.get(place).ok_or_else(unsound)?),
        path: path.iter().map(|sibling| hex(sibling)).collect(),
        tree_size: digest.tree.size(),
        tree_root: hex(&digest.tree.root()),
        digest_sequence: sequence,
        digest: String::from_utf8_lossy(&text).into_owned(),
        signature: hex(&signature),
    }))
}

async fn read(proofs: &Proofs, chain: &str, sequence: u64) -> Result<(bytes::Bytes, Digest), AuditError> {
    let unsound = || AuditError::Unsound { chain: chain.to_owned(), sequence };
    let text = proofs.get(&format!("{chain}/{}", digest_path(sequence))).await.map_err(AuditError::Lake)?;
    let text = text.ok_or_else(unsound)?;
    let digest = Digest::parse(&text).map_err(|_malformed| unsound())?;
    Ok((text, digest))
}
