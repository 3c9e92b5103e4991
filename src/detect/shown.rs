//! What detection, and the live board beside it, are shown of the flow on its way to the lake: every row once, in order.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use claviger_core::event::Events;
use claviger_core::ingest::RowTrim;
use claviger_core::lake::StreamTable;
use claviger_core::minutes::minutes;
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::Refined;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

use crate::lake::{Lake, LakeError, trimmed};
use crate::pipeline::{AnyFault, Sink, any};
use crate::source::{Reaction, SourceEvent};

/// What those who look on are shown.
#[derive(Clone, Debug)]
pub enum Show {
    /// Streams that this process reads from now on.
    Begun(Vec<Stream>),
    /// Rows of these streams, and their partials.
    Rows { streams: Vec<Stream>, events: Events, minutes: RecordBatch },
    /// Frames that could not be read.
    Rejects(u64),
    /// Streams that another process reads from now on.
    Gone(Vec<Stream>),
}

/// A sink that shows what passes to whoever looks on. Waits while one of them lags behind.
#[derive(Debug)]
pub struct Showing<S> {
    sink: S,
    lake: Lake,
    lookers: Vec<mpsc::Sender<Show>>,
    /// The next offset of each stream that nobody has been shown.
    seen: HashMap<Stream, Offset>,
}

impl<S: Sink> Showing<S> {
    /// Before `sink`, which writes to `lake`.
    #[must_use]
    pub fn new(sink: S, lake: Lake, lookers: Vec<mpsc::Sender<Show>>) -> Self {
        Self { sink, lake, lookers, seen: HashMap::new() }
    }

    /// Rows that the lake holds were shown from there.
    async fn begin(&mut self, starts: &[(Stream, Offset)]) -> Result<(), LakeError> {
        let new: Vec<(Stream, Offset)> =
            starts.iter().filter(|(stream, _)| !self.seen.contains_key(stream)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let streams: Vec<Stream> = new.iter().map(|(stream, _)| stream.clone()).collect();
        let start_of = |stream: &Stream| new.iter().find(|(of, _)| of == stream).map_or(Offset(0), |(_, at)| *at);
        for (stream, positions) in self.lake.positions(&streams, start_of).await? {
            let stored = positions.stored[StreamTable::EntityMinutes].unwrap_or(positions.start);
            self.seen.insert(stream, stored);
        }
        self.show(Show::Begun(streams)).await;
        Ok(())
    }

    async fn show_batch(&mut self, batch: &Refined) -> Result<(), LakeError> {
        let mut trims = Vec::new();
        if batch.counts.rejects > 0 {
            self.show(Show::Rejects(batch.counts.rejects)).await;
        }
        for span in &batch.spans {
            let seen = self.seen.entry(span.stream.clone()).or_insert(span.begin);
            if *seen > span.begin {
                trims.push(RowTrim { table: StreamTable::Events, stream: span.stream.clone(), from: *seen });
            }
            *seen = (*seen).max(span.end);
        }
        let (events, minutes) = if trims.is_empty() {
            (batch.events.clone(), batch.minutes.clone())
        } else {
            let events = trimmed(&batch.events, &trims)?;
            let minutes = minutes(&events);
            (events, minutes)
        };
        if !events.is_empty() {
            let streams = batch.spans.iter().map(|span| span.stream.clone()).collect();
            self.show(Show::Rows { streams, events, minutes }).await;
        }
        Ok(())
    }

    async fn show(&self, show: Show) {
        for looker in &self.lookers {
            // One that has ended says itself why; the lake goes on until the pipeline stops.
            let _ended = looker.send(show.clone()).await;
        }
    }
}

#[async_trait]
impl<S: Sink + Sync> Sink for Showing<S> {
    fn reactions(&mut self) -> BoxStream<'static, Reaction> {
        self.sink.reactions()
    }

    async fn take(&mut self, event: SourceEvent<Refined>) -> Result<(), AnyFault> {
        match &event {
            SourceEvent::Assigned(starts) => self.begin(starts).await.map_err(any)?,
            SourceEvent::Batch(batch) => self.show_batch(batch).await.map_err(any)?,
            SourceEvent::Revoked { streams, .. } | SourceEvent::Lost(streams) => {
                self.seen.retain(|stream, _| !streams.contains(stream));
                self.show(Show::Gone(streams.clone())).await;
            }
            SourceEvent::Gap { .. } | SourceEvent::Ended => {}
        }
        self.sink.take(event).await
    }

    async fn finish(self) -> Result<(), AnyFault> {
        drop(self.lookers);
        self.sink.finish().await
    }
}
