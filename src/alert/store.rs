//! Where incident events and findings are kept: the lake, or what stands in for it.

use async_trait::async_trait;
use claviger_core::alert::{Claim, IncidentEvent};
use claviger_core::lake::Place;

use crate::lake::{IncidentTable, Lake};
use crate::pipeline::{AnyFault, any};

/// What is appended together.
#[derive(Clone, Debug, Default)]
pub struct Events {
    pub incidents: Vec<IncidentEvent>,
    pub findings: Vec<Claim>,
    /// Names the batch, the same for every try; grows from batch to batch.
    pub stamp_us: i64,
    /// With these everything is stored that was found before this place of the lake.
    pub judged: Option<Place>,
}

impl Events {
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.incidents.is_empty() && self.findings.is_empty() && self.judged.is_none()
    }
}

/// Append-only. An append that failed may be in the store or not, and is made again with the same rows.
#[async_trait]
pub trait EventStore: Send + 'static {
    /// Every incident event, in any order.
    async fn load(&mut self) -> Result<Vec<IncidentEvent>, AnyFault>;
    /// Findings of the last days that are stored: the ends of their windows, and their ids.
    async fn known_findings(&mut self) -> Result<Vec<(i64, String)>, AnyFault>;
    async fn append(&mut self, events: &Events) -> Result<(), AnyFault>;
    /// What people did since this was asked last, or shortly before: what comes twice changes nothing.
    async fn heard(&mut self) -> Result<Vec<IncidentEvent>, AnyFault>;
}

/// The tables `incidents` and `findings`.
#[derive(Debug)]
pub struct LakeEvents {
    lake: Lake,
    table: Option<IncidentTable>,
}

impl LakeEvents {
    #[must_use]
    pub const fn new(lake: Lake) -> Self {
        Self { lake, table: None }
    }

    async fn table(&mut self) -> Result<&mut IncidentTable, AnyFault> {
        if self.table.is_none() {
            self.table = Some(Box::pin(self.lake.incidents()).await.map_err(any)?);
        }
        Ok(self.table.as_mut().expect("opened above"))
    }
}

#[async_trait]
impl EventStore for LakeEvents {
    async fn load(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        self.table().await?.read().await.map_err(any)
    }

    async fn known_findings(&mut self) -> Result<Vec<(i64, String)>, AnyFault> {
        self.lake.known_findings().await.map_err(any)
    }

    async fn append(&mut self, events: &Events) -> Result<(), AnyFault> {
        if let Some(last) = events.incidents.iter().map(|event| event.sequence).max() {
            self.lake.record_incidents(last, &events.incidents).await.map_err(any)?;
        }
        if !events.findings.is_empty() {
            self.lake.record_findings(events.stamp_us, &events.findings).await.map_err(any)?;
        }
        Ok(())
    }

    async fn heard(&mut self) -> Result<Vec<IncidentEvent>, AnyFault> {
        let table = self.table().await?;
        if !table.moved().await.map_err(any)? {
            return Ok(Vec::new());
        }
        table.read_people().await.map_err(any)
    }
}
