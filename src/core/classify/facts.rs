//! Everything a verdict may rest on, as plain values: three witnesses about one request.
//!
//! Times are UTC microseconds. A fact that is not known is `None` or the variant that says so, never a guess.

use super::word::Word;
use crate::secret::NearMissKind;

/// One refused (or suspiciously served) request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// When the request arrived.
    pub at: i64,
    pub status: i16,
    /// The application was asked, and refused.
    pub application_refused: bool,
    pub word: Word,
    pub credential: CredentialFact,
    /// Where it stood, as in the event column.
    pub place: &'a str,
    /// Several credentials were sent, and they differ.
    pub differing: bool,
    /// The client always authenticated until now.
    pub habit_broken: bool,
    /// The gateway says whose the credential is, so it knew it.
    pub authenticated: bool,
    /// Another environment than the one that was called, where keys begin like this credential.
    pub issued_for: Option<&'a str>,
    pub key: Option<KeyFact<'a>>,
    pub principal: PrincipalFact<'a>,
    pub tenant: Option<TenantFact<'a>>,
    pub request: RequestFact<'a>,
    /// The directory is older than its freshness limit at the time of the request.
    pub stale: bool,
    /// How long a change may take to be known everywhere.
    pub propagation_us: i64,
}

/// What the request carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialFact {
    #[default]
    None,
    /// The gateway masks it in its log.
    Redacted,
    Shown {
        /// In a place that this gateway reads.
        read_here: bool,
        shape: Shape,
        near: Option<NearMissKind>,
    },
}

/// Whether a credential can be a key of this platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No rule says what keys look like.
    NoRule,
    /// A signed token or a request signature: no directory lists these, so that none holds it says nothing.
    NotListed,
    Fits,
    /// Of a format that was accepted once.
    Retired,
    CannotBe,
}

/// The key as the directory had it at the time of the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyFact<'a> {
    pub key_id: &'a str,
    pub other_environment: Option<&'a str>,
    /// Two principals claim it.
    pub conflicting: bool,
    /// Its tenant and its principal's, when they differ.
    pub torn_between: Option<(&'a str, &'a str)>,
    pub disabled: bool,
    pub status_reason: &'a str,
    pub created_at: Option<i64>,
    /// When it was switched on again, if it was off before.
    pub enabled_at: Option<i64>,
    /// When anything about it last changed, as far as that was seen.
    pub changed_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    /// Revoked or vanished, without a time.
    pub revoked: bool,
    pub replaced_by: &'a str,
    pub grace_until: Option<i64>,
}

/// Who is behind the key.
#[derive(Clone, Copy, Debug, Default)]
pub enum PrincipalFact<'a> {
    /// Nothing is known: no key, or a key that names nobody because the directory holds no principals.
    #[default]
    Unknown,
    /// The key names one that never existed, or none although others do.
    Dangling {
        principal_id: &'a str,
    },
    Known {
        principal_id: &'a str,
        state: PrincipalState,
        reason: &'a str,
        since: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalState {
    Active,
    Deactivated,
    Suspended,
    Deleted,
    /// A machine identity that is not set up, or whose own credential lapsed.
    MachineInvalid,
    FederationBroken,
}

#[derive(Clone, Copy, Debug)]
pub struct TenantFact<'a> {
    pub tenant_id: &'a str,
    /// Who is held, where it is not the whole tenant; else empty.
    pub principal_id: &'a str,
    pub state: TenantState,
    pub reason: &'a str,
    pub since: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantState {
    Active,
    Suspended,
    Archived,
}

/// What was asked for, against what the key allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestFact<'a> {
    /// The tenant asked for, when it is another than the key's.
    pub foreign_tenant: Option<&'a str>,
    /// The first scope that the route needs and the key lacks, and when it was lost if it was had before.
    pub scope_missing: Option<(&'a str, Option<i64>)>,
    pub address_refused: Option<&'a str>,
    pub region_refused: Option<&'a str>,
    pub model_refused: Option<&'a str>,
    /// When the route or model was withdrawn, if that is past.
    pub retired_at: Option<i64>,
    /// The directory knows routes, and this one is none of them.
    pub route_unknown: bool,
    /// The directory says what this route needs, and the key has it.
    pub granted: bool,
    /// It has it for less time than a change takes to be known everywhere.
    pub newly_granted: bool,
}
