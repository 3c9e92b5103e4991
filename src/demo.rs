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

pub mod misuse;
pub mod script;
pub mod traffic;

pub mod cast;
pub mod past;
pub mod story;

mod apisix;
mod kong;
pub mod lines;

pub mod files;
pub mod identity;

pub mod broker;
pub mod folder;

pub mod alarms;
pub mod found;
pub mod ledger;
pub mod live;
pub mod summary;
pub mod watched;

pub mod run;

use std::path::{Path, PathBuf};

use claviger_core::fault::{Blame, Fault};

/// What can go wrong with the demo itself.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("cannot write `{}`", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("`{}` is neither empty nor the folder of an earlier demo", path.display())]
    NotOurs { path: PathBuf },
    #[error("no pepper for the keys")]
    Pepper(#[source] crate::config::LoadError),
    #[error("cannot start the broker inside this process")]
    NoBroker { source: rdkafka::error::KafkaError },
    #[error("the broker inside this process did not take all log lines")]
    NotProduced { source: rdkafka::error::KafkaError },
    #[error("cannot write the summary")]
    Mute { source: std::io::Error },
    #[error("the thread that plays the script panicked")]
    PlayerPanicked,
    #[error("the pipeline panicked")]
    PipelinePanicked,
    #[error("the company's past cannot be made up")]
    NoPast { source: arrow::error::ArrowError },
    #[error("making up the company's past panicked")]
    PastPanicked,
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
            Self::Pepper(fault) => fault.hint(),
            Self::NotOurs { .. } => "choose a folder that does not exist yet with --data".to_owned(),
            Self::NoBroker { .. } => "it needs a free port on 127.0.0.1: check the limits on sockets".to_owned(),
            Self::NotProduced { .. } => "run it again; if it stays, run with a lower --rate".to_owned(),
            Self::Mute { .. } => "check where standard output goes".to_owned(),
            Self::PlayerPanicked | Self::PipelinePanicked | Self::NoPast { .. } | Self::PastPanicked => {
                "please report it with the lines above".to_owned()
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NotOurs { .. } => Blame::Operator,
            Self::Pepper(_)
            | Self::Unwritable { .. }
            | Self::NoBroker { .. }
            | Self::NotProduced { .. }
            | Self::Mute { .. } => Blame::Environment,
            Self::PlayerPanicked | Self::PipelinePanicked | Self::NoPast { .. } | Self::PastPanicked => Blame::Bug,
        }
    }
}
