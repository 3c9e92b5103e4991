//! Facts to a verdict: cause, alternatives, confidence, evidence, contradiction, missing field.

use super::facts::{CredentialFact, Facts, PrincipalFact, PrincipalState, Shape, TenantFact, TenantState};
use super::rules::{Confidence, RULES, Rule, cause_of_word, is_unlisted};
use super::word::Word;
use crate::cause::{CauseClass, RootCause};
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
    let mut holding = RULES.iter().filter(|(_, rule)| rule(facts).is_some());
    let leading = holding.next();
    let by_rule = leading.and_then(|(cause, rule)| Some((*cause, rule(facts)?)));
    let by_word = cause_of_word(facts.word);
    let outdated = leading.is_some_and(|(_, rule)| rests_on_an_old_directory(rule, facts));

    // A guess from times is worth less than what the gateway says, and so is a directory past its freshness limit.
    let speaks_against = |cause: RootCause| by_word.is_some_and(|said| said.class() != cause.class());
    let believed = by_rule
        .filter(|(cause, confidence)| *confidence > Confidence::Possible && !(outdated && speaks_against(*cause)));
    let (cause, confidence) = match (believed, by_word, by_rule) {
        (Some(verdict), ..) => verdict,
        (None, Some(cause), _) => (cause, Confidence::Possible),
        (None, None, Some(verdict)) => verdict,
        (None, None, None) => (RootCause::Undecidable, Confidence::Possible),
    };
    let overruled = outdated && by_rule.is_some_and(|(guess, _)| guess != cause);

    let mut evidence = evidence(facts, cause);
    if outdated || facts.stale && cause == RootCause::Undecidable {
        evidence.push("directory=past its freshness limit".to_owned());
    }
    let said = by_word.filter(|_| !agrees(facts.word, cause));
    Verdict {
        cause,
        confidence,
        alternatives: alternatives(cause, leading.into_iter().chain(holding).map(|(cause, _)| *cause).chain(said)),
        contradiction: contradiction(facts, cause, believed.is_none()).or_else(|| {
            overruled.then_some("the gateway says otherwise than the directory, which is past its freshness limit")
        }),
        evidence,
        missing_field: (cause == RootCause::Undecidable).then(|| missing_field(facts)),
    }
}

/// The first of the causes that fit besides `cause`, each once.
fn alternatives(cause: RootCause, fitting: impl Iterator<Item = RootCause>) -> Vec<RootCause> {
    let mut kept = Vec::with_capacity(ALTERNATIVES_MAX);
    for other in fitting {
        if kept.len() == ALTERNATIVES_MAX {
            break;
        }
        if other != cause && !kept.contains(&other) {
            kept.push(other);
        }
    }
    kept
}

/// Whether a vague word means the more exact cause as well.
fn agrees(word: Word, cause: RootCause) -> bool {
    let vague = matches!(word, Word::Suspended | Word::UserInvalid);
    vague && cause_of_word(word).is_some_and(|said| said.class() == cause.class())
}

/// Whether a fresh directory would make the rule surer.
fn rests_on_an_old_directory(rule: &Rule, facts: &Facts<'_>) -> bool {
    facts.stale && rule(&Facts { stale: false, ..*facts }) > rule(facts)
}

/// How the gateway's word and the directory disagree.
#[expect(clippy::wildcard_enum_match_arm, reason = "few of the words can contradict a directory")]
fn contradiction(facts: &Facts<'_>, cause: RootCause, by_word: bool) -> Option<&'static str> {
    let of_directory = matches!(cause.class(), CauseClass::Key | CauseClass::Identity | CauseClass::Account);
    let healthy_key = facts.key.is_some() && (cause == RootCause::Undecidable || by_word && of_directory);
    match facts.word {
        _ if healthy_key && !facts.stale => Some("the gateway refused, but the directory finds nothing wrong"),
        Word::Missing if facts.credential != CredentialFact::None && cause != RootCause::MisplacedCredential => {
            Some("the gateway says no credential was sent, but the log shows one")
        }
        word if word.knows_the_key() && is_unlisted(facts) && !facts.stale && cause_of_word(word) == Some(cause) => {
            Some("the gateway speaks of a key that no snapshot holds")
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
        CredentialFact::Shown { shape: Shape::NotListed, .. } => "consumer (whose token it is)",
        CredentialFact::Shown { .. } if facts.stale => {
            "identity snapshot (the one at hand is past its freshness limit)"
        }
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
pub(super) fn evidence(facts: &Facts<'_>, cause: RootCause) -> Vec<String> {
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
            facts.tenant.iter().for_each(|tenant| note_account(tenant, &mut note));
        }
        RootCause::QuotaExhausted => {
            let held = facts.tenant.iter().filter(|tenant| tenant.state == TenantState::Suspended);
            held.for_each(|tenant| note_account(tenant, &mut note));
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
                    RootCause::KeyNotYetActive => match key.enabled_at {
                        Some(enabled_at) => note("key.enabled_at", &time::format(enabled_at)),
                        None => note("key.created_at", &since(key.created_at)),
                    },
                    RootCause::WrongEnvironment => note("key.environment", key.other_environment.unwrap_or("")),
                    RootCause::MappingConflict => {
                        let (of_key, of_principal) = key.torn_between.unwrap_or(("", ""));
                        note("key.claimed_by", if key.conflicting { "two principals" } else { "" });
                        note("key.tenant", of_key);
                        note("principal.tenant", of_principal);
                    }
                    RootCause::PropagationLag => {
                        note("changed_at", &since(changed_at(facts)));
                        note("scope", if facts.request.newly_granted { "granted moments ago" } else { "" });
                    }
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
            if cause == RootCause::WrongEnvironment {
                note("credential.environment", facts.issued_for.unwrap_or(""));
            }
        }
        RootCause::Undecidable if facts.request.route_unknown => note("route", "not in the directory"),
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
        RootCause::VersionRetired => {
            note("route.sunset_at", &since(facts.request.retired_at));
            note("status", if facts.status == 410 { "410" } else { "" });
        }
        RootCause::MisplacedCredential | RootCause::DuplicateCredential => note("credential.place", facts.place),
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

fn note_account(tenant: &TenantFact<'_>, note: &mut impl FnMut(&str, &str)) {
    let (who, id) = match tenant.principal_id {
        "" => ("tenant", tenant.tenant_id),
        principal_id => ("principal", principal_id),
    };
    note(who, id);
    note(&format!("{who}.state"), if tenant.state == TenantState::Archived { "archived" } else { "suspended" });
    note(&format!("{who}.reason"), tenant.reason);
    note(&format!("{who}.since"), &tenant.since.map(time::format).unwrap_or_default());
}

/// The last change before the request that is known of key, principal or account.
fn changed_at(facts: &Facts<'_>) -> Option<i64> {
    let of_key = facts.key.iter().flat_map(|key| [key.changed_at, key.revoked_at, key.expires_at]);
    let of_principal = match facts.principal {
        PrincipalFact::Known { since, .. } => since,
        PrincipalFact::Unknown | PrincipalFact::Dangling { .. } => None,
    };
    let of_tenant = facts.tenant.and_then(|tenant| tenant.since);
    of_key.chain([of_principal, of_tenant]).flatten().filter(|&time| time <= facts.at).max()
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
        Cause::QuotaExhausted,
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
