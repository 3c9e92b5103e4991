//! Incidents without a lake, whose every row can be waited for.

use async_trait::async_trait;
use claviger::alert::{EventStore, Events};
use claviger::pipeline::AnyFault;
use claviger_core::alert::IncidentEvent;
use tokio::sync::watch;

/// Shared by its clones.
#[derive(Clone, Default)]
pub(super) struct MemoryEvents(watch::Sender<Vec<IncidentEvent>>);

impl MemoryEvents {
    /// All events so far.
    pub(super) fn events(&self) -> Vec<IncidentEvent> {
        self.0.borrow().clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<Vec<IncidentEvent>> {
        self.0.subscribe()
    }
}

#[async_trait]
impl EventStore for MemoryEvents {
    async fn load(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        Ok(self.events())
    }

    async fn known_findings(&mut self) -> Result<Vec<(i64, String)>, AnyFault> {
        Ok(Vec::new())
    }

    async fn append(&mut self, events: &Events) -> Result<(), AnyFault> {
        self.0.send_modify(|stored| stored.extend(events.incidents.iter().cloned()));
        Ok(())
    }

    async fn heard(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        Ok(self.events().into_iter().filter(|event| event.what.is_of_a_person()).collect())
    }
}
