//! The map. Rows flow downwards; a room knows those above it by their types, and those below not at all.
//!
//! ```text
//! frame ─► decode ─► identity ─► classify ─► minutes ─► lake
//!          secret    Directory   RootCause              CommitPlan, the ingest state machine
//! ```
//!
//! Invariants that hold everywhere:
//! - a raw credential is seen by `decode` and `secret` only;
//! - every frame becomes at least one event or reject, with its coordinates;
//! - nothing here reads a clock, a file, a socket or the environment: whatever decides is an argument.

pub mod fault;
pub mod offsets;

pub mod frame;

pub mod event;
pub mod secret;

pub mod reject;

pub mod cause;

pub mod decode;

pub mod refine;

pub mod minutes;

pub mod lake;

pub mod ingest;
