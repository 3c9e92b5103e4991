//! What to do about a cause, by whom, and with exactly which scopes and settings.

use std::collections::BTreeSet;

use super::answer::Remedy;
use super::scene::Scene;
use super::told::{asked_environment, list};
use crate::cause::{CauseClass, RootCause};
use crate::decode::advice;
use crate::event::Column;
use crate::identity::ScopeAnswer;

pub(super) fn remedy(scene: &Scene<'_>) -> Remedy {
    let Some(cause) = scene.judged.cause else { return Remedy::default() };
    let principal = scene.principal.as_ref();
    let people = principal.map(|principal| [principal.contact, principal.manager]);
    let by = people.into_iter().flatten().find(|name| !name.is_empty()).map(str::to_owned);
    Remedy {
        owner: Some(cause.owner().name()),
        action: action(cause, scene),
        scopes: scopes(cause, scene),
        settings: settings(cause, scene),
        by: by.filter(|_| cause.class() != CauseClass::Platform),
    }
}

/// The cause's remedy, with the names of this case.
#[expect(clippy::wildcard_enum_match_arm, reason = "the arms are the causes whose remedy has a name in it")]
fn action(cause: RootCause, scene: &Scene<'_>) -> String {
    let (key, who) = (scene.key_name(), scene.principal_id());
    let text = match cause {
        RootCause::KeySuperseded => match scene.key.as_ref().map(|key| key.replaced_by) {
            Some(heir) if !heir.is_empty() && heir != scene.key_id() => {
                format!("switch to key {heir}, which replaced {key}: its grace period is over")
            }
            _ => format!("switch to the new secret of key {key}: the grace period of the old one is over"),
        },
        RootCause::NearMissCredential => format!("copy key {key} again: what was sent differs from it by a slip"),
        RootCause::WrongEnvironment => format!("use a key of {} there", asked_environment(scene)),
        RootCause::UserDeleted if !who.is_empty() => format!(
            "recreate {who} as a service account with checked roles, issue it a new key, and give that to the callers"
        ),
        RootCause::UserDeactivated if !who.is_empty() => {
            format!("reactivate {who}, or move the workload to a service account and issue that a new key")
        }
        RootCause::Undecidable
            if scene.judged.missing_field.as_deref().is_some_and(|field| field.starts_with("identity")) =>
        {
            "load a newer identity snapshot, then look again".to_owned()
        }
        RootCause::ZombieAccess => match scene.judged.reason {
            Some(reason) => format!("{}; {}", cause.remedy(), reason.remedy()),
            None => cause.remedy().to_owned(),
        },
        other => other.remedy().to_owned(),
    };
    capital(&text)
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The least scopes: those that the routes called with the key need, and of these what is not held where the cause is a
/// missing one.
fn scopes(cause: RootCause, scene: &Scene<'_>) -> Vec<String> {
    let reissued = matches!(
        cause,
        RootCause::UserDeleted
            | RootCause::UserDeactivated
            | RootCause::OrphanedKey
            | RootCause::KeyExpired
            | RootCause::KeyRevoked
    );
    let missing = matches!(cause, RootCause::ScopeMissing | RootCause::RoleDowngraded);
    if !reissued && !missing {
        return Vec::new();
    }
    let directory = scene.directory;
    let called = scene.case.traffic.callers.iter().filter(|caller| !missing || caller.refused > 0);
    let environment = scene.gateway.as_ref().map_or("", |gateway| gateway.environment);
    let routes = called.filter_map(|caller| directory.route_in(&caller.method, &caller.path, environment));
    let mut needed: BTreeSet<&str> =
        routes.flat_map(|route| directory.route_at(route).required_scopes.iter()).collect();
    needed.extend(scene.route.iter().flat_map(|route| route.required_scopes.iter()));
    if missing {
        let (principal, key) = (scene.principal.map(|seen| seen.principal), scene.own_key().map(|seen| seen.key));
        let held = directory.scopes_of(principal, key, scene.at);
        needed.retain(|scope| held.holds(scope) == ScopeAnswer::Missing);
    }
    needed.into_iter().map(str::to_owned).collect()
}

/// Settings of client, key or gateway, as `name = value`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the arms are the causes that a setting mends")]
fn settings(cause: RootCause, scene: &Scene<'_>) -> Vec<String> {
    let one = |name: &str, value: &str| if value.is_empty() { Vec::new() } else { vec![format!("{name} = {value}")] };
    let places = scene.gateway.as_ref().map(|gateway| list(gateway.credential_places)).unwrap_or_default();
    match cause {
        RootCause::MissingCredential | RootCause::MisplacedCredential | RootCause::CredentialStripped => {
            one("credential place", &places)
        }
        RootCause::MalformedCredential => {
            let prefixes = scene.gateway.as_ref().map(|gateway| list(gateway.key_shape.prefixes));
            one("key begins with", &prefixes.unwrap_or_default())
        }
        RootCause::NearMissCredential => one("key", scene.key_id()),
        RootCause::WrongEnvironment => one("environment", asked_environment(scene)),
        RootCause::KeySuperseded => one("key", scene.key.as_ref().map_or("", |key| key.replaced_by)),
        RootCause::TenantMismatch => one("tenant", scene.tenant_id()),
        RootCause::IpNotAllowed => one("allowed_ips", scene.text(Column::ClientAddress)),
        RootCause::ModelNotGranted => {
            let granted = scene.key.as_ref().map(|key| list(key.models)).unwrap_or_default();
            [one("model", &granted), one("asked for", scene.text(Column::AiModel))].concat()
        }
        RootCause::RegionNotAllowed => {
            one("region", &scene.key.as_ref().map(|key| list(key.allowed_regions)).unwrap_or_default())
        }
        RootCause::Undecidable => {
            let of_format = advice::snippets(scene.text(Column::Format));
            let field = scene.judged.missing_field.as_deref().unwrap_or("");
            of_format.iter().filter(|snippet| snippet.adds(field)).map(|snippet| snippet.text.to_owned()).collect()
        }
        _ => Vec::new(),
    }
}
