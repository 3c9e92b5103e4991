//! `claviger demo`: the whole product on one machine with nothing else running.

mod pipeline;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Answer, Failure};
use crate::demo::DemoError;
use crate::demo::run::{Options, Voice};

/// Watch a made-up company's API keys fail, and the reasons being named
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger demo                       until Ctrl-C, 2000 requests a second
  claviger demo --for 60s --json      one minute, then a summary for machines
  claviger demo --rate 20000 --data /tmp/demo")]
pub(super) struct Arguments {
    /// Requests per second, on average
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=200_000))]
    rate: u32,
    /// Folder for identity, pepper and lake; emptied first if an earlier demo made it
    #[arg(long, value_name = "DIR", default_value = "claviger-demo")]
    data: PathBuf,
    /// Ends after this long (20s, 5m), exit code 0 when at least 99 % was named right
    #[arg(long = "for", value_name = "TIME", value_parser = parse_length)]
    length: Option<Duration>,
    /// Same seed, same company, same incidents
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// One JSON object at the end instead of texts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<Answer, Failure> {
    let terminal = std::io::stdout().is_terminal();
    let voice = match (arguments.json, terminal) {
        (true, _) => Voice::Json,
        (false, true) => Voice::Terminal { colours: std::env::var_os("NO_COLOR").is_none(), rows: TERMINAL_ROWS },
        (false, false) => Voice::Plain,
    };
    let options = Options {
        data: arguments.data,
        rate: f64::from(arguments.rate),
        length: arguments.length,
        seed: arguments.seed,
        voice,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|source| DemoError::NoThreads { source })?;
    let now = || chrono::Utc::now().timestamp_micros();
    let interrupted = async {
        // Where signals cannot be had, `--for` and the terminal's own kill still end it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let passed = runtime.block_on(crate::demo::run::run(
        &options,
        now(),
        now,
        interrupted,
        pipeline::run,
        &mut std::io::stdout(),
    ))?;
    Ok(if passed { Answer::Yes } else { Answer::No })
}

/// `60s`, `5m`, `1h`, or a bare number of seconds.
fn parse_length(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or("");
    let seconds_per = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("write a number and s, m or h: 60s, 5m".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "write a number and s, m or h: 60s, 5m".to_owned())?;
    let seconds = count.saturating_mul(seconds_per);
    if (LENGTH_MIN..=7 * 86_400).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(format!("between {LENGTH_MIN} s, which the script needs, and a week"))
    }
}

/// Rows assumed of a terminal: the least that is common.
const TERMINAL_ROWS: usize = 24;
/// Below this, the pauses after changes of identity would be most of the run.
const LENGTH_MIN: u64 = 20;
