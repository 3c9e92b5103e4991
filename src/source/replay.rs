//! Files and standard input as a source: a line is a frame, its number (from 0) the offset.
//!
//! A file is known by its name and its first line, so the lake remembers how far it came: replaying a file again
//! adds nothing, one that has grown is read from where it ended, and an interrupted replay goes on. Standard
//! input has no memory. Gzip and Zstandard are recognised by their first bytes.
//!
//! Memory is bounded by [`CHUNK_BYTES`] a batch and [`LINE_BYTES_MAX`] a line; what is longer, or unpacks beyond
//! measure, becomes a reject with its coordinates.

mod input;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc as std_mpsc};

use claviger_core::fault::{Blame, Fault};
use claviger_core::frame::RawBatch;
use claviger_core::offsets::{Offset, Stream};
use claviger_core::reject::RejectReason;
use tokio::sync::mpsc;

use super::{Positions, PositionsError, Reaction, SourceEvent, Stop};
use crate::pipeline::{AnyFault, RunningSource};
use input::{Input, Read};

/// Bytes of lines in one batch. Large batches hold fewer distinct values a line, and work done once a value pays; but
/// jemalloc hands buffers of 8 MiB and more back to the system at once, and having them anew costs page faults.
pub(super) const CHUNK_BYTES: usize = 7 << 20;
/// Longer lines are rejected unread.
pub(super) const LINE_BYTES_MAX: usize = 32 << 20;

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayInput {
    File(PathBuf),
    Stdin,
}

/// How far the reading is, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes as they lie on disk, packed.
    pub packed_bytes: AtomicU64,
    /// Bytes of lines read.
    pub bytes: AtomicU64,
    /// Lines that the lake held already.
    pub known_lines: AtomicU64,
}

/// Starts reading the inputs one after the other.
///
/// # Errors
/// There is no thread to be had.
pub fn start(
    inputs: Vec<ReplayInput>,
    positions: Arc<dyn Positions>,
    progress: Arc<Progress>,
    events: mpsc::Sender<SourceEvent>,
    reactions: std_mpsc::Receiver<Reaction>,
) -> Result<RunningSource, AnyFault> {
    let stop = Stop::default();
    let replay = Replay { positions, progress, events, reactions, stop: stop.clone() };
    let thread = std::thread::Builder::new()
        .name("replay".to_owned())
        .spawn(move || replay.run(inputs))
        .map_err(|error| Box::new(ReplayError::NoThread(error)) as AnyFault)?;
    let join = move || thread.join().unwrap_or(Err(ReplayError::Panicked)).map_err(|error| Box::new(error) as AnyFault);
    Ok(RunningSource { stop, join: Box::new(join) })
}

struct Replay {
    positions: Arc<dyn Positions>,
    progress: Arc<Progress>,
    events: mpsc::Sender<SourceEvent>,
    reactions: std_mpsc::Receiver<Reaction>,
    stop: Stop,
}

impl Replay {
    fn run(self, inputs: Vec<ReplayInput>) -> Result<(), ReplayError> {
        for input in inputs {
            if self.stop.asked() {
                break;
            }
            self.read(Input::open(input, Arc::clone(&self.progress))?)?;
        }
        // Whoever listens has gone only when a later stage failed, which says so itself.
        _ = self.events.blocking_send(SourceEvent::Ended);
        // The closing of the reactions says that the last commit is done.
        for reaction in &self.reactions {
            refuse_seek(reaction)?;
        }
        Ok(())
    }

    fn read(&self, mut input: Input) -> Result<(), ReplayError> {
        let stream = input.stream()?;
        let known = self.positions.positions(std::slice::from_ref(&stream)).map_err(ReplayError::Positions)?;
        let begin = known.first().copied().flatten().unwrap_or_default();
        let skipped = input.skip_lines(begin.0)?;
        self.progress.known_lines.fetch_add(skipped.cast_unsigned(), Relaxed);
        if skipped < begin.0 {
            return Err(ReplayError::Shrunk { path: stream.topic.to_string(), known: begin.0, found: skipped });
        }
        if !self.send(SourceEvent::Assigned(vec![(stream.clone(), begin)])) {
            return Ok(());
        }
        let mut next = begin;
        loop {
            while let Ok(reaction) = self.reactions.try_recv() {
                refuse_seek(reaction)?;
            }
            let (batch, ended) = batch(&mut input, &stream, &mut next)?;
            if !batch.is_empty() && !self.send(SourceEvent::Batch(batch)) {
                return Ok(());
            }
            if ended || self.stop.asked() {
                return Ok(());
            }
        }
    }

    fn send(&self, event: SourceEvent) -> bool {
        self.events.blocking_send(event).is_ok()
    }
}

/// The next lines of an input as a batch, and whether they were the last.
fn batch(input: &mut Input, stream: &Stream, next: &mut Offset) -> Result<(RawBatch, bool), ReplayError> {
    let Read { arena, lines, damage, ended } = input.read_chunk()?;
    let mut batch = RawBatch::over(chrono::Utc::now().timestamp_micros(), arena);
    let span = batch.open_span(stream.clone(), *next);
    for line in lines {
        batch.push_range(span, next.0, line);
        next.0 += 1;
    }
    if let Some(reason) = damage {
        batch.push_unreadable(span, next.0, reason);
        next.0 += 1;
    }
    Ok((batch, ended))
}

/// A seek means that somebody else has moved the stream on, and reading on would double rows.
fn refuse_seek(reaction: Reaction) -> Result<(), ReplayError> {
    match reaction {
        Reaction::Committed(_) => Ok(()),
        Reaction::Seek { stream, .. } => Err(ReplayError::Overtaken { stream }),
    }
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{path}` has {found} lines, but the lake holds {known} of a file of this name and first line")]
    Shrunk { path: String, known: i64, found: i64 },
    #[error("another process replays {stream} into the same lake")]
    Overtaken { stream: Stream },
    #[error(transparent)]
    Positions(PositionsError),
    #[error("no thread can be started")]
    NoThread(#[source] std::io::Error),
    #[error("reading panicked")]
    Panicked,
}

impl Fault for ReplayError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path and who may read the file".to_owned(),
            Self::Shrunk { .. } => "rename the file if it is another one, or replay it into a new lake".to_owned(),
            Self::Overtaken { .. } => "wait until it has ended; what it has stored is not read twice".to_owned(),
            Self::Positions(_) => "check the lake with `claviger check-lake`".to_owned(),
            Self::NoThread(_) => "raise the limit of processes (`ulimit -u`)".to_owned(),
            Self::Panicked => {
                "please report this with the lines above; a second replay goes on where it ended".to_owned()
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. } | Self::Shrunk { .. } | Self::Overtaken { .. } => Blame::Operator,
            Self::Positions(_) | Self::NoThread(_) => Blame::Environment,
            Self::Panicked => Blame::Bug,
        }
    }
}

/// Marks a frame that unpacking did not deliver.
pub(super) const DAMAGED: RejectReason = RejectReason::BadCompression;
