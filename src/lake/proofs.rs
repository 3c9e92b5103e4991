//! Digests and their records: small files beside the tables, each written once and never changed.
//!
//! Every put is conditional, so that two writers cannot both continue one chain: the second finds the name taken. The
//! folder stands outside every table, where no vacuum looks.

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode};

use super::Lake;
use super::durable::DurableFiles;
use super::error::LakeError;

/// Below the lake's root.
const FOLDER: &str = "audit_proof";

/// Chains, each a folder named by its tenant as `claviger_core::prove::encoded` spells it.
#[derive(Clone, Debug)]
pub struct Proofs {
    store: Arc<dyn ObjectStore>,
}

impl Lake {
    /// The chains over the table `audit`.
    #[must_use]
    pub fn proofs(&self) -> Proofs {
        let root = Path::from_url_path(self.root.path()).unwrap_or_default();
        Proofs { store: Arc::new(PrefixStore::new(Arc::clone(&self.store), root.join(FOLDER))) }
    }
}

impl Proofs {
    /// Chains in a local folder: those of an export, or of a lake.
    #[must_use]
    pub fn in_folder(folder: &FilePath) -> Option<Self> {
        let beside_tables = folder.join(FOLDER);
        let folder = if beside_tables.is_dir() { beside_tables } else { folder.to_owned() };
        let prefix = Path::from_absolute_path(folder.canonicalize().ok()?).ok()?;
        Some(Self { store: Arc::new(PrefixStore::new(DurableFiles::new(), prefix)) })
    }

    /// Writes a file unless there is one of this name. Returns whether it did.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn put_new(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let unwritable = |source| LakeError::ProofUnwritable { path: path.to_owned(), source };
        match self.store.put_opts(&Path::from(path), bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(unwritable(source)),
        }
    }

    /// The bytes of a file; `None` when it is not there.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>, LakeError> {
        let unreadable = |source| LakeError::ProofUnreadable { path: path.to_owned(), source };
        match self.store.get(&Path::from(path)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(unreadable),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(unreadable(source)),
        }
    }

    /// The names of all chains, in order.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub async fn chains(&self) -> Result<Vec<String>, LakeError> {
        let unreadable = |source| LakeError::ProofUnreadable { path: String::new(), source };
        let listed = self.store.list_with_delimiter(None).await.map_err(unreadable)?;
        let mut names = Vec::new();
        for chain in listed.common_prefixes.iter().filter_map(|prefix| prefix.filename()) {
            if !self.digests(chain).await?.is_empty() {
                names.push(chain.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The sequences of a chain's digests by their names, in order.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub async fn digests(&self, chain: &str) -> Result<Vec<u64>, LakeError> {
        let folder = format!("{chain}/digests");
        let unreadable = |source| LakeError::ProofUnreadable { path: folder.clone(), source };
        let listed = self.store.list_with_delimiter(Some(&Path::from(folder.as_str()))).await.map_err(unreadable)?;
        let sequence = |name: &str| name.strip_suffix(".digest")?.parse().ok();
        let mut found: Vec<u64> =
            listed.objects.iter().filter_map(|entry| sequence(entry.location.filename()?)).collect();
        found.sort_unstable();
        Ok(found)
    }
}
