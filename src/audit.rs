//! The log of accesses: records into the table `audit`, digests over them every hour, and proofs of single records.
//!
//! What changes something, or takes records out, is on record before it is acknowledged: [`AuditLog::record_now`] fails
//! closed. Reads are not held up: [`AuditLog::record`] never waits, and what a full queue could not take is counted, told
//! by a metric, and itself put on record. Numbers and instants are given by `claviger_core::audit`.
//!
//! A digest is written every period even when nothing happened, and when the log ends. What left the machine between two
//! digests is protected by the table alone, so the period is also the longest time in which a change goes unproven.

mod digests;
mod keeper;
mod proof;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_core::audit::{Access, Action};
use claviger_core::fault::{Blame, Fault, Retry};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::lake::{Lake, LakeError};
use crate::signals;
use crate::signing::Signer;

pub use digests::Clock;
pub use proof::{ChainState, RecordProof, chain_state, prove};

use keeper::Keeper;

/// How the log works.
#[derive(Clone)]
pub struct AuditOptions {
    /// Names the deployment in every digest.
    pub origin: String,
    /// Accesses that may wait to be recorded.
    pub queue: usize,
    pub commit_every: Duration,
    pub digest_every: Duration,
    /// A digest is written early rather than cover more than so many records.
    pub digest_records_max: u64,
    pub clock: Clock,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            origin: Lake::DEFAULT_PIPELINE.to_owned(),
            queue: 4_096,
            commit_every: Duration::from_secs(2),
            digest_every: Duration::from_secs(3_600),
            digest_records_max: 100_000,
            clock: Arc::new(|| chrono::Utc::now().timestamp_micros()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the access could not be recorded")]
    Unrecorded { source: Option<LakeError> },
    #[error(transparent)]
    Lake(LakeError),
    #[error("the lake's log of accesses is signed by another key")]
    OtherKey,
    #[error("digest {sequence} of chain `{chain}` is not sound")]
    Unsound { chain: String, sequence: u64 },
    #[error("chain `{chain}` lacks records from {first} to {last} in the table")]
    RecordsMissing { chain: String, first: u64, last: u64 },
}

impl Fault for AuditError {
    fn hint(&self) -> String {
        match self {
            Self::Unrecorded { .. } => {
                "nothing was changed; try again when the lake can be written, since changes go on record first"
                    .to_owned()
            }
            Self::Lake(error) => error.hint(),
            Self::OtherKey => {
                "give the key that the log was begun with: `--signing-key`, `secrets.signing_key_file`, or the file \
                 beside the lake, which a copy of the lake needs a copy of"
                    .to_owned()
            }
            Self::Unsound { .. } | Self::RecordsMissing { .. } => {
                "somebody changed what is on record: `claviger verify` on the lake names it; keep a copy as evidence"
                    .to_owned()
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unrecorded { .. } => Blame::Environment,
            Self::Lake(error) => error.blame(),
            Self::OtherKey => Blame::Operator,
            Self::Unsound { .. } | Self::RecordsMissing { .. } => Blame::Data,
        }
    }

    fn retry(&self) -> Retry {
        match self.blame() {
            Blame::Environment => Retry::WithBackoff,
            Blame::Operator | Blame::Data | Blame::Bug => Retry::Never,
        }
    }
}

type Recorded = oneshot::Sender<Result<(), AuditError>>;

struct Order {
    access: Access,
    recorded: Option<Recorded>,
}

/// The way in. Cheap to clone; the log ends when the last clone is gone, or one says so.
#[derive(Clone)]
pub struct AuditLog {
    orders: mpsc::Sender<Order>,
    lost: Arc<AtomicU64>,
}

impl AuditLog {
    /// Opens the log of a lake. The task does the work: run it beside everything else.
    ///
    /// # Errors
    /// When the table cannot be read, or its chains are another key's.
    pub async fn open(lake: Lake, signer: Arc<Signer>, options: AuditOptions) -> Result<(Self, AuditTask), AuditError> {
        let (orders, inbox) = mpsc::channel(options.queue);
        let lost = Arc::new(AtomicU64::new(0));
        let keeper = Keeper::open(lake, signer, &options).await?;
        let task = AuditTask { keeper, inbox, lost: Arc::clone(&lost), options };
        Ok((Self { orders, lost }, task))
    }

    /// Puts an access on record soon. Never waits.
    pub fn record(&self, access: Access) {
        if self.orders.try_send(Order { access: access.bounded(), recorded: None }).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            signals::AccessUnrecorded { accesses: 1 }.emit();
        }
    }

    /// Puts an access on record, and returns once it is there for good.
    ///
    /// # Errors
    /// When it could not be stored: what it stands for must then not happen.
    pub async fn record_now(&self, access: Access) -> Result<(), AuditError> {
        let (recorded, answer) = oneshot::channel();
        let order = Order { access: access.bounded(), recorded: Some(recorded) };
        self.orders.send(order).await.map_err(|_ended| AuditError::Unrecorded { source: None })?;
        answer.await.unwrap_or(Err(AuditError::Unrecorded { source: None }))
    }

    /// Ends the log: what waits is recorded, and what comes later is not. The task then ends by itself.
    pub async fn finish(&self) {
        let order = Order { access: Access::of_log(Action::StopLog, String::new()), recorded: None };
        // It may have ended already.
        _ = self.orders.send(order).await;
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// Records committed together at most; a fuller batch does not wait for the next tick.
const BATCH: usize = 1_024;

/// Carries out what the log is told. Ends, with a last digest, when no [`AuditLog`] is left.
pub struct AuditTask {
    keeper: Keeper,
    inbox: mpsc::Receiver<Order>,
    lost: Arc<AtomicU64>,
    options: AuditOptions,
}

impl AuditTask {
    /// # Errors
    /// When the end of the log could not be put on record.
    pub async fn run(mut self) -> Result<(), AuditError> {
        let mut pending =
            vec![Order { access: Access::of_log(Action::StartLog, self.options.origin.clone()), recorded: None }];
        let mut ticks = tokio::time::interval(self.options.commit_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = Vec::new();
        loop {
            let ended = tokio::select! {
                biased;
                taken = self.inbox.recv_many(&mut orders, BATCH) => taken == 0,
                _ = ticks.tick() => {
                    self.commit(&mut pending).await;
                    self.keeper.digest_if_due().await;
                    false
                }
            };
            let stopped = orders.iter().position(|order| order.access.action == Action::StopLog);
            orders.truncate(stopped.unwrap_or(orders.len()));
            let hurry = orders.iter().any(|order| order.recorded.is_some());
            pending.append(&mut orders);
            if ended || stopped.is_some() {
                break;
            }
            if hurry || pending.len() >= BATCH {
                self.commit(&mut pending).await;
            }
        }
        self.inbox.close();
        while let Ok(order) = self.inbox.try_recv() {
            pending.push(order);
        }
        pending.push(Order { access: Access::of_log(Action::StopLog, self.options.origin.clone()), recorded: None });
        let accesses = pending.iter().map(|order| order.access.clone()).collect();
        self.keeper.commit(accesses).await?;
        for recorded in pending.into_iter().filter_map(|order| order.recorded) {
            // Who stopped waiting does not need to know.
            let _unheard = recorded.send(Ok(()));
        }
        self.keeper.digest().await
    }

    /// Stores what waits. After a failure, reads wait on while there is room for them; who waits for an answer gets it.
    async fn commit(&mut self, pending: &mut Vec<Order>) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let said = Access::of_log(Action::LoseRecords, format!("{lost} accesses were not recorded"));
            pending.push(Order { access: said, recorded: None });
        }
        if pending.is_empty() {
            return;
        }
        let accesses = pending.iter().map(|order| order.access.clone()).collect();
        match self.keeper.commit(accesses).await {
            Ok(()) => {
                for recorded in pending.drain(..).filter_map(|order| order.recorded) {
                    // Who stopped waiting does not need to know.
                    let _unheard = recorded.send(Ok(()));
                }
            }
            Err(error) => {
                signals::AuditFailed { error: &error }.emit();
                for order in pending.extract_if(.., |order| order.recorded.is_some()) {
                    if let Some(recorded) = order.recorded {
                        let _unheard = recorded.send(Err(AuditError::Unrecorded { source: None }));
                    }
                }
                let over = pending.len().saturating_sub(self.options.queue);
                if over > 0 {
                    pending.drain(..over);
                    self.lost.fetch_add(over as u64, Ordering::Relaxed);
                    signals::AccessUnrecorded { accesses: over as u64 }.emit();
                }
            }
        }
    }
}

impl std::fmt::Debug for AuditTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditTask").finish_non_exhaustive()
    }
}
