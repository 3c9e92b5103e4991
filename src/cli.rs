//! The command line: a contract that scripts rely on. One file a command; this one only routes.
//!
//! Exit codes: 0 done, 1 the answer is "no", 2 wrong usage or configuration, 3 environment, 4 a bug.

mod alert;
mod bench;
mod bundle;
mod check_config;
mod check_lake;
mod demo;
mod diagnose;
mod export;
mod forecast;
mod formats;
mod identity;
mod incidents;
mod ingest;
mod judge;
mod known;
mod query;
mod recording;
mod replay;
mod report;
mod run;
mod serve;
mod service;
mod token;
mod verify;
mod what_if;

use clap::{CommandFactory as _, Parser, Subcommand};
use claviger_core::fault::{Blame, Fault};

/// Tells why API keys fail and which keys are being misused.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArguments),
    /// Prints the effective configuration, secrets masked, without opening anything
    CheckConfig(check_config::CheckConfig),
    /// Reads Kafka and keeps the lake up to date until it is told to stop
    Run(run::RunArguments),
    Serve(serve::ServeArguments),
    Replay(replay::ReplayArguments),
    Query(query::QueryArguments),
    Report(report::ReportArguments),
    Diagnose(diagnose::DiagnoseArguments),
    WhatIf(what_if::WhatIfArguments),
    Forecast(forecast::ForecastArguments),
    Bundle(bundle::BundleArguments),
    Formats(formats::FormatsArguments),
    CheckLake(check_lake::CheckLakeArguments),
    /// Takes records out of a lake so that others can check them
    Export(export::Export),
    Verify(verify::VerifyArguments),
    /// Validates identity snapshots and shows what changed between them
    Identity(identity::Identity),
    /// Tries the places where alerts go
    Alert(alert::Alert),
    Incidents(incidents::IncidentsArguments),
    Token(token::TokenArguments),
    Bench(bench::Bench),
    /// Prints a completion script for your shell
    #[command(after_help = "Example: claviger completions bash > /etc/bash_completion.d/claviger")]
    Completions {
        shell: clap_complete::Shell,
    },
}

/// What a command that ran to its end has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    /// A check or verification failed: exit code 1.
    No,
}

/// Runs the command that was asked for.
///
/// # Errors
/// What failed, why, and what to do next.
pub fn run(arguments: Arguments) -> Result<Answer, Failure> {
    match arguments.command {
        Command::CheckConfig(arguments) => check_config::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Query(arguments) => query::query(arguments),
        Command::Report(arguments) => report::report(arguments),
        Command::Diagnose(arguments) => diagnose::run(&arguments),
        Command::WhatIf(arguments) => what_if::run(&arguments),
        Command::Forecast(arguments) => forecast::run(&arguments),
        Command::Bundle(arguments) => bundle::run(&arguments),
        Command::Formats(arguments) => formats::run(&arguments),
        Command::CheckLake(arguments) => check_lake::check_lake(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Identity(arguments) => identity::run(&arguments),
        Command::Alert(arguments) => alert::run(&arguments),
        Command::Incidents(arguments) => incidents::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "claviger", &mut std::io::stdout());
            Ok(Answer::Yes)
        }
    }
}

/// Runs one command's work to its end.
fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(runtime()?.block_on(work))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| Failure {
        message: format!("no threads can be started: {e}"),
        hint: "raise the limit of processes (`ulimit -u`)".to_owned(),
        blame: Blame::Environment,
    })
}

/// A fault of any room, made ready for the person who typed the command.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: String,
    blame: Blame,
}

impl Failure {
    #[must_use]
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), blame: Blame::Operator }
    }

    /// Writes the message, its reasons and the hint to standard error.
    pub fn print(&self) {
        write_to_stderr(&format!("error: {}\n  hint: {}", self.message, self.hint));
    }

    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.blame.exit_code()
    }
}

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Self {
        let mut message = fault.to_string();
        let mut source = fault.source();
        while let Some(reason) = source {
            message.push_str(": ");
            message.push_str(&reason.to_string());
            source = reason.source();
        }
        Self { message, hint: fault.hint(), blame: fault.blame() }
    }
}

/// Writes an answer to standard output. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write as _};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure {
            message: format!("cannot write the answer: {error}"),
            hint: "check where standard output leads".to_owned(),
            blame: Blame::Environment,
        }),
        _ => Ok(()),
    }
}

fn write_to_stderr(text: &str) {
    use std::io::Write as _;
    // Nothing can be said about a standard error that cannot be written to.
    let _ignored = writeln!(std::io::stderr(), "{text}");
}
