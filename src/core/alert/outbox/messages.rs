//! What the outbox is told, and what it orders.

use crate::alert::event::{Happening, IncidentEvent, NoticeAction};
use crate::alert::incident::IncidentId;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A try waits a random time of up to this, doubled with every failure (full jitter)…
    pub backoff_base_us: i64,
    /// …and never longer than this.
    pub backoff_limit_us: i64,
    /// A try without an answer for so long counts as failed. The sender gives up earlier.
    pub attempt_us: i64,
    /// A `Retry-After` is believed up to this.
    pub retry_after_limit_us: i64,
    /// Consecutive failures that open a destination's circuit.
    pub circuit_failures: u32,
    /// How long it stays open at first; doubled each time, up to the limit of the back-off.
    pub circuit_us: i64,
    /// Tries at one destination at a time; of one incident only one.
    pub in_flight_max: usize,
    /// A trigger that waits for so long is told to the second destination, too.
    pub escalate_after_us: i64,
    /// A notice that could not be delivered for so long is given up.
    pub dead_after_us: i64,
    /// Where active incidents must be repeated, at this interval.
    pub refresh_us: i64,
    /// How long a notice waits for its own row to be stored.
    pub record_wait_us: i64,
}

const SECOND_US: i64 = 1_000_000;

impl Default for Patience {
    fn default() -> Self {
        Self {
            backoff_base_us: SECOND_US,
            backoff_limit_us: 300 * SECOND_US,
            attempt_us: 60 * SECOND_US,
            retry_after_limit_us: 3_600 * SECOND_US,
            circuit_failures: 5,
            circuit_us: 30 * SECOND_US,
            in_flight_max: 4,
            escalate_after_us: 300 * SECOND_US,
            dead_after_us: 24 * 3_600 * SECOND_US,
            refresh_us: 60 * SECOND_US,
            record_wait_us: 2 * SECOND_US,
        }
    }
}

/// What the outbox must know of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Who is told when this one does not answer.
    pub escalate_to: Option<String>,
    /// It forgets alerts that are not repeated.
    pub needs_refresh: bool,
    /// It can be told that a person took the incident.
    pub takes_acknowledgements: bool,
}

/// A notice for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub incident: IncidentId,
    pub notice: u32,
    pub action: NoticeAction,
}

/// What a destination made of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    /// It lives, and wants to be left alone (429, 503 with `Retry-After`).
    Busy {
        retry_after_us: Option<i64>,
        reason: String,
    },
    /// Nothing was said to it: no address, no connection.
    Unreachable {
        reason: String,
    },
    /// It did not take the notice.
    Failed {
        reason: String,
    },
    /// It may have taken the notice: the answer was lost.
    Unclear {
        reason: String,
    },
    /// This notice will never be taken: the same again would fail the same way.
    Refused {
        reason: String,
    },
}

impl Answer {
    /// What an HTTP status means. Only what is wrong with the notice itself is final: a wrong key or address is mended by
    /// the operator, and the page must then still arrive.
    #[must_use]
    pub fn of_status(status: u16, retry_after_us: Option<i64>) -> Self {
        let reason = format!("status {status}");
        match status {
            200..=299 => Self::Accepted,
            429 => Self::Busy { retry_after_us, reason },
            503 if retry_after_us.is_some() => Self::Busy { retry_after_us, reason },
            400 | 413 | 422 => Self::Refused { reason },
            // A gateway between us may have passed it on.
            502 | 504 => Self::Unclear { reason },
            _ => Self::Failed { reason },
        }
    }
}

/// Facts the shell reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Time passes; UTC microseconds of the wall.
    Tick(i64),
    /// A [`Happening::Noticed`] of the desk.
    Noticed(Box<IncidentEvent>),
    /// Rows up to this sequence are stored.
    Recorded {
        through: i64,
    },
    Answered {
        attempt: u64,
        answer: Answer,
    },
}

/// A try to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub attempt: u64,
    pub destination: String,
    pub delivery: Delivery,
    /// Repeats what was delivered, for a destination that forgets.
    pub is_refresh: bool,
}

/// Orders the shell carries out.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send, and report the answer. Never waits for another send.
    Send(Attempt),
    /// Number and store this ([`crate::alert::Desk::enter`]).
    Enter {
        incident: IncidentId,
        what: Happening,
    },
    /// A destination does not answer: it is left alone until then.
    CircuitOpened {
        destination: String,
        until_us: i64,
    },
    CircuitClosed {
        destination: String,
    },
}
