//! Tests of the shell crate, in one binary: a second link would cost more than the tests in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed; clippy knows tests but not their helpers")]

mod support;

mod access;
mod alert;
mod api;
mod audit;
mod canary;
mod chaos;
mod command_line;
mod demo;
mod detect;
mod diagnose;
mod export;
mod identity;
mod kafka;
mod lake;
mod live;
mod pipeline;
mod postgres;
mod query;
mod replay;
mod reports;
mod roles;
mod serve;
mod telemetry;
