//! The rules: each names one cause and says when it holds. [`RULES`] is the precedence: the first that holds
//! is the verdict, the next ones are the alternatives.
//!
//! The order follows one thought: what lies closest to the root. First what kept the credential from being read
//! at all; then whether it is a key; then who is behind it; then the account; then the key's own life; then what it
//! may do; then limits; last the gateway's word where no fact speaks. A status of 429 is the exception: a limiter
//! speaks for itself.
//!
//! A cause of the identity does not outrank an end of the key that came before it: a key revoked in March was not
//! refused because its user was deleted in May. Nor does one end of a key outrank an earlier one. But where the reason
//! of the key's end names its owner, it is a consequence, whichever of the two was noticed first.

use super::facts::{CredentialFact, Facts, KeyFact, PrincipalFact, PrincipalState, Shape, TenantState};
use super::word::Word;
use crate::cause::RootCause;

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// One witness, and not the best.
    Possible,
    /// Good evidence, not seen by all witnesses.
    Likely,
    /// The directory, fresh at the time, decides.
    Certain,
}

impl Confidence {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// When a cause holds.
pub type Rule = fn(&Facts<'_>) -> Option<Confidence>;

use Confidence::{Certain, Likely, Possible};
use RootCause as Cause;

/// Causes in order of precedence. A spent quota stands twice: said by a limiter, and as the reason an account is held.
pub const RULES: &[(RootCause, Rule)] = &[
    (Cause::IdentityProviderUnavailable, |f| on(f.word == Word::AuthBackendDown, Likely)),
    (Cause::WafBlocked, |f| on(f.word == Word::FirewallBlocked, Certain)),
    (Cause::QuotaExhausted, |f| on(f.word == Word::QuotaSpent && limited(f), Certain)),
    (Cause::RateLimited, |f| on(limited(f), if f.word == Word::RateLimited { Certain } else { Likely })),
    (Cause::DuplicateCredential, |f| {
        let said = f.word == Word::Duplicate;
        on(said || f.differing && refusal_of_identity(f), if said { Certain } else { Likely })
    }),
    (Cause::CredentialStripped, |f| on(f.credential == CredentialFact::None && f.habit_broken, Likely)),
    (Cause::MisplacedCredential, |f| {
        on(matches!(f.credential, CredentialFact::Shown { read_here: false, .. }), Certain)
    }),
    (Cause::MissingCredential, |f| {
        on(
            f.credential == CredentialFact::None && refusal_of_identity(f),
            if f.word == Word::Missing { Certain } else { Likely },
        )
    }),
    (Cause::NearMissCredential, |f| {
        on(f.key.is_none() && matches!(f.credential, CredentialFact::Shown { near: Some(_), .. }), Certain)
    }),
    (Cause::RetiredKeyFormat, |f| on(f.key.is_none() && shape(f) == Some(Shape::Retired), fresh(f))),
    (Cause::MalformedCredential, |f| on(f.key.is_none() && shape(f) == Some(Shape::CannotBe), Certain)),
    (Cause::WrongEnvironment, |f| {
        on(key(f, |key| key.other_environment.is_some()), fresh(f))
            .or_else(|| on(f.key.is_none() && f.issued_for.is_some(), Likely))
    }),
    (Cause::UnknownKey, |f| {
        on(is_unlisted(f) && !f.authenticated, if f.word.knows_the_key() { Possible } else { fresh(f) })
    }),
    (Cause::MappingConflict, |f| on(key(f, |key| key.conflicting || key.torn_between.is_some()), fresh(f))),
    (Cause::OrphanedKey, |f| on(matches!(f.principal, PrincipalFact::Dangling { .. }) && f.key.is_some(), fresh(f))),
    (Cause::UserDeleted, |f| principal(f, PrincipalState::Deleted)),
    (Cause::AccountArchived, |f| tenant(f, |state, _| state == TenantState::Archived)),
    (Cause::AccountSuspendedAbuse, |f| {
        tenant(f, |state, reason| state == TenantState::Suspended && reason.contains("abuse"))
    }),
    (Cause::AccountSuspendedPolicy, |f| {
        let other = |reason: &str| is_billing(reason) || is_quota(reason) || reason.contains("abuse");
        tenant(f, |state, reason| state == TenantState::Suspended && !other(reason))
    }),
    (Cause::AccountSuspendedBilling, |f| {
        tenant(f, |state, reason| state == TenantState::Suspended && is_billing(reason))
    }),
    (Cause::QuotaExhausted, |f| tenant(f, |state, reason| state == TenantState::Suspended && is_quota(reason))),
    (Cause::FederationBroken, |f| principal(f, PrincipalState::FederationBroken)),
    (Cause::ServicePrincipalInvalid, |f| principal(f, PrincipalState::MachineInvalid)),
    (Cause::UserDeactivated, |f| {
        principal(f, PrincipalState::Deactivated).or_else(|| principal(f, PrincipalState::Suspended))
    }),
    (Cause::KeySuperseded, |f| {
        on(key(f, |key| past(superseded_at(key), f.at) && !precedes(key.revoked_at, superseded_at(key))), fresh(f))
    }),
    (Cause::KeyRevoked, |f| {
        let revoked = |key: &KeyFact<'_>| key.revoked || past(key.revoked_at, f.at);
        on(key(f, |key| revoked(key) && !precedes(key.expires_at, key.revoked_at)), fresh(f))
    }),
    (Cause::KeyExpired, |f| on(key(f, |key| past(key.expires_at, f.at)), fresh(f))),
    (Cause::KeyDisabled, |f| on(key(f, |key| key.disabled), fresh(f))),
    (Cause::KeyNotYetActive, not_yet_active),
    (Cause::TenantMismatch, |f| on(f.key.is_some() && f.request.foreign_tenant.is_some(), fresh(f))),
    (Cause::VersionRetired, |f| {
        on(f.request.retired_at.is_some(), fresh(f)).or_else(|| on(f.status == 410 && !f.application_refused, Likely))
    }),
    (Cause::IpNotAllowed, |f| on(f.request.address_refused.is_some(), fresh(f))),
    (Cause::RegionNotAllowed, |f| on(f.request.region_refused.is_some(), fresh(f))),
    (Cause::ModelNotGranted, |f| on(f.request.model_refused.is_some(), fresh(f))),
    (Cause::RoleDowngraded, |f| on(matches!(f.request.scope_missing, Some((_, Some(_)))), fresh(f))),
    (Cause::ScopeMissing, |f| on(matches!(f.request.scope_missing, Some((_, None))), fresh(f))),
    (Cause::PropagationLag, propagation_lag),
    (Cause::RouteNotGranted, |f| {
        on(f.key.is_some() && f.status == 403 && f.word == Word::NotGranted && !f.application_refused, Likely)
    }),
    (Cause::ClockSkew, |f| on(f.word == Word::ClockSkew, Likely)),
    (Cause::UpstreamDenied, |f| on(f.application_refused, Certain)),
];

/// What a gateway's word means where no fact speaks.
#[must_use]
pub(super) fn cause_of_word(word: Word) -> Option<RootCause> {
    Some(match word {
        Word::Missing => Cause::MissingCredential,
        Word::Duplicate => Cause::DuplicateCredential,
        Word::Malformed => Cause::MalformedCredential,
        Word::Expired => Cause::KeyExpired,
        Word::Disabled => Cause::KeyDisabled,
        Word::Revoked => Cause::KeyRevoked,
        Word::UserInvalid => Cause::UserDeactivated,
        Word::Suspended => Cause::AccountSuspendedPolicy,
        Word::Unpaid => Cause::AccountSuspendedBilling,
        Word::RateLimited => Cause::RateLimited,
        Word::QuotaSpent => Cause::QuotaExhausted,
        Word::ScopeMissing => Cause::ScopeMissing,
        Word::NotGranted => Cause::RouteNotGranted,
        Word::ModelNotGranted => Cause::ModelNotGranted,
        Word::TenantMismatch => Cause::TenantMismatch,
        Word::IpDenied => Cause::IpNotAllowed,
        Word::RegionDenied => Cause::RegionNotAllowed,
        Word::VersionRetired => Cause::VersionRetired,
        Word::FirewallBlocked => Cause::WafBlocked,
        Word::AuthBackendDown => Cause::IdentityProviderUnavailable,
        Word::ClockSkew => Cause::ClockSkew,
        Word::FederationBroken => Cause::FederationBroken,
        Word::Silent | Word::Invalid => return None,
    })
}

fn on(holds: bool, confidence: Confidence) -> Option<Confidence> {
    holds.then_some(confidence)
}

/// Facts of a directory past its freshness limit are likely, not certain.
fn fresh(facts: &Facts<'_>) -> Confidence {
    if facts.stale { Likely } else { Certain }
}

/// A limiter said no: by status, or by word with a status that limiters use.
fn limited(facts: &Facts<'_>) -> bool {
    let says_limit = matches!(facts.word, Word::RateLimited | Word::QuotaSpent);
    !facts.application_refused && (facts.status == 429 || says_limit && matches!(facts.status, 400 | 402 | 403 | 503))
}

/// The refusal is about who called, not about what was called.
fn refusal_of_identity(facts: &Facts<'_>) -> bool {
    !facts.application_refused && (facts.status == 401 || facts.status == 407 || facts.word == Word::Missing)
}

fn shape(facts: &Facts<'_>) -> Option<Shape> {
    match facts.credential {
        CredentialFact::Shown { shape, .. } => Some(shape),
        CredentialFact::None | CredentialFact::Redacted => None,
    }
}

/// A credential was sent that directories list, and none holds it.
pub(super) fn is_unlisted(facts: &Facts<'_>) -> bool {
    facts.key.is_none() && shape(facts).is_some_and(|shape| shape != Shape::NotListed)
}

fn key(facts: &Facts<'_>, holds: impl Fn(&KeyFact<'_>) -> bool) -> bool {
    facts.key.as_ref().is_some_and(holds)
}

fn past(end: Option<i64>, at: i64) -> bool {
    end.is_some_and(|end| end <= at)
}

fn precedes(one: Option<i64>, other: Option<i64>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one < other)
}

/// When the grace of a key that has a successor ends.
fn superseded_at(key: &KeyFact<'_>) -> Option<i64> {
    key.grace_until.filter(|_| !key.replaced_by.is_empty())
}

/// When the key itself came to its end, if it did before the request and not because of its owner.
fn key_ended_at(facts: &Facts<'_>) -> Option<i64> {
    let key = facts.key.as_ref()?;
    let revoked_at = key.revoked_at.filter(|_| !names_the_owner(key.status_reason));
    [revoked_at, key.expires_at, superseded_at(key)].into_iter().flatten().filter(|&end| end <= facts.at).min()
}

/// Whether the reason of a key's end is what befell its owner: "owner deleted", "account suspended", "offboarding".
fn names_the_owner(reason: &str) -> bool {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    says(&["offboard"])
        || says(&["owner", "user", "principal", "account", "tenant"])
            && says(&["delet", "remov", "deactivat", "disabl", "suspen", "archiv"])
}

/// Whether a state of principal or tenant that began at `since` came before any end of the key.
fn is_root(facts: &Facts<'_>, since: Option<i64>) -> bool {
    match (key_ended_at(facts), since) {
        (Some(ended), Some(since)) => since <= ended,
        _ => true,
    }
}

fn principal(facts: &Facts<'_>, wanted: PrincipalState) -> Option<Confidence> {
    match facts.principal {
        PrincipalFact::Known { state, since, .. } => on(state == wanted && is_root(facts, since), fresh(facts)),
        PrincipalFact::Unknown | PrincipalFact::Dangling { .. } => None,
    }
}

fn tenant(facts: &Facts<'_>, holds: impl Fn(TenantState, &str) -> bool) -> Option<Confidence> {
    let tenant = facts.tenant?;
    on(holds(tenant.state, tenant.reason) && is_root(facts, tenant.since), fresh(facts))
}

fn is_billing(reason: &str) -> bool {
    !is_quota(reason) && ["billing", "payment", "unpaid", "card", "plan"].into_iter().any(|word| reason.contains(word))
}

fn is_quota(reason: &str) -> bool {
    ["quota", "free tier", "budget"].into_iter().any(|word| reason.contains(word))
}

/// Whether a principal that is suspended for this reason is held as an account, not as a person.
pub(super) fn is_of_account(reason: &str) -> bool {
    is_billing(reason) || is_quota(reason) || reason.contains("policy") || reason.contains("abuse")
}

/// Whether a change at `time` is so near the request, before or after, that it may not have been known everywhere.
fn is_recent(facts: &Facts<'_>, time: Option<i64>) -> bool {
    time.is_some_and(|time| facts.at.saturating_sub(time).saturating_abs() <= facts.propagation_us)
}

fn not_yet_active(facts: &Facts<'_>) -> Option<Confidence> {
    let begun = key(facts, |key| is_recent(facts, key.created_at) || is_recent(facts, key.enabled_at));
    on(facts.status == 401 && begun, Likely)
}

/// Nothing is wrong now, but something was changed moments ago.
fn propagation_lag(facts: &Facts<'_>) -> Option<Confidence> {
    let recent = |time| is_recent(facts, time);
    let of_principal = match facts.principal {
        PrincipalFact::Known { since, .. } => recent(since),
        PrincipalFact::Unknown | PrincipalFact::Dangling { .. } => false,
    };
    let of_key = key(facts, |key| [key.expires_at, key.revoked_at, key.changed_at].into_iter().any(recent));
    let of_tenant = facts.tenant.is_some_and(|tenant| recent(tenant.since));
    let changed = of_key || of_principal || of_tenant || facts.request.newly_granted;
    on(changed && !facts.application_refused, Possible)
}
