//! The light test binary: the core crate alone, checked in seconds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed; clippy knows tests but not their helpers")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the ban is for the core; its tests read fixtures"
)]

mod minute_fixtures;
mod support;

mod alert_world;
mod canary;
mod classify;
mod contract;
mod decode;
mod diagnose;
mod early_looks;
mod engine;
mod engine_bounds;
mod identity;
mod ingest_world;
mod instant;
mod keymisuse;
mod ordinary;
mod precedence;
mod probes;
mod probes_real;
mod properties;
mod tidiness;
mod witnesses;
