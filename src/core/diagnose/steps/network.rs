//! Step 6: whether something between the caller and the gateway changed or removed what was sent.

use super::super::case::CallerSeen;
use super::super::scene::Scene;
use super::super::told::{Fact, clock};
use super::credential::NO_REQUEST;
use super::{Question, Seen};
use crate::cause::RootCause;
use crate::event::Column;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        name: "The credential arrives whole",
        causes: &[RootCause::CredentialStripped],
        seen: |scene| match scene.text(Column::CredentialKind) {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            "" => Seen::Unknown(Fact::log("none arrived; the client was not seen to send one before")),
            _ => Seen::Pass(Fact::log("it arrived")),
        },
    },
    Question {
        name: "No firewall rule matched",
        causes: &[RootCause::WafBlocked],
        seen: |scene| match scene.text(Column::DeniedBy) {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            "" => Seen::Pass(Fact::log("nobody refused the request")),
            who => Seen::Pass(Fact::log(format!("refused by the {who}"))),
        },
    },
    Question { name: "Alike from other networks", causes: &[], seen: networks },
    Question { name: "From a known network", causes: &[], seen: egress },
];

/// Whether the same key works from elsewhere.
fn networks(scene: &Scene<'_>) -> Seen {
    let own = scene.text(Column::ClientNetwork);
    let elsewhere = |caller: &&CallerSeen| caller.network != own && !caller.network.is_empty();
    let others: Vec<&CallerSeen> = scene.case.traffic.callers.iter().filter(elsewhere).collect();
    let still = |caller: &&&CallerSeen| caller.last_served_at.is_some_and(|at| at >= scene.at);
    match others.iter().filter(still).max_by_key(|caller| caller.last_served_at) {
        _ if own.is_empty() => Seen::Skipped("no network is known"),
        _ if others.is_empty() => Seen::Skipped("the key is used from this network only"),
        Some(caller) if scene.judged.cause.is_some() => {
            let when = caller.last_served_at.map(|at| clock(at, scene.at)).unwrap_or_default();
            let text = format!("served from {} at {when}, refused from {own}", caller.network);
            Seen::Unknown(Fact::traffic(text))
        }
        Some(_) | None => Seen::Pass(Fact::traffic(format!("{} other networks fare alike", count_networks(&others)))),
    }
}

fn count_networks(callers: &[&CallerSeen]) -> usize {
    callers.iter().map(|caller| caller.network.as_str()).collect::<std::collections::BTreeSet<_>>().len()
}

/// Whether the network is one the key was used from before.
fn egress(scene: &Scene<'_>) -> Seen {
    let own = scene.text(Column::ClientNetwork);
    let relay = scene.text(Column::ClientRelay);
    let first = scene.case.traffic.callers.iter().filter(|caller| caller.network == own).map(|caller| caller.first_at);
    match first.min() {
        _ if own.is_empty() => Seen::Skipped("no network is known"),
        _ if !relay.is_empty() => Seen::Unknown(Fact::log(format!("{own} is listed as {relay}"))),
        Some(first) if first < scene.at => {
            Seen::Pass(Fact::traffic(format!("{own}, seen since {}", clock(first, scene.at))))
        }
        Some(_) if scene.case.traffic.callers.iter().all(|caller| caller.network == own) => {
            Seen::Skipped("its first request in the time looked at")
        }
        Some(_) => Seen::Unknown(Fact::traffic(format!("{own} is new: others called with this key before"))),
        None => Seen::Skipped("no traffic of the key is at hand"),
    }
}
