//! `claviger bench nab`: the series scorer on a corpus of the Numenta Anomaly Benchmark, by its published rule.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use claviger_core::detect::{SeriesScorer, parse_series_row};
use claviger_core::fault::Blame;
use claviger_core::keymisuse::nab::{LOW_FALSE_NEGATIVES, LOW_FALSE_POSITIVES, STANDARD, ScoredSeries, nab_score};
use serde_json::json;

use super::super::{Answer, Failure, print};

/// Scores the series scorer on a corpus of the Numenta Anomaly Benchmark
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  claviger bench nab ./NAB

The folder holds `data/<category>/<name>.csv` and `labels/combined_windows.json`, as the benchmark's repository does. A
fresh scorer a file, the product's defaults, no look-ahead. Exit code 1 below 51.7, the score of random cut forests.")]
pub(super) struct Nab {
    /// Folder of the corpus
    #[arg(value_name = "DIR")]
    corpus: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

const FLOOR: f64 = 51.7;

pub(super) fn run(arguments: &Nab) -> Result<Answer, Failure> {
    let labels = arguments.corpus.join("labels/combined_windows.json");
    let windows: BTreeMap<String, Vec<(String, String)>> =
        serde_json::from_str(&text_of(&labels)?).map_err(|error| damaged(&labels, &error.to_string()))?;
    let series = windows.iter().map(|(name, windows)| scored(&arguments.corpus.join("data").join(name), windows));
    let series = series.collect::<Result<Vec<_>, _>>()?;
    let rows: usize = series.iter().map(|series| series.scores.len()).sum();
    let scores =
        [STANDARD, LOW_FALSE_POSITIVES, LOW_FALSE_NEGATIVES].map(|profile| (profile, nab_score(&series, profile)));
    let text = if arguments.json {
        let scores: BTreeMap<&str, f64> =
            scores.iter().map(|(profile, reached)| (profile.name, reached.score)).collect();
        format!("{}\n", json!({"series": series.len(), "rows": rows, "scores": scores}))
    } else {
        let lines = scores.iter().map(|(profile, reached)| format!("{:<9} {:5.1}\n", profile.name, reached.score));
        format!("{}{} series, {rows} rows\n", lines.collect::<String>(), series.len())
    };
    print(&text)?;
    let [(_, standard), ..] = &scores;
    Ok(if standard.score >= FLOOR { Answer::Yes } else { Answer::No })
}

/// One file through a fresh scorer.
fn scored(path: &Path, labelled: &[(String, String)]) -> Result<ScoredSeries, Failure> {
    let text = text_of(path)?;
    let mut scorer = SeriesScorer::new();
    let rows: Vec<(i64, f64)> = text.lines().filter_map(parse_series_row).collect();
    let scores = rows.iter().map(|&(at_us, value)| scorer.score(at_us, value)).collect();
    let row_at = |time: &str| {
        let at_us = parse_series_row(&format!("{time},0")).map(|(at_us, _)| at_us);
        at_us.and_then(|at_us| rows.iter().position(|row| row.0 == at_us))
    };
    let windows = labelled.iter().map(|(from, to)| {
        row_at(from)
            .zip(row_at(to))
            .ok_or_else(|| damaged(path, &format!("no rows at {from} and {to}, where a window is")))
    });
    Ok(ScoredSeries { scores, windows: windows.collect::<Result<_, _>>()? })
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| damaged(path, &error.to_string()))
}

fn damaged(path: &Path, why: &str) -> Failure {
    Failure {
        message: format!("`{}` is no part of the corpus: {why}", path.display()),
        hint: "give the folder of the benchmark's repository, with `data` and `labels`".to_owned(),
        blame: Blame::Environment,
    }
}
