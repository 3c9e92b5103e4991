//! The script: failures and misuse, when each begins and ends, how much traffic it makes, what happens to
//! the requests in it, and what is truly wrong with each.
//!
//! Definitions where the causes touch each other:
//! - The backup service's user is deleted, and later its key is revoked *because of* that: the cause stays
//!   `user_deleted`, the one closest to the root.
//! - A request served after its key was revoked is `zombie_access`, however short the lag: the lag is a column
//!   of the verdict. `propagation_lag` is a verdict on refusals, and nothing here causes one.
//! - After the identity system changes, the people concerned pause for [`SETTLE`] (a share of the run at most):
//!   what is read before the changed folder is loaded is judged by what was known, and the script is no test
//!   of how fast a folder is read.

use claviger_core::cause::RootCause;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::company::{Instant, SECOND};
use super::request::{NO_KEYS, Outcome, Place, Refusal, Request, Sent, Slip};
use super::routes::{Gateway, RouteId};

macro_rules! incidents {
    ($($(#[doc = $doc:literal])* $kind:ident, $title:literal, $begins:literal .. $ends:literal, $share:literal, $before:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum IncidentKind { $($(#[doc = $doc])* $kind),* }

        impl IncidentKind {
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// What an onlooker would call it.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$kind => $title),* } }

            #[must_use]
            pub const fn plot(self) -> Plot {
                match self { $(Self::$kind => Plot { begins: $begins, ends: $ends, share: $share, before: $before }),* }
            }
        }
    };
}

/// When an incident runs, and how much traffic it makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plot {
    /// Share of the run's length at which it begins.
    pub begins: f64,
    /// Share at which it ends; 1 and more: it is still going on when the run ends.
    pub ends: f64,
    /// Share of all requests while it lasts.
    pub share: f64,
    /// Traffic of its people before it begins, when they are served, as a share of that while it lasts.
    pub before: f64,
}

incidents! {
    NoKey, "calls without any key", 0.01 .. 1.0, 0.004, 0.0;
    BadCopy, "a key copied with quotes, cut off or masked", 0.02 .. 1.0, 0.005, 0.0;
    ApplicationSaysNo, "the application itself says no", 0.03 .. 1.0, 0.004, 0.3;
    BackupUserDeleted, "the backup service's user deleted by an administrator", 0.06 .. 1.0, 0.02, 0.3;
    DevKeyOnProd, "a development key on production", 0.12 .. 1.0, 0.006, 0.0;
    GuessingAttack, "a guessing attack", 0.16 .. 0.45, 0.03, 0.0;
    FreeTierUsedUp, "a free tier used up", 0.2 .. 1.0, 0.02, 0.3;
    AnonymousRoute, "refused keys served as anonymous", 0.22 .. 1.0, 0.004, 0.0;
    KeyLeak, "a key leaked and revoked", 0.25 .. 1.0, 0.012, 0.3;
    BadMigration, "a migration that forgot the principals", 0.3 .. 1.0, 0.012, 0.3;
    CrossTenant, "one tenant's key on another's resources", 0.35 .. 0.8, 0.006, 0.3;
    ViewerEdits, "a viewer asking for editor rights", 0.38 .. 1.0, 0.004, 0.3;
    WrongModel, "a model that is not granted", 0.4 .. 1.0, 0.005, 0.3;
    StrippingProxy, "a proxy that strips headers", 0.45 .. 0.75, 0.015, 1.0;
    Offboarding, "a person offboarded, her script still running", 0.48 .. 1.0, 0.005, 0.3;
    TooFast, "a client calling too fast", 0.5 .. 0.65, 0.015, 0.3;
    KeyInQuery, "a key in the query string", 0.52 .. 1.0, 0.004, 0.0;
    KeyExpiry, "a key past its expiry", 0.55 .. 1.0, 0.008, 0.3;
    RoleChange, "an editor made a viewer", 0.6 .. 1.0, 0.005, 0.3;
    UnpaidBill, "a tenant suspended for an unpaid bill", 0.65 .. 1.0, 0.01, 0.3;
    WrongNetwork, "calls from outside the allowed network", 0.68 .. 1.0, 0.005, 0.3;
    StolenKey, "a stolen key, used from a data centre abroad as well", 0.08 .. 1.0, 0.012, 0.5;
    SharedKey, "one key handed to a dozen partners", 0.1 .. 1.0, 0.012, 0.5;
    PathScan, "a key that looks for paths", 0.05 .. 1.0, 0.008, 0.5;
    Enumeration, "a key that walks through customer numbers", 0.07 .. 1.0, 0.012, 0.5;
    DormantKeyWakes, "a key forgotten for six weeks, used again", 0.09 .. 1.0, 0.004, 0.0;
    CronBurst, "a nightly job that sends all it has at once", 0.12 .. 0.2, 0.03, 0.1;
    Launch, "a launch: a key's traffic grows and stays", 0.15 .. 1.0, 0.02, 0.3;
    DeployRetry, "retries while an application is deployed", 0.22 .. 0.3, 0.02, 0.3;
}

/// How long those concerned are silent after a change to the identity system, at most.
pub const SETTLE: i64 = 3 * SECOND;
/// How long the gateways go on serving a revoked key; longer where it is used so seldom that fewer than
/// [`ZOMBIES_MIN`] requests would come.
pub const PROPAGATION: i64 = 2 * SECOND;
const ZOMBIES_MIN: usize = 3;

/// Where in an incident a request stands.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time since the incident's first request could come, microseconds.
    pub elapsed: i64,
    /// Requests of the incident before this one.
    pub number: usize,
}

impl IncidentKind {
    /// What happens to a request that would have been in order, and what is then truly wrong with it.
    pub fn befall(self, request: &mut Request, moment: Moment, tenants: usize, rng: &mut StdRng) -> Option<RootCause> {
        match self {
            Self::BackupUserDeleted => Some(refuse(request, Refusal::Unauthorized, RootCause::UserDeleted, rng)),
            Self::Offboarding => Some(refuse(request, Refusal::Unauthorized, RootCause::UserDeactivated, rng)),
            Self::KeyLeak if moment.elapsed < PROPAGATION || moment.number < ZOMBIES_MIN => {
                Some(RootCause::ZombieAccess)
            }
            Self::KeyLeak => Some(refuse(request, Refusal::Unauthorized, RootCause::KeyRevoked, rng)),
            Self::KeyExpiry => Some(refuse(request, Refusal::Unauthorized, RootCause::KeyExpired, rng)),
            Self::BadMigration => Some(refuse(request, Refusal::Unauthorized, RootCause::OrphanedKey, rng)),
            Self::DevKeyOnProd => Some(refuse(request, Refusal::Unauthorized, RootCause::WrongEnvironment, rng)),
            Self::UnpaidBill => Some(refuse(request, Refusal::Forbidden, RootCause::AccountSuspendedBilling, rng)),
            Self::FreeTierUsedUp => Some(refuse(request, Refusal::QuotaUsedUp, RootCause::QuotaExhausted, rng)),
            // Two calls of three are within the limit.
            Self::TooFast if !moment.number.is_multiple_of(3) => None,
            Self::TooFast => Some(refuse(request, Refusal::RateLimited, RootCause::RateLimited, rng)),
            Self::CrossTenant => {
                request.tenant_asked = (request.tenant_asked + rng.random_range(1..tenants)) % tenants;
                Some(refuse(request, Refusal::Forbidden, RootCause::TenantMismatch, rng))
            }
            Self::ViewerEdits => {
                request.route = RouteId::UpdateDocument;
                Some(refuse(request, Refusal::Forbidden, RootCause::ScopeMissing, rng))
            }
            Self::RoleChange => {
                request.route = RouteId::UpdateDocument;
                Some(refuse(request, Refusal::Forbidden, RootCause::RoleDowngraded, rng))
            }
            Self::WrongModel => {
                request.ai = request.ai.map(|call| super::request::AiCall { model: "gpt-4o", ..call });
                Some(refuse(request, Refusal::Forbidden, RootCause::ModelNotGranted, rng))
            }
            Self::WrongNetwork => {
                request.client.address = [198, 18, 240, rng.random_range(2..9)];
                Some(refuse(request, Refusal::AddressNotAllowed, RootCause::IpNotAllowed, rng))
            }
            Self::StrippingProxy => {
                request.sent = Sent::Nothing;
                request.client.through_proxy = true;
                Some(refuse(request, Refusal::KeyMissing, RootCause::CredentialStripped, rng))
            }
            Self::NoKey => {
                request.sent = Sent::Nothing;
                Some(refuse(request, Refusal::KeyMissing, RootCause::MissingCredential, rng))
            }
            Self::KeyInQuery => {
                request.place = Place::Query;
                Some(refuse(request, Refusal::KeyMissing, RootCause::MisplacedCredential, rng))
            }
            Self::GuessingAttack if moment.number.is_multiple_of(8) => {
                request.sent = Sent::NoKey(rng.random_range(0..NO_KEYS.len()));
                Some(refuse(request, Refusal::Unauthorized, RootCause::MalformedCredential, rng))
            }
            Self::GuessingAttack => {
                request.sent = Sent::Guess(rng.random());
                Some(refuse(request, Refusal::Unauthorized, RootCause::UnknownKey, rng))
            }
            Self::BadCopy => {
                if let Sent::Key(key) = request.sent {
                    request.sent = Sent::Slip(key, [Slip::Quoted, Slip::Truncated, Slip::Masked][moment.number % 3]);
                }
                Some(refuse(request, Refusal::Unauthorized, RootCause::NearMissCredential, rng))
            }
            Self::AnonymousRoute => {
                // Some present a key revoked long ago, some one that was never issued.
                if moment.number.is_multiple_of(2) {
                    request.sent = Sent::Guess(STALE_KEY);
                }
                request.outcome = Outcome::AnsweredAnonymously;
                Some(RootCause::AnonymousFallback)
            }
            Self::ApplicationSaysNo => {
                request.outcome = Outcome::Answered(403);
                Some(RootCause::UpstreamDenied)
            }
            Self::StolenKey | Self::SharedKey | Self::PathScan | Self::Enumeration | Self::DormantKeyWakes => {
                super::misuse::befall(self, request, moment, rng);
                None
            }
            Self::CronBurst | Self::Launch => None,
            Self::DeployRetry => {
                request.outcome = Outcome::Answered(if moment.number.is_multiple_of(3) { 200 } else { 503 });
                None
            }
        }
    }

    /// Somebody uses keys who should not, or as nobody should: found by detectors, where it fails by no cause.
    #[must_use]
    pub const fn is_misuse(self) -> bool {
        matches!(
            self,
            Self::GuessingAttack
                | Self::StolenKey
                | Self::SharedKey
                | Self::PathScan
                | Self::Enumeration
                | Self::DormantKeyWakes
        )
    }

    /// Whether its requests are refused, or should have been.
    #[must_use]
    pub const fn fails(self) -> bool {
        matches!(self, Self::GuessingAttack) || !self.is_misuse() && !self.is_benign()
    }

    /// Unusual, and nobody's concern: nothing may be told of it.
    #[must_use]
    pub const fn is_benign(self) -> bool {
        matches!(self, Self::CronBurst | Self::Launch | Self::DeployRetry)
    }

    /// The gateways where it can happen: on one of them only, where the other's log would not show it.
    #[must_use]
    pub const fn gateways(self) -> &'static [Gateway] {
        match self {
            // Kong's log has no request body, and on a refusal nothing else names the model.
            Self::WrongModel => &[Gateway::ApisixEu],
            // A quota and a rate limit are both 429: APISIX logs the answer that tells them apart, Kong does not.
            Self::FreeTierUsedUp => &[Gateway::ApisixEu],
            // The anonymous consumer is Kong's.
            Self::AnonymousRoute => &[Gateway::KongUs],
            _ => Gateway::ALL,
        }
    }
}

/// The gateway refuses at once: a short answer, and no application.
fn refuse(request: &mut Request, refusal: Refusal, cause: RootCause, rng: &mut StdRng) -> RootCause {
    request.outcome = Outcome::Refused(refusal);
    request.gateway_us = 300 + rng.random_range(0..2_400);
    request.latency_us = request.gateway_us;
    request.response_bytes = 180 + rng.random_range(0..60);
    cause
}

const STALE_KEY: u128 = 0x5ee7_0f1d_9ab3_44c8_a1d2_0c6b_7e35_f902;

/// When things happen in one run.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    pub begin: Instant,
    /// Length of the script, microseconds.
    pub length: i64,
    /// The run goes on after the script: what has not ended by then never does.
    pub endless: bool,
}

impl Timeline {
    #[must_use]
    pub fn begins_at(&self, kind: IncidentKind) -> Instant {
        self.at(kind.plot().begins)
    }

    #[must_use]
    pub fn ends_at(&self, kind: IncidentKind) -> Instant {
        let ends = kind.plot().ends;
        if ends >= 1.0 && self.endless { Instant::MAX } else { self.at(ends) }
    }

    /// The pause after a change to the identity system.
    #[must_use]
    pub fn settle(&self) -> i64 {
        (self.length / 20).min(SETTLE)
    }

    /// The instant of a share of the run, in whole milliseconds as the gateways log.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "a share of a run, far below 2^63 microseconds")]
    pub fn at(&self, share: f64) -> Instant {
        let at = self.begin + (super::traffic::as_f64_of(self.length) * share) as i64;
        at - at.rem_euclid(1_000)
    }
}
