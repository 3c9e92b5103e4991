//! From findings to notices: one incident a trouble, one page an incident, and silence until it changes.
//!
//! ```text
//! Finding ─► group ─► Incident ─► quiet? ─► route ─► Notice ─► Outbox ─► payload ─► (the shell sends)
//!                        ▲                                        │
//!                        └────── IncidentEvent: rows of `incidents` ◄──┘
//! ```
//!
//! Promises:
//! - The truth is a list of [`IncidentEvent`]s; [`Incidents`] is a fold over them, so a restart that reads the rows is
//!   where it was, and findings that come again open nothing and page nobody.
//! - An incident has one id for life, made from what opened it, and every destination knows it by that id.
//! - Nothing is left out in silence: what was suppressed or muted is a row that says why.
//!
//! Two clocks: incidents live in event time, so that a feed that stops resolves nothing; delivery lives in wall time.
//!
//! Decision (2026-11): a probable key theft has no parent of its own. Findings of other families on the same key fold
//! into the incident that was there first, which then bears the title and their combined score; a parent with a second
//! id would be a second page for one trouble.

mod act;
mod claim;
mod desk;
mod event;
mod group;
mod incident;
mod ledger;
mod matcher;
mod notice;
mod outbox;
mod quiet;
mod route;
mod rows;
mod runbook;
mod score;
mod template;
mod text;
mod told;

pub mod address;
pub mod payload;

pub use act::{Act, Hidden, Overtaken, Person, act, hidden_by};
pub use claim::{Claim, ClaimDriver};
pub use desk::{Desk, Policy};
pub use event::{Happening, IncidentEvent, NoticeAction};
pub use group::{Group, Subject};
pub use incident::{Announced, Incident, IncidentId, Resolution, Status};
pub use ledger::{Incidents, Suppressed};
pub use matcher::{LABELS, Labels, Matcher, Matchers};
pub use notice::Notice;
pub use outbox::{Action, Answer, Attempt, Delivery, Input, Outbox, Patience, Reach};
pub use quiet::{Inhibition, Period, QuietRule};
pub use route::{Route, Routes};
pub use rows::{
    FINDING_SCHEMA, INCIDENT_SCHEMA, finding_rows, incident_rows, meaning_of_finding_column,
    meaning_of_incident_column, read_finding_ids, read_incident_rows,
};
pub use runbook::{advice, done_when, requests_of, runbook};
pub use template::Template;
pub use text::cut;

/// Why an option of this room cannot be used; the caller names the option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertOptionError {
    #[error("`{matcher}` is no matcher: write `label=\"value\"`, with `!=`, `=~` or `!~` for the others")]
    NoMatcher { matcher: String },
    #[error("`{label}` is none of the labels {}", LABELS.join(", "))]
    UnknownLabel { label: String },
    #[error("`{pattern}` is no regular expression that can be matched in linear time: {reason}")]
    BadPattern { pattern: String, reason: String },
    #[error("`{placeholder}` is none of the placeholders {}", Template::PLACEHOLDERS.join(", "))]
    UnknownPlaceholder { placeholder: String },
    #[error("a brace is not closed: write `{{{{` for a plain one")]
    OpenBrace,
}
