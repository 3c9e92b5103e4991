//! `claviger forecast`: which live flows stop when keys expire.

use clap::Args;
use claviger_core::access::TenantScope;
use claviger_core::forecast::Forecast;
use claviger_core::time;

use super::known::{Known, to_json};
use super::what_if::listed;
use super::{Answer, Failure, print};
use crate::diagnose::coming_stops;

/// Tells which live flows stop when keys expire
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger forecast --lake ./lake --identity ./identity --days 30
  claviger forecast --lake ./lake --identity ./identity --days 7 --json | jq '.stops[].callers'

Weighs each key that ends by what was served with it in the week up to --at. Exit code 1 when something stops.")]
pub(super) struct ForecastArguments {
    #[command(flatten)]
    known: Known,
    /// How far to look ahead
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u32,
    /// From when on; else from the newest request
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &ForecastArguments) -> Result<Answer, Failure> {
    let at = arguments.at.as_deref().map(super::diagnose::instant).transpose()?;
    let pepper = arguments.known.pepper(false)?;
    let directory = arguments.known.directory(&pepper)?;
    let found = super::wait_for(async {
        let queries = arguments.known.queries().await?;
        let stops = coming_stops(&queries, &directory, arguments.days, at, &TenantScope::All);
        Ok::<_, Failure>(Box::pin(stops).await?)
    })??;
    print(&if arguments.json { to_json(&found) } else { page(&found) })?;
    Ok(if found.stops.is_empty() { Answer::Yes } else { Answer::No })
}

fn page(forecast: &Forecast) -> String {
    let mut text = format!(
        "{}\nFrom {} to {}, snapshot {}.\n",
        forecast.sentence,
        time::format(forecast.from),
        time::format(forecast.to),
        forecast.snapshot_version
    );
    for stop in &forecast.stops {
        let heir =
            if stop.replaced_by.is_empty() { String::new() } else { format!(", {} takes over", stop.replaced_by) };
        let whose = [&stop.principal_id, &stop.tenant_id].map(String::as_str);
        let whose = whose.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" of ");
        text.push_str(&format!(
            "\n{}  {} {} ({whose}): {} requests a day{heir}\n",
            time::format(stop.ends_at),
            stop.key_id,
            stop.why,
            stop.requests_per_day
        ));
        text.push_str(listed("Routes", &stop.routes).trim_start_matches('\n'));
        text.push_str(listed("Callers", &stop.callers).trim_start_matches('\n'));
    }
    if forecast.unused > 0 && !forecast.stops.is_empty() {
        text.push_str(&format!("\nEnding without any traffic: {} more.\n", forecast.unused));
    }
    text
}
