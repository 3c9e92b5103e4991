//! The light test binary: the core crate alone, checked in seconds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed; clippy knows tests but not their helpers")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the ban is for the core; its tests read fixtures"
)]

mod support;

mod canary;
mod classify;
mod contract;
mod decode;
mod identity;
mod ingest_world;
mod precedence;
mod properties;
mod tidiness;
mod witnesses;
