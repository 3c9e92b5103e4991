//! The alert task: the only owner of the incidents' state.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use claviger_core::alert::{Action, Answer, Attempt, Claim, Desk, Happening, IncidentEvent, Incidents, Input, Outbox};
use claviger_core::config::AlertPlan;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::signals;
use super::sinks::Sinks;
use super::store::{EventStore, Events};
use crate::detect::Found;
use crate::lake::Tenure;
use crate::pipeline::AnyFault;

/// Rows are stored at most so often: each time is a commit.
const STORE_INTERVAL: Duration = Duration::from_secs(1);
/// After a failed commit.
const STORE_AGAIN: Duration = Duration::from_secs(5);
/// How soon it is noticed what people did.
const HEAR_INTERVAL: Duration = Duration::from_secs(5);
/// Nothing is due for so long at most, so that a wrong clock heals.
const TICK_MAX: Duration = Duration::from_secs(30);
/// What a stop waits for: answers of sends, and the last rows.
const DRAIN: Duration = Duration::from_secs(10);

/// Findings in, notices out. See the room's description.
pub struct Courier<S> {
    desk: Desk,
    outbox: Outbox,
    sinks: Arc<Sinks>,
    store: Arc<tokio::sync::Mutex<S>>,
    pending: Events,
    /// Findings whose rows were stored or wait, so that a replay adds none.
    stored_findings: BTreeSet<(i64, String)>,
    sends: JoinSet<(u64, Answer)>,
    storing: JoinSet<Result<i64, AnyFault>>,
    hearing: JoinSet<Result<Vec<IncidentEvent>, AnyFault>>,
    /// What is being stored.
    in_store: Events,
    store_after: Instant,
    /// Of a process that could be overtaken by another: it tells nobody anything when it is not sure of its seat.
    tenure: Option<Arc<Tenure>>,
}

fn now_us() -> i64 {
    Utc::now().timestamp_micros()
}

impl<S: EventStore> Courier<S> {
    /// Takes up where the stored events end.
    ///
    /// # Errors
    /// The store cannot be read: starting without it would tell everybody of everything again.
    pub async fn start(plan: &AlertPlan, sinks: Sinks, store: S) -> Result<Self, AnyFault> {
        Self::start_in(plan, sinks, store, None).await
    }

    /// As [`Courier::start`], in a process that has the seat of the one that judges for as long as it is sure of it.
    ///
    /// # Errors
    /// As for [`Courier::start`].
    pub async fn start_seated(plan: &AlertPlan, sinks: Sinks, store: S, tenure: Arc<Tenure>) -> Result<Self, AnyFault> {
        Self::start_in(plan, sinks, store, Some(tenure)).await
    }

    async fn start_in(
        plan: &AlertPlan,
        sinks: Sinks,
        mut store: S,
        tenure: Option<Arc<Tenure>>,
    ) -> Result<Self, AnyFault> {
        let mut events = store.load().await?;
        events.sort_by_key(|event| event.sequence);
        let stored_findings = store.known_findings().await?.into_iter().collect();
        let reaches = plan.sinks.iter().map(|(name, sink)| (name.clone(), sink.reach.clone()));
        let mut outbox = Outbox::new(plan.patience, reaches, now_us());
        let actions = outbox.restore(&events);
        let mut courier = Self {
            desk: Desk::new(plan.policy.clone(), Incidents::fold(events)),
            outbox,
            sinks: Arc::new(sinks),
            store: Arc::new(tokio::sync::Mutex::new(store)),
            pending: Events::default(),
            stored_findings,
            sends: JoinSet::new(),
            storing: JoinSet::new(),
            hearing: JoinSet::new(),
            in_store: Events::default(),
            store_after: Instant::now(),
            tenure,
        };
        courier.carry_out(actions);
        Ok(courier)
    }

    /// Runs until `inbox` closes and what was under way has ended or taken too long.
    ///
    /// # Errors
    /// Never: what fails is tried again. Only so that it can stand among the stages.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Found>) -> Result<(), AnyFault> {
        let mut hear = interval(HEAR_INTERVAL);
        hear.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.step(Input::Tick(now_us()));
            self.store_if_due();
            signals::Standing { desk: &self.desk, outbox: &self.outbox, rows: self.rows_waiting() }.emit();
            let wake_at = self.wake_at();
            tokio::select! {
                found = inbox.recv() => match found {
                    Some(found) => self.take_in(&found),
                    None => break,
                },
                Some(answered) = self.sends.join_next() => self.answered(answered),
                Some(stored) = self.storing.join_next() => self.stored(stored),
                Some(heard) = self.hearing.join_next() => self.heard(heard),
                _ = hear.tick() => self.listen(),
                () = sleep_until(wake_at) => {}
            }
        }
        // Who stops us may have a deadline of its own; what is not done then is done after the next start.
        let _late = timeout(DRAIN, self.drain()).await;
        Ok(())
    }

    async fn drain(&mut self) {
        let is_lost = |tenure: &Option<Arc<Tenure>>| tenure.as_ref().is_some_and(|tenure| tenure.is_lost());
        while !is_lost(&self.tenure) && (!self.sends.is_empty() || self.rows_waiting() > 0) {
            self.store_if_due();
            let store_after = self.store_after;
            tokio::select! {
                Some(answered) = self.sends.join_next() => self.answered(answered),
                Some(stored) = self.storing.join_next() => self.stored(stored),
                () = sleep_until(store_after) => {}
            }
        }
    }

    fn rows_waiting(&self) -> usize {
        let count =
            |events: &Events| events.incidents.len() + events.findings.len() + usize::from(events.judged.is_some());
        count(&self.pending) + count(&self.in_store)
    }

    /// When the next thing is due without a further fact.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let until_due = self.outbox.due_at_us().map_or(TICK_MAX, |due_at_us| {
            let wait_us = due_at_us.saturating_sub(now_us()).max(1_000);
            Duration::from_micros(wait_us.unsigned_abs()).min(TICK_MAX)
        });
        let stores = !self.pending.is_empty() && self.storing.is_empty();
        let wake_at = now + until_due;
        if stores { wake_at.min(self.store_after.max(now)) } else { wake_at }
    }

    fn take_in(&mut self, Found { findings, watermark_us, judged }: &Found) {
        let fresh = findings.iter().map(Claim::of);
        let fresh = fresh.filter(|claim| self.stored_findings.insert((claim.to_us, claim.finding.clone())));
        self.pending.findings.extend(fresh);
        self.pending.judged = judged.or(self.pending.judged);
        let events = self.desk.observe(findings);
        self.enter(events);
        if let Some(watermark_us) = *watermark_us {
            let events = self.desk.advance(watermark_us);
            self.enter(events);
            let forgotten_us = watermark_us.saturating_sub(FINDINGS_REMEMBERED_US);
            self.stored_findings = self.stored_findings.split_off(&(forgotten_us, String::new()));
        }
    }

    fn enter(&mut self, events: Vec<IncidentEvent>) {
        for event in events {
            signals::Happened { event: &event }.emit();
            self.pending.incidents.push(event.clone());
            if matches!(event.what, Happening::Noticed { .. }) {
                self.step(Input::Noticed(Box::new(event)));
            }
        }
    }

    fn step(&mut self, input: Input) {
        let actions = self.outbox.step(input, &mut rand::random::<u64>);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(attempt) => self.send(attempt),
                Action::Enter { incident, what } => {
                    let event = self.desk.enter(incident, now_us(), what);
                    signals::Happened { event: &event }.emit();
                    self.pending.incidents.push(event);
                }
                Action::CircuitOpened { destination, until_us } => {
                    signals::CircuitOpened { destination: &destination, until_us }.emit();
                }
                Action::CircuitClosed { destination } => signals::CircuitClosed { destination: &destination }.emit(),
            }
        }
    }

    /// A task of its own for each try: none waits for another.
    fn send(&mut self, attempt: Attempt) {
        let Attempt { attempt, destination, delivery, .. } = attempt;
        let Some(notice) = self.desk.notice(&delivery) else {
            let reason = "its incident is no longer known".to_owned();
            self.sends.spawn(async move { (attempt, Answer::Refused { reason }) });
            return;
        };
        if self.tenure.as_ref().is_some_and(|tenure| !tenure.is_sure()) {
            let reason = "another process may be judging by now".to_owned();
            let retry_after_us = Some(UNSURE_WAIT_US);
            self.sends.spawn(async move { (attempt, Answer::Busy { retry_after_us, reason }) });
            return;
        }
        let sinks = Arc::clone(&self.sinks);
        self.sends.spawn(async move { (attempt, sinks.deliver(&destination, &notice).await) });
    }

    fn answered(&mut self, answered: Result<(u64, Answer), tokio::task::JoinError>) {
        // A send that panicked is a try without an answer: the outbox makes it again.
        if let Ok((attempt, answer)) = answered {
            self.step(Input::Tick(now_us()));
            self.step(Input::Answered { attempt, answer });
        }
    }

    fn store_if_due(&mut self) {
        if !self.storing.is_empty() || Instant::now() < self.store_after {
            return;
        }
        if self.in_store.is_empty() {
            let stamp_us = now_us().max(self.pending.stamp_us + 1);
            self.in_store = std::mem::replace(&mut self.pending, Events { stamp_us, ..Events::default() });
            self.in_store.stamp_us = stamp_us;
        }
        if self.in_store.is_empty() {
            return;
        }
        // A batch that failed is stored again as it was, since it may be there already.
        let (store, events) = (Arc::clone(&self.store), self.in_store.clone());
        let through = events.incidents.iter().map(|event| event.sequence).max().unwrap_or(i64::MIN);
        self.storing.spawn(async move { store.lock().await.append(&events).await.map(|()| through) });
    }

    fn stored(&mut self, stored: Result<Result<i64, AnyFault>, tokio::task::JoinError>) {
        match stored {
            Ok(Ok(through)) => {
                self.in_store = Events::default();
                self.store_after = Instant::now() + STORE_INTERVAL;
                self.step(Input::Recorded { through });
            }
            Ok(Err(error)) => {
                self.store_after = Instant::now() + STORE_AGAIN;
                signals::RowsNotStored { error: error.as_ref(), rows: self.rows_waiting() }.emit();
            }
            Err(_panicked) => self.store_after = Instant::now() + STORE_AGAIN,
        }
    }

    fn listen(&mut self) {
        if self.hearing.is_empty() {
            let store = Arc::clone(&self.store);
            self.hearing.spawn(async move { store.lock().await.heard().await });
        }
    }

    fn heard(&mut self, heard: Result<Result<Vec<IncidentEvent>, AnyFault>, tokio::task::JoinError>) {
        // What cannot be read now is read the next time.
        for event in heard.ok().and_then(Result::ok).unwrap_or_default() {
            let events = self.desk.hear(&event);
            self.enter(events);
        }
    }
}

/// Until it is looked again whether this process still judges.
const UNSURE_WAIT_US: i64 = 1_000_000;

/// As long as the desk remembers what it judged.
const FINDINGS_REMEMBERED_US: i64 = 8 * 86_400_000_000;
