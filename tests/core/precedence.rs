//! The order of the rules, pair by pair: for any two causes that can hold at once, the one above is the verdict and
//! the one below an alternative.

use std::collections::BTreeSet;

use claviger_core::cause::RootCause as Cause;
use claviger_core::classify::facts::{
    CredentialFact, Facts, KeyFact, PrincipalFact, PrincipalState, RequestFact, Shape, TenantFact, TenantState,
};
use claviger_core::classify::{Confidence, RULES, Word as Said, decide};
use claviger_core::event::Column;
use claviger_core::identity::Table;
use claviger_core::refine::{RefineOptions, Refined, Refiner};
use claviger_core::secret::NearMissKind;
use claviger_core::time;
use serde_json::json;

use crate::decode::batch_of;
use crate::support::{HOUR, MINUTE, OPENING, SECOND, decode_options, directory, line, secret};

const AT: i64 = OPENING;
/// Identity and account changed first, the key ended later: both are causes, and the first is the root.
const FIRST: i64 = AT - HOUR;
const LATER: i64 = AT - 10 * MINUTE;

/// Alternatives that a verdict keeps.
const ALTERNATIVES_MAX: usize = 3;

/// What a cause needs of the facts. Two causes can exclude each other only where they need opposite things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Word,
    Status,
    NoCredential,
    ShownCredential,
    ShapeOfKey,
    NoKey,
    Key,
    StateOfPrincipal,
    StateOfTenant,
    LackOfScope,
    RefusedByGateway,
    RefusedByApplication,
}

use Need::*;

impl Need {
    fn excludes(self, other: Self) -> bool {
        match (self, other) {
            (Key, Key) | (NoKey, NoKey) | (NoCredential, NoCredential) | (ShownCredential, ShownCredential) => false,
            (RefusedByGateway, RefusedByGateway) => false,
            (Key, NoKey) | (NoKey, Key) => true,
            (NoCredential, ShownCredential) | (ShownCredential, NoCredential) => true,
            (RefusedByGateway, RefusedByApplication) | (RefusedByApplication, RefusedByGateway) => true,
            (one, another) => one == another,
        }
    }
}

/// How facts become such that a cause holds.
type Happens = fn(&mut Facts<'static>);

/// One row a rule, in the order of [`RULES`].
const HAPPENINGS: &[(Cause, &[Need], Happens)] = &[
    (Cause::IdentityProviderUnavailable, &[Word], |f| f.word = Said::AuthBackendDown),
    (Cause::WafBlocked, &[Word], |f| f.word = Said::FirewallBlocked),
    (Cause::QuotaExhausted, &[Word, Status, RefusedByGateway], |f| {
        (f.word, f.status) = (Said::QuotaSpent, 402);
    }),
    (Cause::RateLimited, &[Status, RefusedByGateway], |f| f.status = 429),
    (Cause::DuplicateCredential, &[Status, RefusedByGateway], |f| f.differing = true),
    (Cause::CredentialStripped, &[NoCredential, NoKey], |f| {
        sends_nothing(f);
        f.habit_broken = true;
    }),
    (Cause::MisplacedCredential, &[ShownCredential], |f| {
        let (_, shape, near) = shown(f);
        f.credential = CredentialFact::Shown { read_here: false, shape, near };
    }),
    (Cause::MissingCredential, &[NoCredential, NoKey, Status, RefusedByGateway], sends_nothing),
    (Cause::NearMissCredential, &[ShownCredential, NoKey], |f| {
        let (read_here, shape, _) = shown(f);
        f.credential = CredentialFact::Shown { read_here, shape, near: Some(NearMissKind::OneEdit) };
        f.key = None;
    }),
    (Cause::RetiredKeyFormat, &[ShownCredential, ShapeOfKey, NoKey], |f| looks(f, Shape::Retired)),
    (Cause::MalformedCredential, &[ShownCredential, ShapeOfKey, NoKey], |f| looks(f, Shape::CannotBe)),
    (Cause::WrongEnvironment, &[Key], |f| key(f).other_environment = Some("staging")),
    (Cause::UnknownKey, &[ShownCredential, NoKey], |f| f.key = None),
    (Cause::MappingConflict, &[Key], |f| key(f).conflicting = true),
    (Cause::OrphanedKey, &[Key, StateOfPrincipal], |f| f.principal = PrincipalFact::Dangling { principal_id: "p9" }),
    (Cause::UserDeleted, &[StateOfPrincipal], |f| principal(f, PrincipalState::Deleted)),
    (Cause::AccountArchived, &[StateOfTenant], |f| tenant(f, TenantState::Archived, "")),
    (Cause::AccountSuspendedAbuse, &[StateOfTenant], |f| tenant(f, TenantState::Suspended, "abuse")),
    (Cause::AccountSuspendedPolicy, &[StateOfTenant], |f| tenant(f, TenantState::Suspended, "policy")),
    (Cause::AccountSuspendedBilling, &[StateOfTenant], |f| tenant(f, TenantState::Suspended, "billing")),
    (Cause::QuotaExhausted, &[StateOfTenant], |f| tenant(f, TenantState::Suspended, "quota: free tier used up")),
    (Cause::FederationBroken, &[StateOfPrincipal], |f| principal(f, PrincipalState::FederationBroken)),
    (Cause::ServicePrincipalInvalid, &[StateOfPrincipal], |f| principal(f, PrincipalState::MachineInvalid)),
    (Cause::UserDeactivated, &[StateOfPrincipal], |f| principal(f, PrincipalState::Deactivated)),
    (Cause::KeySuperseded, &[Key], |f| {
        let key = key(f);
        (key.replaced_by, key.grace_until) = ("k2", Some(LATER));
    }),
    (Cause::KeyRevoked, &[Key], |f| key(f).revoked_at = Some(LATER)),
    (Cause::KeyExpired, &[Key], |f| key(f).expires_at = Some(LATER)),
    (Cause::KeyDisabled, &[Key], |f| key(f).disabled = true),
    (Cause::KeyNotYetActive, &[Key, Status], |f| key(f).created_at = Some(AT - 5 * SECOND)),
    (Cause::TenantMismatch, &[Key], |f| f.request.foreign_tenant = Some("globex")),
    (Cause::VersionRetired, &[], |f| f.request.retired_at = Some(FIRST)),
    (Cause::IpNotAllowed, &[], |f| f.request.address_refused = Some("203.0.113.7")),
    (Cause::RegionNotAllowed, &[], |f| f.request.region_refused = Some("eu")),
    (Cause::ModelNotGranted, &[], |f| f.request.model_refused = Some("large")),
    (Cause::RoleDowngraded, &[LackOfScope], |f| f.request.scope_missing = Some(("write", Some(FIRST)))),
    (Cause::ScopeMissing, &[LackOfScope], |f| f.request.scope_missing = Some(("write", None))),
    (Cause::PropagationLag, &[RefusedByGateway], |f| {
        if let Some(tenant) = &mut f.tenant {
            tenant.since = Some(AT - 5 * SECOND);
        }
    }),
    (Cause::RouteNotGranted, &[Key, Word, Status, RefusedByGateway], |f| {
        (f.word, f.status) = (Said::NotGranted, 403);
    }),
    (Cause::ClockSkew, &[Word], |f| f.word = Said::ClockSkew),
    (Cause::UpstreamDenied, &[RefusedByApplication], |f| f.application_refused = true),
];

/// A cause that another one is a special case of holds whenever that one does.
const IMPLIED: &[(Cause, Cause)] = &[
    (Cause::QuotaExhausted, Cause::RateLimited),
    (Cause::CredentialStripped, Cause::MissingCredential),
    (Cause::NearMissCredential, Cause::UnknownKey),
    (Cause::RetiredKeyFormat, Cause::UnknownKey),
    (Cause::MalformedCredential, Cause::UnknownKey),
];

/// A refusal in which nothing is wrong: key, owner and account are in order, and the gateway says nothing.
fn healthy() -> Facts<'static> {
    Facts {
        at: AT,
        status: 401,
        credential: CredentialFact::Shown { read_here: true, shape: Shape::Fits, near: None },
        key: Some(KeyFact { key_id: "k1", ..KeyFact::default() }),
        principal: PrincipalFact::Known { principal_id: "p1", state: PrincipalState::Active, reason: "", since: None },
        tenant: Some(TenantFact {
            tenant_id: "acme",
            principal_id: "",
            state: TenantState::Active,
            reason: "",
            since: None,
        }),
        request: RequestFact { granted: true, ..RequestFact::default() },
        propagation_us: 30 * SECOND,
        ..Facts::default()
    }
}

fn shown(facts: &Facts<'_>) -> (bool, Shape, Option<NearMissKind>) {
    match facts.credential {
        CredentialFact::Shown { read_here, shape, near } => (read_here, shape, near),
        CredentialFact::None | CredentialFact::Redacted => (true, Shape::Fits, None),
    }
}

fn sends_nothing(facts: &mut Facts<'static>) {
    (facts.credential, facts.key) = (CredentialFact::None, None);
}

fn looks(facts: &mut Facts<'static>, shape: Shape) {
    let (read_here, _, near) = shown(facts);
    facts.credential = CredentialFact::Shown { read_here, shape, near };
    facts.key = None;
}

fn key<'f>(facts: &'f mut Facts<'static>) -> &'f mut KeyFact<'static> {
    facts.key.get_or_insert_default()
}

fn principal(facts: &mut Facts<'static>, state: PrincipalState) {
    facts.principal = PrincipalFact::Known { principal_id: "p1", state, reason: "", since: Some(FIRST) };
}

fn tenant(facts: &mut Facts<'static>, state: TenantState, reason: &'static str) {
    facts.tenant = Some(TenantFact { tenant_id: "acme", principal_id: "", state, reason, since: Some(FIRST) });
}

fn holding(facts: &Facts<'_>) -> Vec<(Cause, Confidence)> {
    RULES.iter().filter_map(|(cause, rule)| rule(facts).map(|confidence| (*cause, confidence))).collect()
}

fn holds(cause: Cause, facts: &Facts<'_>) -> bool {
    holding(facts).iter().any(|(other, _)| *other == cause)
}

#[test]
fn every_rule_has_its_happening_in_the_same_order() {
    let rules: Vec<Cause> = RULES.iter().map(|(cause, _)| *cause).collect();
    let happenings: Vec<Cause> = HAPPENINGS.iter().map(|(cause, ..)| *cause).collect();
    assert_eq!(happenings, rules);
    let distinct = rules.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(distinct, rules.len() - 1, "no cause has two rules but the spent quota");
}

#[test]
fn every_cause_has_a_rule_or_is_no_cause_of_a_refusal() {
    let ruled: BTreeSet<Cause> = RULES.iter().map(|(cause, _)| *cause).collect();
    let others: Vec<Cause> = Cause::ALL.iter().copied().filter(|cause| !ruled.contains(cause)).collect();
    assert_eq!(others, [Cause::Undecidable, Cause::ZombieAccess, Cause::AnonymousFallback]);
}

#[test]
fn nothing_is_wrong_with_the_healthy() {
    assert_eq!(holding(&healthy()), []);
    let verdict = decide(&healthy());
    assert_eq!(verdict.cause, Cause::Undecidable);
    assert_eq!(verdict.contradiction, Some("the gateway refused, but the directory finds nothing wrong"));
}

#[test]
fn each_cause_alone_is_the_verdict() {
    for (cause, needs, happens) in HAPPENINGS {
        let mut facts = healthy();
        happens(&mut facts);
        let of_account = needs.contains(&StateOfTenant);
        let implied =
            IMPLIED.iter().filter(|(special, _)| special == cause && !of_account).map(|(_, general)| *general);
        let expected: Vec<Cause> = std::iter::once(*cause).chain(implied).collect();
        let found: Vec<Cause> = holding(&facts).into_iter().map(|(cause, _)| cause).collect();
        assert_eq!(found, expected);
        assert_eq!(decide(&facts).cause, *cause);
    }
}

#[test]
fn of_two_causes_the_one_above_is_the_verdict_and_the_one_below_an_alternative() {
    let mut compatible = 0;
    for (place, (above, needs_above, happens_above)) in HAPPENINGS.iter().enumerate() {
        for (below, needs_below, happens_below) in HAPPENINGS[place + 1..].iter().filter(|(below, ..)| below != above) {
            let both = [[happens_above, happens_below], [happens_below, happens_above]].into_iter().find_map(|order| {
                let mut facts = healthy();
                order.into_iter().for_each(|happens| happens(&mut facts));
                (holds(*above, &facts) && holds(*below, &facts)).then_some(facts)
            });
            let Some(facts) = both else {
                let excluded = needs_above.iter().any(|one| needs_below.iter().any(|other| one.excludes(*other)));
                assert!(excluded, "{above:?} and {below:?} exclude each other for no reason that is known");
                continue;
            };
            compatible += 1;
            let verdict = decide(&facts);
            assert!(!verdict.alternatives.contains(&verdict.cause), "{above:?}, {below:?}: {verdict:?}");
            if holding(&facts)[0].1 == Confidence::Possible {
                // A guess from times yields to the gateway's word: the other way round, and both are named.
                assert_eq!(*above, Cause::PropagationLag);
                assert_eq!((verdict.cause, verdict.alternatives.as_slice()), (*below, &[*above][..]));
                continue;
            }
            assert_eq!(verdict.cause, *above, "above {below:?}");
            assert!(
                verdict.alternatives.contains(below) || verdict.alternatives.len() == ALTERNATIVES_MAX,
                "{below:?} below {above:?} is not among {:?}",
                verdict.alternatives
            );
        }
    }
    assert!(compatible > 500, "only {compatible} pairs can be compared");
}

#[test]
fn a_key_revoked_before_its_user_was_deleted_fell_to_the_revocation() {
    let mut facts = healthy();
    key(&mut facts).revoked_at = Some(FIRST);
    let deleted_at = |since| PrincipalFact::Known {
        principal_id: "p1",
        state: PrincipalState::Deleted,
        reason: "offboarded",
        since: Some(since),
    };
    facts.principal = deleted_at(LATER);
    assert_eq!(decide(&facts).cause, Cause::KeyRevoked);

    facts.principal = deleted_at(FIRST - HOUR);
    let verdict = decide(&facts);
    assert_eq!((verdict.cause, verdict.alternatives), (Cause::UserDeleted, vec![Cause::KeyRevoked]));
}

#[test]
fn a_stale_directory_is_likely_where_a_fresh_one_is_certain() {
    let mut lowered = 0;
    for (cause, _, happens) in HAPPENINGS {
        let mut facts = healthy();
        happens(&mut facts);
        let fresh = decide(&facts).confidence;
        facts.stale = true;
        let stale = decide(&facts);
        assert_eq!(stale.cause, *cause);
        assert!(stale.confidence <= fresh, "{cause:?}");
        lowered += usize::from(stale.confidence < fresh);
    }
    assert!(lowered >= 20, "only {lowered} causes rest on the directory");
}

#[test]
fn what_is_undecidable_names_the_field_that_would_have_decided() {
    let check = |change: Happens, field: &str| {
        let mut facts = healthy();
        change(&mut facts);
        let verdict = decide(&facts);
        assert_eq!(verdict.cause, Cause::Undecidable);
        let missing = verdict.missing_field.expect("a field");
        assert!(missing.contains(field), "{missing}");
    };
    check(|_| {}, "response body");
    check(|f| f.credential = CredentialFact::Redacted, "masked by the gateway");
    check(
        |f| {
            sends_nothing(f);
            f.status = 403;
        },
        "hidden by the gateway",
    );
}

/// The columns of a verdict, a row each.
fn verdicts(refined: &Refined, columns: &[Column]) -> Vec<Vec<String>> {
    let of_row = |row| columns.iter().map(|&column| refined.events.dict(column).get(row).to_owned()).collect();
    (0..refined.events.len()).map(of_row).collect()
}

fn refine(rows: &[(Table, serde_json::Value)], frames: &[Vec<u8>]) -> Refined {
    let mut refiner = Refiner::new(RefineOptions::new(decode_options()));
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    refiner.refine(&batch_of(&frames), &directory(OPENING - MINUTE, rows))
}

#[test]
fn requests_that_were_served_and_should_not_have_been_are_told_from_those_in_order() {
    let keys = [
        (Table::Keys, json!({"key_id": "k1", "key": secret("good"), "status": "active"})),
        (
            Table::Keys,
            json!({"key_id": "k2", "key": secret("dead"), "status": "revoked", "revoked_at": time::format(OPENING - HOUR)}),
        ),
    ];
    let served = json!({"upstream_status": 200});
    let as_anonymous = json!({"upstream_status": 200, "consumer": "anonymous"});
    let frames = [
        line(0, 200, &secret("good"), &served),
        line(0, 200, &secret("dead"), &served),
        line(0, 200, &secret("good"), &as_anonymous),
        line(0, 200, "", &as_anonymous),
        line(0, 401, &secret("dead"), &json!({})),
    ];
    let refined = refine(&keys, &frames);
    assert_eq!(
        verdicts(&refined, &[Column::Cause, Column::DeniedBy]),
        [["", ""], ["zombie_access", ""], ["anonymous_fallback", ""], ["", ""], ["key_revoked", "gateway"]]
    );
    let lag = refined.events.long(Column::RevocationLagUs);
    assert_eq!(lag.iter().collect::<Vec<_>>(), [None, Some(HOUR), None, None, None]);
}

#[test]
fn a_key_of_a_format_whose_keys_have_all_ended_is_of_a_retired_format() {
    let old = |name: &str| secret(name).replace("ck_live_", "old_live_");
    let other = |name: &str| secret(name).replace("ck_live_", "legacy_");
    let rows = [
        (Table::Keys, json!({"key_id": "k1", "key": secret("good"), "status": "active"})),
        (
            Table::Keys,
            json!({"key_id": "k2", "key": old("one"), "status": "revoked", "revoked_at": time::format(OPENING - HOUR)}),
        ),
        (Table::Keys, json!({"key_id": "k3", "key": old("two"), "expires_at": time::format(OPENING - HOUR)})),
        (Table::Keys, json!({"key_id": "k4", "key": other("one"), "status": "revoked"})),
        (Table::Keys, json!({"key_id": "k5", "key": other("two"), "status": "active"})),
        (
            Table::Gateways,
            json!({"gateway_id": "edge", "format": "canonical", "key_shape": {"prefixes": ["ck_live_"], "length": 40}}),
        ),
    ];
    let frames = [
        line(0, 401, &secret("unknown"), &json!({})),
        line(0, 401, &old("three"), &json!({})),
        line(0, 401, &old("one"), &json!({})),
        line(0, 401, &other("three"), &json!({})),
        line(0, 401, "new_live_0123456789012345678901234567", &json!({})),
    ];
    assert_eq!(
        verdicts(&refine(&rows, &frames), &[Column::Cause]).concat(),
        ["unknown_key", "retired_key_format", "key_revoked", "malformed_credential", "malformed_credential"]
    );
}
