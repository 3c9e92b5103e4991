//! A made-up company whose keys fail for reasons that are known, so that the product can be watched at work
//! with nothing else running, and marked.
//!
//! ```text
//! company ─┐                      ┌─► identity folders ──────────┐
//! crowd   ─┼─► story ─► steps ────┤                              ├─► pipeline ─► verdicts ─► summary
//! script  ─┘   (seed, time)       └─► log lines ─► broker ───────┘                 ▲
//!                                     apisix, kong                  truth (in the request ids)
//! ```
//!
//! Everything left of the pipeline is a function of seed and time: no clock is read there. What the demo does
//! not do: pretend. The lines go through a Kafka client to a broker, and the pipeline knows no more of them
//! than of anybody's.

pub mod company;
pub mod routes;

pub mod request;
pub mod truth;

pub mod script;
pub mod traffic;

pub mod cast;
pub mod story;

mod apisix;
mod kong;
pub mod lines;

pub mod identity;

use std::path::{Path, PathBuf};

use claviger_core::fault::{Blame, Fault};

/// What can go wrong with the demo itself.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("cannot write `{}`", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
}

impl DemoError {
    pub(crate) fn unwritable(path: &Path, source: std::io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), source }
    }
}

impl Fault for DemoError {
    fn hint(&self) -> String {
        match self {
            Self::Unwritable { path, .. } => {
                format!(
                    "check permissions and free space at `{}`, or choose another folder with --data",
                    path.display()
                )
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unwritable { .. } => Blame::Environment,
        }
    }
}
