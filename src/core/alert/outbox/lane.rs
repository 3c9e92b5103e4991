//! One destination: what waits for it, what is under way, and what it has been told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::circuit::Circuit;
use super::messages::{Answer, Delivery, Patience, Reach};
use crate::alert::event::{Happening, NoticeAction};
use crate::alert::incident::IncidentId;

/// A notice that waits or is under way.
#[derive(Clone, Debug)]
struct Parcel {
    delivery: Delivery,
    /// Its row, which should be stored first.
    sequence: i64,
    since_us: i64,
    not_before_us: i64,
    tries: u32,
    /// An answer was lost: the destination may know it.
    perhaps_told: bool,
    escalated: bool,
}

#[derive(Debug)]
struct Flight {
    started_us: i64,
    /// `None` for a repetition.
    parcel: Option<Parcel>,
    incident: IncidentId,
}

/// What a destination knows of an incident.
#[derive(Debug)]
struct Told {
    notice: u32,
    sent_at_us: i64,
}

#[derive(Debug)]
pub(super) struct Lane {
    reach: Reach,
    queue: VecDeque<Parcel>,
    flights: BTreeMap<u64, Flight>,
    told: BTreeMap<IncidentId, Told>,
    circuit: Circuit,
    /// `Retry-After`.
    paused_until_us: i64,
}

/// What became of a try.
pub(super) struct Outcome {
    pub(super) entry: Option<Entry>,
    /// `Some(Some(until))` when the circuit opened, `Some(None)` when it closed.
    pub(super) circuit: Option<Option<i64>>,
    /// A trigger that was given up and nobody else was told of.
    pub(super) orphan: Option<Delivery>,
}

pub(super) enum Entry {
    Delivered(Delivery),
    Failed(Delivery, String),
    Dead(Delivery, String),
}

impl Entry {
    pub(super) fn happened_at(self, destination: &str) -> (IncidentId, Happening) {
        let destination = destination.to_owned();
        match self {
            Self::Delivered(Delivery { incident, notice, .. }) => {
                (incident, Happening::Delivered { notice, destination })
            }
            Self::Failed(Delivery { incident, notice, .. }, reason) => {
                (incident, Happening::Failed { notice, destination, reason })
            }
            Self::Dead(Delivery { incident, notice, .. }, reason) => {
                (incident, Happening::Dead { notice, destination, reason })
            }
        }
    }
}

impl Lane {
    pub(super) fn new(reach: Reach) -> Self {
        let (queue, flights, told) = (VecDeque::new(), BTreeMap::new(), BTreeMap::new());
        Self { reach, queue, flights, told, circuit: Circuit::default(), paused_until_us: i64::MIN }
    }

    pub(super) const fn reach(&self) -> &Reach {
        &self.reach
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.flights.values().filter(|flight| flight.parcel.is_some()).count()
    }

    /// Whether it was told of the incident, or is about to be.
    pub(super) fn knows(&self, incident: &IncidentId) -> bool {
        let parcels = self.queue.iter().chain(self.flights.values().filter_map(|flight| flight.parcel.as_ref()));
        self.told.contains_key(incident) || parcels.into_iter().any(|parcel| parcel.delivery.incident == *incident)
    }

    pub(super) fn enqueue(&mut self, delivery: Delivery, sequence: i64, now_us: i64) {
        match delivery.action {
            NoticeAction::Trigger => {}
            NoticeAction::Acknowledge if !self.reach.takes_acknowledgements => return,
            NoticeAction::Acknowledge | NoticeAction::Resolve if !self.knows(&delivery.incident) => return,
            NoticeAction::Acknowledge | NoticeAction::Resolve => {}
        }
        let last = self.queue.iter_mut().rev().find(|parcel| parcel.delivery.incident == delivery.incident);
        if let Some(last) = last.filter(|last| last.delivery.action == delivery.action) {
            // The newer one says all that the older one would have said.
            last.delivery.notice = last.delivery.notice.max(delivery.notice);
            return;
        }
        let (not_before_us, since_us) = (now_us, now_us);
        let fresh =
            Parcel { delivery, sequence, since_us, not_before_us, tries: 0, perhaps_told: false, escalated: false };
        self.queue.push_back(fresh);
    }

    /// Rows say that a notice, and with it all earlier ones of its incident, was delivered or given up.
    pub(super) fn settle(&mut self, incident: &IncidentId, notice: u32, delivered: bool) {
        let mut settled = None;
        self.queue.retain(|parcel| {
            let is_past = parcel.delivery.incident == *incident && parcel.delivery.notice <= notice;
            if is_past {
                settled = Some(parcel.delivery.action);
            }
            !is_past
        });
        match settled {
            Some(NoticeAction::Trigger) if delivered => self.remember(incident.clone(), notice, i64::MIN),
            Some(NoticeAction::Trigger) => self.drop_what_follows(incident),
            Some(NoticeAction::Resolve) => _ = self.told.remove(incident),
            Some(NoticeAction::Acknowledge) | None => {}
        }
    }

    fn remember(&mut self, incident: IncidentId, notice: u32, sent_at_us: i64) {
        self.told.insert(incident, Told { notice, sent_at_us });
    }

    pub(super) fn note_escalated(&mut self, incident: &IncidentId, notice: u32) {
        let parcels = self.queue.iter_mut();
        for parcel in parcels.filter(|parcel| parcel.delivery.incident == *incident && parcel.delivery.notice <= notice)
        {
            parcel.escalated = true;
        }
    }

    /// Triggers that have waited since before then, each once.
    pub(super) fn take_late(&mut self, before_us: i64) -> Vec<Delivery> {
        let flying = self.flights.values_mut().filter_map(|flight| flight.parcel.as_mut());
        let mut late = Vec::new();
        for parcel in self.queue.iter_mut().chain(flying) {
            let is_trigger = parcel.delivery.action == NoticeAction::Trigger;
            if is_trigger && !parcel.escalated && parcel.since_us <= before_us {
                parcel.escalated = true;
                late.push(parcel.delivery.clone());
            }
        }
        late
    }

    pub(super) fn flies(&self, attempt: u64) -> bool {
        self.flights.contains_key(&attempt)
    }

    pub(super) fn started_before(&self, before_us: i64) -> impl Iterator<Item = u64> {
        self.flights.iter().filter(move |(_, flight)| flight.started_us <= before_us).map(|(attempt, _)| *attempt)
    }

    /// What may leave now, and whether it only repeats.
    pub(super) fn next(&self, patience: &Patience, recorded: i64, now_us: i64) -> Option<(Delivery, bool)> {
        if now_us < self.paused_until_us || self.flights.len() >= self.circuit.allows(patience, now_us) {
            return None;
        }
        let mut taken: BTreeSet<&IncidentId> = self.flights.values().map(|flight| &flight.incident).collect();
        let first = self
            .queue
            .iter()
            .find(|parcel| taken.insert(&parcel.delivery.incident) && parcel.ready_at_us(patience, recorded) <= now_us);
        first.map(|parcel| (parcel.delivery.clone(), false)).or_else(|| self.forgotten(patience, now_us))
    }

    fn forgotten(&self, patience: &Patience, now_us: i64) -> Option<(Delivery, bool)> {
        if !self.reach.needs_refresh {
            return None;
        }
        let is_under_way = |incident: &IncidentId| self.flights.values().any(|flight| flight.incident == *incident);
        let mut due = self.told.iter().filter(|(incident, told)| {
            now_us.saturating_sub(told.sent_at_us) >= patience.refresh_us
                && !is_under_way(incident)
                && !self.queue.iter().any(|parcel| parcel.delivery.incident == **incident)
        });
        due.next().map(|(incident, told)| {
            let action = NoticeAction::Trigger;
            (Delivery { incident: incident.clone(), notice: told.notice, action }, true)
        })
    }

    pub(super) fn depart(&mut self, attempt: u64, delivery: Delivery, is_refresh: bool, now_us: i64) {
        let place = if is_refresh { None } else { self.queue.iter().position(|parcel| parcel.delivery == delivery) };
        let parcel = place.and_then(|place| self.queue.remove(place));
        if let Some(told) = self.told.get_mut(&delivery.incident) {
            told.sent_at_us = now_us;
        }
        self.flights.insert(attempt, Flight { started_us: now_us, parcel, incident: delivery.incident });
    }

    pub(super) fn land(
        &mut self,
        attempt: u64,
        answer: Answer,
        patience: &Patience,
        now_us: i64,
        dice: &mut dyn FnMut() -> u64,
    ) -> Outcome {
        let mut outcome = Outcome { entry: None, circuit: None, orphan: None };
        let Some(flight) = self.flights.remove(&attempt) else { return outcome };
        match answer {
            Answer::Accepted => {
                if self.circuit.succeeded() {
                    outcome.circuit = Some(None);
                    self.queue.iter_mut().for_each(|parcel| parcel.not_before_us = now_us);
                }
                if let Some(parcel) = flight.parcel {
                    self.delivered(&parcel, now_us);
                    outcome.entry = Some(Entry::Delivered(parcel.delivery));
                }
            }
            Answer::Busy { retry_after_us, reason } => {
                let pause_us = retry_after_us.unwrap_or(0).clamp(0, patience.retry_after_limit_us);
                self.paused_until_us = self.paused_until_us.max(now_us.saturating_add(pause_us));
                self.keep(flight, reason, patience, now_us, dice, &mut outcome);
            }
            Answer::Unreachable { reason } | Answer::Failed { reason } => {
                outcome.circuit = self.circuit.failed(patience, now_us).map(Some);
                self.keep(flight, reason, patience, now_us, dice, &mut outcome);
            }
            Answer::Unclear { reason } => {
                outcome.circuit = self.circuit.failed(patience, now_us).map(Some);
                let perhaps = |parcel: Parcel| Parcel { perhaps_told: true, ..parcel };
                let flight = Flight { parcel: flight.parcel.map(perhaps), ..flight };
                self.keep(flight, reason, patience, now_us, dice, &mut outcome);
            }
            Answer::Refused { reason } => {
                if let Some(parcel) = flight.parcel {
                    self.give_up(parcel, reason, &mut outcome);
                }
            }
        }
        outcome
    }

    fn delivered(&mut self, parcel: &Parcel, now_us: i64) {
        let Delivery { incident, notice, action } = &parcel.delivery;
        match action {
            NoticeAction::Trigger => self.remember(incident.clone(), *notice, now_us),
            NoticeAction::Acknowledge => {}
            NoticeAction::Resolve => _ = self.told.remove(incident),
        }
    }

    /// Puts a notice back at the head, to be tried again later.
    fn keep(
        &mut self,
        flight: Flight,
        reason: String,
        patience: &Patience,
        now_us: i64,
        dice: &mut dyn FnMut() -> u64,
        outcome: &mut Outcome,
    ) {
        let Some(mut parcel) = flight.parcel else { return };
        if now_us.saturating_sub(parcel.since_us) >= patience.dead_after_us {
            self.give_up(parcel, reason, outcome);
            return;
        }
        if parcel.tries == 0 {
            outcome.entry = Some(Entry::Failed(parcel.delivery.clone(), reason));
        }
        parcel.not_before_us = now_us.saturating_add(full_jitter(patience, parcel.tries, dice()));
        parcel.tries = parcel.tries.saturating_add(1);
        self.queue.push_front(parcel);
    }

    fn give_up(&mut self, parcel: Parcel, reason: String, outcome: &mut Outcome) {
        let Parcel { delivery, perhaps_told, escalated, .. } = parcel;
        match delivery.action {
            NoticeAction::Trigger if perhaps_told => {
                self.remember(delivery.incident.clone(), delivery.notice, i64::MIN)
            }
            NoticeAction::Trigger | NoticeAction::Acknowledge => {}
            NoticeAction::Resolve => _ = self.told.remove(&delivery.incident),
        }
        if delivery.action == NoticeAction::Trigger && !escalated {
            outcome.orphan = Some(delivery.clone());
        }
        if delivery.action == NoticeAction::Trigger {
            self.drop_what_follows(&delivery.incident);
        }
        outcome.entry = Some(Entry::Dead(delivery, reason));
    }

    /// What waits behind a trigger that never arrived has nothing to end, up to the incident's next trigger.
    fn drop_what_follows(&mut self, incident: &IncidentId) {
        if self.told.contains_key(incident) {
            return;
        }
        let mut follows = true;
        self.queue.retain(|parcel| {
            let is_of_it = parcel.delivery.incident == *incident;
            follows &= !(is_of_it && parcel.delivery.action == NoticeAction::Trigger);
            !(is_of_it && follows)
        });
    }

    /// When something is due; `None` when nothing is, or an answer must come first.
    pub(super) fn due_at_us(&self, patience: &Patience, recorded: i64) -> Option<i64> {
        let hanging = self.flights.values().map(|flight| flight.started_us.saturating_add(patience.attempt_us)).min();
        let blocked_us = self.paused_until_us.max(self.circuit.open_until_us().unwrap_or(i64::MIN));
        let parcel = self.queue.iter().map(|parcel| parcel.ready_at_us(patience, recorded)).min();
        let told = self.told.values().map(|told| told.sent_at_us.saturating_add(patience.refresh_us)).min();
        let repeated = if self.reach.needs_refresh { told } else { None };
        let late = self.queue.iter().filter(|parcel| !parcel.escalated && self.reach.escalate_to.is_some());
        let late = late.map(|parcel| parcel.since_us.saturating_add(patience.escalate_after_us)).min();
        let leaves = [parcel, repeated].into_iter().flatten().min().map(|at_us| at_us.max(blocked_us));
        [hanging, leaves, late].into_iter().flatten().min()
    }
}

impl Parcel {
    fn ready_at_us(&self, patience: &Patience, recorded: i64) -> i64 {
        let stored_us =
            if self.sequence <= recorded { i64::MIN } else { self.since_us.saturating_add(patience.record_wait_us) };
        self.not_before_us.max(stored_us)
    }
}

/// A uniform time below the doubled base. Source: M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015:
/// of the variants, full jitter does the same work with the fewest calls.
fn full_jitter(patience: &Patience, tries: u32, roll: u64) -> i64 {
    let limit_us = patience.backoff_base_us.saturating_mul(1 << tries.min(30)).min(patience.backoff_limit_us).max(1);
    i64::try_from(roll % limit_us.unsigned_abs()).unwrap_or(limit_us)
}
