//! `claviger check-config`: what the service would run with. Opens no port, no broker and no lake.

use std::path::PathBuf;

use clap::Args;
use claviger_core::config;

use super::{Answer, Failure, print};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger check-config claviger.toml
  CLAVIGER__LAKE__URI=/data/lake claviger check-config --json claviger.toml
  claviger check-config --defaults > claviger.toml")]
pub(super) struct CheckConfig {
    /// The configuration file
    #[arg(required_unless_present = "defaults")]
    file: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Print every option with its default and the reason for it
    #[arg(long, conflicts_with_all = ["file", "json"])]
    defaults: bool,
}

pub(super) fn run(arguments: &CheckConfig) -> Result<Answer, Failure> {
    let Some(file) = &arguments.file else {
        print(config::DEFAULTS)?;
        return Ok(Answer::Yes);
    };
    let config = crate::config::load(file)?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&config).map(|text| text + "\n").map_err(|error| error.to_string())
    } else {
        toml::to_string(&config).map_err(|error| error.to_string())
    };
    print(&text.expect("a configuration holds numbers, texts and tables only"))?;
    Ok(Answer::Yes)
}
