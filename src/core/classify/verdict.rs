//! Facts to a verdict: cause, alternatives, confidence, evidence, contradiction, missing field.

use super::facts::{CredentialFact, Facts, PrincipalFact, PrincipalState, TenantState};
use super::rules::{Confidence, RULES, cause_of_word};
use super::word::Word;
use crate::cause::RootCause;
use crate::time;

/// Alternatives that are kept.
const ALTERNATIVES_MAX: usize = 3;

/// What is decided about one refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub cause: RootCause,
    pub confidence: Confidence,
    pub alternatives: Vec<RootCause>,
    pub contradiction: Option<&'static str>,
    /// Facts used, as `name=value`.
    pub evidence: Vec<String>,
    /// The field that would have decided.
    pub missing_field: Option<&'static str>,
}

/// The verdict on a refused request.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Verdict {
    let mut holding = RULES.iter().filter_map(|(cause, rule)| rule(facts).map(|confidence| (*cause, confidence)));
    let first = holding.next();
    let mut alternatives: Vec<RootCause> = holding.map(|(cause, _)| cause).take(ALTERNATIVES_MAX).collect();
    let word = cause_of_word(facts.word);

    // A guess from times is worth less than what the gateway says.
    let by_rule = first.filter(|(_, confidence)| *confidence > Confidence::Possible);
    let (cause, confidence) = match (by_rule, word, first) {
        (Some(verdict), ..) => verdict,
        (None, Some(cause), _) => (cause, Confidence::Possible),
        (None, None, Some(verdict)) => verdict,
        (None, None, None) => (RootCause::Undecidable, Confidence::Possible),
    };
    alternatives.retain(|other| *other != cause);
    if let Some((guess, _)) = first
        && guess != cause
    {
        alternatives.insert(0, guess);
    }
    if let Some(said) = word
        && said != cause
        && !alternatives.contains(&said)
    {
        alternatives.push(said);
    }
    alternatives.truncate(ALTERNATIVES_MAX);

    Verdict {
        cause,
        confidence,
        contradiction: contradiction(facts, cause),
        evidence: evidence(facts, cause),
        missing_field: (cause == RootCause::Undecidable).then(|| missing_field(facts)),
        alternatives,
    }
}

/// How the gateway's word and the directory disagree.
#[expect(clippy::wildcard_enum_match_arm, reason = "few of the words can contradict a directory")]
fn contradiction(facts: &Facts<'_>, cause: RootCause) -> Option<&'static str> {
    let healthy_key = facts.key.is_some() && matches!(cause, RootCause::Undecidable);
    match facts.word {
        _ if healthy_key && !facts.stale => Some("the gateway refused, but the directory finds nothing wrong"),
        Word::Missing if facts.credential != CredentialFact::None && cause != RootCause::MisplacedCredential => {
            Some("the gateway says no credential was sent, but the log shows one")
        }
        Word::Expired if facts.key.is_some() && cause != RootCause::KeyExpired => {
            Some("the gateway says expired, the directory says otherwise")
        }
        Word::Disabled | Word::Revoked
            if facts.key.is_some()
                && !matches!(cause, RootCause::KeyDisabled | RootCause::KeyRevoked | RootCause::KeySuperseded) =>
        {
            Some("the gateway says the key is switched off, the directory says otherwise")
        }
        Word::ScopeMissing if facts.request.granted => {
            Some("the gateway says a scope is missing, the directory grants it")
        }
        _ => None,
    }
}

/// The log field or piece of identity data whose absence left the request undecided.
fn missing_field(facts: &Facts<'_>) -> &'static str {
    match facts.credential {
        CredentialFact::Redacted => "credential (masked by the gateway: log a keyed hash of it)",
        CredentialFact::None if facts.status == 403 => "credential (hidden by the gateway: log a keyed hash of it)",
        CredentialFact::None => "credential",
        CredentialFact::Shown { .. } if facts.word == Word::Silent || facts.word == Word::Invalid => {
            "response body (the gateway's message)"
        }
        CredentialFact::Shown { .. } => "identity facts for this refusal",
    }
}

/// The facts that speak for `cause`.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most causes speak for themselves; the arms are those with facts to show"
)]
fn evidence(facts: &Facts<'_>, cause: RootCause) -> Vec<String> {
    let mut out = Vec::with_capacity(4);
    let mut note = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push(format!("{name}={value}"));
        }
    };
    let since = |time: Option<i64>| time.map(time::format).unwrap_or_default();
    match cause {
        RootCause::UserDeleted
        | RootCause::UserDeactivated
        | RootCause::ServicePrincipalInvalid
        | RootCause::FederationBroken
        | RootCause::OrphanedKey => match facts.principal {
            PrincipalFact::Known { principal_id, state, reason, since: at } => {
                note("principal", principal_id);
                note("principal.state", state_name(state));
                note("principal.reason", reason);
                note("principal.since", &since(at));
            }
            PrincipalFact::Dangling { principal_id } => {
                note("principal.unknown", if principal_id.is_empty() { "none named" } else { principal_id })
            }
            PrincipalFact::Unknown => {}
        },
        RootCause::AccountArchived
        | RootCause::AccountSuspendedAbuse
        | RootCause::AccountSuspendedBilling
        | RootCause::AccountSuspendedPolicy => {
            if let Some(tenant) = facts.tenant {
                note("tenant", tenant.tenant_id);
                note("tenant.state", if tenant.state == TenantState::Archived { "archived" } else { "suspended" });
                note("tenant.reason", tenant.reason);
                note("tenant.since", &since(tenant.since));
            }
        }
        RootCause::KeyRevoked
        | RootCause::KeyDisabled
        | RootCause::KeyExpired
        | RootCause::KeySuperseded
        | RootCause::KeyNotYetActive
        | RootCause::MappingConflict
        | RootCause::PropagationLag
        | RootCause::WrongEnvironment => {
            if let Some(key) = facts.key {
                note("key", key.key_id);
                match cause {
                    RootCause::KeyExpired => note("key.expires_at", &since(key.expires_at)),
                    RootCause::KeyNotYetActive => note("key.created_at", &since(key.created_at)),
                    RootCause::WrongEnvironment => note("key.environment", key.other_environment.unwrap_or("")),
                    RootCause::KeySuperseded => {
                        note("key.replaced_by", key.replaced_by);
                        note("key.grace_until", &since(key.grace_until));
                    }
                    _ => {
                        note("key.revoked_at", &since(key.revoked_at));
                        note("key.reason", key.status_reason);
                    }
                }
            }
        }
        RootCause::TenantMismatch => {
            note("tenant.of_key", facts.tenant.map_or("", |tenant| tenant.tenant_id));
            note("tenant.asked", facts.request.foreign_tenant.unwrap_or(""));
        }
        RootCause::ScopeMissing | RootCause::RoleDowngraded => {
            if let Some((scope, lost)) = facts.request.scope_missing {
                note("scope.missing", scope);
                note("scope.lost_at", &since(lost));
            }
        }
        RootCause::IpNotAllowed => note("address", facts.request.address_refused.unwrap_or("")),
        RootCause::RegionNotAllowed => note("region", facts.request.region_refused.unwrap_or("")),
        RootCause::ModelNotGranted => note("model", facts.request.model_refused.unwrap_or("")),
        RootCause::VersionRetired => note("route.sunset_at", &since(facts.request.retired_at)),
        RootCause::NearMissCredential => {
            if let CredentialFact::Shown { near: Some(kind), .. } = facts.credential {
                note("credential.slip", kind.name());
            }
        }
        RootCause::CredentialStripped => note("client", "authenticated until now"),
        _ => {}
    }
    if facts.word != Word::Silent {
        out.push(format!("gateway.word={}", facts.word.name()));
    }
    out
}

const fn state_name(state: PrincipalState) -> &'static str {
    match state {
        PrincipalState::Active => "active",
        PrincipalState::Deactivated => "deactivated",
        PrincipalState::Suspended => "suspended",
        PrincipalState::Deleted => "deleted",
        PrincipalState::MachineInvalid => "machine identity invalid",
        PrincipalState::FederationBroken => "federation broken",
    }
}

/// What a request that was served tells, when it should not have been.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest of the ends are the tenant's")]
#[must_use]
pub(super) fn zombie(facts: &Facts<'_>) -> Option<(RootCause, Option<i64>)> {
    use RootCause as Cause;
    const ENDS: &[RootCause] = &[
        Cause::UserDeleted,
        Cause::UserDeactivated,
        Cause::AccountArchived,
        Cause::AccountSuspendedAbuse,
        Cause::AccountSuspendedBilling,
        Cause::AccountSuspendedPolicy,
        Cause::KeyRevoked,
        Cause::KeyExpired,
        Cause::KeyDisabled,
        Cause::KeySuperseded,
    ];
    let (cause, _) =
        RULES.iter().find(|(cause, rule)| ENDS.contains(cause) && rule(facts) == Some(Confidence::Certain))?;
    let key = facts.key;
    let since = match cause {
        Cause::UserDeleted | Cause::UserDeactivated => match facts.principal {
            PrincipalFact::Known { since, .. } => since,
            PrincipalFact::Unknown | PrincipalFact::Dangling { .. } => None,
        },
        Cause::KeyRevoked | Cause::KeyDisabled => key.and_then(|key| key.revoked_at),
        Cause::KeyExpired => key.and_then(|key| key.expires_at),
        Cause::KeySuperseded => key.and_then(|key| key.grace_until),
        _ => facts.tenant.and_then(|tenant| tenant.since),
    };
    Some((*cause, since.map(|since| facts.at.saturating_sub(since))))
}
