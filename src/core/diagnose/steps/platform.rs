//! Step 5: whether the platform did its part: the identity service, the gateway's own word, clocks, other tenants.

use super::super::scene::Scene;
use super::super::told::{Fact, gateway_word};
use super::credential::NO_REQUEST;
use super::{Question, Seen};
use crate::cause::RootCause;
use crate::event::Column;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        name: "The identity service worked",
        causes: &[RootCause::IdentityProviderUnavailable],
        seen: |scene| match &scene.case.traffic.around {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            Some(around) if around.backend_failures > 0 => Seen::Unknown(Fact::traffic(format!(
                "{} other requests failed within {} min because it did not answer",
                around.backend_failures, around.minutes
            ))),
            Some(around) => Seen::Pass(Fact::traffic(format!("no failure of it within {} min", around.minutes))),
            None => Seen::Pass(Fact::log("the gateway says nothing of it")),
        },
    },
    Question { name: "Other tenants are served", causes: &[], seen: others },
    Question {
        name: "The gateway's own reason is in the log",
        causes: &[RootCause::Undecidable],
        seen: |scene| match gateway_word(scene) {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            "" if scene.judged.cause.is_none() => Seen::Skipped("the request was served"),
            "" => Seen::Unknown(Fact::log("the log holds neither code nor message")),
            word => Seen::Pass(Fact::log(format!("\"{word}\" ({})", scene.facts.status))),
        },
    },
    Question {
        name: "Gateway and identity are in sync",
        causes: &[RootCause::PropagationLag, RootCause::ZombieAccess, RootCause::AnonymousFallback],
        seen: |scene| match scene.facts.stale {
            true => Seen::Unknown(Fact::identity(
                "the snapshot was past its freshness limit",
                Some(scene.directory.as_of()),
            )),
            false => Seen::Pass(Fact::identity("the snapshot was fresh", Some(scene.directory.as_of()))),
        },
    },
    Question {
        name: "Clocks agree",
        causes: &[RootCause::ClockSkew],
        seen: |scene| match scene.text(Column::CredentialKind) {
            "jwt" | "signature" => Seen::Pass(Fact::log("the gateway does not complain")),
            _ => Seen::Skipped("the credential bears no time"),
        },
    },
    Question {
        name: "The application agrees",
        causes: &[RootCause::UpstreamDenied],
        seen: |scene| {
            let status = scene.case.row.short(Column::UpstreamStatus);
            match arrow::array::Array::is_valid(status, 0) {
                _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
                true => Seen::Pass(Fact::log(format!("it answered {}", status.value(0)))),
                false => Seen::Skipped("it was never asked"),
            }
        },
    },
];

/// Whether the trouble is the caller's or everybody's.
fn others(scene: &Scene<'_>) -> Seen {
    let Some(around) = &scene.case.traffic.around else {
        return Seen::Skipped("other tenants' traffic is not looked at");
    };
    let (alike, minutes) = (around.refusals_alike, around.minutes);
    match (around.tenants_alike, around.tenants) {
        (_, 0) => Seen::Skipped("no traffic of any tenant is known of that time"),
        (hit, all) if hit > 1 && hit * 2 >= all => Seen::Unknown(Fact::traffic(format!(
            "{hit} of {all} tenants had it too within {minutes} min ({alike} refusals): look for one cause"
        ))),
        (hit, all) => Seen::Pass(Fact::traffic(format!(
            "{hit} of {all} tenants had this cause within {minutes} min ({alike} refusals)"
        ))),
    }
}
