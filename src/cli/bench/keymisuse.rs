//! `claviger bench keymisuse`: makes an instance of KeyMisuseBench, runs it through the product, and scores what was told.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use claviger_core::config::Config;
use claviger_core::detect::DetectOptions;
use claviger_core::fault::Blame;
use claviger_core::keymisuse::run::{Run, run as run_instance};
use claviger_core::keymisuse::score::{Measured, Score, markdown, score};
use claviger_core::keymisuse::{Attacks, Benchmark, DAYS, DEFAULT_SEED, Gateway, START, Size};
use claviger_core::secret::Pepper;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::super::{Answer, Failure, print};

/// Four weeks of a made-up platform whose keys are misused in known ways: who notices, how soon, and what else it says
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger bench keymisuse --out ./keymisuse                 a minute, 290 000 requests
  claviger bench keymisuse --out ./keymisuse --size full     19 million requests, 18 GB of logs
  claviger bench keymisuse --out ./keymisuse --seed 2 --json

Writes the gateways' logs, the identity folder, the truth, REPORT.md and report.json. Exit code 1 when a floor of the
report card is missed. What is in it and how it is scored: docs/keymisuse.md")]
pub(super) struct KeyMisuse {
    /// Folder for logs, truth and report
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Same seed, same bytes
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// ci or full
    #[arg(long, value_name = "SIZE", default_value = "ci", value_parser = parse_size)]
    size: Size,
    /// Score only: the logs, which `full` makes 18 GB of, are not written
    #[arg(long)]
    no_logs: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn parse_size(name: &str) -> Result<Size, String> {
    match name {
        "ci" => Ok(Size::Ci),
        "full" => Ok(Size::Full),
        _ => Err("ci or full".to_owned()),
    }
}

pub(super) fn run(arguments: &KeyMisuse) -> Result<Answer, Failure> {
    let bench = Benchmark::new(arguments.seed, arguments.size);
    let folder = Folder(&arguments.out);
    folder.write_world(&bench)?;
    if !arguments.no_logs {
        folder.write_logs(&bench)?;
    }

    let began = Instant::now();
    let run = measure(&bench)?;
    let seconds = began.elapsed().as_secs_f64();
    let scored = score(&run.truth, &bench.benign(), &run.alerts, bench.key_days());
    let measured = Measured {
        state_bytes_per_key: ratio(run.watch.key_bytes as u64, run.watch.keys as u64),
        events_per_second: Some(run.counts.events as f64 / seconds),
        ..Measured::default()
    };
    let report = Report { bench: &bench, run: &run, score: &scored, measured: &measured };
    folder.write_lines("truth.ndjson", &run.truth)?;
    folder.write("REPORT.md", report.markdown().as_bytes())?;
    folder.write("report.json", format!("{:#}\n", report.json()).as_bytes())?;
    print(&if arguments.json { format!("{}\n", report.json()) } else { report.markdown() })?;
    let passed = scored.metrics(&measured).iter().all(|metric| metric.meets_floor());
    Ok(if passed { Answer::Yes } else { Answer::No })
}

fn ratio(bytes: u64, entities: u64) -> Option<f64> {
    (entities > 0).then(|| bytes as f64 / entities as f64)
}

fn measure(bench: &Benchmark) -> Result<Run, Failure> {
    let config = Config::parse("[kafka]\ntopics = ['bench']\n", [])?;
    let pepper = Pepper::new(PEPPER).expect("it is long enough");
    let bar = ProgressBar::new(SCORED_DAYS).with_style(style("days of the log"));
    let heard = &mut |at_us: i64| bar.set_position(u64::try_from((at_us - START) / DAY_US).unwrap_or(0));
    let options = config.refine_options(pepper.clone());
    let run = run_instance(bench, Attacks::Included, options, DetectOptions::default(), &pepper, heard);
    bar.finish_and_clear();
    run.map_err(|error| Failure {
        message: format!("the benchmark cannot be run: {error}"),
        hint: "please report this".to_owned(),
        blame: Blame::Bug,
    })
}

/// Hashes no real key.
const PEPPER: &[u8] = b"a pepper for made-up keys";
const DAY_US: i64 = 86_400_000_000;
const SCORED_DAYS: u64 = DAYS.unsigned_abs();

fn style(what: &str) -> ProgressStyle {
    let template = format!("{{bar:32}} {{pos}} of {{len}} {what}, {{eta}} left");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

struct Report<'a> {
    bench: &'a Benchmark,
    run: &'a Run,
    score: &'a Score,
    measured: &'a Measured,
}

impl Report<'_> {
    fn markdown(&self) -> String {
        let Self { bench, run, score, measured } = self;
        let mut text = format!(
            "# KeyMisuseBench, seed {}, size {}\n\n{} requests of {} keys, {} attacks; claviger {}.\n\n",
            bench.seed(),
            bench.size().name(),
            run.counts.events,
            bench.key_count(),
            run.truth.len(),
            env!("CARGO_PKG_VERSION"),
        );
        text.push_str(&markdown(score, measured));
        let rate = measured.events_per_second.unwrap_or(0.0);
        let written = writeln!(
            text,
            "\n{} alerts, {} of them false; {} entities under watch at the end; {rate:.0} requests a second from line to incident.",
            score.alerts, score.false_alerts, run.watch.entities,
        );
        debug_assert!(written.is_ok(), "a String takes any text");
        text
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "seed": self.bench.seed(),
            "size": self.bench.size().name(),
            "version": env!("CARGO_PKG_VERSION"),
            "requests": self.run.counts.events,
            "attacks": self.run.truth.len(),
            "score": self.score,
            "measured": self.measured,
            "metrics": self.score.metrics(self.measured),
        })
    }
}

/// Where the instance goes.
struct Folder<'a>(&'a Path);

impl Folder<'_> {
    fn write_world(&self, bench: &Benchmark) -> Result<(), Failure> {
        let identity = self.0.join("identity");
        std::fs::create_dir_all(&identity).map_err(|error| unwritable(&identity, &error))?;
        for file in bench.identity() {
            self.write(&format!("identity/{}", file.name), file.text.as_bytes())?;
        }
        self.write("networks.csv", bench.registry().list().as_bytes())?;
        self.write_lines("benign.ndjson", &bench.benign())
    }

    fn write_logs(&self, bench: &Benchmark) -> Result<(), Failure> {
        let path = |gateway: Gateway| self.0.join(format!("gateway-{}.ndjson", gateway.name()));
        let create = |gateway| {
            File::create(path(gateway)).map(BufWriter::new).map_err(|error| unwritable(&path(gateway), &error))
        };
        let mut files: Vec<(Gateway, BufWriter<File>)> =
            Gateway::ALL.iter().map(|&gateway| Ok((gateway, create(gateway)?))).collect::<Result<_, Failure>>()?;
        let bar = ProgressBar::new(SCORED_DAYS).with_style(style("days written"));
        let (mut lines, mut text) = (bench.lines(Attacks::Included), String::new());
        while let Some(line) = lines.next_line(&mut text) {
            text.push('\n');
            if let Some((gateway, file)) = files.iter_mut().find(|(gateway, _)| *gateway == line.gateway) {
                file.write_all(text.as_bytes()).map_err(|error| unwritable(&path(*gateway), &error))?;
            }
            bar.set_position(u64::try_from((line.at_us - START) / DAY_US).unwrap_or(0));
            text.clear();
        }
        bar.finish_and_clear();
        for (gateway, file) in &mut files {
            file.flush().map_err(|error| unwritable(&path(*gateway), &error))?;
        }
        Ok(())
    }

    fn write_lines<T: serde::Serialize>(&self, name: &str, rows: &[T]) -> Result<(), Failure> {
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, row).expect("plain data has a JSON form");
            text.push(b'\n');
        }
        self.write(name, &text)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).map_err(|error| unwritable(&path, &error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure {
        message: format!("cannot write `{}`: {error}", path.display()),
        hint: "check the path, and that the disk has room".to_owned(),
        blame: Blame::Environment,
    }
}
