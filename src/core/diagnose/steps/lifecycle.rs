//! Step 3: the key's own life, and what it may do.

use super::super::scene::Scene;
use super::super::told::{Fact, clock, list};
use super::account::NO_KEY;
use super::credential::NO_REQUEST;
use super::{Question, Seen};
use crate::cause::RootCause;
use crate::event::Column;
use crate::identity::KeyAt;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        name: "Not expired",
        causes: &[RootCause::KeyExpired],
        seen: |scene| {
            with_key(scene, |key| match key.expires_at {
                Some(end) => Seen::Pass(Fact::identity(format!("expires {}", clock(end, scene.at)), Some(end))),
                None => Seen::Pass(Fact::identity("no expiry", None)),
            })
        },
    },
    Question {
        name: "Not revoked",
        causes: &[RootCause::KeyRevoked],
        seen: |scene| {
            with_key(scene, |key| match key.revoked_at.filter(|&at| at > scene.at) {
                Some(at) => Seen::Pass(Fact::identity(format!("revoked later, {}", clock(at, scene.at)), Some(at))),
                None => Seen::Pass(Fact::identity("never revoked", None)),
            })
        },
    },
    Question {
        name: "Switched on",
        causes: &[RootCause::KeyDisabled],
        seen: |scene| with_key(scene, |key| Seen::Pass(Fact::identity(key.status.name(), key.changed_at))),
    },
    Question {
        name: "Not replaced by a rotation",
        causes: &[RootCause::KeySuperseded],
        seen: |scene| {
            with_key(scene, |key| match (key.replaced_by, key.grace_until) {
                ("", _) => Seen::Pass(Fact::identity("no successor", key.last_rotated_at)),
                (heir, Some(end)) => {
                    let text = format!("{heir} takes over; grace until {}", clock(end, scene.at));
                    Seen::Pass(Fact::identity(text, Some(end)))
                }
                (heir, None) => Seen::Pass(Fact::identity(format!("{heir} takes over, without an end"), None)),
            })
        },
    },
    Question {
        name: "Known everywhere since its creation",
        causes: &[RootCause::KeyNotYetActive],
        seen: |scene| {
            with_key(scene, |key| match key.created_at {
                Some(at) => Seen::Pass(Fact::identity(format!("created {}", clock(at, scene.at)), Some(at))),
                None => Seen::Unknown(Fact::identity("the directory does not say when it was created", None)),
            })
        },
    },
    Question {
        name: "Of the tenant that is asked for",
        causes: &[RootCause::TenantMismatch],
        seen: |scene| match scene.text(Column::TenantAsked) {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            "" => Seen::Skipped("the request names no tenant"),
            asked => Seen::Pass(Fact::log(asked)),
        },
    },
    Question {
        name: "Scopes that the route needs",
        causes: &[RootCause::ScopeMissing, RootCause::RoleDowngraded],
        seen: scopes,
    },
    Question {
        name: "Model",
        causes: &[RootCause::ModelNotGranted],
        seen: |scene| match (scene.text(Column::AiModel), &scene.key) {
            ("", _) => Seen::Skipped("no model is asked for"),
            (model, Some(key)) if !key.models.is_empty() => {
                Seen::Pass(Fact::identity(format!("{model}; granted: {}", list(key.models)), None))
            }
            (model, _) => Seen::Unknown(Fact::identity(format!("{model}; the directory limits no models"), None)),
        },
    },
    Question {
        name: "Address",
        causes: &[RootCause::IpNotAllowed],
        seen: |scene| {
            with_key(scene, |key| match (scene.text(Column::ClientAddress), key.allowed_ips) {
                (_, []) => Seen::Pass(Fact::identity("no allow-list", None)),
                ("", _) => Seen::Unknown(Fact::log("the log does not say where the request came from")),
                (address, _) => Seen::Pass(Fact::identity(format!("{address} is on the allow-list"), None)),
            })
        },
    },
    Question {
        name: "Region",
        causes: &[RootCause::RegionNotAllowed],
        seen: |scene| {
            with_key(scene, |key| match key.allowed_regions {
                regions if regions.is_empty() => Seen::Pass(Fact::identity("bound to no region", None)),
                regions => Seen::Pass(Fact::identity(format!("bound to {}", list(regions)), None)),
            })
        },
    },
];

fn with_key(scene: &Scene<'_>, see: impl Fn(&KeyAt<'_>) -> Seen) -> Seen {
    scene.own_key().map_or(Seen::Skipped(NO_KEY), see)
}

fn scopes(scene: &Scene<'_>) -> Seen {
    if !scene.case.is_request {
        return Seen::Skipped(NO_REQUEST);
    }
    let Some(route) = &scene.route else {
        return Seen::Unknown(Fact::identity("the directory does not know the route", None));
    };
    let needs = list(route.required_scopes);
    match (needs.as_str(), scene.facts.request.granted) {
        ("", _) => Seen::Pass(Fact::identity("the route needs none", None)),
        (_, true) => Seen::Pass(Fact::identity(format!("{needs}: held"), None)),
        (_, false) if scene.own_key().is_none() => Seen::Skipped(NO_KEY),
        (_, false) => {
            Seen::Unknown(Fact::identity(format!("{needs}: the directory knows no grants of this user"), None))
        }
    }
}
