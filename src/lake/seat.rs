//! The seat of the one process that judges a lake, and everything that it alone writes.
//!
//! Whose turn it is, and what has been judged, are application transactions of `findings`, in the same commit as the
//! findings themselves: a turn that is kept proves that what it says was judged is stored. `incidents` has a guard of its
//! own, which changes only when the seat changes hands. Each append of the holder renews the guard of its table, so that of
//! two processes that both believe they judge, the table refuses the one that was overtaken.
//!
//! What this cannot do: recall a page. A holder that is frozen in the middle of sending one, for longer than the others
//! wait, sends it when it wakes. [`Tenure`] keeps everything else of it in.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use claviger_core::alert::{Claim, IncidentEvent, finding_rows, incident_rows};
use claviger_core::lake::{Mark, Place, TableName, Turn};
use deltalake::kernel::{Action, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};

use super::error::LakeError;
use super::table::Table;
use super::{APPEND_TRIES, Lake, writer};

/// In `findings`: whose turn it is. Fewer parts than the id of a stream has.
const TURN: &str = "claviger/judge/turn";
/// In `incidents`: who may append for the service.
const GUARD: &str = "claviger/judge/guard";
/// In `findings`: what has been judged.
const EVENTS: &str = "claviger/judge/events";
const MINUTES: &str = "claviger/judge/minutes";
const CLOSED: &str = "claviger/judge/closed";

/// The right to judge a lake.
#[derive(Clone, Debug)]
pub struct Seat {
    lake: Lake,
    mark: Mark,
}

/// A commit that only its guard's holder may make.
struct Guarded<'a> {
    table: TableName,
    guard: &'a str,
    /// Application transactions that go with it; the first names the commit, which is made once.
    once: Option<(String, i64)>,
    with: Vec<(&'static str, i64)>,
    adds: Vec<Action>,
}

impl Lake {
    /// Whose turn it is to judge, and what has been judged.
    ///
    /// # Errors
    /// When `findings` cannot be read.
    pub async fn turn(&self) -> Result<(Option<Turn>, Option<Place>), LakeError> {
        let table = Table::load(TableName::Findings, self.log_store(TableName::Findings)?).await?;
        let number = |id: &str| table.transaction(id);
        let version = |id: &str| number(id).and_then(|version| u64::try_from(version).ok());
        let place = version(EVENTS).zip(version(MINUTES)).zip(number(CLOSED));
        let place = place.map(|((events, minutes), closed_us)| Place { events, minutes, closed_us });
        Ok((number(TURN).map(Turn), place))
    }

    /// Takes the seat from whoever had the turn `seen`. `None` when somebody else was faster.
    ///
    /// # Errors
    /// When a table cannot be written.
    pub async fn take_seat(&self, seen: Option<Turn>, mark: Mark) -> Result<Option<Seat>, LakeError> {
        if !self.take_guard(TableName::Findings, TURN, |stored| stored == seen, mark).await? {
            return Ok(None);
        }
        self.take_guard(TableName::Incidents, GUARD, |_| true, mark).await?;
        Ok(Some(Seat { lake: self.clone(), mark }))
    }

    /// Makes a guard `mark`'s, unless it is in a state from which it may not be taken.
    async fn take_guard(
        &self,
        name: TableName,
        guard: &str,
        may_take: impl Fn(Option<Turn>) -> bool,
        mark: Mark,
    ) -> Result<bool, LakeError> {
        let mut tries = 0;
        loop {
            let mut table = Table::load(name, self.log_store(name)?).await?;
            let stored = table.transaction(guard).map(Turn);
            if stored.is_some_and(|turn| turn.is_of(mark)) {
                return Ok(true); // by the try whose answer was lost
            }
            if !may_take(stored) {
                return Ok(false);
            }
            let turn = Transaction::new(guard, Turn::after(stored, mark).0);
            match table.commit(Vec::new(), vec![turn], append()).await {
                Ok(()) => return Ok(true),
                Err(_) if tries < APPEND_TRIES => {
                    tries += 1;
                    writer::back_off(tries).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn commit_guarded(&self, mark: Mark, commit: Guarded<'_>) -> Result<(), LakeError> {
        let Guarded { table: name, guard, once, with, adds } = commit;
        let mut tries = 0;
        loop {
            let mut table = Table::load(name, self.log_store(name)?).await?;
            let stored = table.transaction(guard).map(Turn);
            let Some(turn) = stored.filter(|turn| turn.is_of(mark)) else { return Err(LakeError::Superseded) };
            if once.as_ref().is_some_and(|(id, version)| table.transaction(id).is_some_and(|stored| stored >= *version))
            {
                return Ok(()); // by the try whose answer was lost
            }
            let own = [(guard.to_owned(), Turn::after(Some(turn), mark).0)];
            let with = with.iter().map(|(id, version)| ((*id).to_owned(), *version));
            let all = own.into_iter().chain(once.clone()).chain(with);
            let transactions = all.map(|(id, version)| Transaction::new(id, version)).collect();
            match table.commit(adds.clone(), transactions, append()).await {
                Ok(()) => return Ok(()),
                Err(_) if tries < APPEND_TRIES => {
                    tries += 1;
                    writer::back_off(tries).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Seat {
    /// Keeps the turn, stores findings (once for each `stamp_us`, which only grows), and says what has been judged.
    ///
    /// # Errors
    /// `Superseded` when somebody else has the seat; others when the table cannot be written.
    pub async fn keep(&self, judged: Option<Place>, stamp_us: i64, claims: &[Claim]) -> Result<(), LakeError> {
        let rows = (!claims.is_empty()).then(|| finding_rows(claims));
        let adds = match rows {
            Some(rows) => self.lake.store_rows(TableName::Findings, rows).await?,
            None => Vec::new(),
        };
        let number = |version: u64| i64::try_from(version).unwrap_or(i64::MAX);
        let with = judged.map(|place| {
            vec![(EVENTS, number(place.events)), (MINUTES, number(place.minutes)), (CLOSED, place.closed_us)]
        });
        let once = (!adds.is_empty()).then(|| (format!("claviger/{}/findings", self.lake.pipeline()), stamp_us));
        let commit = Guarded { table: TableName::Findings, guard: TURN, once, with: with.unwrap_or_default(), adds };
        Box::pin(self.lake.commit_guarded(self.mark, commit)).await
    }

    /// Stores events of the alert task, once for each `last` sequence.
    ///
    /// # Errors
    /// As for [`Seat::keep`].
    pub async fn record_incidents(&self, last: i64, events: &[IncidentEvent]) -> Result<(), LakeError> {
        let adds = self.lake.store_rows(TableName::Incidents, incident_rows(events)).await?;
        let once = Some((format!("claviger/{}/incidents", self.lake.pipeline()), last));
        let commit = Guarded { table: TableName::Incidents, guard: GUARD, once, with: Vec::new(), adds };
        Box::pin(self.lake.commit_guarded(self.mark, commit)).await
    }

    /// Frees the seat, so that nobody waits for it.
    ///
    /// # Errors
    /// As for [`Seat::keep`].
    pub async fn give_back(self) -> Result<(), LakeError> {
        let name = TableName::Findings;
        let mut table = Table::load(name, self.lake.log_store(name)?).await?;
        match table.transaction(TURN).map(Turn).filter(|turn| turn.is_of(self.mark)) {
            Some(turn) => {
                let free = Transaction::new(TURN, turn.given_back().0);
                table.commit(Vec::new(), vec![free], append()).await
            }
            None => Err(LakeError::Superseded),
        }
    }
}

fn append() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
}

/// How sure the holder can be of its seat, by its own steady clock.
#[derive(Debug)]
pub struct Tenure {
    /// How long others wait before they take a turn that stands still.
    patience: Duration,
    kept_at: Mutex<Instant>,
    lost: AtomicBool,
}

impl Tenure {
    /// Of a seat that was taken just now.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience, kept_at: Mutex::new(Instant::now()), lost: AtomicBool::new(false) }
    }

    /// How often the turn is to be kept.
    #[must_use]
    pub fn beat(&self) -> Duration {
        self.patience / 3
    }

    /// Nobody else can have the seat: people may be told of what was found. Ends well before the others' patience.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        let kept_at = *self.kept_at.lock().unwrap_or_else(PoisonError::into_inner);
        !self.is_lost() && kept_at.elapsed() < self.patience * 2 / 3
    }

    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Relaxed)
    }

    /// What became of an attempt to write as the holder that was begun at `begun`.
    pub fn note(&self, begun: Instant, written: &Result<(), LakeError>) {
        match written {
            Ok(()) => *self.kept_at.lock().unwrap_or_else(PoisonError::into_inner) = begun,
            Err(LakeError::Superseded) => self.lost.store(true, Relaxed),
            Err(_) => {}
        }
    }
}
