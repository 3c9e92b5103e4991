//! What the person who is woken does next: from the causes' remedies and the detectors' own words.

use crate::cause::RootCause;
use crate::detect::Family;
use crate::minutes::EntityKind;

use super::group::Subject;
use super::incident::Incident;

/// Steps in order, one sentence each.
#[must_use]
pub fn runbook(incident: &Incident) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(cause) = incident.cause {
        steps.push(format!("Who acts: the {}. What to do: {}.", cause.owner().name(), cause.remedy()));
    } else {
        steps.push(first_step(incident).to_owned());
    }
    steps.push(look_up(incident));
    if let Some(claim) = incident.weightiest().filter(|claim| !claim.quiet.is_empty()) {
        steps.push(format!("What would have kept it quiet: {}.", claim.quiet.trim().trim_end_matches('.')));
    }
    steps.push(format!(
        "Taken: `claviger incidents ack {id}`. Meant to be so: `claviger incidents feedback {id} --benign`.",
        id = incident.id
    ));
    steps
}

/// The question whose answer is 0 once the trouble is over.
#[must_use]
pub fn done_when(incident: &Incident) -> String {
    let subject = match &incident.group.subject {
        Subject::Cause(cause) => cause_clause(*cause, &incident.group.tenant),
        Subject::Entity(kind, name) => format!("{} = {} and cause is not null", column(*kind), quoted(name)),
    };
    format!("select count(*) from events where {subject} and event_at > now() - interval '15 minutes'")
}

fn first_step(incident: &Incident) -> &'static str {
    match incident.group.family {
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
    let (subject, place) = match &incident.group.subject {
        Subject::Cause(cause) => (cause_clause(*cause, &incident.group.tenant), "cause"),
        Subject::Entity(kind, name) => (format!("{} = {}", column(*kind), quoted(name)), kind.name()),
    };
    format!(
        "Its requests by {place}: `claviger query --lake DIR \"select * from events where {subject} order by event_at desc limit 50\"`."
    )
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
