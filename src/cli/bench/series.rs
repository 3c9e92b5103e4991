//! `claviger bench series`: one series through the scorer that watches series, row by row and without looking ahead.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use claviger_core::detect::{SeriesScorer, parse_series_row};
use claviger_core::fault::Blame;

use super::super::{Answer, Failure};

/// Scores a series: timestamp,value in, timestamp,anomaly_score out
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger bench series machine.csv scores.csv
  claviger bench series - - < machine.csv

A fresh scorer a file, with the product's defaults. Scores are from 0 to 1; a row without time or number gets 0.")]
pub(super) struct Series {
    /// CSV with lines `timestamp,value`; - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Where the scores go; - for standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

/// Longer lines are none of a series.
const LINE_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(arguments: &Series) -> Result<Answer, Failure> {
    let (input, output) = (&arguments.input, &arguments.output);
    let failed = |path: &PathBuf, what: &str, error: &io::Error| Failure {
        message: format!("cannot {what} `{}`: {error}", path.display()),
        hint: "check the path".to_owned(),
        blame: Blame::Environment,
    };
    let source: Box<dyn BufRead> = if input.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(input).map_err(|error| failed(input, "read", &error))?))
    };
    let target: Box<dyn Write> = if output.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(output).map_err(|error| failed(output, "write", &error))?)
    };
    score(source, BufWriter::new(target)).map_err(|error| failed(input, "score", &error))?;
    Ok(Answer::Yes)
}

fn score(mut source: impl BufRead, mut target: impl Write) -> io::Result<()> {
    let mut scorer = SeriesScorer::new();
    let (mut line, mut first) = (String::new(), true);
    writeln!(target, "timestamp,anomaly_score")?;
    loop {
        line.clear();
        if io::Read::take(&mut source, LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return target.flush();
        }
        let row = parse_series_row(&line);
        let is_header = std::mem::take(&mut first) && row.is_none();
        if !is_header {
            let score = row.map_or(0.0, |(at_us, value)| scorer.score(at_us, value));
            writeln!(target, "{},{score}", line.split(',').next().unwrap_or("").trim_end())?;
        }
    }
}
