//! The loops of the stages: receive, decide, act, emit, send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as std_mpsc};

use claviger_core::fault::{Blame, Fault};
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::Refined;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesOrdered, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::{AnyFault, Refine, Sink, any};
use crate::serve::health::Health;
use crate::signals;
use crate::source::{Reaction, SourceEvent};

/// An event, and the refiner that is free again.
type Done<R> = Result<(Option<R>, SourceEvent<Refined>), AnyFault>;

/// Refines raw batches, as many at once as there are refiners, and passes everything on in order.
pub(super) async fn refine<R, D>(
    mut inbox: mpsc::Receiver<SourceEvent>,
    outbox: mpsc::Sender<SourceEvent<Refined>>,
    directory: watch::Receiver<Arc<D>>,
    mut idle: Vec<R>,
    health: Arc<Health>,
) -> Result<(), AnyFault>
where
    R: Refine<D>,
    D: Send + Sync + 'static,
{
    let mut working = FuturesOrdered::<BoxFuture<'static, Done<R>>>::new();
    let mut open = true;
    while open || !working.is_empty() {
        tokio::select! {
            biased;
            Some(done) = working.next(), if !working.is_empty() => {
                let (refiner, event) = done?;
                idle.extend(refiner);
                if outbox.send(event).await.is_err() {
                    break; // the lake has stopped, and its own error says why
                }
            }
            event = inbox.recv(), if open && !idle.is_empty() => match event.map(SourceEvent::into_batch) {
                Some(Ok(raw)) => {
                    health.rows_wait();
                    let Some(mut refiner) = idle.pop() else { continue };
                    let directory = Arc::clone(&directory.borrow());
                    let task = spawn_blocking(move || {
                        let refined = refiner.refine(&raw, &directory);
                        signals::BatchRefined(refined.counts).emit();
                        (Some(refiner), SourceEvent::Batch(refined))
                    });
                    working.push_back(async move { task.await.map_err(|_| any(Panicked)) }.boxed());
                }
                Some(Err(event)) => working.push_back(async move { Ok((None, event)) }.boxed()),
                None => open = false,
            },
        }
    }
    Ok(()) // dropping `outbox` is how the lake learns that this was the last batch
}

#[derive(Debug, thiserror::Error)]
#[error("work on a thread of its own panicked")]
pub(crate) struct Panicked;

impl Fault for Panicked {
    fn hint(&self) -> String {
        "please report this with the lines above; reading resumes where the lake ends".to_owned()
    }

    fn blame(&self) -> Blame {
        Blame::Bug
    }
}

/// Feeds the lake, and tells the source and the health what came of it.
pub(super) async fn store(
    mut inbox: mpsc::Receiver<SourceEvent<Refined>>,
    mut sink: impl Sink,
    reactions: std_mpsc::Sender<Reaction>,
    health: Arc<Health>,
) -> Result<(), AnyFault> {
    let ledger = Ledger { health, read: Mutex::default() };
    let mut answers = sink.reactions();
    let feed = async {
        while let Some(event) = inbox.recv().await {
            if matches!(event, SourceEvent::Ended) {
                break;
            }
            ledger.note(&event);
            sink.take(event).await?;
        }
        sink.finish().await
    };
    let listen = async {
        while let Some(answer) = answers.next().await {
            ledger.hear(&answer);
            // A source that has ended needs no answers, and says itself why it ended.
            _ = reactions.send(answer);
        }
        Ok(())
    };
    tokio::try_join!(feed, listen).map(|((), ())| ())
}

/// What has been read of each stream, for `/ready`.
struct Ledger {
    health: Arc<Health>,
    read: Mutex<HashMap<Stream, Offset>>,
}

impl Ledger {
    fn read(&self) -> MutexGuard<'_, HashMap<Stream, Offset>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: &SourceEvent<Refined>) {
        let mut read = self.read();
        match event {
            SourceEvent::Assigned(starts) => read.extend(starts.iter().cloned()),
            SourceEvent::Batch(batch) => {
                read.extend(batch.spans.iter().map(|span| (span.stream.clone(), span.end)));
                self.health.rows_wait();
            }
            SourceEvent::Revoked { streams, .. } | SourceEvent::Lost(streams) => {
                read.retain(|stream, _| !streams.contains(stream));
            }
            SourceEvent::Gap { .. } | SourceEvent::Ended => {}
        }
        self.health.assigned(read.len());
    }

    fn hear(&self, answer: &Reaction) {
        if let Reaction::Committed(offsets) = answer {
            signals::Committed { reached: offsets }.emit();
            let committed = offsets.iter().map(|(stream, offset)| (stream, *offset)).collect::<HashMap<_, _>>();
            let all = self.read().iter().all(|(stream, end)| committed.get(stream).is_some_and(|at| at >= end));
            self.health.rows_committed(all);
        }
    }
}
