//! The demo as a whole: data folder, broker, story, a pipeline, and somebody who tells what is found.
//!
//! The pipeline is whatever future the caller makes of a [`Seat`]. It reads `topics` from `brokers` until
//! `shutdown` turns true, stores what it read, and on the way calls [`Consumed::report`] for what it has read
//! and [`Verdicts::taken_in`] for what the lake has taken in. It re-reads the identity folders when their
//! `snapshot.json` changes, at least once a second.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use claviger_core::cause::RootCause;
use tokio::sync::watch;

use super::DemoError;
use super::alarms::Alarms;
use super::broker::{Broker, Consumed, Producer};
use super::company::Instant;
use super::folder::DataFolder;
use super::found;
use super::ledger::Verdicts;
use super::live::{Stage, play};
use super::past::Past;
use super::routes::Gateway;
use super::script::Timeline;
use super::story::{Plan, Story};
use super::summary::{self, Paint};

/// What the person who starts it chooses.
#[derive(Clone, Debug)]
pub struct Options {
    pub data: PathBuf,
    /// Requests per second.
    pub rate: f64,
    /// None: until told to stop.
    pub length: Option<Duration>,
    pub seed: u64,
    pub voice: Voice,
}

/// How the demo speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// A table that redraws itself, in a terminal of so many rows.
    Terminal { colours: bool, rows: usize },
    /// A line for each change.
    Plain,
    /// One JSON object at the end.
    Json,
}

/// All that a pipeline needs to know, and whom it tells.
#[derive(Clone, Debug)]
pub struct Seat {
    pub brokers: String,
    pub topics: Vec<&'static str>,
    /// Production first, then the development environment.
    pub identity: Vec<PathBuf>,
    pub lake: PathBuf,
    /// Holds the pepper.
    pub pepper: PathBuf,
    /// A list of what is known of networks.
    pub networks: PathBuf,
    /// What the pipeline may know of before it begins: see [`Past::rows`].
    pub past: Past,
    pub alarms: Alarms,
    pub consumed: Consumed,
    pub verdicts: Verdicts,
    /// Where people can ask, for the pipeline to say as soon as it answers.
    pub doors: Arc<OnceLock<Doors>>,
    /// Turns true when everything was read that will be.
    pub shutdown: watch::Receiver<bool>,
}

/// Where people can ask.
#[derive(Clone, Debug)]
pub struct Doors {
    /// The address of the dashboard.
    pub dashboard: String,
    /// The line that says how psql connects, if it can.
    pub psql: Option<String>,
}

/// Runs the demo until its length is over or `interrupted` completes, and writes what is found to `out`.
/// Returns whether enough was named right.
///
/// # Errors
/// What the disk, the broker or the pipeline says; `E` is the pipeline's.
pub async fn run<P, E>(
    options: &Options,
    begin: Instant,
    now: impl Fn() -> Instant + Send + 'static,
    interrupted: impl Future<Output = ()>,
    pipeline: impl FnOnce(Seat) -> P,
    out: &mut (impl Write + Send),
) -> Result<bool, E>
where
    P: Future<Output = Result<(), E>> + Send + 'static,
    E: From<DemoError> + Send + 'static,
{
    let folder = DataFolder::prepare(&options.data)?;
    let story = Story::new(options.plan(begin));
    let verdicts = Verdicts::new(story.company(), story.seal());
    let alarms = Alarms::new(story.misuse(), story.failing());
    folder.identity.write(story.company(), begin)?;
    let broker = Broker::start()?;
    let consumed = Consumed::default();
    let producer = Producer::new(&broker, consumed.clone())?;
    let doors = Arc::new(OnceLock::new());
    let (end, shutdown) = watch::channel(false);
    #[expect(clippy::disallowed_methods, reason = "not detached: waited for below, and its error is the demo's")]
    let mut pipeline = tokio::spawn(pipeline(Seat {
        brokers: broker.bootstrap_servers(),
        topics: Gateway::ALL.iter().map(|gateway| gateway.topic()).collect(),
        identity: vec![folder.identity.production.clone(), folder.identity.development.clone()],
        lake: folder.lake.clone(),
        pepper: folder.pepper.clone(),
        networks: folder.networks.clone(),
        past: story.past(),
        alarms: alarms.clone(),
        consumed,
        verdicts: verdicts.clone(),
        doors: Arc::clone(&doors),
        shutdown,
    }));

    let stop = Arc::new(AtomicBool::new(false));
    let mut stage =
        Stage { producer, identity: folder.identity.clone(), verdicts: verdicts.clone(), alarms: alarms.clone() };
    let stopped = Arc::clone(&stop);
    let mut player = tokio::task::spawn_blocking(move || {
        let result = play(story, &mut stage, now, &stopped);
        (stage, result)
    });

    let mut teller = Teller::new(options.voice, verdicts, alarms, options.data.clone(), doors);
    teller.open(out)?;
    let mut interrupted = std::pin::pin!(interrupted);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut pipeline_ended = None;
    let played = loop {
        tokio::select! {
            _ = ticks.tick() => teller.tell(out)?,
            () = &mut interrupted, if !stop.load(Ordering::Relaxed) => stop.store(true, Ordering::Relaxed),
            ended = &mut pipeline, if pipeline_ended.is_none() => {
                // Without a reader there is nothing to wait for; its own error says why it stopped.
                stop.store(true, Ordering::Relaxed);
                pipeline_ended = Some(ended);
            }
            played = &mut player => break played,
        }
    };
    let (mut stage, result) = played.map_err(|_| DemoError::PlayerPanicked)?;
    if pipeline_ended.is_none() {
        result?;
        let read_by = tokio::time::Instant::now() + READ_WITHIN;
        while !stage.producer.all_read() && !pipeline.is_finished() && tokio::time::Instant::now() < read_by {
            ticks.tick().await;
            teller.tell(out)?;
        }
    }
    // A pipeline that has ended already has nobody listening, and needs no telling.
    end.send_replace(true);
    let ended = match pipeline_ended {
        Some(ended) => ended,
        None => pipeline.await,
    };
    ended.map_err(|_| DemoError::PipelinePanicked)??;
    teller.close(out)?;
    Ok(teller.passed())
}

impl Options {
    fn plan(&self, begin: Instant) -> Plan {
        let length = self.length.unwrap_or(SCRIPT_LENGTH);
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 4);
        let begin = begin - begin.rem_euclid(1_000);
        Plan { seed: self.seed, rate: self.rate, timeline: Timeline { begin, length, endless: self.length.is_none() } }
    }
}

/// Tells what the ledger holds, and remembers what it has told.
struct Teller {
    voice: Voice,
    verdicts: Verdicts,
    alarms: Alarms,
    data: PathBuf,
    /// Where people can ask; none once that was said.
    doors: Option<Arc<OnceLock<Doors>>>,
    began: tokio::time::Instant,
    told: Vec<(RootCause, u64)>,
    /// Lines of the table on the screen.
    drawn: usize,
}

impl Teller {
    fn new(voice: Voice, verdicts: Verdicts, alarms: Alarms, data: PathBuf, doors: Arc<OnceLock<Doors>>) -> Self {
        let (began, doors) = (tokio::time::Instant::now(), Some(doors));
        Self { voice, verdicts, alarms, data, doors, began, told: Vec::new(), drawn: 0 }
    }

    fn open(&self, out: &mut impl Write) -> Result<(), DemoError> {
        if self.voice == Voice::Json {
            return Ok(());
        }
        let data = self.data.display();
        say(
            out,
            &format!(
                "A made-up company, two gateways and a Kafka broker, all in this process. Data: {data}\n\
                 Its last 16 days are made up as well, so that detectors know what is normal.\n\n"
            ),
        )
    }

    fn tell(&mut self, out: &mut impl Write) -> Result<(), DemoError> {
        if self.voice == Voice::Json {
            return Ok(());
        }
        let verdicts = self.verdicts.clone();
        let ledger = verdicts.ledger();
        let seconds = self.began.elapsed().as_secs();
        let mut text = String::new();
        let paint = self.paint();
        if self.drawn > 0 {
            // Up over the table, and clear to the end of the screen.
            text.push_str(&format!("\x1b[{}A\x1b[J", self.drawn));
        }
        if let Some(Doors { dashboard, psql }) = self.doors.as_ref().and_then(|doors| doors.get()) {
            let psql = psql.as_ref().map(|psql| format!("{psql}\n")).unwrap_or_default();
            text.push_str(&format!("dashboard: {dashboard}\n{psql}\n"));
            self.doors = None;
        }
        for (cause, tally) in &ledger.causes {
            if !self.told.iter().any(|(told, _)| told == cause) {
                text.push_str(&summary::first_naming(*cause, tally, &ledger, paint));
                text.push('\n');
            }
        }
        {
            let mut book = self.alarms.book();
            for news in book.take_news() {
                text.push_str(&found::news_lines(&news, &book, paint));
            }
        }
        match self.voice {
            Voice::Terminal { rows, .. } => {
                let table = summary::table(&ledger, rows.saturating_sub(8).clamp(4, 24), paint);
                let below = format!("\n{}\n{table}", summary::status_line(&ledger, seconds, paint));
                self.drawn = below.lines().count();
                text.push_str(&below);
            }
            Voice::Plain => {
                if let Some(line) = summary::change_line(&ledger, &self.told, seconds) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
            Voice::Json => {}
        }
        self.told = ledger.causes.iter().map(|(cause, tally)| (*cause, tally.requests)).collect();
        drop(ledger);
        say(out, &text)
    }

    fn close(&mut self, out: &mut impl Write) -> Result<(), DemoError> {
        self.tell(out)?;
        let ledger = self.verdicts.ledger();
        let seconds = self.began.elapsed().as_secs();
        let book = self.alarms.book();
        let text = match self.voice {
            Voice::Json => {
                let mut value = summary::json(&ledger, seconds);
                found::add_json(&mut value, &book);
                format!("{value}\n")
            }
            Voice::Terminal { .. } | Voice::Plain => {
                let lake = self.data.join("lake");
                let next = format!(
                    "claviger query --lake {} \"select cause, count(*) from events group by cause order by 2 desc\"",
                    shown(&lake)
                );
                let (causes, misuse) =
                    (summary::report(&ledger, seconds, self.paint()), found::report(&book, self.paint()));
                format!("\n{causes}\n{misuse}\nThe lake is yours to ask:\n  {next}\n")
            }
        };
        drop((ledger, book));
        say(out, &text)
    }

    fn passed(&self) -> bool {
        self.verdicts.ledger().score.accuracy().is_none_or(|share| share >= summary::GOAL)
    }

    fn paint(&self) -> Paint {
        Paint { colours: matches!(self.voice, Voice::Terminal { colours: true, .. }) }
    }
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

fn say(out: &mut impl Write, text: &str) -> Result<(), DemoError> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|source| DemoError::Mute { source })
}

/// Length of the script when the demo has no end: long enough to follow, short enough to wait for.
const SCRIPT_LENGTH: Duration = Duration::from_secs(150);
/// How long the pipeline may take to read what is left, once nothing more is sent.
const READ_WITHIN: Duration = Duration::from_secs(20);
