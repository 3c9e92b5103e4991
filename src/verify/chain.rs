//! A chain of digests with its records, and the table that it speaks of.

use claviger_core::prove::{ChainCheck, ChainReport, Digest, Head, PublicKey, Tampering, digest_path, hash, place_of};
use claviger_core::time::rfc3339;

use super::VerifyError;
use crate::lake::{Lake, Proofs};
use crate::signing;

/// Walks one chain.
pub(super) async fn check(
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
pub(super) async fn against_table(
    lake: &Lake,
    proofs: &Proofs,
    chain: &str,
    tenant: &str,
) -> Result<Vec<String>, VerifyError> {
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
