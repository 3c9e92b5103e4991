//! `claviger verify`: was anything changed, dropped, added or moved since it was signed?

use std::path::PathBuf;

use clap::Args;
use claviger_core::prove::Head;

use super::{Answer, Failure};
use crate::signing;
use crate::verify::{self, Known, Verdict};

/// Checks an export, or the chain of a lake: exit code 1 names every fault
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger verify november/
  claviger verify --public-key operator.pem --head \"acme 8841 3b0c…\" november/
  claviger verify lake/

Without --public-key the key in the folder is believed: compare its id with the one that the operator publishes.
A head is a line `newest-head` of an earlier export, or what the operator sent: it shows a history written anew.")]
pub(super) struct VerifyArguments {
    /// PEM file with the operator's public key
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Tenant, sequence and SHA-256 of a digest that is known from elsewhere
    #[arg(long, value_name = "HEAD", value_parser = parse_head)]
    head: Vec<Head>,
    /// One JSON object instead of texts
    #[arg(long)]
    json: bool,
    /// Folder of an export, or of a lake
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

fn parse_head(text: &str) -> Result<Head, String> {
    text.parse().map_err(|_malformed| "`TENANT SEQUENCE SHA-256`, the tenant being `-` for the operator's".to_owned())
}

pub(super) fn run(arguments: &VerifyArguments) -> Result<Answer, Failure> {
    let key = arguments.public_key.as_deref().map(signing::read_public_key).transpose()?;
    let known = Known { key, heads: arguments.head.clone() };
    let verdict = super::wait_for(verify::verify(&arguments.folder, &known))??;
    super::print(&if arguments.json { to_json(&verdict) } else { to_text(&verdict) })?;
    Ok(if verdict.faults.is_empty() { Answer::Yes } else { Answer::No })
}

fn to_json(verdict: &Verdict) -> String {
    let chains = verdict.chains.iter().map(|(name, report)| {
        serde_json::json!({
            "chain": name,
            "digests": report.digests,
            "records": report.records,
            "begins_at": report.begins_at,
            "head": report.head.as_ref().map(|(head, _)| head.to_string()),
            "covered_until": report.head.as_ref().map(|(_, to_us)| claviger_core::time::format(*to_us)),
        })
    });
    let json = serde_json::json!({
        "holds": verdict.faults.is_empty(),
        "faults": verdict.faults,
        "key": verdict.key.to_string(),
        "key_known": verdict.key_known,
        "files": verdict.manifest.as_ref().map(|manifest| manifest.files.len()),
        "chains": chains.collect::<Vec<_>>(),
    });
    format!("{json:#}\n")
}

fn to_text(verdict: &Verdict) -> String {
    let mut text = String::new();
    let mut line = |said: String| {
        text.push_str(&said);
        text.push('\n');
    };
    if let Some(manifest) = &verdict.manifest {
        for count in &manifest.counts {
            line(format!("{:>12} {} of {} in the lake", count.exported, count.what, count.in_lake));
        }
    }
    for (name, report) in &verdict.chains {
        let until = report.head.as_ref().map(|(_, to_us)| claviger_core::time::format(*to_us)).unwrap_or_default();
        let (digests, begins_at, records) = (report.digests, report.begins_at, report.records);
        line(format!("chain {name}: {digests} digests from {begins_at} on, {records} records, until {until}"));
    }
    line(match verdict.key_known {
        true => format!("signed by key {}", verdict.key),
        false => format!("signed by key {}: compare it with the one that the operator publishes", verdict.key),
    });
    for fault in &verdict.faults {
        line(format!("FAULT {fault}"));
    }
    line(match verdict.faults.is_empty() {
        true => "nothing was changed".to_owned(),
        false => format!("{} faults: do not rely on it", verdict.faults.len()),
    });
    text
}
