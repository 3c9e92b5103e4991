//! `claviger export audit`: who used which key, when, from where, for what, in files that can be proven complete.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use claviger_core::access::TenantScope;
use claviger_core::prove::Scope;
use claviger_core::time::rfc3339;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Answer, Failure};
use crate::export::{self, Exported, Output, Progress, Request};
use crate::lake::Lake;
use crate::signing::Signer;

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Audit(AuditArguments),
}

/// Writes the audit trail of a period, signed, with the sum of every file
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger export audit --lake lake/ --from 2026-11-01 --to 2026-12-01 --output ndjson --out november/
  claviger export audit --lake lake/ --from 2026-11-24T09:00:00Z --to 2026-11-24T10:00:00Z --tenant acme \\
      --output ocsf --out acme/
  claviger verify november/

The key that signs is made beside the lake on first use; keep it apart from the lake, and publish its id.")]
struct AuditArguments {
    /// Folder or URL of the lake
    #[arg(long, value_name = "DIR")]
    lake: String,
    /// Begin of the period: a date, or RFC 3339
    #[arg(long, value_name = "T", value_parser = parse_instant)]
    from: i64,
    /// End of the period, which is not part of it
    #[arg(long, value_name = "T", value_parser = parse_instant)]
    to: i64,
    /// Only this tenant's records
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Only records of this principal
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// Only records of this key (its id, not the key itself)
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// How to write the records
    #[arg(long, value_enum, default_value_t = OutputWord::Ndjson)]
    output: OutputWord,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// PEM file with the Ed25519 key that signs; made if it is not there
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Files are closed once they are as large
    #[arg(long, value_name = "MB", default_value_t = export::FILE_BYTES_MAX >> 20, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    file_mb: u64,
    /// One JSON object instead of texts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputWord {
    Ndjson,
    Csv,
    Parquet,
    Ocsf,
}

impl OutputWord {
    const fn output(self) -> Output {
        match self {
            Self::Ndjson => Output::Ndjson,
            Self::Csv => Output::Csv,
            Self::Parquet => Output::Parquet,
            Self::Ocsf => Output::Ocsf,
        }
    }
}

/// A date means its midnight, UTC.
fn parse_instant(text: &str) -> Result<i64, String> {
    rfc3339(text)
        .or_else(|| rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "a date like 2026-11-24, or an instant like 2026-11-24T09:00:00Z".to_owned())
}

pub(super) fn run(arguments: &Export) -> Result<Answer, Failure> {
    let What::Audit(arguments) = &arguments.what;
    let signer = signer(arguments)?;
    let bar = progress_bar(arguments.json);
    let request = Request {
        scope: Scope {
            from_us: arguments.from,
            to_us: arguments.to,
            tenant: arguments.tenant.clone(),
            principal: arguments.principal.clone(),
            key: arguments.key.clone(),
        },
        output: arguments.output.output(),
        file_bytes: arguments.file_mb << 20,
    };
    let exported = super::wait_for(async {
        let lake = Lake::open_existing(&arguments.lake, Lake::DEFAULT_PIPELINE, &HashMap::new()).await?;
        let tell = |progress: Progress| {
            bar.set_length(progress.records);
            bar.set_position(progress.written);
        };
        let exported = export::export(&lake, &request, &TenantScope::All, &signer, &arguments.out, tell).await;
        Ok::<_, Failure>(exported?)
    });
    bar.finish_and_clear();
    let exported = exported??;
    super::print(&if arguments.json { to_json(&exported) } else { to_text(&exported) })?;
    Ok(Answer::Yes)
}

fn signer(arguments: &AuditArguments) -> Result<Signer, Failure> {
    let path = match &arguments.signing_key {
        Some(path) => path.clone(),
        None => Signer::beside(&arguments.lake)?,
    };
    let (signer, made) = Signer::read_or_make(&path)?;
    if made {
        let note = format!(
            "note: exports are signed by a new key, {}\n  its id is {}: publish it, keep the file safe and apart from the lake\n",
            path.display(),
            signer.public().id()
        );
        // A closed standard error is the caller's choice.
        _ = std::io::stderr().write_all(note.as_bytes());
    }
    Ok(signer)
}

fn progress_bar(json: bool) -> ProgressBar {
    let bar = ProgressBar::no_length();
    let visible = !json && std::io::stderr().is_terminal();
    bar.set_draw_target(if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} records  {per_sec}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn to_json(exported: &Exported) -> String {
    let manifest = &exported.manifest;
    let counts: serde_json::Map<_, _> =
        manifest.counts.iter().map(|count| (count.what.clone(), count.exported.into())).collect();
    let json = serde_json::json!({
        "folder": exported.folder.to_string_lossy(),
        "records": counts,
        "files": manifest.files.len(),
        "bytes": exported.bytes,
        "manifest_sha256": exported.manifest_sum,
        "key": manifest.key.to_string(),
    });
    format!("{json}\n")
}

fn to_text(exported: &Exported) -> String {
    let counts: Vec<String> =
        exported.manifest.counts.iter().map(|count| format!("{} {}", count.exported, count.what)).collect();
    let folder = exported.folder.display();
    format!(
        "{} in {} files, {:.1} MB, as many as the lake holds\nmanifest {}\ncheck it with: claviger verify {folder}, or sh {folder}/verify.sh\n",
        counts.join(", "),
        exported.manifest.files.len(),
        exported.bytes as f64 / 1e6,
        exported.manifest_sum,
    )
}
