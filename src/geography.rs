//! Reads the files that say where networks are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_core::config::GeographyFiles;
use claviger_core::fault::{Blame, Fault};
use claviger_core::geo::{GeoError, Geography, Relay};

/// Lists first: they speak before databases.
///
/// # Errors
/// Names the file that cannot be read or is not what it should be.
pub fn load(files: &GeographyFiles) -> Result<Arc<Geography>, GeographyError> {
    let lists = [
        (&files.networks, None),
        (&files.hosting, Some(Relay::Hosting)),
        (&files.vpn, Some(Relay::Vpn)),
        (&files.proxies, Some(Relay::Proxy)),
    ];
    let mut geography = Geography::default();
    for (path, relay) in lists.iter().flat_map(|(paths, relay)| paths.iter().map(|path| (path, *relay))) {
        let text = std::fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
        geography = geography.with_list(path, &text, relay).map_err(GeographyError::Unusable)?;
    }
    for path in &files.databases {
        let bytes = std::fs::read(path).map_err(|source| unreadable(path, source))?;
        geography = geography.with_database(path, bytes).map_err(GeographyError::Unusable)?;
    }
    Ok(Arc::new(geography))
}

fn unreadable(path: &str, source: std::io::Error) -> GeographyError {
    GeographyError::Unreadable { path: Path::new(path).to_owned(), source }
}

/// Why geography cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GeographyError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Unusable(GeoError),
}

impl Fault for GeographyError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the paths in `[geography]`".to_owned(),
            Self::Unusable(error) => error.hint(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. } => Blame::Operator,
            Self::Unusable(error) => error.blame(),
        }
    }
}
