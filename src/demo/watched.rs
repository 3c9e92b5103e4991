//! Between pipeline and lake: tells the producer what was read, and the ledger what the lake has taken in.
//!
//! Taken in, not committed: a commit is acknowledged once every table has it, and a table without rows is
//! committed at its own slower pace, so that a person would wait for many intervals. The marks at the end
//! are of committed rows all the same: they are printed only when the sink has finished without an error.

use async_trait::async_trait;
use claviger_core::refine::Refined;
use futures::stream::BoxStream;

use super::broker::Consumed;
use super::ledger::Verdicts;
use crate::pipeline::{AnyFault, Sink};
use crate::source::{Reaction, SourceEvent};

/// A sink, and what the demo hears of it.
#[derive(Debug)]
pub struct Watched<S> {
    sink: S,
    consumed: Consumed,
    verdicts: Verdicts,
}

impl<S: Sink> Watched<S> {
    #[must_use]
    pub fn new(sink: S, consumed: Consumed, verdicts: Verdicts) -> Self {
        Self { sink, consumed, verdicts }
    }
}

#[async_trait]
impl<S: Sink> Sink for Watched<S> {
    fn reactions(&mut self) -> BoxStream<'static, Reaction> {
        self.sink.reactions()
    }

    async fn take(&mut self, event: SourceEvent<Refined>) -> Result<(), AnyFault> {
        let SourceEvent::Batch(refined) = event else { return self.sink.take(event).await };
        // The lake gets the batch itself; its columns are shared, not copied.
        let (spans, events) = (refined.spans.clone(), refined.events.clone());
        self.sink.take(SourceEvent::Batch(refined)).await?;
        for span in &spans {
            self.consumed.report(&span.stream.topic, span.stream.partition, span.end.0);
        }
        self.verdicts.taken_in(&events);
        Ok(())
    }

    async fn finish(self) -> Result<(), AnyFault> {
        self.sink.finish().await
    }
}
