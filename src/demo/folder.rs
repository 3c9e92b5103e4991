//! The demo's data folder: identity, pepper and lake. Every run begins with an empty one, since the broker in
//! this process begins at offset 0 each time. Only a folder that a demo made is ever emptied.

use std::fs;
use std::path::{Path, PathBuf};

use super::DemoError;
use super::identity::{IdentityFolders, remove};

/// The parts of a data folder.
#[derive(Clone, Debug)]
pub struct DataFolder {
    pub identity: IdentityFolders,
    pub lake: PathBuf,
    pub pepper: PathBuf,
    /// A list of what is known of networks.
    pub networks: PathBuf,
}

impl DataFolder {
    /// Makes the folder, or empties it of what a former demo left.
    ///
    /// # Errors
    /// The disk, or when the folder holds what is not a demo's.
    pub fn prepare(data: &Path) -> Result<Self, DemoError> {
        let at = |source| DemoError::unwritable(data, source);
        fs::create_dir_all(data).map_err(at)?;
        let marker = data.join(MARKER);
        let is_empty = fs::read_dir(data).map_err(at)?.next().is_none();
        if !is_empty && !marker.exists() {
            return Err(DemoError::NotOurs { path: data.to_owned() });
        }
        fs::write(&marker, "Made by `claviger demo`, which empties this folder when it runs again.\n").map_err(at)?;
        let folder = Self {
            identity: IdentityFolders::under(data),
            lake: data.join("lake"),
            pepper: data.join("pepper"),
            networks: data.join("networks.csv"),
        };
        for old in [&folder.identity.production, &folder.identity.development, &folder.lake] {
            remove(old).map_err(|source| DemoError::unwritable(old, source))?;
        }
        fs::create_dir_all(&folder.lake).map_err(|source| DemoError::unwritable(&folder.lake, source))?;
        let unwritable = |source| DemoError::unwritable(&folder.networks, source);
        fs::write(&folder.networks, super::misuse::NETWORKS).map_err(unwritable)?;
        if !folder.pepper.exists() {
            crate::config::make_pepper(&folder.pepper).map_err(DemoError::Pepper)?;
        }
        Ok(folder)
    }
}

const MARKER: &str = ".claviger-demo";
