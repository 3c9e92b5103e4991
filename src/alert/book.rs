//! The incidents as the lake tells of them, for whoever asks, and what people do with them.
//!
//! Reading is cheap: the table is looked at again at most twice a second, and read again only when it has moved. An act is
//! decided on the newest state, appended as a row, and looked for in the state that follows, so that whoever acted learns
//! whether it had its effect. The alert task hears of it from the same rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_core::alert::{Act, IncidentEvent, IncidentId, Incidents, Overtaken, Person, Status, act};
use claviger_core::fault::{Blame, Fault, Retry};
use tokio::sync::Mutex;

use crate::lake::{IncidentTable, Lake, LakeError};

const FRESH_FOR: Duration = Duration::from_millis(500);
/// Somebody else acted at the very same microsecond, or with a clock ahead of ours.
const APPEND_TRIES: u32 = 5;

/// All incidents at one version of their table.
#[derive(Debug, Default)]
pub struct Told {
    pub incidents: Incidents,
    /// In the order of their sequence.
    pub events: Vec<IncidentEvent>,
    /// Counts up whenever the table has moved.
    pub edition: u64,
}

/// The book of one lake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IncidentBook(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lake: Lake,
    state: Mutex<State>,
    /// When the last act was, UTC microseconds. Held while somebody acts: acts come one after the other.
    last_act_us: Mutex<i64>,
}

#[derive(Debug, Default)]
struct State {
    table: Option<IncidentTable>,
    told: Arc<Told>,
    looked_at: Option<Instant>,
}

impl IncidentBook {
    #[must_use]
    pub fn new(lake: Lake) -> Self {
        Self(Arc::new(Shared { lake, state: Mutex::default(), last_act_us: Mutex::new(0) }))
    }

    /// The incidents as they were within the last half second.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn read(&self) -> Result<Arc<Told>, LakeError> {
        self.read_within(FRESH_FOR).await
    }

    async fn read_within(&self, fresh_for: Duration) -> Result<Arc<Told>, LakeError> {
        let mut state = self.0.state.lock().await;
        if state.looked_at.is_some_and(|at| at.elapsed() < fresh_for) {
            return Ok(Arc::clone(&state.told));
        }
        // Taken out: what fails is opened afresh.
        let (table, moved) = match state.table.take() {
            Some(mut table) => {
                let moved = table.moved().await?;
                (table, moved)
            }
            None => (Box::pin(self.0.lake.incidents()).await?, true),
        };
        if moved {
            let events = Box::pin(table.read()).await?;
            let edition = state.told.edition + 1;
            state.told = Arc::new(Told { incidents: Incidents::fold(events.clone()), events, edition });
        }
        state.table = Some(table);
        state.looked_at = Some(Instant::now());
        Ok(Arc::clone(&state.told))
    }

    /// Does what a person wants done, and returns the events that it was. `seen` is the version of the incident that the
    /// person saw; `None` acts on whatever there is.
    ///
    /// # Errors
    /// There is no such incident, it has moved on, or the table cannot be written.
    pub async fn act(
        &self,
        id: &IncidentId,
        wanted: Act,
        person: &Person,
        seen: Option<u64>,
    ) -> Result<Vec<IncidentEvent>, ActError> {
        let unstored = |source| ActError::Lake { source };
        let mut last_act_us = self.0.last_act_us.lock().await;
        let told = self.read_within(Duration::ZERO).await.map_err(unstored)?;
        let incident = told.incidents.get(id).ok_or(ActError::Unknown)?;
        let mut tries = 0;
        let events = loop {
            let at_us = chrono::Utc::now().timestamp_micros().max(*last_act_us + 1);
            *last_act_us = at_us;
            let what = act(incident, wanted, person, seen, at_us).map_err(ActError::Overtaken)?;
            let events: Vec<IncidentEvent> = (told.incidents.sequence() + 1..)
                .zip(what)
                .map(|(sequence, what)| IncidentEvent { sequence, at_us, incident: id.clone(), what })
                .collect();
            if Box::pin(self.0.lake.record_person(at_us, &events)).await.map_err(unstored)? {
                break events;
            }
            tries += 1;
            if tries == APPEND_TRIES {
                return Err(ActError::ClockBehind);
            }
        };
        let after = self.read_within(Duration::ZERO).await.map_err(unstored)?;
        match after.incidents.get(id) {
            Some(after) if seen.is_some() && !has_effect(wanted, after.status) => {
                let by = after.resolution.as_ref().map(|resolution| resolution.by.clone()).unwrap_or_default();
                Err(ActError::Overtaken(Overtaken { status: after.status, by }))
            }
            _ => Ok(events),
        }
    }
}

/// Whether the state after an act can be the act's: the service may have ended the incident in between.
fn has_effect(wanted: Act, status: Status) -> bool {
    match wanted {
        Act::Acknowledge => status == Status::Acknowledged,
        Act::Release => status == Status::Open,
        Act::Resolve => status == Status::Resolved,
        Act::Silence { .. } | Act::Unsilence | Act::Note | Act::Judge { .. } => true,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("there is no such incident")]
    Unknown,
    #[error(transparent)]
    Overtaken(Overtaken),
    #[error("somebody acted at a time that this machine's clock has not reached")]
    ClockBehind,
    #[error("what was done to incidents cannot be stored")]
    Lake { source: LakeError },
}

impl Fault for ActError {
    fn hint(&self) -> String {
        match self {
            Self::Unknown => "look at the list of incidents: it may be older than what is kept".to_owned(),
            Self::Overtaken(_) => "nothing was changed: look at it again, and act on what it is now".to_owned(),
            Self::ClockBehind => "set the clocks of the machines that write to this lake, and try again".to_owned(),
            Self::Lake { source } => source.hint(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unknown | Self::Overtaken(_) => Blame::Operator,
            Self::ClockBehind => Blame::Environment,
            Self::Lake { source } => source.blame(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unknown | Self::Overtaken(_) => Retry::Never,
            Self::ClockBehind => Retry::WithBackoff,
            Self::Lake { source } => source.retry(),
        }
    }
}
