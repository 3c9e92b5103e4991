//! The store of a process that judges beside the lake: the tables of incidents and findings, in which only the holder of
//! the seat writes for the service.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use claviger_core::alert::IncidentEvent;

use super::store::{EventStore, Events, LakeEvents};
use crate::lake::{Lake, LakeError, Seat, Tenure};
use crate::pipeline::{AnyFault, any};

/// As [`LakeEvents`], from a seat.
#[derive(Debug)]
pub struct SeatedEvents {
    read: LakeEvents,
    seat: Seat,
    tenure: Arc<Tenure>,
}

impl SeatedEvents {
    #[must_use]
    pub const fn new(lake: Lake, seat: Seat, tenure: Arc<Tenure>) -> Self {
        Self { read: LakeEvents::new(lake), seat, tenure }
    }

    async fn write(&self, events: &Events) -> Result<(), LakeError> {
        if let Some(last) = events.incidents.iter().map(|event| event.sequence).max() {
            self.seat.record_incidents(last, &events.incidents).await?;
        }
        // Last: what it says was judged is then stored.
        self.seat.keep(events.judged, events.stamp_us, &events.findings).await
    }
}

#[async_trait]
impl EventStore for SeatedEvents {
    async fn load(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        self.read.load().await
    }

    async fn known_findings(&mut self) -> Result<Vec<(i64, String)>, AnyFault> {
        self.read.known_findings().await
    }

    async fn append(&mut self, events: &Events) -> Result<(), AnyFault> {
        let begun = Instant::now();
        let written = Box::pin(self.write(events)).await;
        self.tenure.note(begun, &written);
        written.map_err(any)
    }

    async fn heard(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        self.read.heard().await
    }
}
