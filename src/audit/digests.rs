//! Extends chains by digests: records first, then the digest under a name that only one writer can take, then its
//! signature.
//!
//! A crash leaves at most records that no digest names, or a digest without signature; the next digest finds the first
//! unread and gives the second the signature it lacks, if the digest continues the chain as it stands.

use std::sync::Arc;

use claviger_core::audit::Place;
use claviger_core::prove::{Digest, Link, PublicKey, Segment, Signature, Tree, digest_path, encoded, hash, leaf_hash};

use super::AuditError;
use crate::export::SCRIPT;
use crate::lake::{Lake, Proofs};
use crate::signing::{self, Signer};

/// UTC microseconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Beside the chains, for whoever checks them.
const KEY: &str = "key.pem";
const SCRIPT_NAME: &str = "verify.sh";

/// How often a digest is made anew because another writer took its place.
const EXTEND_TRIES: u32 = 4;

pub(super) struct Digests {
    lake: Lake,
    proofs: Proofs,
    signer: Arc<Signer>,
    origin: String,
    /// Where the first period of a new chain begins.
    opened_us: i64,
}

/// The newest digest of a chain, found sound.
struct Newest {
    digest: Digest,
    link: Link,
}

impl Digests {
    /// # Errors
    /// When the lake's chains are signed by another key.
    pub(super) async fn open(
        lake: Lake,
        signer: Arc<Signer>,
        origin: String,
        opened_us: i64,
    ) -> Result<Self, AuditError> {
        let proofs = lake.proofs();
        let pem = signer.public().to_pem();
        if !proofs.put_new(KEY, pem.into_bytes()).await.map_err(AuditError::Lake)? {
            let stored = proofs.get(KEY).await.map_err(AuditError::Lake)?.unwrap_or_default();
            let stored = std::str::from_utf8(&stored).ok().and_then(PublicKey::of_pem);
            if stored != Some(*signer.public()) {
                return Err(AuditError::OtherKey);
            }
        }
        proofs.put_new(SCRIPT_NAME, SCRIPT.as_bytes().to_vec()).await.map_err(AuditError::Lake)?;
        Ok(Self { lake, proofs, signer, origin, opened_us })
    }

    pub(super) async fn chains(&self) -> Result<Vec<String>, AuditError> {
        self.proofs.chains().await.map_err(AuditError::Lake)
    }

    /// Writes the next digest of a tenant's chain, up to `place`. Where another writer was faster, the one after it.
    pub(super) async fn extend(&self, tenant: &str, place: Place, now_us: i64) -> Result<(), AuditError> {
        for _ in 0..EXTEND_TRIES {
            if self.extend_once(tenant, place, now_us).await? {
                return Ok(());
            }
        }
        // So many digests were just written that these records are in one of them, or in the next.
        Ok(())
    }

    async fn extend_once(&self, tenant: &str, place: Place, now_us: i64) -> Result<bool, AuditError> {
        let chain = encoded(tenant);
        let newest = self.newest(&chain).await?;
        let (tree, sequence, from_us) = match &newest {
            Some(Newest { digest, .. }) => (digest.tree.clone(), digest.sequence + 1, digest.to_us),
            None => (Tree::default(), 1, self.opened_us),
        };
        let mut digest = Digest {
            tenant: tenant.to_owned(),
            origin: self.origin.clone(),
            sequence,
            from_us,
            to_us: now_us.max(from_us).max(place.at_us),
            records: place.last.saturating_sub(tree.size()),
            tree,
            previous: newest.map(|newest| newest.link),
            key: self.signer.public().id(),
            anchors: Vec::new(),
            segment: None,
        };
        if tenant.is_empty() {
            // How far the lake had come: rows that vanish later contradict it.
            digest.anchors = self.lake.event_positions().await.map_err(AuditError::Lake)?;
        }
        if digest.records > 0 {
            self.add_records(&chain, &mut digest, place.last).await?;
        }
        let text = digest.to_text().into_bytes();
        let path = format!("{chain}/{}", digest_path(sequence));
        let signature = self.signer.sign(&text);
        if !self.put(&path, text).await? {
            return Ok(false);
        }
        self.put(&format!("{path}.sig"), signature.0.to_vec()).await?;
        Ok(true)
    }

    async fn add_records(&self, chain: &str, digest: &mut Digest, last: u64) -> Result<(), AuditError> {
        let first = digest.tree.size() + 1;
        let lines = self.lake.audit_lines(&digest.tenant, first, last).await.map_err(AuditError::Lake)?;
        for line in lines.lines() {
            digest.tree.push(leaf_hash(line.as_bytes()));
        }
        if digest.tree.size() != last {
            return Err(AuditError::RecordsMissing { chain: chain.to_owned(), first, last });
        }
        let segment = Segment { sum: hash(lines.as_bytes()), path: Segment::path(digest.to_us, first, last) };
        let path = format!("{chain}/{}", segment.path);
        if !self.put(&path, lines.into_bytes()).await? {
            // Left over from a digest that was not finished; it must say the same.
            let stored = self.proofs.get(&path).await.map_err(AuditError::Lake)?.unwrap_or_default();
            if hash(&stored) != segment.sum {
                return Err(AuditError::RecordsMissing { chain: chain.to_owned(), first, last });
            }
        }
        digest.segment = Some(segment);
        Ok(())
    }

    /// The newest digest, which must be ours and signed.
    async fn newest(&self, chain: &str) -> Result<Option<Newest>, AuditError> {
        let Some(sequence) = self.proofs.digests(chain).await.map_err(AuditError::Lake)?.pop() else {
            return Ok(None);
        };
        let unsound = || AuditError::Unsound { chain: chain.to_owned(), sequence };
        let path = format!("{chain}/{}", digest_path(sequence));
        let text = self.proofs.get(&path).await.map_err(AuditError::Lake)?.ok_or_else(unsound)?;
        let digest = Digest::parse(&text).map_err(|_malformed| unsound())?;
        if digest.key != self.signer.public().id() {
            return Err(AuditError::OtherKey);
        }
        let signature = match self.proofs.get(&format!("{path}.sig")).await.map_err(AuditError::Lake)? {
            Some(bytes) => Signature::of_bytes(&bytes).ok_or_else(unsound)?,
            None => {
                self.continues(chain, &digest).await?;
                let signature = self.signer.sign(&text);
                self.put(&format!("{path}.sig"), signature.0.to_vec()).await?;
                signature
            }
        };
        if digest.sequence != sequence || !signing::verify(self.signer.public(), &text, &signature) {
            return Err(unsound());
        }
        Ok(Some(Newest { link: Link { digest: hash(&text), signature }, digest }))
    }

    /// Whether an unsigned digest is what this chain would have had next: only then does it get a signature.
    async fn continues(&self, chain: &str, digest: &Digest) -> Result<(), AuditError> {
        let unsound = || AuditError::Unsound { chain: chain.to_owned(), sequence: digest.sequence };
        let mut tree = Tree::default();
        let mut link = None;
        if digest.sequence > 1 {
            let path = format!("{chain}/{}", digest_path(digest.sequence - 1));
            let text = self.proofs.get(&path).await.map_err(AuditError::Lake)?.ok_or_else(unsound)?;
            let signature = self.proofs.get(&format!("{path}.sig")).await.map_err(AuditError::Lake)?;
            let signature = signature.as_deref().and_then(Signature::of_bytes).ok_or_else(unsound)?;
            tree = Digest::parse(&text).map_err(|_malformed| unsound())?.tree;
            link = Some(Link { digest: hash(&text), signature });
        }
        let lines = self.lake.audit_lines(&digest.tenant, tree.size() + 1, digest.last()).await;
        for line in lines.map_err(AuditError::Lake)?.lines() {
            tree.push(leaf_hash(line.as_bytes()));
        }
        if digest.previous == link && digest.tree == tree { Ok(()) } else { Err(unsound()) }
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<bool, AuditError> {
        self.proofs.put_new(path, bytes).await.map_err(AuditError::Lake)
    }
}
