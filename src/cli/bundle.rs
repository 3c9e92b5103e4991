//! `claviger bundle`: a folder that can be sent to whoever runs the other side.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use claviger_core::access::TenantScope;
use claviger_core::diagnose::bundle;
use claviger_core::fault::Blame;

use super::known::Known;
use super::{Answer, Failure, print};
use crate::diagnose::Asked;

/// Writes a redacted support bundle about one request: diagnosis, row, identity facts and versions
#[derive(Debug, Args)]
#[command(after_help = "Example:
  claviger bundle --lake ./lake --identity ./identity --request-id 4f1c9a --out ./support-4f1c9a

Addresses are cut to their networks, keys are masked, people are left out. The same request and snapshot give the same
bytes. Exit code 1 when the request is not known.")]
pub(super) struct BundleArguments {
    #[command(flatten)]
    known: Known,
    /// The request's id, as gateway or caller wrote it
    #[arg(long, value_name = "ID")]
    request_id: String,
    /// Folder to write; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "support")]
    out: PathBuf,
    /// Near when the request came
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(super) fn run(arguments: &BundleArguments) -> Result<Answer, Failure> {
    let at = arguments.at.as_deref().map(super::diagnose::instant).transpose()?;
    let pepper = arguments.known.pepper(false)?;
    let directory = Arc::new(arguments.known.directory(&pepper)?);
    let asked = Asked::Request(arguments.request_id.clone());
    let found = super::wait_for(async {
        let diagnoser = arguments.known.diagnoser().await?;
        Ok::<_, Failure>(Box::pin(diagnoser.diagnose(&asked, at, &directory, &TenantScope::All)).await?)
    })??;
    let Some(diagnosis) = found else {
        super::write_to_stderr("Never seen: the lake holds no request with this id.");
        return Ok(Answer::No);
    };
    let files = bundle(&diagnosis, env!("CARGO_PKG_VERSION"));
    write(&arguments.out, &files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    print(&format!("{}: {}\n", arguments.out.display(), names.join(", ")))?;
    Ok(Answer::Yes)
}

fn write(folder: &Path, files: &[(&str, String)]) -> Result<(), Failure> {
    let unwritable = |path: &Path, source: std::io::Error| Failure {
        message: format!("cannot write `{}`: {source}", path.display()),
        hint: "check the path and the free space".to_owned(),
        blame: Blame::Environment,
    };
    std::fs::create_dir_all(folder).map_err(|source| unwritable(folder, source))?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|source| unwritable(&path, source))?;
    }
    Ok(())
}
