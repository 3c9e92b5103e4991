//! `claviger replay`: access logs from files or standard input into a lake, with the causes named on the way.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use claviger_core::config;
use claviger_core::decode::{DecodeOptions, Format};
use claviger_core::event::{Column, Events};
use claviger_core::fault::Blame;
use claviger_core::identity::Directory;
use claviger_core::ingest::Protocol;
use claviger_core::minutes::minutes;
use claviger_core::refine::{Counts, RefineOptions, Refined, Refiner};
use claviger_core::secret::Pepper;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::runtime::Handle;

use super::run::stop_signal;
use super::service::{BATCHES_WAITING, endless};
use super::{Answer, Failure};
use crate::identity::Refresher;
use crate::lake::{FileLimits, Lake, Writer, WriterOptions};
use crate::pipeline::{self, LakePositions, LakeSink, Parts, Watched};
use crate::serve::health::Health;
use crate::source::replay::{self, Progress, ReplayInput};

/// Classifies access logs from files or standard input into a lake
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger replay --identity identity/ --lake lake/ access.ndjson older.ndjson.gz
  zcat access.*.gz | claviger replay --identity identity/ --lake lake/ -

Plain, gzip and Zstandard files are told apart by themselves. A file that the lake holds already adds nothing,
and one that has grown is read from where it ended. Keys are hashed under the pepper of --pepper-file or the
variable CLAVIGER_PEPPER; without either one is made beside the lake.")]
pub(super) struct ReplayArguments {
    /// Folder of the identity snapshot; several are merged
    #[arg(long, value_name = "DIR", required = true)]
    identity: Vec<PathBuf>,
    /// Folder or URL of the lake; made if it is not there
    #[arg(long, value_name = "DIR")]
    lake: String,
    /// How the lines are written
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = parse_format)]
    format: FormatArgument,
    /// File with the secret under which keys are hashed
    #[arg(long, value_name = "FILE")]
    pepper_file: Option<PathBuf>,
    /// One JSON object instead of texts
    #[arg(long)]
    json: bool,
    /// Files, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// `None` detects the format line by line.
#[derive(Clone, Copy, Debug)]
struct FormatArgument(Option<Format>);

fn parse_format(text: &str) -> Result<FormatArgument, String> {
    if text == "auto" {
        return Ok(FormatArgument(None));
    }
    let names = || Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
    Format::from_name(text)
        .map(|format| FormatArgument(Some(format)))
        .ok_or_else(|| format!("one of auto, {}", names()))
}

/// What has been classified so far.
#[derive(Debug, Default)]
struct Tally {
    counts: Counts,
    causes: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, refined: &Refined) {
        self.counts += refined.counts;
        for (cause, requests) in count_causes(&refined.events) {
            *self.causes.entry(cause.to_owned()).or_default() += requests;
        }
    }
}

/// Requests by cause, those without one left out.
fn count_causes(events: &Events) -> Vec<(&str, u64)> {
    let causes = events.dict(Column::Cause);
    let mut counts = vec![0; causes.values_len()];
    (0..events.len()).filter_map(|row| causes.code(row)).for_each(|code| counts[code] += 1);
    counts.into_iter().enumerate().map(|(code, requests)| (causes.value(code), requests)).collect()
}

pub(super) fn run(arguments: &ReplayArguments) -> Result<Answer, Failure> {
    let pepper = pepper(arguments)?;
    let (refresher, findings) =
        Refresher::start(arguments.identity.clone(), pepper.clone(), Duration::from_secs(3_600))?;
    let wrong = findings.count(claviger_core::identity::Severity::Error);
    if wrong > 0 {
        say(&format!("note: {wrong} errors in the identity folder; see `claviger identity check`\n"));
    }
    let begun = Instant::now();
    let progress = Arc::new(Progress::default());
    let bar = progress_bar(arguments);
    let runtime = super::runtime()?;
    let result = runtime.block_on(ingest(arguments, pepper, &refresher, &progress, &bar));
    runtime.shutdown_timeout(Duration::from_secs(1));
    bar.finish_and_clear();
    let (tally, interrupted) = result?;
    let bytes = progress.bytes.load(Relaxed);
    report(arguments, &tally, bytes, progress.known_lines.load(Relaxed), begun.elapsed());
    if interrupted {
        return Err(Failure {
            message: "interrupted before the end".to_owned(),
            hint: "what was read is stored; run the same command again to go on".to_owned(),
            blame: Blame::Environment,
        });
    }
    Ok(Answer::Yes)
}

async fn ingest(
    arguments: &ReplayArguments,
    pepper: Pepper,
    refresher: &Refresher,
    progress: &Arc<Progress>,
    bar: &ProgressBar,
) -> Result<(Tally, bool), Failure> {
    let lake = Lake::open(&arguments.lake, REPLAY_PIPELINE, &Default::default()).await?;
    let options = WriterOptions {
        protocol: Protocol::default(),
        files: FileLimits::default(),
        batches_waiting: BATCHES_WAITING,
        roll_up: minutes,
    };
    let directory = refresher.subscribe();
    let current = Arc::clone(&directory.borrow());
    if let Err(fault) = pipeline::record(&lake, &Arc::new(Directory::empty()), &current).await {
        say(&format!("note: changes of identity are not in the lake: {fault}\n"));
    }
    let (writer, signals) = Writer::start(&lake, options).await?;
    let positions = Arc::new(LakePositions::new(lake.clone(), config::Start::Earliest, Handle::current()));
    let decode = DecodeOptions { format: arguments.format.0, ..DecodeOptions::new(pepper) };
    let tally = Arc::new(Mutex::new(Tally::default()));
    let refiner = || {
        let tally = Arc::clone(&tally);
        Watched::new(Refiner::new(RefineOptions::new(decode.clone())), move |refined: &Refined| {
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(refined);
        })
    };
    let inputs = inputs(arguments);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (shown, bar) = (Arc::clone(progress), bar.clone());
    let parts = Parts::<_, LakeSink, Directory> {
        source: {
            let progress = Arc::clone(progress);
            Box::new(move |events, reactions| replay::start(inputs, positions, progress, events, reactions))
        },
        refiners: (0..threads).map(|_| refiner()).collect(),
        directory,
        sink: LakeSink::new(lake, writer, signals),
        behind: Vec::new(),
        beside: vec![("progress", Box::pin(endless(show(shown, bar))))],
        health: Arc::new(Health::new(Duration::from_secs(60))),
    };
    let mut interrupted = false;
    let stop = async {
        stop_signal().await;
        interrupted = true;
    };
    pipeline::run(parts, &limits(), stop).await?;
    let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((tally, interrupted))
}

/// Replays and `run` must not share positions, even on one lake.
const REPLAY_PIPELINE: &str = "replay";

/// A file is read faster than it is refined: short queues keep memory small without slowing anything.
fn limits() -> config::Pipeline {
    config::Pipeline {
        raw_queue_batches: 1,
        refined_queue_batches: 1,
        refine_threads: 0,
        shutdown_limit_ms: config::Millis(600_000),
    }
}

fn inputs(arguments: &ReplayArguments) -> Vec<ReplayInput> {
    let input =
        |path: &PathBuf| if path.as_os_str() == "-" { ReplayInput::Stdin } else { ReplayInput::File(path.clone()) };
    arguments.files.iter().map(input).collect()
}

/// The pepper that was named, or the one beside the lake, made if need be.
fn pepper(arguments: &ReplayArguments) -> Result<Pepper, Failure> {
    let variable = std::env::var("CLAVIGER_PEPPER").ok();
    if let (None, Some(secret)) = (&arguments.pepper_file, variable) {
        return Ok(Pepper::new(secret.as_bytes()).ok_or(crate::config::LoadError::NoPepper)?);
    }
    let beside = PathBuf::from(format!("{}.pepper", arguments.lake.trim_end_matches('/')));
    let path = arguments.pepper_file.as_deref().unwrap_or(&beside);
    if arguments.pepper_file.is_none() && !path.exists() {
        if let Some(folder) = path.parent() {
            // Where it cannot be made, writing the pepper into it says why.
            _ = std::fs::create_dir_all(folder);
        }
        crate::config::make_pepper(path)?;
        say(&format!("note: keys are hashed under a new pepper, {}: keep it as long as the lake\n", path.display()));
    }
    Ok(crate::config::read_pepper(path)?)
}

fn progress_bar(arguments: &ReplayArguments) -> ProgressBar {
    let size = |path: &PathBuf| std::fs::metadata(path).map(|meta| meta.len()).ok();
    let total: Option<u64> = arguments.files.iter().map(size).sum();
    let visible = !arguments.json && std::io::stderr().is_terminal();
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.set_draw_target(if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    let template = if total.is_some() {
        "{bar:40} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left"
    } else {
        "{spinner} {bytes}  {bytes_per_sec}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

async fn show(progress: Arc<Progress>, bar: ProgressBar) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        bar.set_position(progress.packed_bytes.load(Relaxed));
    }
}

fn report(arguments: &ReplayArguments, tally: &Tally, bytes: u64, known_lines: u64, took: Duration) {
    let counts = tally.counts;
    let seconds = took.as_secs_f64();
    if arguments.json {
        let json = serde_json::json!({
            "frames": counts.frames, "events": counts.events, "rejects": counts.rejects, "denied": counts.denied,
            "bytes": bytes, "seconds": (seconds * 1e3).round() / 1e3,
        });
        return print(&format!("{json}\n"));
    }
    let rate = bytes as f64 / 1e6 / seconds.max(1e-3);
    let mut text = format!(
        "{} events ({} refused) and {} rejects from {:.1} MB in {seconds:.1} s, {rate:.0} MB/s\n",
        counts.events,
        counts.denied,
        counts.rejects,
        bytes as f64 / 1e6,
    );
    if known_lines > 0 {
        text.push_str(&format!("{known_lines} lines were in the lake already\n"));
    }
    let mut causes: Vec<_> = tally.causes.iter().collect();
    causes.sort_by_key(|(cause, requests)| (std::cmp::Reverse(**requests), *cause));
    for (cause, requests) in causes.iter().take(10) {
        text.push_str(&format!("{requests:>10}  {cause}\n"));
    }
    if counts.rejects > 0 {
        text.push_str(&format!(
            "Why lines were rejected: claviger query --lake {} \"select reason, count(*) from rejects group by 1\"\n",
            shell_word(&arguments.lake)
        ));
    }
    print(&text);
}

fn shell_word(text: &str) -> String {
    if text.contains(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c)) {
        format!("'{text}'")
    } else {
        text.to_owned()
    }
}

fn print(text: &str) {
    // A closed pipe is the reader's choice, and the lake is written.
    _ = std::io::stdout().write_all(text.as_bytes());
}

fn say(text: &str) {
    _ = std::io::stderr().write_all(text.as_bytes());
}
