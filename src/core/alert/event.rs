//! What happened to an incident: the rows of which its state is the fold.

use crate::detect::Severity;

use super::claim::Claim;
use super::incident::IncidentId;

/// One row of the table `incidents`.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentEvent {
    /// Order in which one writer wrote; counts up over restarts.
    pub sequence: i64,
    /// When it held, UTC microseconds: event time for what findings say, wall time for people and deliveries.
    pub at_us: i64,
    pub incident: IncidentId,
    pub what: Happening,
}

/// What a notice asks of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeAction {
    /// New, worse, back, or still there.
    Trigger,
    /// A person has taken it.
    Acknowledge,
    Resolve,
}

impl NoticeAction {
    pub const ALL: &'static [Self] = &[Self::Trigger, Self::Acknowledge, Self::Resolve];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A finding that belongs to no incident there is.
    Opened(Claim),
    /// A further finding of the same trouble.
    Grouped(Claim),
    /// The trouble of a resolved incident came back.
    Reopened(Claim),
    /// A finding that an allow-list, a planned change or somebody's feedback keeps from being an incident.
    Suppressed {
        claim: Claim,
        rule: String,
    },
    /// A notice would be due, and is held back by a silence, a maintenance window or the incident's own cause.
    Muted {
        rule: String,
    },
    Acknowledged {
        by: String,
        note: String,
    },
    /// Given back by whoever had taken it: it is open again.
    Unacknowledged {
        by: String,
        note: String,
    },
    /// What a person wants others to know. Changes nothing.
    Noted {
        by: String,
        note: String,
    },
    /// No notices until then; an instant in the past lifts the silence.
    Silenced {
        by: String,
        note: String,
        until_us: i64,
    },
    /// What a person made of it. Benign keeps its like from becoming incidents for a while.
    Feedback {
        by: String,
        note: String,
        benign: bool,
    },
    /// With the proof: when the trouble was last seen, and how long it has been quiet since.
    Resolved {
        by: String,
        note: String,
        last_seen_us: i64,
        quiet_us: i64,
    },
    /// A notice was decided, for these destinations.
    Noticed {
        notice: u32,
        action: NoticeAction,
        severity: Severity,
        destinations: Vec<String>,
    },
    Delivered {
        notice: u32,
        destination: String,
    },
    /// The first failure of a notice at a destination; the tries that follow are counted, not stored.
    Failed {
        notice: u32,
        destination: String,
        reason: String,
    },
    /// Given up.
    Dead {
        notice: u32,
        destination: String,
        reason: String,
    },
    /// The destination did not take the notice in time: another is told as well.
    Escalated {
        notice: u32,
        destination: String,
        to: String,
    },
}

impl Happening {
    pub const NAMES: &'static [&'static str] = &[
        "opened",
        "grouped",
        "reopened",
        "suppressed",
        "muted",
        "acknowledged",
        "unacknowledged",
        "noted",
        "silenced",
        "feedback",
        "resolved",
        "noticed",
        "delivered",
        "failed",
        "dead",
        "escalated",
    ];

    /// The stable name that is stored and queried.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Grouped(_) => "grouped",
            Self::Reopened(_) => "reopened",
            Self::Suppressed { .. } => "suppressed",
            Self::Muted { .. } => "muted",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Unacknowledged { .. } => "unacknowledged",
            Self::Noted { .. } => "noted",
            Self::Silenced { .. } => "silenced",
            Self::Feedback { .. } => "feedback",
            Self::Resolved { .. } => "resolved",
            Self::Noticed { .. } => "noticed",
            Self::Delivered { .. } => "delivered",
            Self::Failed { .. } => "failed",
            Self::Dead { .. } => "dead",
            Self::Escalated { .. } => "escalated",
        }
    }

    #[must_use]
    pub const fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Opened(claim) | Self::Grouped(claim) | Self::Reopened(claim) | Self::Suppressed { claim, .. } => {
                Some(claim)
            }
            Self::Muted { .. }
            | Self::Acknowledged { .. }
            | Self::Unacknowledged { .. }
            | Self::Noted { .. }
            | Self::Silenced { .. }
            | Self::Feedback { .. }
            | Self::Resolved { .. }
            | Self::Noticed { .. }
            | Self::Delivered { .. }
            | Self::Failed { .. }
            | Self::Dead { .. }
            | Self::Escalated { .. } => None,
        }
    }

    /// Whether a person did it.
    #[must_use]
    pub fn is_of_a_person(&self) -> bool {
        !self.by().is_empty()
    }
}
