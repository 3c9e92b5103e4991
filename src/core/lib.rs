//! The map. Rows flow downwards; a room knows those above it by their types, and those below not at all.
//!
//! ```text
//! frame ─► decode ─► identity ─► classify ─► minutes ─┬─► lake     CommitPlan, the ingest state machine
//!          secret    Directory   RootCause            └─► detect   Finding ─► alert  Incident, Notice, Outbox
//! ```
//!
//! Invariants that hold everywhere:
//! - a raw credential is seen by `decode` and `secret` only;
//! - every frame becomes at least one event or reject, with its coordinates;
//! - nothing here reads a clock, a file, a socket or the environment: whatever decides is an argument.

// A `[lints]` table cannot both inherit the workspace's list and add to it, so the core's one extra lint stands here:
// a closed set is matched by name, and a new variant makes the compiler list the places to visit.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod access;
pub mod config;
pub mod fault;
pub mod offsets;
pub mod rate;
pub mod start;

pub mod event;
pub mod secret;
pub mod stats;
pub mod time;

pub mod reject;

pub mod frame;
pub mod intake;

mod json;

pub mod cause;

pub mod decode;

pub mod geo;

pub mod identity;

pub mod classify;

pub mod minutes;

pub mod detect;

pub mod alert;

pub mod refine;

pub mod audit;

pub mod saved;

pub mod lake;

pub mod catalog;

pub mod ingest;

pub mod overview;

pub mod report;

pub mod diagnose;

pub mod flow;

pub mod whatif;

pub mod forecast;

pub mod formats;

pub mod trail;

pub mod prove;

pub mod keymisuse;
