//! Where frames come from: what a source tells the pipeline, and what it is told.
//!
//! A source promises every frame of its streams once, in order, from the positions the lake gave it, and
//! never moves a position on its own without saying so (`Gap`). It does not look into frames.

pub mod kafka;
pub mod replay;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use claviger_core::frame::RawBatch;
use claviger_core::offsets::{Offset, Stream};

/// What a source says, in the order in which it holds. `B` is the batch: raw, or refined further downstream.
#[derive(Debug)]
pub enum SourceEvent<B = RawBatch> {
    /// From here on these streams are read, each from its offset. Said again after a seek: frames of the stream
    /// that are still on their way then are void.
    Assigned(Vec<(Stream, Offset)>),
    Batch(B),
    /// These streams go to someone else. Commit what is held of them, then answer; who does not answer in
    /// time finds its later commit refused.
    Revoked {
        streams: Vec<Stream>,
        done: Drained,
    },
    /// These streams are someone else's already: drop what is held of them.
    Lost(Vec<Stream>),
    /// The broker no longer has `from..to`. Reading goes on at `to`.
    Gap {
        stream: Stream,
        from: Offset,
        to: Offset,
    },
    /// The last event of a source that was asked to stop.
    Ended,
}

impl<B> SourceEvent<B> {
    /// The batch, or else the event as a later stage passes it on.
    ///
    /// # Errors
    /// It is no batch.
    pub fn into_batch<C>(self) -> Result<B, SourceEvent<C>> {
        Err(match self {
            Self::Batch(batch) => return Ok(batch),
            Self::Assigned(starts) => SourceEvent::Assigned(starts),
            Self::Revoked { streams, done } => SourceEvent::Revoked { streams, done },
            Self::Lost(streams) => SourceEvent::Lost(streams),
            Self::Gap { stream, from, to } => SourceEvent::Gap { stream, from, to },
            Self::Ended => SourceEvent::Ended,
        })
    }
}

/// The answer that a revoked stream waits for. Dropping it unanswered ends the waiting too.
#[derive(Debug)]
pub struct Drained(SyncSender<()>);

impl Drained {
    /// The answer, and where it arrives.
    #[must_use]
    pub fn pair() -> (Self, Receiver<()>) {
        let (answer, answered) = sync_channel(1);
        (Self(answer), answered)
    }

    pub fn answer(self) {
        // Nobody waits any more when the deadline is over; the source has said so in the log.
        _ = self.0.try_send(());
    }
}

/// What the pipeline asks of a source.
#[derive(Debug)]
pub enum Reaction {
    /// A commit was refused, since someone else moved the stream on: read again from here.
    Seek { stream: Stream, offset: Offset },
    /// These offsets are in the lake; Kafka may show them to whoever watches the lag.
    Committed(Vec<(Stream, Offset)>),
}

/// Asks a source to stop. It then says `Ended`, and waits for the last commits before it leaves the group.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn ask(&self) {
        self.0.store(true, Relaxed);
    }

    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The lake's memory of where each stream ends. Called on the source's own thread, so it may block.
pub trait Positions: Send + Sync {
    /// The next offset of each stream, in order; `None` for streams never seen.
    ///
    /// # Errors
    /// The lake cannot be read. The source then stops: guessing would double or lose rows.
    fn positions(&self, streams: &[Stream]) -> Result<Vec<Option<Offset>>, PositionsError>;
}

/// Why the lake cannot say where streams end.
#[derive(Debug, thiserror::Error)]
#[error("the lake does not say where streams end")]
pub struct PositionsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
