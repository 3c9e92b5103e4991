//! Arguments → command → exit code. Everything else is a room of the library.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match claviger::cli::run(claviger::cli::Arguments::parse()) {
        Ok(claviger::cli::Answer::Yes) => ExitCode::SUCCESS,
        Ok(claviger::cli::Answer::No) => ExitCode::from(1),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}
