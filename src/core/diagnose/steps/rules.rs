//! Step 4: what the API asks of everybody: its routes, versions, plans and limits, and what was changed about them.

use super::super::scene::Scene;
use super::super::told::{Fact, clock, duration};
use super::credential::NO_REQUEST;
use super::{Question, Seen};
use crate::cause::RootCause;

/// Changes within this time before the onset may explain it.
const ONSET_US: i64 = 3_600_000_000;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        name: "The route is in the plan",
        causes: &[RootCause::RouteNotGranted],
        seen: |scene| match &scene.route {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            Some(route) => Seen::Pass(Fact::identity(format!("{} {}", route.method, route.template).trim(), None)),
            None if !scene.directory.has_routes() => {
                Seen::Unknown(Fact::identity("the directory lists no routes", None))
            }
            None => Seen::Unknown(Fact::identity(format!("{} is in no snapshot", scene.route_name()), None)),
        },
    },
    Question {
        name: "The version is still offered",
        causes: &[RootCause::VersionRetired],
        seen: |scene| match scene.route.as_ref().map(|route| route.sunset_at) {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            Some(Some(sunset)) => {
                Seen::Pass(Fact::identity(format!("until {}", clock(sunset, scene.at)), Some(sunset)))
            }
            Some(None) => Seen::Pass(Fact::identity("no end is announced", None)),
            None => Seen::Unknown(Fact::identity("the directory does not know the route", None)),
        },
    },
    Question {
        name: "Within rate and quota",
        causes: &[RootCause::RateLimited, RootCause::QuotaExhausted],
        seen: |scene| match scene.facts.status {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            429 => Seen::Unknown(Fact::log("the answer is 429, without saying of which limit")),
            status => Seen::Pass(Fact::log(format!("the answer is {status}, not a limiter's"))),
        },
    },
    Question { name: "Nothing was changed just before", causes: &[], seen: changes },
];

/// Changes of the key, its user and its tenant in the hour before.
fn changes(scene: &Scene<'_>) -> Seen {
    let near = |at: i64| (scene.at - ONSET_US..=scene.at).contains(&at);
    let all = &scene.case.traffic.changes;
    match all.iter().filter(|change| near(change.at)).max_by_key(|change| change.at) {
        Some(change) => {
            let before = duration(scene.at - change.at);
            let text =
                format!("{}: {} → {}, {before} before", change.field, or_none(&change.from), or_none(&change.to));
            Seen::Unknown(Fact::identity(text, Some(change.at)))
        }
        None if all.is_empty() && scene.key.is_none() && scene.principal.is_none() && scene.tenant.is_none() => {
            Seen::Skipped("nobody is known whose rules could have changed")
        }
        None => Seen::Pass(Fact::identity("no change of key, user or tenant in the hour before", None)),
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}
