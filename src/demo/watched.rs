//! Between pipeline and lake: tells the producer what was read, and the ledger what is in the lake.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use claviger_core::event::Events;
use claviger_core::offsets::{Offset, OffsetSpan, Stream};
use claviger_core::refine::Refined;
use futures::stream::{BoxStream, StreamExt as _};

use super::broker::Consumed;
use super::ledger::Verdicts;
use crate::pipeline::{AnyFault, Sink};
use crate::source::{Reaction, SourceEvent};

/// A sink, and what the demo hears of it.
#[derive(Debug)]
pub struct Watched<S> {
    sink: S,
    consumed: Consumed,
    waiting: Waiting,
}

impl<S: Sink> Watched<S> {
    #[must_use]
    pub fn new(sink: S, consumed: Consumed, verdicts: Verdicts) -> Self {
        Self { sink, consumed, waiting: Waiting { verdicts, shared: Arc::default() } }
    }
}

#[async_trait]
impl<S: Sink> Sink for Watched<S> {
    fn reactions(&mut self) -> BoxStream<'static, Reaction> {
        let waiting = self.waiting.clone();
        let hear = move |reaction: &Reaction| {
            if let Reaction::Committed(offsets) = reaction {
                waiting.committed(offsets);
            }
        };
        self.sink.reactions().inspect(hear).boxed()
    }

    async fn take(&mut self, event: SourceEvent<Refined>) -> Result<(), AnyFault> {
        if let SourceEvent::Batch(refined) = &event {
            for span in &refined.spans {
                self.consumed.report(&span.stream.topic, span.stream.partition, span.end.0);
            }
            self.waiting.push(refined);
        }
        self.sink.take(event).await
    }

    async fn finish(self) -> Result<(), AnyFault> {
        self.sink.finish().await?;
        self.waiting.all_committed();
        Ok(())
    }
}

/// Batches that are not known to be in the lake yet, in the order in which they came.
#[derive(Clone, Debug)]
struct Waiting {
    verdicts: Verdicts,
    shared: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<(Vec<OffsetSpan>, Events)>,
    stored: HashMap<Stream, Offset>,
}

impl Waiting {
    fn push(&self, refined: &Refined) {
        self.with(|queue| queue.batches.push_back((refined.spans.clone(), refined.events.clone())));
    }

    fn committed(&self, offsets: &[(Stream, Offset)]) {
        let done = self.with(|queue| {
            queue.stored.extend(offsets.iter().cloned());
            let stored = &queue.stored;
            let is_in = |span: &OffsetSpan| stored.get(&span.stream).is_some_and(|offset| *offset >= span.end);
            let count = queue.batches.iter().take_while(|(spans, _)| spans.iter().all(is_in)).count();
            queue.batches.drain(..count).collect::<Vec<_>>()
        });
        done.iter().for_each(|(_, events)| self.verdicts.committed(events));
    }

    /// The sink has finished, and so committed everything.
    fn all_committed(&self) {
        let done = self.with(|queue| std::mem::take(&mut queue.batches));
        done.iter().for_each(|(_, events)| self.verdicts.committed(events));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
