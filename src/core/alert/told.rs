//! Events of an incident in words, for its history.

use super::event::Happening;
use crate::time;

impl Happening {
    /// The person who did it; empty for the service itself.
    #[must_use]
    pub fn by(&self) -> &str {
        match self {
            Self::Acknowledged { by, .. }
            | Self::Unacknowledged { by, .. }
            | Self::Noted { by, .. }
            | Self::Silenced { by, .. }
            | Self::Feedback { by, .. }
            | Self::Resolved { by, .. } => by,
            Self::Opened(_)
            | Self::Grouped(_)
            | Self::Reopened(_)
            | Self::Suppressed { .. }
            | Self::Muted { .. }
            | Self::Noticed { .. }
            | Self::Delivered { .. }
            | Self::Failed { .. }
            | Self::Dead { .. }
            | Self::Escalated { .. } => "",
        }
    }

    /// What there is to say about it; empty where its name says all.
    #[must_use]
    pub fn note(&self) -> String {
        let spaced = |first: &str, note: &str| format!("{first} {note}").trim().to_owned();
        match self {
            Self::Opened(claim) | Self::Grouped(claim) | Self::Reopened(claim) => claim.summary.clone(),
            Self::Suppressed { claim, rule } => format!("{rule}: {}", claim.summary),
            Self::Muted { rule } => rule.clone(),
            Self::Acknowledged { note, .. } | Self::Unacknowledged { note, .. } | Self::Noted { note, .. } => {
                note.clone()
            }
            Self::Silenced { note, until_us, .. } => spaced(&format!("until {}", time::format(*until_us)), note),
            Self::Feedback { note, benign, .. } => spaced(if *benign { "benign" } else { "real" }, note),
            Self::Resolved { by, quiet_us, .. } if by.is_empty() => format!("quiet for {} s", quiet_us / 1_000_000),
            Self::Resolved { note, .. } => note.clone(),
            Self::Noticed { action, severity, destinations, .. } => {
                format!("{} at {} to {}", action.name(), severity.name(), destinations.join(", "))
            }
            Self::Delivered { destination, .. } => destination.clone(),
            Self::Failed { destination, reason, .. } | Self::Dead { destination, reason, .. } => {
                format!("{destination}: {reason}")
            }
            Self::Escalated { destination, to, .. } => format!("from {destination} to {to}"),
        }
    }
}
