//! What the person who is woken does next: from the causes' remedies and the detectors' own words.
//!
//! A notice is read where nothing can be pressed, so that its steps name commands; a page has buttons, and takes the
//! [advice] and the [question](requests_of) alone.

use crate::cause::RootCause;
use crate::detect::Family;
use crate::minutes::EntityKind;

use super::group::Subject;
use super::incident::Incident;

/// Steps in order, one sentence each, with the commands for them.
#[must_use]
pub fn runbook(incident: &Incident) -> Vec<String> {
    let mut steps = advice(incident);
    steps.insert(1, look_up(incident));
    steps.push(format!(
        "Taken: `claviger incidents ack {id}`. Meant to be so: `claviger incidents feedback {id} --benign`.",
        id = incident.id
    ));
    steps
}

/// Who acts and what they do, and what would have kept it quiet: a sentence each, one at least.
#[must_use]
pub fn advice(incident: &Incident) -> Vec<String> {
    let mut steps = vec![match incident.cause {
        Some(cause) => format!("Who acts: the {}. What to do: {}.", cause.owner().name(), cause.remedy()),
        None => first_step(incident).to_owned(),
    }];
    if let Some(claim) = incident.weightiest().filter(|claim| !claim.quiet.is_empty()) {
        steps.push(format!("What would have kept it quiet: {}.", claim.quiet.trim().trim_end_matches('.')));
    }
    steps
}

/// The newest requests behind it.
#[must_use]
pub fn requests_of(incident: &Incident) -> String {
    format!("select * from events where {} order by event_at desc limit 50", subject_clause(incident))
}

/// The question whose answer is 0 once the trouble is over.
#[must_use]
pub fn done_when(incident: &Incident) -> String {
    let fails = match &incident.group.subject {
        Subject::Cause(_) => "",
        Subject::Entity(..) => " and cause is not null",
    };
    let subject = subject_clause(incident);
    format!("select count(*) from events where {subject}{fails} and event_at > now() - interval '15 minutes'")
}

fn first_step(incident: &Incident) -> &'static str {
    // What began as unusual volume may have turned out to be theft.
    match if incident.is_probable_theft() { Family::Theft } else { incident.group.family } {
        Family::Theft => "Ask the key's owner whether it is theirs; if not, revoke the key and issue a new one.",
        Family::Guessing => "Block the source at the gateway or limit its rate; revoke every key that it found.",
        Family::Probing => "Check what was served to the prober; block it, and close what should not have answered.",
        Family::DeadKey => {
            "Find out why the gateway still accepts or sees the key; make its revocation reach every gateway."
        }
        Family::Volume => "Ask the key's owner whether the load is meant; limit the key's rate or quota if not.",
        Family::Failure => "See which cause the requests fail with, and since which change.",
        Family::Silence => "Check whether the sender still runs, and whether its logs still arrive.",
    }
}

/// The command that shows the requests behind it.
fn look_up(incident: &Incident) -> String {
    let place = match &incident.group.subject {
        Subject::Cause(_) => "cause",
        Subject::Entity(kind, _) => kind.name(),
    };
    format!("Its requests by {place}: `claviger query --lake DIR \"{}\"`.", requests_of(incident))
}

fn subject_clause(incident: &Incident) -> String {
    match &incident.group.subject {
        Subject::Cause(cause) => cause_clause(*cause, &incident.group.tenant),
        Subject::Entity(kind, name) => format!("{} = {}", column(*kind), quoted(name)),
    }
}

fn cause_clause(cause: RootCause, tenant: &str) -> String {
    let of_tenant = if tenant.is_empty() { String::new() } else { format!(" and tenant_id = {}", quoted(tenant)) };
    format!("cause = '{}'{of_tenant}", cause.name())
}

const fn column(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Key => "key_id",
        EntityKind::Source => "client_network",
        EntityKind::Tenant => "tenant_id",
        EntityKind::Route => "method || ' ' || route",
        EntityKind::Gateway => "gateway",
        EntityKind::Principal => "principal_id",
    }
}

/// A name that came from a log, as an SQL text within a shell's double quotes.
fn quoted(name: &str) -> String {
    let harmless = |c: char| if c.is_alphanumeric() || " -_./:{}@+,".contains(c) { c } else { '_' };
    format!("'{}'", super::text::cut_line(name, 200).chars().map(harmless).collect::<String>())
}
