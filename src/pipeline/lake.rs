//! The lake as the pipeline's end, and as the source's memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use chrono::Utc;
use claviger_core::config::Start;
use claviger_core::event::EventBuilder;
use claviger_core::ingest;
use claviger_core::lake::{StreamTable, TableName};
use claviger_core::offsets::{Offset, OffsetSpan, Stream};
use claviger_core::refine::{Counts, Refined};
use claviger_core::reject::RejectBuilder;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{AnyFault, Sink, any};
use crate::lake::{Lake, Signal, Writer};
use crate::signals;
use crate::source::{Positions, PositionsError, Reaction, SourceEvent};

/// Why offsets are in the `gaps` table.
const DROPPED_BY_BROKER: &str = "dropped_by_broker";

/// Feeds a [`Writer`].
#[derive(Debug)]
pub struct LakeSink {
    lake: Lake,
    writer: Writer,
    signals: Option<UnboundedReceiver<Signal>>,
    held: Arc<Held>,
}

/// Streams that the source reads for us, each with the place it was last told of.
#[derive(Debug, Default)]
struct Held(Mutex<HashMap<Stream, Offset>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<Stream, Offset>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LakeSink {
    #[must_use]
    pub fn new(lake: Lake, writer: Writer, signals: UnboundedReceiver<Signal>) -> Self {
        Self { lake, writer, signals: Some(signals), held: Arc::default() }
    }

    fn forget(&self, streams: &[Stream]) {
        self.held.lock().retain(|stream, _| !streams.contains(stream));
    }

    /// The writer takes over streams that are new. Those it knows were sought at its own request.
    async fn begin(&self, mut starts: Vec<(Stream, Offset)>) -> Result<(), AnyFault> {
        {
            let mut held = self.held.lock();
            starts.retain(|(stream, offset)| held.insert(stream.clone(), *offset).is_none());
        }
        if !starts.is_empty() {
            // Where it wants another place than the source has begun at, it says so by a signal.
            self.writer.assign(&starts).await.map(drop).map_err(any)?;
        }
        Ok(())
    }

    /// A gap is a row in its own table, and then a batch without rows that moves the positions past it.
    async fn pass(&self, stream: Stream, from: Offset, to: Offset) -> Result<(), AnyFault> {
        let gap = OffsetSpan { stream, begin: from, end: to };
        self.lake.declare_gap(&gap, DROPPED_BY_BROKER, Utc::now().timestamp_micros()).await.map_err(any)?;
        self.writer.submit(without_rows(gap)).await.map_err(any)
    }
}

#[async_trait]
impl Sink for LakeSink {
    fn reactions(&mut self) -> BoxStream<'static, Reaction> {
        let Some(signals) = self.signals.take() else { return stream::empty().boxed() };
        let held = Arc::clone(&self.held);
        let signals = stream::unfold(signals, async |mut signals| signals.recv().await.map(|signal| (signal, signals)));
        signals.filter_map(move |signal| std::future::ready(reaction(signal, &held))).boxed()
    }

    async fn take(&mut self, event: SourceEvent<Refined>) -> Result<(), AnyFault> {
        match event {
            SourceEvent::Assigned(starts) => self.begin(starts).await?,
            SourceEvent::Batch(refined) => self.writer.submit(refined).await.map_err(any)?,
            SourceEvent::Revoked { streams, done } => {
                self.forget(&streams);
                self.writer.revoke(streams).await.map_err(any)?;
                done.answer();
            }
            SourceEvent::Lost(streams) => {
                self.forget(&streams);
                self.writer.lose(streams).map_err(any)?;
            }
            SourceEvent::Gap { stream, from, to } => self.pass(stream, from, to).await?,
            SourceEvent::Ended => {}
        }
        Ok(())
    }

    async fn finish(self) -> Result<(), AnyFault> {
        self.writer.finish().await.map_err(any)
    }
}

/// What a signal asks of the source. The writer names the place to read from after every assignment; where the
/// source is there already, a seek would only throw its queue away.
fn reaction(signal: Signal, held: &Held) -> Option<Reaction> {
    match signal {
        Signal::SeekTo(stream, offset) => {
            let told = held.lock().insert(stream.clone(), offset);
            (told != Some(offset)).then_some(Reaction::Seek { stream, offset })
        }
        Signal::Committed(offsets) => Some(Reaction::Committed(offsets)),
        Signal::Halted { stream, expected, offered } => {
            signals::Halted { stream: &stream, expected, offered }.emit();
            None
        }
    }
}

fn without_rows(span: OffsetSpan) -> Refined {
    Refined {
        spans: vec![span],
        events: EventBuilder::default().finish(),
        rejects: RejectBuilder::default().finish(),
        minutes: RecordBatch::new_empty(TableName::EntityMinutes.schema()),
        counts: Counts::default(),
    }
}

/// Asks the lake where streams end.
#[derive(Debug)]
pub struct LakePositions {
    lake: Lake,
    fresh: Start,
    runtime: Handle,
}

impl LakePositions {
    /// `runtime` carries out the reading, while the source's own thread waits.
    #[must_use]
    pub fn new(lake: Lake, fresh: Start, runtime: Handle) -> Self {
        Self { lake, fresh, runtime }
    }

    /// The lowest position of all tables. A table that has none yet begins where the stream began: for
    /// `earliest` that is where a fresh stream would begin.
    fn resume(&self, positions: &ingest::Positions) -> Option<Offset> {
        let stored = StreamTable::ALL.map(|table| positions.stored[table]);
        match self.fresh {
            Start::Earliest => stored.into_iter().collect::<Option<Vec<_>>>()?.into_iter().min(),
            Start::Latest => stored.into_iter().flatten().min(),
        }
    }
}

impl Positions for LakePositions {
    fn positions(&self, streams: &[Stream]) -> Result<Vec<Option<Offset>>, PositionsError> {
        let found = self.runtime.block_on(self.lake.positions(streams, |_| Offset::default()));
        let found = found.map_err(|error| PositionsError(Box::new(error)))?;
        Ok(found.iter().map(|(_, positions)| self.resume(positions)).collect())
    }
}
