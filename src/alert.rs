//! Delivers what `claviger_core::alert` decided: one task that takes findings in, keeps incidents, stores their events, and
//! sends notices.
//!
//! ```text
//! Found (of detect) ─► courier (Desk, Outbox) ─► sends, each on its own ─► answers ─┐
//!                        │        ▲     ▲──────────────────────────────────────────┘
//!                        └─► rows ┴─ what people did (table `incidents`)
//! ```
//!
//! Promise: whatever the destinations and the lake do, no notice waits for anything but its own destination, and for its
//! own row for two seconds. While the lake cannot be written, rows wait in memory and pages go out. What physics do not
//! allow: if the process dies before the lake takes rows again, an incident whose findings do not come back is not
//! resolved at the places that were told of it.
//!
//! What it does not do: follow redirects, use proxies, or call addresses that are not public unless it is told to.

mod book;
mod courier;
mod email;
mod http;
mod kafka;
mod seated;
mod signals;
mod sinks;
mod smtp;
mod store;

pub use book::{ActError, IncidentBook, Told};
pub use courier::Courier;
pub use seated::SeatedEvents;
pub use sinks::{SinkError, Sinks};
pub use store::{EventStore, Events, LakeEvents};
