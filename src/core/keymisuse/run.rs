//! An instance through the product's own rooms, from the gateways' lines to incidents.
//!
//! Nothing here is made for the benchmark but the feeding: decoding, identity, verdicts, entity minutes, detectors and
//! the desk that makes incidents are those of the service. Lines arrive a minute of log time at once, as a busy feed would
//! deliver them, in batches of at most 32; the clock of the reader is the log's.

use std::sync::Arc;

use crate::alert::{AlertOptionError, Desk, Happening, Incidents, Matchers, Period, Policy, QuietRule};
use crate::detect::{DetectOptions, Finding, Streams, Watch, WatchStats};
use crate::frame::RawBatch;
use crate::geo::{GeoError, Geography};
use crate::identity::{Directory, DirectoryBuilder, Place, Snapshot, SnapshotError, Table};
use crate::minutes::MINUTE_US;
use crate::offsets::{Offset, Stream};
use crate::refine::{Counts, RefineOptions, Refiner};
use crate::secret::Pepper;

use super::score::ScoredAlert;
use super::{Attacks, Benchmark, BenignTrouble, Incident, Line, Lines};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Findings that were told, with the incident each belongs to.
    pub alerts: Vec<ScoredAlert>,
    /// All findings, those that nobody was told of included.
    pub findings: Vec<Finding>,
    pub truth: Vec<Incident>,
    pub counts: Counts,
    /// What the engine held at the end.
    pub watch: WatchStats,
}

/// Why an instance cannot be run: it does not say what the product reads.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the identity folder has no snapshot")]
    NoSnapshot(#[source] SnapshotError),
    #[error("the registry is no list of networks")]
    NoGeography(#[source] GeoError),
    #[error("a planned change cannot be written as a rule")]
    NoRule(#[source] AlertOptionError),
    #[error("detection cannot read its own minutes")]
    NotMinutes(#[source] arrow::error::ArrowError),
}

/// Frames of a batch at most: a feed that is kept up with is read in small batches, so that time passes within a minute.
const FRAMES_MAX: usize = 32;
/// A gateway without lines for so long holds event time back no longer.
const IDLE_US: i64 = MINUTE_US;

/// Runs an instance. `progress` hears the log's time, about once a minute of it.
///
/// # Errors
/// When the instance is none: a mistake of ours.
pub fn run(
    bench: &Benchmark,
    attacks: Attacks,
    options: RefineOptions,
    detect: DetectOptions,
    pepper: &Pepper,
    progress: &mut dyn FnMut(i64),
) -> Result<Run, RunError> {
    let geography = Geography::default().with_list("registry", &bench.registry().list(), None);
    let geography = Arc::new(geography.map_err(RunError::NoGeography)?);
    let mut world = Reader {
        refiner: Refiner::new(RefineOptions { geography, ..options }),
        directory: directory(bench, pepper)?,
        watch: Watch::new(detect),
        streams: Streams::new(IDLE_US),
        desk: Desk::new(policy(&bench.benign())?, Incidents::fold(Vec::new())),
        offset: 0,
        clock_us: 0,
        run: Run {
            alerts: Vec::new(),
            findings: Vec::new(),
            truth: Vec::new(),
            counts: Counts::default(),
            watch: WatchStats::default(),
        },
    };
    let mut lines = bench.lines(attacks);
    let mut feed = Feed::default();
    while let Some(minute_us) = feed.fill(&mut lines) {
        world.read(&feed)?;
        progress(minute_us);
    }
    // What is open closes; no further, or the end of the log would be a silence of everybody.
    world.pass(world.clock_us + 2 * MINUTE_US);
    world.run.watch = world.watch.stats();
    world.run.truth = lines.truth();
    Ok(world.run)
}

/// Lines of one minute of the log, or of a part of it.
#[derive(Default)]
struct Feed {
    texts: String,
    /// End of each line in `texts`.
    lines: Vec<(Line, usize)>,
    /// The line that belongs to the next feed.
    next: Option<(Line, String)>,
}

impl Feed {
    /// Takes the next lines; the minute they are of, `None` at the end.
    fn fill(&mut self, lines: &mut Lines<'_>) -> Option<i64> {
        self.texts.clear();
        self.lines.clear();
        let mut text = String::new();
        let (first, kept) = match self.next.take() {
            Some(next) => next,
            None => (lines.next_line(&mut text)?, std::mem::take(&mut text)),
        };
        self.push(first, &kept);
        while self.lines.len() < FRAMES_MAX {
            text.clear();
            let Some(line) = lines.next_line(&mut text) else { break };
            if line.at_us.div_euclid(MINUTE_US) > first.at_us.div_euclid(MINUTE_US) {
                self.next = Some((line, text));
                break;
            }
            self.push(line, &text);
        }
        Some(first.at_us)
    }

    fn push(&mut self, line: Line, text: &str) {
        self.texts.push_str(text);
        self.lines.push((line, self.texts.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (Line, &str)> {
        let starts = std::iter::once(0).chain(self.lines.iter().map(|(_, end)| *end));
        starts.zip(&self.lines).map(|(start, (line, end))| (*line, self.texts.get(start..*end).unwrap_or("")))
    }
}

/// The rooms, and what they know.
struct Reader {
    refiner: Refiner,
    directory: Arc<Directory>,
    watch: Watch,
    streams: Streams,
    desk: Desk,
    offset: i64,
    clock_us: i64,
    run: Run,
}

impl Reader {
    fn read(&mut self, feed: &Feed) -> Result<(), RunError> {
        self.clock_us = feed.iter().map(|(line, _)| line.at_us).fold(self.clock_us, i64::max);
        let mut raw = RawBatch::new(self.clock_us);
        let span = raw.open_span(Stream::new("bench", "access", 0), Offset(self.offset));
        for (line, text) in feed.iter() {
            raw.push(span, self.offset, text.as_bytes());
            self.offset += 1;
            self.streams.observe(line.gateway.name(), line.at_us, self.clock_us);
        }
        let refined = self.refiner.refine(&raw, &self.directory);
        self.run.counts += refined.counts;
        let found = self.watch.observe_events(&refined.events);
        self.tell(found, self.clock_us);
        self.watch.observe(&refined.minutes).map_err(RunError::NotMinutes)?;
        self.pass(self.clock_us);
        Ok(())
    }

    fn pass(&mut self, clock_us: i64) {
        if let Some(watermark_us) = self.streams.watermark_us(clock_us) {
            let found = self.watch.advance(watermark_us);
            self.tell(found, clock_us);
            self.desk.advance(watermark_us);
        }
    }

    /// Findings become incidents; those of an incident are told, with its id.
    fn tell(&mut self, found: Vec<Finding>, at_us: i64) {
        for event in self.desk.observe(&found) {
            let (Happening::Opened(claim) | Happening::Grouped(claim) | Happening::Reopened(claim)) = &event.what
            else {
                continue;
            };
            if let Some(finding) = found.iter().find(|finding| finding.id().as_str() == claim.finding) {
                self.run.alerts.push(ScoredAlert::of(finding, at_us, event.incident.as_str()));
            }
        }
        self.run.findings.extend(found);
    }
}

/// The identity folder as the service would load it.
fn directory(bench: &Benchmark, pepper: &Pepper) -> Result<Arc<Directory>, RunError> {
    let files = bench.identity();
    let text = |name: &str| files.iter().find(|file| file.name == name).map_or("", |file| file.text.as_str());
    let mut builder = DirectoryBuilder::new(pepper);
    builder.open(Snapshot::from_json(text("snapshot.json").as_bytes()).map_err(RunError::NoSnapshot)?);
    for table in Table::ALL {
        let file = format!("{}.ndjson", table.name());
        for (line, row) in (1..).zip(text(&file).lines()) {
            builder.push_json(*table, Place { file: &file, line }, row.as_bytes());
        }
    }
    Ok(Arc::new(builder.finish().directory))
}

/// The service's defaults, and the announced troubles as planned changes.
fn policy(benign: &[BenignTrouble]) -> Result<Policy, RunError> {
    let announced = benign.iter().filter(|trouble| trouble.announced && !trouble.tenant.is_empty());
    let rules = announced.map(|trouble| {
        // As docs/on-call.md has it: a launch explains more requests, not another holder of a key.
        let matchers = [format!("tenant=\"{}\"", trouble.tenant), "family=\"volume\"".to_owned()];
        let matchers = Matchers::parse(&matchers).map_err(RunError::NoRule)?;
        let period = Period { from_us: trouble.start_us, to_us: trouble.end_us, every_us: None };
        Ok(QuietRule { name: "planned change".to_owned(), matchers, period })
    });
    Ok(Policy { suppressions: rules.collect::<Result<_, _>>()?, ..Policy::default() })
}
