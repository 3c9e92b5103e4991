//! Notices on their way to destinations, as a state machine without I/O: facts in, orders out.
//!
//! Promises, whatever is killed, delayed or answered wrongly in between:
//! - every notice reaches each of its destinations at least once, or is given up with a row and an alarm;
//! - notices of one incident reach a destination in order, all under the incident's one key;
//! - a resolve goes only where a trigger went, or may have gone;
//! - a destination that is slow, busy or dead delays no other.
//!
//! How: each destination has its own lane with its own queue, back-off, pause (`Retry-After`) and circuit. A notice waits
//! for its row for [`Patience::record_wait_us`] at most, so that a lake that cannot be written holds no page back; ids are
//! made from findings, so a crash that lost the rows sends the same notice under the same key again.
//!
//! Randomness is an argument: `dice` gives uniform numbers.

mod circuit;
mod lane;
mod messages;

use std::collections::BTreeMap;

use super::event::{Happening, IncidentEvent, NoticeAction};
use super::incident::IncidentId;

use lane::{Lane, Outcome};
pub use messages::{Action, Answer, Attempt, Delivery, Input, Patience, Reach};

/// The machine. See the module's description.
#[derive(Debug)]
pub struct Outbox {
    patience: Patience,
    lanes: BTreeMap<String, Lane>,
    attempts: u64,
    recorded: i64,
    now_us: i64,
}

impl Outbox {
    #[must_use]
    pub fn new(patience: Patience, destinations: impl IntoIterator<Item = (String, Reach)>, now_us: i64) -> Self {
        let lanes = destinations.into_iter().map(|(name, reach)| (name, Lane::new(reach)));
        Self { patience, lanes: lanes.collect(), attempts: 0, recorded: i64::MIN, now_us }
    }

    /// Takes up what rows, in the order of their sequence, say is still to be delivered. Notices for destinations that are configured no longer are given
    /// up: the answer holds their rows.
    pub fn restore(&mut self, events: &[IncidentEvent]) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut strays: BTreeMap<(String, IncidentId), Delivery> = BTreeMap::new();
        for event in events {
            self.recorded = self.recorded.max(event.sequence);
            let incident = &event.incident;
            match &event.what {
                Happening::Noticed { notice, action, destinations, .. } => {
                    let delivery = Delivery { incident: incident.clone(), notice: *notice, action: *action };
                    for name in destinations {
                        match self.lanes.get_mut(name) {
                            Some(lane) => lane.enqueue(delivery.clone(), event.sequence, self.now_us),
                            None => _ = strays.insert((name.clone(), incident.clone()), delivery.clone()),
                        }
                    }
                }
                Happening::Delivered { notice, destination } => {
                    strays.retain(|(name, of), stray| {
                        !(name == destination && of == incident && stray.notice <= *notice)
                    });
                    if let Some(lane) = self.lanes.get_mut(destination) {
                        lane.settle(incident, *notice, true);
                    }
                }
                Happening::Dead { notice, destination, .. } => {
                    strays.retain(|(name, of), stray| {
                        !(name == destination && of == incident && stray.notice <= *notice)
                    });
                    if let Some(lane) = self.lanes.get_mut(destination) {
                        lane.settle(incident, *notice, false);
                    }
                }
                Happening::Escalated { notice, destination, to } => {
                    if let Some(lane) = self.lanes.get_mut(destination) {
                        lane.note_escalated(incident, *notice);
                    }
                    self.escalate(incident, *notice, to, event.sequence);
                }
                Happening::Opened(_)
                | Happening::Grouped(_)
                | Happening::Reopened(_)
                | Happening::Suppressed { .. }
                | Happening::Muted { .. }
                | Happening::Unacknowledged { .. }
                | Happening::Noted { .. }
                | Happening::Acknowledged { .. }
                | Happening::Silenced { .. }
                | Happening::Feedback { .. }
                | Happening::Resolved { .. }
                | Happening::Failed { .. } => {}
            }
        }
        for ((destination, incident), stray) in strays {
            let reason = "no such destination is configured any more".to_owned();
            let what = Happening::Dead { notice: stray.notice, destination, reason };
            actions.push(Action::Enter { incident, what });
        }
        actions
    }

    /// The next fact, and the orders that follow from it.
    pub fn step(&mut self, input: Input, dice: &mut dyn FnMut() -> u64) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Tick(now_us) => self.now_us = self.now_us.max(now_us),
            Input::Recorded { through } => self.recorded = self.recorded.max(through),
            Input::Noticed(event) => self.noticed(&event),
            Input::Answered { attempt, answer } => self.answered(attempt, answer, dice, &mut actions),
        }
        self.give_up_waiting(dice, &mut actions);
        self.escalate_what_waits(&mut actions);
        self.send(&mut actions);
        actions
    }

    /// When something is due next without a further fact; `None` when nothing waits.
    #[must_use]
    pub fn due_at_us(&self) -> Option<i64> {
        self.lanes.values().filter_map(|lane| lane.due_at_us(&self.patience, self.recorded)).min()
    }

    /// Notices that have not been delivered, by destination.
    pub fn waiting(&self) -> impl Iterator<Item = (&str, usize)> {
        self.lanes.iter().map(|(name, lane)| (name.as_str(), lane.waiting()))
    }

    fn noticed(&mut self, event: &IncidentEvent) {
        let Happening::Noticed { notice, action, destinations, .. } = &event.what else { return };
        for name in destinations {
            if let Some(lane) = self.lanes.get_mut(name) {
                let delivery = Delivery { incident: event.incident.clone(), notice: *notice, action: *action };
                lane.enqueue(delivery, event.sequence, self.now_us);
            }
        }
    }

    fn answered(&mut self, attempt: u64, answer: Answer, dice: &mut dyn FnMut() -> u64, actions: &mut Vec<Action>) {
        let found = self.lanes.iter().find(|(_, lane)| lane.flies(attempt)).map(|(name, _)| name.clone());
        // Answers to attempts that were taken for lost already change nothing: the notice is sent again.
        let Some(name) = found else { return };
        self.land(&name, attempt, answer, dice, actions);
    }

    fn give_up_waiting(&mut self, dice: &mut dyn FnMut() -> u64, actions: &mut Vec<Action>) {
        let before_us = self.now_us.saturating_sub(self.patience.attempt_us);
        let hanging: Vec<(String, u64)> = self
            .lanes
            .iter()
            .flat_map(|(name, lane)| lane.started_before(before_us).map(|attempt| (name.clone(), attempt)))
            .collect();
        for (name, attempt) in hanging {
            self.land(&name, attempt, Answer::Unclear { reason: "no answer".to_owned() }, dice, actions);
        }
    }

    fn land(
        &mut self,
        name: &str,
        attempt: u64,
        answer: Answer,
        dice: &mut dyn FnMut() -> u64,
        actions: &mut Vec<Action>,
    ) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let Outcome { entry, circuit, orphan } = lane.land(attempt, answer, &self.patience, self.now_us, dice);
        let destination = || name.to_owned();
        match circuit {
            Some(Some(until_us)) => actions.push(Action::CircuitOpened { destination: destination(), until_us }),
            Some(None) => actions.push(Action::CircuitClosed { destination: destination() }),
            None => {}
        }
        if let Some((incident, what)) = entry.map(|entry| entry.happened_at(name)) {
            actions.push(Action::Enter { incident, what });
        }
        // A trigger that is given up is told elsewhere, if there is an elsewhere.
        if let Some(delivery) = orphan
            && let Some(to) = lane.reach().escalate_to.clone()
        {
            self.tell_also(name, &to, &delivery, actions);
        }
    }

    fn escalate_what_waits(&mut self, actions: &mut Vec<Action>) {
        let before_us = self.now_us.saturating_sub(self.patience.escalate_after_us);
        let mut late = Vec::new();
        for (name, lane) in &mut self.lanes {
            let Some(to) = lane.reach().escalate_to.clone() else { continue };
            late.extend(lane.take_late(before_us).into_iter().map(|delivery| (name.clone(), to.clone(), delivery)));
        }
        for (name, to, delivery) in late {
            self.tell_also(&name, &to, &delivery, actions);
        }
    }

    fn tell_also(&mut self, name: &str, to: &str, delivery: &Delivery, actions: &mut Vec<Action>) {
        let Delivery { incident, notice, .. } = delivery;
        if !self.escalate(incident, *notice, to, self.recorded) {
            return;
        }
        let what = Happening::Escalated { notice: *notice, destination: name.to_owned(), to: to.to_owned() };
        actions.push(Action::Enter { incident: incident.clone(), what });
    }

    /// Whether that is news to `to`.
    fn escalate(&mut self, incident: &IncidentId, notice: u32, to: &str, sequence: i64) -> bool {
        let Some(lane) = self.lanes.get_mut(to).filter(|lane| !lane.knows(incident)) else { return false };
        let delivery = Delivery { incident: incident.clone(), notice, action: NoticeAction::Trigger };
        lane.enqueue(delivery, sequence, self.now_us);
        true
    }

    fn send(&mut self, actions: &mut Vec<Action>) {
        for (name, lane) in &mut self.lanes {
            while let Some((delivery, is_refresh)) = lane.next(&self.patience, self.recorded, self.now_us) {
                self.attempts += 1;
                let attempt = self.attempts;
                lane.depart(attempt, delivery.clone(), is_refresh, self.now_us);
                actions.push(Action::Send(Attempt { attempt, destination: name.clone(), delivery, is_refresh }));
            }
        }
    }
}

#[cfg(test)]
mod tests;
