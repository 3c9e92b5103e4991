//! `claviger identity check` and `claviger identity diff`: what is wrong with a snapshot, and what changed.
//!
//! Both need no pepper of a deployment: hashes are compared within this process only, under a random one. With
//! the deployment's they also notice fingerprints that were made under another.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use claviger_core::identity::{Diff, EntityKind, Finding, Loaded, Severity};
use claviger_core::secret::Pepper;
use serde::Serialize;

use super::{Answer, Failure, print};
use crate::identity::{IdentityError, load};

const PEPPER_VARIABLE: &str = "CLAVIGER_PEPPER";

#[derive(Debug, Args)]
pub(super) struct Identity {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Validates a snapshot folder; exit code 1 if verdicts would be wrong
    #[command(after_help = "Examples:
  claviger identity check /data/identity
  claviger identity check --json /data/identity | jq '.findings[] | select(.severity == \"error\")'")]
    Check {
        /// The snapshot folder
        folder: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Shows what changed from one snapshot folder to another, field by field
    #[command(after_help = "Examples:
  claviger identity diff /data/identity.yesterday /data/identity
  claviger identity diff --json A B | jq '.changes | length'")]
    Diff {
        /// The older snapshot folder
        before: PathBuf,
        /// The newer one
        after: PathBuf,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// The deployment's pepper; else the variable CLAVIGER_PEPPER
    #[arg(long, value_name = "FILE")]
    pepper_file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Identity) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Check { folder, options } => check(folder, options),
        Command::Diff { before, after, options } => diff(before, after, options),
    }
}

#[derive(Serialize)]
struct Checked<'a> {
    version: &'a str,
    keys: usize,
    principals: usize,
    tenants: usize,
    bytes: usize,
    errors: u64,
    warnings: u64,
    findings: &'a [Finding],
}

fn check(folder: &Path, options: &Options) -> Result<Answer, Failure> {
    let Loaded { directory, findings } = load(&[folder.to_owned()], &pepper(options)?)?;
    let checked = Checked {
        version: directory.version(),
        keys: directory.key_count(),
        principals: directory.principals().count(),
        tenants: directory.tenants().count(),
        bytes: directory.heap_bytes(),
        errors: findings.count(Severity::Error),
        warnings: findings.count(Severity::Warning),
        findings: findings.list(),
    };
    if options.json {
        print(&to_json(&checked))?;
    } else {
        let mut text: String = checked.findings.iter().map(|finding| format!("{finding}\n")).collect();
        for (code, count) in findings.counts() {
            let shown = checked.findings.iter().filter(|finding| finding.code == *code).count();
            if *count > shown as u64 {
                text.push_str(&format!("... and {} more [{}]\n", count - shown as u64, code.name()));
            }
        }
        let Checked { version, keys, principals, tenants, errors, warnings, .. } = checked;
        text.push_str(&format!(
            "{version}: {keys} keys, {principals} principals, {tenants} tenants; {errors} errors, {warnings} warnings\n"
        ));
        print(&text)?;
    }
    Ok(if checked.errors == 0 { Answer::Yes } else { Answer::No })
}

fn diff(before: &Path, after: &Path, options: &Options) -> Result<Answer, Failure> {
    let pepper = pepper(options)?;
    let before = load(&[before.to_owned()], &pepper)?.directory;
    let after = load(&[after.to_owned()], &pepper)?.directory;
    let diff = Diff::between(&before, &after);
    if options.json {
        print(&to_json(&diff))?;
        return Ok(Answer::Yes);
    }
    let mut text: String = diff.changes.iter().map(|change| format!("{change}\n")).collect();
    for &kind in EntityKind::ALL {
        let [added, removed, changed] = diff.counts(kind);
        if added + removed + changed > 0 {
            text.push_str(&format!("{}s: {added} added, {removed} removed, {changed} fields changed\n", kind.name()));
        }
    }
    if diff.is_empty() {
        text.push_str("no difference\n");
    }
    print(&text)?;
    Ok(Answer::Yes)
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("findings and changes are texts and numbers") + "\n"
}

/// The deployment's pepper if one is named, else a random one.
fn pepper(options: &Options) -> Result<Pepper, IdentityError> {
    let secret = match (&options.pepper_file, std::env::var(PEPPER_VARIABLE)) {
        (Some(path), _) => {
            std::fs::read(path).map_err(|source| IdentityError::Unreadable { path: path.clone(), source })?
        }
        (None, Ok(text)) => text.into_bytes(),
        (None, Err(_)) => uuid::Uuid::new_v4().to_string().into_bytes(),
    };
    Pepper::new(&secret).ok_or(IdentityError::ShortPepper)
}
