//! `claviger check-lake`: does every offset that was read have its row, once?

use std::collections::HashMap;
use std::io::{self, Write as _};

use clap::Args;

use super::{Answer, Failure};
use crate::lake::{Lake, LakeReport, audit};

/// Checks that a lake accounts for every offset that was read
#[derive(Debug, Args)]
#[command(after_help = "Example: claviger check-lake --lake ./lake --json

Exit code 1 when an offset is lost or stored twice, or a compaction changed rows.")]
pub(super) struct CheckLakeArguments {
    /// Folder or URL of the lake
    #[arg(long, value_name = "DIR")]
    lake: String,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Count holes in Kafka offsets as losses: for topics without transactions and compaction
    #[arg(long)]
    dense: bool,
}

pub(super) fn check_lake(arguments: &CheckLakeArguments) -> Result<Answer, Failure> {
    let report = super::wait_for(async {
        let lake = Lake::open_existing(&arguments.lake, Lake::DEFAULT_PIPELINE, &HashMap::new()).await?;
        audit(&lake, arguments.dense).await
    })??;
    let holds = report.holds();
    let text = if arguments.json { to_json(&report) } else { to_text(&report) };
    // Whoever closes the pipe still gets the exit code.
    let _closed = io::stdout().write_all(text.as_bytes());
    Ok(if holds { Answer::Yes } else { Answer::No })
}

fn to_json(report: &LakeReport) -> String {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    value["holds"] = report.holds().into();
    format!("{value:#}\n")
}

fn to_text(report: &LakeReport) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{arguments}");
    };
    for table in &report.tables {
        line(format_args!(
            "{:<17} version {:>6}  {:>12} rows in {:>5} files, {} MB",
            table.table,
            table.version,
            table.rows,
            table.files,
            table.bytes / 1_000_000
        ));
    }
    for stream in &report.streams {
        line(format_args!(
            "{}[{}] to {}: {} offsets in {} rows, {} in declared gaps, {} holes, {} rows pending",
            stream.topic,
            stream.partition,
            stream.position,
            stream.offsets,
            stream.rows,
            stream.gap_offsets,
            stream.hole_offsets,
            stream.pending_rows
        ));
        for breach in &stream.breaches {
            line(format_args!("  BROKEN: {breach}"));
        }
        if stream.breaches_total > stream.breaches.len() as u64 {
            line(format_args!("  {} breaches in all", stream.breaches_total));
        }
    }
    line(format_args!(
        "{} compactions checked, {} no longer in the log",
        report.compactions_checked, report.compactions_unverifiable
    ));
    for breach in &report.compaction_breaches {
        line(format_args!("  BROKEN: {breach}"));
    }
    line(format_args!("{}", if report.holds() { "the law holds" } else { "the law is BROKEN" }));
    text
}
