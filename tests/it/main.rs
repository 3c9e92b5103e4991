//! Tests of the shell crate, in one binary: a second link would cost more than the tests in it.

mod support;

mod chaos;
mod command_line;
mod demo;
mod identity;
mod kafka;
mod lake;
mod pipeline;
mod serve;
mod telemetry;
