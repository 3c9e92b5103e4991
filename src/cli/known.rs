//! What commands that explain have in common: a lake, the identity folders, and the pepper that joins them.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use claviger_core::classify::ClassifyOptions;
use claviger_core::identity::Directory;
use claviger_core::secret::Pepper;
use serde::Serialize;

use super::Failure;
use crate::diagnose::Diagnoser;
use crate::lake::{Lake, LakeError};
use crate::query::{Limits, Queries};

#[derive(Debug, Args)]
pub(super) struct Known {
    /// Folder or URL of the lake
    #[arg(long, value_name = "DIR")]
    lake: String,
    /// Folder of the identity snapshot; several are merged
    #[arg(long, value_name = "DIR", required = true)]
    identity: Vec<PathBuf>,
    /// File with the secret under which keys are hashed; else CLAVIGER_PEPPER, else the one beside the lake
    #[arg(long, value_name = "FILE")]
    pepper_file: Option<PathBuf>,
}

impl Known {
    /// Where the lake is.
    pub(super) fn uri(&self) -> &str {
        &self.lake
    }

    pub(super) async fn lake(&self) -> Result<Lake, LakeError> {
        Box::pin(Lake::open_existing(&self.lake, Lake::DEFAULT_PIPELINE, &HashMap::new())).await
    }

    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.identity.clone()
    }

    /// The lake's rows, for whoever sits at the machine itself.
    pub(super) async fn queries(&self) -> Result<Queries, Failure> {
        Ok(Queries::new(self.lake().await?, limits())?)
    }

    pub(super) async fn diagnoser(&self) -> Result<Diagnoser, Failure> {
        let lake = self.lake().await?;
        let queries = Queries::new(lake.clone(), limits())?;
        Ok(Diagnoser::new(lake, queries, ClassifyOptions::default()))
    }

    pub(super) fn directory(&self, pepper: &Pepper) -> Result<Directory, Failure> {
        Ok(crate::identity::load(&self.identity, pepper)?.directory)
    }

    /// The pepper that the lake was written under. Where it is not at hand, ids still lead to keys; only a key that is
    /// shown cannot be found, so then it is `needed`.
    pub(super) fn pepper(&self, needed: bool) -> Result<Pepper, Failure> {
        let beside = PathBuf::from(format!("{}.pepper", self.lake.trim_end_matches('/')));
        match (&self.pepper_file, std::env::var("CLAVIGER_PEPPER")) {
            (Some(path), _) => Ok(crate::config::read_pepper(path)?),
            (None, Ok(secret)) => Ok(Pepper::new(secret.as_bytes()).ok_or(crate::config::LoadError::NoPepper)?),
            (None, Err(_)) if beside.exists() => Ok(crate::config::read_pepper(&beside)?),
            (None, Err(_)) if needed => Err(Failure::usage(
                "the pepper of this lake is not at hand, so a key cannot be looked up",
                "name it with --pepper-file or CLAVIGER_PEPPER",
            )),
            (None, Err(_)) => {
                let random = uuid::Uuid::new_v4().to_string();
                Ok(Pepper::new(random.as_bytes()).ok_or(crate::config::LoadError::NoPepper)?)
            }
        }
    }
}

/// One command asks several questions, one after the other: a place may not be free the instant an answer ends.
fn limits() -> Limits {
    let Limits { concurrent, waiting, .. } = Limits::default();
    Limits { concurrent, waiting, ..Limits::operator() }
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("answers are texts, numbers and lists of them") + "\n"
}
