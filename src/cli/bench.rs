//! `claviger bench`: the detectors' own report card, and the series scorer for anybody's yardstick.

mod keymisuse;
mod nab;
mod series;

use clap::{Args, Subcommand};

use super::{Answer, Failure};

/// Measures the detectors: on misused keys of a made-up platform, and on any series
#[derive(Debug, Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keymisuse(keymisuse::KeyMisuse),
    Series(series::Series),
    Nab(nab::Nab),
}

pub(super) fn run(arguments: &Bench) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Keymisuse(arguments) => keymisuse::run(arguments),
        Command::Series(arguments) => series::run(arguments),
        Command::Nab(arguments) => nab::run(arguments),
    }
}
