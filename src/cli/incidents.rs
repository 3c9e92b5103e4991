//! `claviger incidents`: what there is, and what a person made of it. A command appends a row; the alert task reads it.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use claviger_core::alert::{Act, Happening, Incident, IncidentEvent, Incidents, Person, Status, cut, runbook};
use claviger_core::config::Millis;
use claviger_core::detect::Severity;
use claviger_core::time;
use serde_json::{Value, json};

use super::{Answer, Failure, print};
use crate::alert::IncidentBook;
use crate::lake::{Lake, LakeError};

/// Lists incidents, and takes, silences, ends or judges one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger incidents --lake ./lake list
  claviger incidents --lake ./lake show 6c95
  claviger incidents --lake ./lake ack 6c95 --by ada --note \"calling the customer\"
  claviger incidents --lake ./lake silence 6c95 --for 2h
  claviger incidents --lake ./lake feedback 6c95 --benign --note \"office moved\"

An id may be shortened to its first letters. A running service notices within seconds.")]
pub(super) struct IncidentsArguments {
    /// Folder or URL of the lake
    #[arg(long, value_name = "DIR")]
    lake: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Active incidents, the worst first
    List {
        /// Resolved ones as well
        #[arg(long)]
        all: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// One incident with its evidence, its history and what to do
    Show {
        id: String,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes an incident: it reminds nobody any more
    Ack {
        id: String,
        #[command(flatten)]
        person: PersonArguments,
    },
    /// Holds an incident's notices back for a while
    Silence {
        id: String,
        /// How long, as 30m, 2h or 1d; 0s lifts a silence
        #[arg(long = "for", value_name = "TIME")]
        span: String,
        #[command(flatten)]
        person: PersonArguments,
    },
    /// Ends an incident; if its trouble goes on, it comes back
    Resolve {
        id: String,
        #[command(flatten)]
        person: PersonArguments,
    },
    /// Says what it was. Benign ends it, and counts its like instead of telling them
    Feedback {
        id: String,
        #[arg(long, required_unless_present = "real")]
        benign: bool,
        #[arg(long, conflicts_with = "benign")]
        real: bool,
        #[command(flatten)]
        person: PersonArguments,
    },
}

#[derive(Debug, Args)]
struct PersonArguments {
    /// Who does it
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

pub(super) fn run(arguments: &IncidentsArguments) -> Result<Answer, Failure> {
    super::wait_for(async {
        let lake = Lake::open_existing(&arguments.lake, Lake::DEFAULT_PIPELINE, &HashMap::new()).await?;
        let events = read(&lake).await?;
        let incidents = Incidents::fold(events.clone());
        match &arguments.command {
            Command::List { all, json } => list(&incidents, *all, *json),
            Command::Show { id, json } => show(find(&incidents, id)?, &events, *json),
            Command::Ack { id, person } => done(&lake, find(&incidents, id)?, Act::Acknowledge, person).await,
            Command::Silence { id, span, person } => {
                let until_us = now_us().saturating_add(span_us(span)?);
                done(&lake, find(&incidents, id)?, Act::Silence { until_us }, person).await
            }
            Command::Resolve { id, person } => done(&lake, find(&incidents, id)?, Act::Resolve, person).await,
            Command::Feedback { id, benign, person, .. } => {
                done(&lake, find(&incidents, id)?, Act::Judge { benign: *benign }, person).await
            }
        }
    })?
}

async fn read(lake: &Lake) -> Result<Vec<IncidentEvent>, LakeError> {
    Box::pin(lake.incidents()).await?.read().await
}

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

fn span_us(text: &str) -> Result<i64, Failure> {
    let wrong = || Failure::usage(format!("`{text}` is no time span"), "write 30m, 2h or 1d");
    let Millis(millis) = text.parse().map_err(|_| wrong())?;
    i64::try_from(millis.saturating_mul(1_000)).map_err(|_| wrong())
}

/// The incident whose id begins so.
fn find<'a>(incidents: &'a Incidents, id: &str) -> Result<&'a Incident, Failure> {
    let mut found = incidents.iter().filter(|incident| !id.is_empty() && incident.id.as_str().starts_with(id));
    match (found.next(), found.next()) {
        (Some(incident), None) => Ok(incident),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several incidents begin with `{id}`"), "write more of the id"))
        }
        (None, _) => {
            Err(Failure::usage(format!("there is no incident `{id}`"), "`claviger incidents list --all` shows all"))
        }
    }
}

async fn done(lake: &Lake, incident: &Incident, act: Act, person: &PersonArguments) -> Result<Answer, Failure> {
    let person = Person { by: person.by.clone(), note: person.note.clone() };
    let events = IncidentBook::new(lake.clone()).act(&incident.id, act, &person, None).await?;
    let done: Vec<&str> = events.iter().map(|event| event.what.name()).collect();
    print(&format!("{}: {} ({})\n", incident.id, done.join(", "), incident.title()))?;
    Ok(Answer::Yes)
}

fn severity(incident: &Incident) -> Severity {
    incident.announced.map_or_else(|| incident.severity(&Default::default()), |told| told.severity)
}

fn list(incidents: &Incidents, all: bool, json: bool) -> Result<Answer, Failure> {
    let mut shown: Vec<&Incident> = incidents.iter().filter(|incident| all || incident.status.is_active()).collect();
    shown.sort_by_key(|incident| (std::cmp::Reverse(severity(incident)), incident.opened_at_us));
    if json {
        let rows: Vec<Value> = shown.iter().map(|incident| described(incident)).collect();
        print(&format!("{:#}\n", Value::from(rows)))?;
        return Ok(Answer::Yes);
    }
    let mut text = String::new();
    for incident in &shown {
        let (id, status) = (&incident.id, incident.status.name());
        let (opened, seen) = (time::format(incident.opened_at_us), time::format(incident.last_seen_us));
        let (severity, title) = (severity(incident).name(), cut(&incident.title(), 120));
        let line = format!("{id}  {severity:<8} {status:<12} opened {opened}  last seen {seen}  {title}\n");
        text.push_str(&line);
    }
    for (group, suppressed) in incidents.suppressed() {
        let (family, tenant) = (group.family.name(), &group.tenant);
        text.push_str(&format!(
            "suppressed: {} findings of {family} ({tenant}): {}\n",
            suppressed.findings, suppressed.rule
        ));
    }
    if text.is_empty() {
        text.push_str("no incident\n");
    }
    print(&text)?;
    Ok(Answer::Yes)
}

fn described(incident: &Incident) -> Value {
    json!({
        "incident_id": incident.id.as_str(),
        "status": incident.status.name(),
        "severity": severity(incident).name(),
        "title": incident.title(),
        "family": incident.group.family.name(),
        "tenant_id": incident.group.tenant,
        "cause": incident.cause.map(|cause| cause.name()),
        "opened_at": time::format(incident.opened_at_us),
        "last_seen_at": time::format(incident.last_seen_us),
        "findings": incident.findings,
        "score": incident.score(),
        "acknowledged_by": incident.acknowledged_by,
        "affected": incident.affected,
        "reopened": incident.reopened,
    })
}

fn show(incident: &Incident, events: &[IncidentEvent], json: bool) -> Result<Answer, Failure> {
    let history = events.iter().filter(|event| event.incident == incident.id);
    if json {
        let mut value = described(incident);
        value["runbook"] = runbook(incident).into();
        value["evidence"] = incident.evidence.values().map(|claim| claim.summary.clone()).collect::<Vec<_>>().into();
        value["history"] = history
            .map(|event| json!({ "at": time::format(event.at_us), "event": told(event) }))
            .collect::<Vec<_>>()
            .into();
        print(&format!("{value:#}\n"))?;
        return Ok(Answer::Yes);
    }
    let mut lines = vec![
        format!("{}  {}  {}", incident.id, severity(incident).name(), incident.status.name()),
        incident.title(),
        String::new(),
    ];
    lines.extend(incident.evidence.values().map(|claim| format!("  {}: {}", claim.detector.name(), claim.summary)));
    lines.extend([String::new(), "What to do".to_owned()]);
    lines.extend((1..).zip(runbook(incident)).map(|(step, sentence)| format!("  {step}. {sentence}")));
    lines.extend([String::new(), "History".to_owned()]);
    lines.extend(history.map(|event| format!("  {}  {}", time::format(event.at_us), told(event))));
    if incident.status == Status::Resolved
        && let Some(resolution) = &incident.resolution
    {
        lines.push(format!("Last seen {}.", time::format(resolution.last_seen_us)));
    }
    print(&(lines.join("\n") + "\n"))?;
    Ok(Answer::Yes)
}

/// An event as one line.
fn told(event: &IncidentEvent) -> String {
    let name = event.what.name();
    let by = |by: &str, note: &str| format!("{name} by {by} {note}").trim_end().to_owned();
    match &event.what {
        Happening::Opened(claim) | Happening::Grouped(claim) | Happening::Reopened(claim) => {
            format!("{name}: {}", claim.summary)
        }
        Happening::Suppressed { claim, rule } => format!("{name} ({rule}): {}", claim.summary),
        Happening::Muted { rule } => format!("{name}: {rule}"),
        Happening::Acknowledged { by: who, note }
        | Happening::Unacknowledged { by: who, note }
        | Happening::Noted { by: who, note }
        | Happening::Feedback { by: who, note, .. } => by(who, note),
        Happening::Silenced { by: who, note, until_us } => {
            format!("{name} until {} by {who} {note}", time::format(*until_us)).trim_end().to_owned()
        }
        Happening::Resolved { by: who, note, .. } if !who.is_empty() => by(who, note),
        Happening::Resolved { quiet_us, .. } => format!("{name}: quiet for {} s", quiet_us / 1_000_000),
        Happening::Noticed { notice, action, severity, destinations } => {
            format!("{name} {notice}: {} at {} to {}", action.name(), severity.name(), destinations.join(", "))
        }
        Happening::Delivered { notice, destination } => format!("{name} {notice} to {destination}"),
        Happening::Failed { notice, destination, reason } | Happening::Dead { notice, destination, reason } => {
            format!("{name} {notice} at {destination}: {reason}")
        }
        Happening::Escalated { notice, destination, to } => format!("{name} {notice} from {destination} to {to}"),
    }
}
