//! `claviger what-if`: who would break, told from real traffic.

use clap::{ArgGroup, Args};
use claviger_core::access::TenantScope;
use claviger_core::flow::Share;
use claviger_core::time;
use claviger_core::whatif::{Change, Impact};

use super::known::{Known, to_json};
use super::{Answer, Failure, print};
use crate::diagnose::impact;

/// Tells who would break if a user, key, tenant or scope went, from real traffic
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("change").required(true),
    after_help = "Examples:
  claviger what-if --lake ./lake --identity ./identity --disable-principal svc-backup
  claviger what-if --lake ./lake --identity ./identity --revoke-key key-17 --json | jq .callers
  claviger what-if --lake ./lake --identity ./identity --drop-scope orders:write

Counts what was served in the week up to --at. Exit code 1 when nothing is known of what would be changed."
)]
pub(super) struct WhatIfArguments {
    #[command(flatten)]
    known: Known,
    /// Switch a user or machine identity off
    #[arg(long, value_name = "ID", group = "change")]
    disable_principal: Option<String>,
    /// Revoke a key
    #[arg(long, value_name = "ID", group = "change")]
    revoke_key: Option<String>,
    /// Suspend a tenant
    #[arg(long, value_name = "ID", group = "change")]
    suspend_tenant: Option<String>,
    /// Take a scope away from everybody
    #[arg(long, value_name = "SCOPE", group = "change")]
    drop_scope: Option<String>,
    /// The end of the week that is looked at; else the newest request
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &WhatIfArguments) -> Result<Answer, Failure> {
    let at = arguments.at.as_deref().map(super::diagnose::instant).transpose()?;
    let pepper = arguments.known.pepper(false)?;
    let directory = arguments.known.directory(&pepper)?;
    let change = change(arguments);
    let found = super::wait_for(async {
        let queries = arguments.known.queries().await?;
        Ok::<_, Failure>(Box::pin(impact(&queries, &directory, &change, at, &TenantScope::All)).await?)
    })??;
    print(&if arguments.json { to_json(&found) } else { page(&found) })?;
    Ok(if found.known { Answer::Yes } else { Answer::No })
}

fn change(arguments: &WhatIfArguments) -> Change {
    let named = [
        (&arguments.disable_principal, Change::DisablePrincipal as fn(String) -> Change),
        (&arguments.revoke_key, Change::RevokeKey),
        (&arguments.suspend_tenant, Change::SuspendTenant),
        (&arguments.drop_scope, Change::DropScope),
    ];
    let change = named.into_iter().find_map(|(id, change)| Some(change(id.clone()?)));
    change.expect("one of the changes is required")
}

fn page(impact: &Impact) -> String {
    let mut text = format!(
        "{}\nTo {}. Traffic from {} to {}, snapshot {}.\n",
        impact.sentence,
        impact.change,
        time::format(impact.from),
        time::format(impact.to),
        impact.snapshot_version
    );
    if impact.refused_already_per_day > 0.0 {
        text.push_str(&format!("Refused already: {} a day.\n", impact.refused_already_per_day));
    }
    for (title, shares) in
        [("Tenants", &impact.tenants), ("Keys", &impact.keys), ("Routes", &impact.routes), ("Callers", &impact.callers)]
    {
        text.push_str(&listed(title, shares));
    }
    text
}

/// Lines that a list shows; `--json` has all.
const SHOWN: usize = 12;

/// A list of names with how much of the traffic is theirs.
pub(super) fn listed(title: &str, shares: &[Share]) -> String {
    if shares.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for share in shares.iter().take(SHOWN) {
        let name = [share.name.as_str(), share.label.as_str()].join("  ");
        let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        text.push_str(&format!(
            "{:>12} a day  last {}  {}\n",
            share.requests_per_day,
            time::format(share.last_at - share.last_at.rem_euclid(1_000_000)),
            name.trim_end()
        ));
    }
    if shares.len() > SHOWN {
        text.push_str(&format!("{:>12} more\n", shares.len() - SHOWN));
    }
    text
}
