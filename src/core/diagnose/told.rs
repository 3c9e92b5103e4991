//! Causes told with names and times: one sentence for the verdict line, and the proof of the check that failed.

use super::scene::Scene;
use crate::cause::RootCause;
use crate::classify::RULES;
use crate::classify::facts::TenantState;
use crate::event::Column;
use crate::identity::{PrincipalStatus, Words};
use crate::secret::NearMissKind;
use crate::time;

/// A statement, since when it holds, and who says so.
pub(super) struct Fact {
    pub(super) text: String,
    pub(super) at: Option<i64>,
    pub(super) source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Identity,
    Log,
    Traffic,
    /// The verdict that was made when the request arrived: some facts are seen then only.
    Arrival,
}

impl Fact {
    pub(super) fn identity(text: impl Into<String>, at: Option<i64>) -> Self {
        Self { text: text.into(), at, source: Source::Identity }
    }

    pub(super) fn log(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: None, source: Source::Log }
    }

    pub(super) fn traffic(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: None, source: Source::Traffic }
    }

    pub(super) fn arrival(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: None, source: Source::Arrival }
    }
}

/// What `cause` means for this request.
pub(super) fn told(cause: RootCause, scene: &Scene<'_>) -> Fact {
    let has_rule = RULES.iter().any(|(ruled, _)| *ruled == cause);
    if has_rule && !scene.holds(cause) {
        return hearsay(cause, scene);
    }
    of_credential(cause, scene)
        .or_else(|| of_key(cause, scene))
        .or_else(|| of_owner(cause, scene))
        .or_else(|| of_rights(cause, scene))
        .or_else(|| of_platform(cause, scene))
        .unwrap_or_else(|| Fact::log(plain(cause, scene)))
}

/// A cause that nothing at hand bears out: a directory knew it once, or only the gateway says so.
fn hearsay(cause: RootCause, scene: &Scene<'_>) -> Fact {
    let text = plain(cause, scene);
    let stored = scene.case.row.list(Column::Evidence, 0).filter(|fact| !fact.starts_with("gateway."));
    let stored: Vec<&str> = stored.filter(|_| scene.judged.names(cause)).collect();
    if stored.is_empty() {
        Fact::log(format!("{} The gateway says so{}.", text, gateway_says(scene)))
    } else {
        Fact::arrival(format!("{text} Seen when it arrived: {}.", stored.join(", ")))
    }
}

/// The sentence of the word list, its gaps filled.
fn plain(cause: RootCause, scene: &Scene<'_>) -> String {
    let missing = scene.judged.missing_field.as_deref().unwrap_or("the gateway's own reason");
    let lag = scene.judged.lag_us.map_or_else(|| "some time".to_owned(), duration);
    cause.sentence().replace("{missing_field}", missing).replace("{lag}", &lag)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the causes that the credential alone tells of")]
fn of_credential(cause: RootCause, scene: &Scene<'_>) -> Option<Fact> {
    let mask = scene.mask();
    let places = || places_read(scene);
    Some(match cause {
        RootCause::MissingCredential => {
            Fact::log(format!("The request carried no credential in any place this gateway reads{}.", places()))
        }
        RootCause::MisplacedCredential => Fact::log(format!(
            "A key was sent in {}, where this gateway does not look{}.",
            scene.text(Column::CredentialPlace),
            places()
        )),
        RootCause::DuplicateCredential => {
            Fact::log("The request carried several credentials that differ, so none was trusted.")
        }
        RootCause::MalformedCredential => {
            Fact::arrival(format!("{mask} cannot be a key of this platform{}.", shape_wanted(scene)))
        }
        RootCause::RetiredKeyFormat => Fact::arrival(format!("{mask} is of a format that is no longer accepted.")),
        RootCause::NearMissCredential => Fact::arrival(format!(
            "{mask} would be key {} but for a slip: {}.",
            scene.key_name(),
            slip(scene.text(Column::NearMiss))
        )),
        RootCause::UnknownKey => Fact::identity(format!("{mask} is in no snapshot that was ever loaded."), None),
        RootCause::WrongEnvironment if scene.own_key().is_none() => Fact::identity(
            format!(
                "{mask} begins like a key of {}, and was sent to {}.",
                scene.facts.issued_for.unwrap_or("another environment"),
                asked_environment(scene)
            ),
            None,
        ),
        RootCause::CredentialStripped => Fact::traffic(format!(
            "{} always sent a key until now, and this request arrived without one.",
            client(scene)
        )),
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the causes that lie in the key's own life")]
fn of_key(cause: RootCause, scene: &Scene<'_>) -> Option<Fact> {
    let key = scene.key.as_ref()?;
    let name = scene.key_name();
    let when = |at: Option<i64>| at.map(|at| format!(" at {}", clock(at, scene.at))).unwrap_or_default();
    let reason = because(key.status_reason);
    let revoked_at = key.revoked_at.or(key.deleted_at);
    Some(match cause {
        RootCause::WrongEnvironment => {
            let asked = asked_environment(scene);
            Fact::identity(format!("Key {name} belongs to {}, and was sent to {asked}.", key.environment), None)
        }
        RootCause::KeyExpired => {
            let ago = key.expires_at.map(|end| format!(", {} before this request", duration(scene.at - end)));
            let text = format!("Key {name} expired{}{}.", when(key.expires_at), ago.unwrap_or_default());
            Fact::identity(text, key.expires_at)
        }
        RootCause::KeyRevoked if key.revoked_at.is_none() && key.deleted_at.is_some() => {
            Fact::identity(format!("Key {name} was removed from the identity system{}.", when(revoked_at)), revoked_at)
        }
        RootCause::KeyRevoked => {
            Fact::identity(format!("Key {name} was revoked{}{reason}.", when(revoked_at)), revoked_at)
        }
        RootCause::KeyDisabled => {
            let since = key.changed_at.map(|at| format!(" since {}", clock(at, scene.at))).unwrap_or_default();
            Fact::identity(format!("Key {name} is switched off{since}{reason}."), key.changed_at)
        }
        RootCause::KeySuperseded => Fact::identity(
            format!(
                "Key {name} was replaced by {}; its grace period ended{}.",
                if key.replaced_by == key.key_id { "a new secret" } else { key.replaced_by },
                when(key.grace_until)
            ),
            key.grace_until,
        ),
        RootCause::KeyNotYetActive => {
            let begun = scene.facts.key.and_then(|key| key.enabled_at).or(key.created_at);
            Fact::identity(
                format!("Key {name} was created or enabled{}; the gateway may not know it yet.", when(begun)),
                begun,
            )
        }
        RootCause::OrphanedKey if key.principal_id.is_empty() => {
            Fact::identity(format!("Key {name} is bound to no user."), None)
        }
        RootCause::OrphanedKey => {
            Fact::identity(format!("Key {name} points at user {}, who is in no snapshot.", key.principal_id), None)
        }
        RootCause::MappingConflict if key.conflicting => {
            Fact::identity(format!("The secret of key {name} is claimed by two users."), None)
        }
        RootCause::MappingConflict => {
            let theirs = scene.principal.as_ref().map_or("another", |principal| principal.tenant_id);
            let text = format!(
                "Key {name} belongs to tenant {}, and its user {} to {theirs}.",
                key.tenant_id,
                scene.principal_id()
            );
            Fact::identity(text, None)
        }
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the causes that lie in the account behind the key")]
fn of_owner(cause: RootCause, scene: &Scene<'_>) -> Option<Fact> {
    use RootCause as Cause;
    let when = |at: Option<i64>| at.map(|at| format!(" at {}", clock(at, scene.at))).unwrap_or_default();
    let of_principal = |what: &str| {
        let principal = scene.principal.as_ref()?;
        let since = principal.status_since.or(principal.deleted_at);
        let reason = because(principal.status_reason);
        Some(Fact::identity(format!("User {} {what}{}{reason}.", principal.principal_id, when(since)), since))
    };
    match cause {
        Cause::UserDeleted => of_principal("was deleted"),
        Cause::UserDeactivated => of_principal(match scene.principal.as_ref()?.status {
            PrincipalStatus::Suspended => "was suspended",
            PrincipalStatus::Pending => "was entered, and never activated,",
            PrincipalStatus::Deactivated | PrincipalStatus::Deleted | PrincipalStatus::Active => "was deactivated",
        }),
        Cause::ServicePrincipalInvalid | Cause::FederationBroken => {
            let principal = scene.principal.as_ref()?;
            let link = [principal.federation_provider, principal.federation_subject, principal.federation_state];
            let link: Vec<&str> = link.into_iter().filter(|word| !word.is_empty()).collect();
            let what = if cause == Cause::FederationBroken { "identity link" } else { "machine identity" };
            let state = if link.is_empty() { principal.status.name().to_owned() } else { link.join(" ") };
            let text = format!("The {what} of {} does not work: {state}.", principal.principal_id);
            Some(Fact::identity(text, principal.status_since))
        }
        Cause::AccountSuspendedBilling
        | Cause::AccountSuspendedPolicy
        | Cause::AccountSuspendedAbuse
        | Cause::AccountArchived
        | Cause::QuotaExhausted => {
            let account = scene.facts.tenant.filter(|account| account.state != TenantState::Active)?;
            let (who, id) = match account.principal_id {
                "" => ("Tenant", account.tenant_id),
                principal_id => ("User", principal_id),
            };
            let what = if cause == Cause::AccountArchived { "was closed" } else { "was suspended" };
            let text = format!("{who} {id} {what}{}{}.", when(account.since), because(account.reason));
            Some(Fact::identity(text, account.since))
        }
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the causes that lie in what the key may do")]
fn of_rights(cause: RootCause, scene: &Scene<'_>) -> Option<Fact> {
    let request = &scene.facts.request;
    let who = scene.principal_id();
    let what = scene.route_name();
    Some(match cause {
        RootCause::TenantMismatch => Fact::log(format!(
            "The key of tenant {} was used on resources of tenant {}.",
            scene.tenant_id(),
            request.foreign_tenant.unwrap_or_else(|| scene.text(Column::TenantAsked))
        )),
        RootCause::ScopeMissing | RootCause::RoleDowngraded => {
            let (scope, lost) = request.scope_missing?;
            match lost {
                Some(at) => {
                    let text = format!("{who} lost scope {scope} at {}, which {what} needs.", clock(at, scene.at));
                    Fact::identity(text, lost)
                }
                None => Fact::identity(format!("{who} never had scope {scope}, which {what} needs."), None),
            }
        }
        RootCause::RouteNotGranted => Fact::log(format!("The gateway does not let {who} call {what}.")),
        RootCause::ModelNotGranted => Fact::identity(
            format!(
                "Model {} is not among those of key {}: {}.",
                scene.text(Column::AiModel),
                scene.key_name(),
                list(scene.key.as_ref()?.models)
            ),
            None,
        ),
        RootCause::IpNotAllowed => {
            let key = scene.key.as_ref()?;
            let networks: Vec<String> = key.allowed_ips.iter().map(ToString::to_string).collect();
            let address = request.address_refused.unwrap_or_else(|| scene.text(Column::ClientAddress));
            let text =
                format!("The request came from {address}; key {} allows {}.", scene.key_name(), networks.join(", "));
            Fact::identity(text, None)
        }
        RootCause::RegionNotAllowed => {
            let text = format!(
                "Key {} is bound to {}, and was used in {}.",
                scene.key_name(),
                list(scene.key.as_ref()?.allowed_regions),
                request.region_refused.unwrap_or_else(|| scene.text(Column::Region))
            );
            Fact::identity(text, None)
        }
        RootCause::VersionRetired => match request.retired_at {
            Some(at) => Fact::identity(format!("{what} was withdrawn at {}.", clock(at, scene.at)), Some(at)),
            None => Fact::log(format!("{what} is answered with {}: it has been withdrawn.", scene.facts.status)),
        },
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the causes that are the platform's")]
fn of_platform(cause: RootCause, scene: &Scene<'_>) -> Option<Fact> {
    let said = gateway_says(scene);
    Some(match cause {
        RootCause::RateLimited => Fact::log(format!("More requests in the window than the limit allows{said}.")),
        RootCause::QuotaExhausted => Fact::log(format!("Tokens, requests or spend of this period are used up{said}.")),
        RootCause::IdentityProviderUnavailable => {
            Fact::log(format!("The identity service failed; the caller did nothing wrong{said}."))
        }
        RootCause::ClockSkew => Fact::log(format!("The time in the signature or token is too far from ours{said}.")),
        RootCause::WafBlocked => Fact::log(format!("A firewall rule refused the request, not identity{said}.")),
        RootCause::UpstreamDenied => {
            Fact::log(format!("The gateway let the request through; the application answered {}.", scene.facts.status))
        }
        RootCause::PropagationLag => {
            Fact::identity("Something changed within the time that a change needs to reach every gateway.", None)
        }
        RootCause::ZombieAccess => {
            let lag = scene.judged.lag_us.map(|lag| format!(", {} after the change", duration(lag)));
            let reason = scene.judged.reason.map(|reason| told(reason, scene).text).unwrap_or_default();
            let text = format!("Served although it should have been refused{}. {reason}", lag.unwrap_or_default());
            Fact::identity(text.trim_end(), None)
        }
        RootCause::AnonymousFallback => {
            let reason = scene.judged.reason.map(|reason| told(reason, scene).text).unwrap_or_default();
            let text = format!(
                "The key was refused, yet the request was served as {}. {reason}",
                match scene.text(Column::Consumer) {
                    "" => "the anonymous consumer",
                    consumer => consumer,
                }
            );
            Fact::log(text.trim_end())
        }
        _ => return None,
    })
}

/// `: "API rate limit exceeded"`, or nothing.
fn gateway_says(scene: &Scene<'_>) -> String {
    match gateway_word(scene) {
        "" => String::new(),
        word => format!(": \"{word}\""),
    }
}

/// The gateway's message, else its code.
pub(super) fn gateway_word<'a>(scene: &Scene<'a>) -> &'a str {
    match scene.text(Column::GatewayMessage) {
        "" => scene.text(Column::GatewayCode),
        message => message,
    }
}

/// ` (header:apikey, header:authorization)`, where the directory says so.
fn places_read(scene: &Scene<'_>) -> String {
    match scene.gateway.as_ref().map(|gateway| gateway.credential_places) {
        Some(places) if !places.is_empty() => format!(" ({})", list(places)),
        Some(_) | None => String::new(),
    }
}

/// `: keys here begin with ck_live_ and have 40 characters`, as far as the directory says so.
fn shape_wanted(scene: &Scene<'_>) -> String {
    let Some(shape) = scene.gateway.as_ref().map(|gateway| gateway.key_shape) else { return String::new() };
    let begin = (!shape.prefixes.is_empty()).then(|| format!("begin with {}", list(shape.prefixes)));
    let length = shape.length.map(|length| format!("have {length} characters"));
    let rules: Vec<String> = begin.into_iter().chain(length).collect();
    if rules.is_empty() { String::new() } else { format!(": keys here {}", rules.join(" and ")) }
}

/// The environment that was called: as the classifier sees it, a name other than the snapshot's was meant.
pub(super) fn asked_environment<'a>(scene: &Scene<'a>) -> &'a str {
    let usual = scene.directory.environment();
    let of_route = scene.route.as_ref().map_or("", |route| route.environment);
    let of_gateway = scene.gateway.as_ref().map_or("", |gateway| gateway.environment);
    let named = [of_route, of_gateway].into_iter().find(|name| !name.is_empty() && *name != usual);
    let asked = named.unwrap_or(usual);
    if asked.is_empty() { "another environment" } else { asked }
}

/// `203.0.113.0/24 with curl/8.5`.
pub(super) fn client(scene: &Scene<'_>) -> String {
    match (scene.text(Column::ClientNetwork), scene.text(Column::UserAgent)) {
        ("", "") => "The client".to_owned(),
        ("", agent) => agent.to_owned(),
        (network, "") => network.to_owned(),
        (network, agent) => format!("{network} with {agent}"),
    }
}

fn slip(name: &str) -> &'static str {
    match NearMissKind::ALL.iter().find(|kind| kind.name() == name) {
        Some(NearMissKind::TrimmedSpace) => "a space or line break beside it",
        Some(NearMissKind::Quoted) => "quotes around it",
        Some(NearMissKind::DoubledScheme) => "the scheme word is there twice",
        Some(NearMissKind::Case) => "upper and lower case are mixed up",
        Some(NearMissKind::Truncated) => "its end or beginning is cut off",
        Some(NearMissKind::OneEdit) => "one character differs",
        Some(NearMissKind::Masked) => "it is a masked key that was pasted back",
        None => "one small repair",
    }
}

pub(super) fn list(words: Words<'_>) -> String {
    words.iter().collect::<Vec<_>>().join(", ")
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

/// An instant in a sentence: seconds, and the date where it is not the one of `reference`. It names its zone, since it is
/// read beside clocks of other zones.
pub(super) fn clock(at: i64, reference: i64) -> String {
    let second = at - at.rem_euclid(1_000_000);
    let text = time::format(second);
    match text.split_once('T') {
        Some((date, clock)) if date == time::date(reference) => format!("{} UTC", clock.trim_end_matches('Z')),
        Some((date, clock)) => format!("{} UTC on {date}", clock.trim_end_matches('Z')),
        None => text,
    }
}

/// At most two units: `850 ms`, `12.4 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`.
pub(super) fn duration(us: i64) -> String {
    let us = us.unsigned_abs();
    let seconds = us / 1_000_000;
    let two = |whole: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{whole} {unit}"),
        rest => format!("{whole} {unit} {rest} {small}"),
    };
    match seconds {
        0 => format!("{} ms", us / 1_000),
        1..60 if us % 1_000_000 < 100_000 => format!("{seconds} s"),
        1..60 => format!("{seconds}.{} s", us % 1_000_000 / 100_000),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (us, text) in [
            (850_000, "850 ms"),
            (12_400_000, "12.4 s"),
            (200_000_000, "3 min 20 s"),
            (7_500_000_000, "2 h 5 min"),
            (86_400_000_000 * 4, "4 d"),
        ] {
            assert_eq!(duration(us), text);
        }
    }

    #[test]
    fn a_time_of_another_day_bears_its_date() {
        let noon = time::rfc3339("2026-11-24T12:00:00Z").unwrap();
        assert_eq!(clock(noon - 3_600_000_001, noon), "10:59:59 UTC");
        assert_eq!(clock(noon - 86_400_000_000, noon), "12:00:00 UTC on 2026-11-23");
    }
}
