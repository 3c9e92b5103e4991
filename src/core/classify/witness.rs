//! Gathers the facts of one row: what the log shows, what the directory knew then, what the credential looks like.

use std::net::IpAddr;

use arrow::array::Array as _;

use super::ClassifyOptions;
use super::facts::{
    CredentialFact, Facts, KeyFact, PrincipalFact, PrincipalState, RequestFact, Shape, TenantFact, TenantState,
};
use super::rules::is_of_account;
use super::word::Word;
use crate::event::{Column, Dict};
use crate::identity::{
    Directory, Gateway, Identified, KeyAt, KeyStatus, PrincipalAt, PrincipalKind, PrincipalStatus, ScopeAnswer,
    Subject, TenantAt, TenantStatus,
};
use crate::secret::{Alphabet, Credential};

/// Statuses by which an identity, a right or a limit is refused.
const REFUSALS: &[i16] = &[401, 402, 403, 407, 429];

/// The columns that facts are read from.
pub(super) struct Witness<'a> {
    batch: &'a Identified,
    directory: &'a Directory,
    options: &'a ClassifyOptions,
    gateways: Vec<Gateway<'a>>,
    status: &'a [i16],
    upstream_status: &'a arrow::array::Int16Array,
    event_at: &'a [i64],
    kind: Dict<'a>,
    place: Dict<'a>,
    consumer: Dict<'a>,
    count: &'a arrow::array::Int16Array,
    tenant_asked: Dict<'a>,
    address: Dict<'a>,
    region: Dict<'a>,
    model: Dict<'a>,
}

/// How a request ended, as the log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    pub status: i16,
    pub application_refused: bool,
    pub application_asked: bool,
    pub word: Word,
}

impl Outcome {
    /// Somebody said no for a reason that is about the caller, or the version that was called.
    pub(super) fn is_refusal(self) -> bool {
        REFUSALS.contains(&self.status) || self.status >= 400 && !self.application_asked && self.is_refusal_by_word()
    }

    /// Statuses that mean many things are refusals where the gateway says so: LiteLLM answers an expired key and a
    /// spent budget with 400, APISIX's limiter with 503.
    fn is_refusal_by_word(self) -> bool {
        let says_limit = matches!(self.word, Word::RateLimited | Word::QuotaSpent | Word::AuthBackendDown);
        match self.status {
            410 => true,
            400 | 404 => {
                says_limit
                    || self.word.knows_the_key()
                    || matches!(self.word, Word::Missing | Word::ModelNotGranted | Word::VersionRetired)
            }
            status => status >= 500 && says_limit,
        }
    }

    /// The request went through to an answer.
    pub(super) fn is_served(self) -> bool {
        !self.is_refusal() && (self.status < 400 || self.application_asked && self.status < 500)
    }

    /// Who said no, in the words of the column.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few words name a speaker other than the gateway")]
    pub(super) fn denied_by(self) -> &'static str {
        match self.word {
            _ if self.application_refused => "application",
            Word::AuthBackendDown => "authorizer",
            Word::FirewallBlocked => "firewall",
            Word::RateLimited | Word::QuotaSpent => "limiter",
            _ if self.status == 429 => "limiter",
            _ => "gateway",
        }
    }
}

impl<'a> Witness<'a> {
    pub(super) fn of(batch: &'a Identified, options: &'a ClassifyOptions) -> Self {
        let events = batch.events();
        let directory: &Directory = batch.directory();
        Self {
            directory,
            options,
            gateways: directory.gateways().collect(),
            status: events.short(Column::Status).values(),
            upstream_status: events.short(Column::UpstreamStatus),
            event_at: events.time(Column::EventAt).values(),
            kind: events.dict(Column::CredentialKind),
            place: events.dict(Column::CredentialPlace),
            consumer: events.dict(Column::Consumer),
            count: events.short(Column::Credentials),
            tenant_asked: events.dict(Column::TenantAsked),
            address: events.dict(Column::ClientAddress),
            region: events.dict(Column::Region),
            model: events.dict(Column::AiModel),
            batch,
        }
    }

    pub(super) fn outcome(&self, row: usize, word: Word) -> Outcome {
        let application = self.upstream_status.is_valid(row).then(|| self.upstream_status.value(row));
        Outcome {
            status: self.status[row],
            application_refused: application.is_some_and(|status| REFUSALS.contains(&status)),
            application_asked: application.is_some(),
            word,
        }
    }

    /// The gateway of the directory that a gateway name and format stand for: its index.
    pub(super) fn gateway_index(&self, name: &str, format: &str) -> Option<usize> {
        let found = self.directory.gateway_for(name, format)?;
        self.gateways.iter().position(|gateway| gateway.gateway_id == found.gateway_id)
    }

    /// The facts of a row at `at`, which is its own time or, to find out whether anything changes, another.
    pub(super) fn facts(
        &self,
        row: usize,
        at: i64,
        outcome: Outcome,
        gateway: Option<usize>,
        habit_broken: bool,
    ) -> Facts<'a> {
        let gateway = gateway.and_then(|index| self.gateways.get(index));
        let subject = self.batch.subject(row);
        let known = subject.near.is_none() && self.batch.credential(row).is_some();
        let key = subject.key.filter(|_| known).map(|key| self.directory.key_at(key, at));
        let principal = subject.principal.map(|principal| self.directory.principal(principal, at));
        let tenant = subject.tenant.map(|tenant| self.directory.tenant(tenant, at));
        Facts {
            at,
            status: outcome.status,
            application_refused: outcome.application_refused,
            word: outcome.word,
            credential: self.credential(row, subject, gateway),
            place: self.place.get(row),
            differing: self.count.is_valid(row) && self.count.value(row) > 1,
            habit_broken,
            authenticated: self.is_authenticated(row, outcome),
            issued_for: key.is_none().then(|| self.issued_for(row, gateway)).flatten(),
            principal: self.principal_fact(key.as_ref(), principal.as_ref()),
            tenant: tenant_fact(tenant.as_ref(), principal.as_ref()),
            request: key.as_ref().map_or_else(RequestFact::default, |key| {
                self.request(row, at, subject, key, principal.as_ref(), gateway)
            }),
            key: key.as_ref().map(|key| self.key_fact(key, subject, principal.as_ref(), gateway)),
            stale: self.is_stale(at),
            propagation_us: self.options.propagation_window_us,
        }
    }

    fn credential(&self, row: usize, subject: Subject, gateway: Option<&Gateway<'_>>) -> CredentialFact {
        let kind = self.kind.get(row);
        let Some(credential) = self.batch.credential(row) else {
            return if kind.is_empty() { CredentialFact::None } else { CredentialFact::Redacted };
        };
        let place = self.place.get(row);
        let reads = |gateway: &Gateway<'_>| {
            let places = gateway.credential_places;
            place.is_empty() || places.is_empty() || places.iter().any(|read| read.eq_ignore_ascii_case(place))
        };
        CredentialFact::Shown {
            read_here: gateway.is_none_or(reads),
            shape: match kind {
                "jwt" | "signature" => Shape::NotListed,
                "api_key" | "bearer" if self.issued_for(row, gateway).is_none() => {
                    gateway.map_or(Shape::NoRule, |gateway| shape(credential, gateway, self.directory))
                }
                _ => Shape::NoRule,
            },
            near: subject.near,
        }
    }

    /// Whether the gateway accepted the credential as somebody's. What a refused caller writes into a header that
    /// names a consumer is not the gateway's word.
    fn is_authenticated(&self, row: usize, outcome: Outcome) -> bool {
        let consumer = self.consumer.get(row);
        let anonymous = || self.options.anonymous_consumers.iter().any(|name| name == consumer);
        (outcome.application_asked || outcome.status != 401) && !consumer.is_empty() && !anonymous()
    }

    /// The environment whose gateways read keys that begin as this one does, where it is not the one called.
    fn issued_for(&self, row: usize, called: Option<&Gateway<'_>>) -> Option<&'a str> {
        let called = called?;
        let prefix = self.batch.credential(row)?.prefix.as_str();
        let reads = |gateway: &Gateway<'_>| gateway.key_shape.prefixes.iter().any(|own| prefix.starts_with(own));
        if called.environment.is_empty() || reads(called) {
            return None;
        }
        let other = self.gateways.iter().find(|gateway| reads(gateway) && !gateway.environment.is_empty())?;
        (other.environment != called.environment).then_some(other.environment)
    }

    fn key_fact(
        &self,
        key: &KeyAt<'a>,
        subject: Subject,
        principal: Option<&PrincipalAt<'a>>,
        gateway: Option<&Gateway<'a>>,
    ) -> KeyFact<'a> {
        let of_route = subject.route.map_or("", |route| self.directory.route_at(route).environment);
        let of_gateway = gateway.map_or("", |gateway| gateway.environment);
        // Rows that name no environment have the snapshot's, so one that has another was meant to.
        let usual = self.directory.environment();
        let named = [of_route, of_gateway].into_iter().find(|name| !name.is_empty() && *name != usual);
        let asked = named.unwrap_or(usual);
        let other = !asked.is_empty() && !key.environment.is_empty() && key.environment != asked;
        let tenants = (key.tenant_id, principal.map_or("", |principal| principal.tenant_id));
        let torn = !tenants.0.is_empty() && !tenants.1.is_empty() && tenants.0 != tenants.1;
        KeyFact {
            key_id: key.key_id,
            other_environment: other.then_some(key.environment),
            conflicting: key.conflicting,
            torn_between: torn.then_some(tenants),
            disabled: key.status == KeyStatus::Disabled,
            status_reason: key.status_reason,
            created_at: key.created_at,
            enabled_at: self.enabled_at(key),
            changed_at: key.changed_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at.or(key.deleted_at),
            revoked: key.status == KeyStatus::Revoked || key.deleted_at.is_some(),
            replaced_by: key.replaced_by,
            grace_until: key.grace_until,
        }
    }

    /// When the key was switched on, if the version before was switched off.
    fn enabled_at(&self, key: &KeyAt<'a>) -> Option<i64> {
        let changed_at = key.changed_at.filter(|_| key.status == KeyStatus::Active)?;
        let before = self.directory.key_at(key.key, changed_at.saturating_sub(1));
        (before.status != KeyStatus::Active).then_some(changed_at)
    }

    fn principal_fact(&self, key: Option<&KeyAt<'a>>, principal: Option<&PrincipalAt<'a>>) -> PrincipalFact<'a> {
        match (key, principal) {
            (_, Some(principal)) => PrincipalFact::Known {
                principal_id: principal.principal_id,
                state: principal_state(principal),
                reason: principal.status_reason,
                since: principal.status_since.or(principal.deleted_at),
            },
            (Some(key), None) if self.directory.principals().next().is_some() => {
                PrincipalFact::Dangling { principal_id: key.principal_id }
            }
            _ => PrincipalFact::Unknown,
        }
    }

    fn request(
        &self,
        row: usize,
        at: i64,
        subject: Subject,
        key: &KeyAt<'a>,
        principal: Option<&PrincipalAt<'a>>,
        gateway: Option<&Gateway<'a>>,
    ) -> RequestFact<'a> {
        let route = subject.route.map(|route| self.directory.route_at(route));
        let scopes = route.as_ref().filter(|route| !route.required_scopes.is_empty()).map(|route| {
            let missing_at = |at| {
                let held = self.directory.scopes_of(principal.map(|principal| principal.principal), Some(key.key), at);
                let missing = route.required_scopes.iter().find(|scope| held.holds(scope) == ScopeAnswer::Missing);
                (missing, held.is_known())
            };
            let (missing, known) = missing_at(at);
            let granted = missing.is_none() && known;
            (missing, granted, granted && missing_at(at.saturating_sub(self.options.propagation_window_us)).0.is_some())
        });
        let (missing, granted, newly_granted) = scopes.unwrap_or((None, false, false));
        let lost = |scope: &str| {
            self.directory.had_scope_before(principal.map(|principal| principal.principal), Some(key.key), scope, at)
        };

        let asked = self.tenant_asked.get(row);
        let own = [key.tenant_id, principal.map_or("", |principal| principal.tenant_id)];
        let foreign = !asked.is_empty() && own.iter().any(|own| !own.is_empty()) && !own.contains(&asked);

        let region = [
            self.region.get(row),
            route.as_ref().map_or("", |route| route.region),
            gateway.map_or("", |gateway| gateway.region),
        ];
        let region = region.into_iter().find(|region| !region.is_empty()).unwrap_or("");
        let model = self.model.get(row);
        let model_granted =
            |granted: &str| granted.strip_suffix('*').map_or(granted == model, |stem| model.starts_with(stem));
        let address = self.address.get(row);
        let inside = |address: IpAddr| key.allowed_ips.iter().any(|network| network.contains(&address));
        let outside =
            !key.allowed_ips.is_empty() && address.parse().is_ok_and(|address: IpAddr| !inside(address.to_canonical()));
        RequestFact {
            foreign_tenant: foreign.then_some(asked),
            scope_missing: missing.map(|scope| (scope, lost(scope))),
            address_refused: outside.then_some(address),
            region_refused: (!region.is_empty()
                && !key.allowed_regions.is_empty()
                && !key.allowed_regions.contains(region))
            .then_some(region),
            model_refused: (!model.is_empty() && !key.models.is_empty() && !key.models.iter().any(model_granted))
                .then_some(model),
            retired_at: route.as_ref().and_then(|route| route.sunset_at).filter(|&sunset| sunset <= at),
            route_unknown: self.directory.has_routes() && route.is_none(),
            granted,
            newly_granted,
        }
    }

    /// Whether the directory is past its freshness limit at `at`.
    pub(super) fn is_stale(&self, at: i64) -> bool {
        at > self.directory.as_of().saturating_add(self.options.freshness_limit_us)
    }

    /// Whether the route of a row is withdrawn at `at`.
    pub(super) fn is_withdrawn(&self, row: usize, at: i64) -> bool {
        let route = self.batch.subject(row).route.map(|route| self.directory.route_at(route));
        route.and_then(|route| route.sunset_at).is_some_and(|sunset| sunset <= at)
    }

    /// Whether the key behind a row may be used from some addresses only.
    pub(super) fn limits_addresses(&self, row: usize) -> bool {
        self.batch
            .subject(row)
            .key
            .is_some_and(|key| !self.directory.key_at(key, self.event_at[row]).allowed_ips.is_empty())
    }

    /// When anything about a row's subject next changes after `from`; `None` when nothing ever does.
    pub(super) fn next_change(&self, row: usize, from: i64) -> Option<i64> {
        let subject = self.batch.subject(row);
        let key = subject.key.map(|key| self.directory.key_at(key, from));
        let principal = subject.principal.map(|principal| self.directory.principal(principal, from));
        let tenant = subject.tenant.map(|tenant| self.directory.tenant(tenant, from));
        let of_key = key
            .iter()
            .flat_map(|key| [key.created_at, key.expires_at, key.revoked_at, key.grace_until, key.deleted_at]);
        let of_principal = principal.iter().flat_map(|principal| [principal.status_since, principal.deleted_at]);
        let of_tenant = tenant.iter().flat_map(|tenant| [tenant.status_since, tenant.deleted_at]);
        let states = of_key.chain(of_principal).chain(of_tenant).flatten().filter(|&time| time > from).min();
        let rights = self.directory.next_change(subject, from);
        states.into_iter().chain(rights).min()
    }

    pub(super) fn event_at(&self, row: usize) -> i64 {
        self.event_at[row]
    }
}

fn principal_state(principal: &PrincipalAt<'_>) -> PrincipalState {
    let linked = matches!(principal.federation_state, "" | "active" | "ok" | "linked" | "synced");
    match principal.status {
        PrincipalStatus::Deleted => PrincipalState::Deleted,
        PrincipalStatus::Deactivated => PrincipalState::Deactivated,
        PrincipalStatus::Suspended => PrincipalState::Suspended,
        PrincipalStatus::Pending if principal.kind == PrincipalKind::Human => PrincipalState::Deactivated,
        PrincipalStatus::Pending => PrincipalState::MachineInvalid,
        PrincipalStatus::Active if linked => PrincipalState::Active,
        PrincipalStatus::Active
            if principal.kind == PrincipalKind::Service && principal.federation_state == "lapsed" =>
        {
            PrincipalState::MachineInvalid
        }
        PrincipalStatus::Active => PrincipalState::FederationBroken,
    }
}

/// The account: the tenant, or a principal that is suspended for a reason of accounts.
fn tenant_fact<'a>(tenant: Option<&TenantAt<'a>>, principal: Option<&PrincipalAt<'a>>) -> Option<TenantFact<'a>> {
    let of_principal = principal
        .filter(|principal| principal.status == PrincipalStatus::Suspended && is_of_account(principal.status_reason));
    let active = tenant.is_none_or(|tenant| tenant.status == TenantStatus::Active);
    if let (Some(principal), true) = (of_principal, active) {
        return Some(TenantFact {
            tenant_id: principal.tenant_id,
            principal_id: principal.principal_id,
            state: TenantState::Suspended,
            reason: principal.status_reason,
            since: principal.status_since,
        });
    }
    let tenant = tenant?;
    Some(TenantFact {
        tenant_id: tenant.tenant_id,
        principal_id: "",
        state: match tenant.status {
            TenantStatus::Active => TenantState::Active,
            TenantStatus::Suspended => TenantState::Suspended,
            TenantStatus::Archived | TenantStatus::Deleted => TenantState::Archived,
        },
        reason: tenant.status_reason,
        since: tenant.status_since.or(tenant.deleted_at),
    })
}

/// Whether a credential can be a key of a gateway's platform.
fn shape(credential: &Credential, gateway: &Gateway<'_>, directory: &Directory) -> Shape {
    let rule = gateway.key_shape;
    if credential.length == 0 || rule.prefixes.is_empty() && rule.length.is_none() && rule.alphabet.is_none() {
        return Shape::NoRule;
    }
    let prefix = rule.prefixes.is_empty() || rule.prefixes.iter().any(|prefix| credential.prefix.starts_with(prefix));
    let length = rule.length.is_none_or(|length| length == credential.length);
    let alphabet =
        rule.alphabet.is_none_or(|alphabet| credential.alphabet <= alphabet) && credential.alphabet != Alphabet::Other;
    match prefix {
        true if length && alphabet => Shape::Fits,
        false if directory.is_format_retired(&credential.prefix) => Shape::Retired,
        true | false => Shape::CannotBe,
    }
}
