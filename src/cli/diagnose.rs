//! `claviger diagnose`: why a request, key, user, tenant or incident fails, and what mends it.

use std::io::Read as _;
use std::sync::Arc;

use clap::{ArgGroup, Args};
use claviger_core::access::TenantScope;
use claviger_core::diagnose::{markdown, page};
use claviger_core::time;

use super::known::Known;
use super::{Answer, Failure, print};
use crate::diagnose::Asked;

/// Tells why a request, key, user, tenant or incident fails, and what mends it
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("subject").required(true),
    after_help = "Examples:
  claviger diagnose --lake ./lake --identity ./identity --request-id 4f1c9a
  claviger diagnose --lake ./lake --identity ./identity --key-id key-17 --at 2026-11-24T09:00:00Z
  pbpaste | claviger diagnose --lake ./lake --identity ./identity --key-stdin --markdown

A key on standard input is hashed at once and forgotten. Exit code 1 when nothing is known of what was asked for."
)]
pub(super) struct DiagnoseArguments {
    #[command(flatten)]
    known: Known,
    /// The request's id, as gateway or caller wrote it
    #[arg(long, value_name = "ID", group = "subject")]
    request_id: Option<String>,
    /// A key's id in the identity system
    #[arg(long, value_name = "ID", group = "subject")]
    key_id: Option<String>,
    /// A user's or machine's id
    #[arg(long, value_name = "ID", group = "subject")]
    principal: Option<String>,
    /// A tenant's id
    #[arg(long, value_name = "ID", group = "subject")]
    tenant: Option<String>,
    /// An incident's id, or its first letters
    #[arg(long, value_name = "ID", group = "subject")]
    incident: Option<String>,
    /// An id of any kind
    #[arg(long, value_name = "ID", group = "subject")]
    id: Option<String>,
    /// Read the key itself from standard input
    #[arg(long, group = "subject")]
    key_stdin: bool,
    /// As of when; for a request, near when it came
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Only what this tenant may see
    #[arg(long, value_name = "TENANT")]
    as_tenant: Option<String>,
    /// Print as JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print as Markdown, every proof unfolded
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(arguments: &DiagnoseArguments) -> Result<Answer, Failure> {
    let at = arguments.at.as_deref().map(instant).transpose()?;
    let pepper = arguments.known.pepper(arguments.key_stdin)?;
    let directory = Arc::new(arguments.known.directory(&pepper)?);
    let asked =
        if arguments.key_stdin { Asked::shown(&key_from_stdin()?, &pepper, &directory) } else { by_id(arguments) };
    let tenants = arguments.as_tenant.clone().map_or(TenantScope::All, TenantScope::One);
    let found = super::wait_for(async {
        let diagnoser = arguments.known.diagnoser().await?;
        Ok::<_, Failure>(Box::pin(diagnoser.diagnose(&asked, at, &directory, &tenants)).await?)
    })??;
    let Some(diagnosis) = found else {
        super::write_to_stderr(
            "Never seen: neither the lake nor the identity snapshot knows it.\n  \
             hint: check the id; rows that retention removed are gone, and `--at` looks only a day around it",
        );
        return Ok(Answer::No);
    };
    let text = if arguments.json {
        super::known::to_json(&diagnosis)
    } else if arguments.markdown {
        markdown(&diagnosis)
    } else {
        page(&diagnosis)
    };
    print(&text)?;
    Ok(Answer::Yes)
}

fn by_id(arguments: &DiagnoseArguments) -> Asked {
    let named = [
        (&arguments.request_id, Asked::Request as fn(String) -> Asked),
        (&arguments.key_id, Asked::Key),
        (&arguments.principal, Asked::Principal),
        (&arguments.tenant, Asked::Tenant),
        (&arguments.incident, Asked::Incident),
        (&arguments.id, Asked::Any),
    ];
    let asked = named.into_iter().find_map(|(id, asked)| Some(asked(id.clone()?)));
    asked.expect("one of the subjects is required")
}

/// An instant as people write it.
pub(super) fn instant(text: &str) -> Result<i64, Failure> {
    time::instant(text)
        .ok_or_else(|| Failure::usage(format!("`{text}` is no time"), "write it as 2026-11-24T09:00:00Z"))
}

/// Longest key that is read.
const KEY_BYTES_MAX: u64 = 16 << 10;

/// The key, without the line's end: white space beside it is a slip worth naming.
fn key_from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(KEY_BYTES_MAX).read_to_string(&mut text);
    let key = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match read {
        Ok(_) if !key.is_empty() => Ok(key.to_owned()),
        _ => {
            Err(Failure::usage("no key came on standard input", "pipe it: `pbpaste | claviger diagnose --key-stdin …`"))
        }
    }
}
