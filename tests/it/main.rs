//! Tests of the shell crate, in one binary: a second link would cost more than the tests in it.

mod support;

mod command_line;
mod kafka;
mod pipeline;
mod serve;
mod telemetry;
mod lake;
