//! `claviger formats`: which gateway wrote a log, which causes its fields can decide, and what would let it decide more.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use claviger_core::decode::{DecodeOptions, Decoder};
use claviger_core::fault::Blame;
use claviger_core::formats::{Coverage, coverage, known_formats};
use claviger_core::frame::RawBatch;
use claviger_core::offsets::{Offset, Stream};
use claviger_core::secret::{Pepper, Schemes};

use super::known::to_json;
use super::{Answer, Failure, print};

/// Says which gateway wrote a log, which causes its fields can decide, and what would let it decide more
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger formats access.ndjson
  kubectl logs deploy/apisix | claviger formats - --json | jq .advice

Reads the first lines only, and keeps nothing of them. Exit code 1 when no line could be read.")]
pub(super) struct FormatsArguments {
    /// A file of log lines, or `-` for standard input
    file: PathBuf,
    /// How many lines to look at
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    lines: usize,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &FormatsArguments) -> Result<Answer, Failure> {
    let sample = read(&arguments.file, arguments.lines)?;
    // Nothing leaves this process, so any pepper will do.
    let pepper = Pepper::new(uuid::Uuid::new_v4().to_string().as_bytes()).ok_or(crate::config::LoadError::NoPepper)?;
    let found =
        coverage(&Decoder::new(DecodeOptions::new(pepper)).decode(&sample, Schemes::default()), sample.len() as u64);
    print(&if arguments.json { to_json(&found) } else { page(&found) })?;
    Ok(if found.events > 0 { Answer::Yes } else { Answer::No })
}

/// Longest line that is taken whole; what is longer is cut, and then is no log line any more.
const LINE_BYTES_MAX: u64 = 4 << 20;

fn read(file: &Path, lines: usize) -> Result<RawBatch, Failure> {
    let unreadable = |source: std::io::Error| Failure {
        message: format!("cannot read `{}`: {source}", file.display()),
        hint: "name a file of log lines, or `-` for standard input".to_owned(),
        blame: Blame::Operator,
    };
    let source: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(unreadable)?)
    };
    let mut reader = BufReader::new(source);
    let mut batch = RawBatch::new(chrono::Utc::now().timestamp_micros());
    let span = batch.open_span(Stream::new("", file.display().to_string().as_str(), 0), Offset(0));
    let mut line = Vec::new();
    for offset in 0..i64::try_from(lines).unwrap_or(i64::MAX) {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        batch.push(span, offset, line.trim_ascii_end());
    }
    Ok(batch)
}

fn page(found: &Coverage) -> String {
    let formats: Vec<String> = found.formats.iter().map(|(format, lines)| format!("{format} ({lines})")).collect();
    let wrote = if formats.is_empty() {
        format!("No line of {} could be read. Known formats: {}.", found.lines, known_formats().join(", "))
    } else {
        format!("{} of {} lines were read, as {}.", found.events, found.lines, formats.join(", "))
    };
    let mut text = format!("{wrote}\n");
    for (reason, lines) in &found.rejects {
        text.push_str(&format!("  rejected: {reason} ({lines})\n"));
    }
    if found.events == 0 {
        return text;
    }
    let (decidable, all) = (found.decidable.len(), found.decidable.len() + found.undecidable.len());
    text.push_str(&format!("Their fields can decide {decidable} of {all} causes ({:.0} %).\n", found.score * 100.0));
    if found.failures == 0 {
        text.push_str(
            "No request of the sample failed: take one with refusals to see what the gateway says of them.\n",
        );
    }
    if !found.undecidable.is_empty() {
        text.push_str("\nCannot be decided\n");
    }
    for cause in &found.undecidable {
        text.push_str(&format!("  {:<28} lacks {}\n", cause.cause, cause.missing.join(" and ")));
    }
    for advice in &found.advice {
        text.push_str(&format!(
            "\nOn {}, to decide {}: {}\n  {}\n",
            advice.format,
            advice.decides.join(", "),
            advice.why,
            advice.snippet
        ));
    }
    text
}
