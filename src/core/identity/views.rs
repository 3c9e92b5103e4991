//! Rows as they were at an instant, borrowed from the directory. Absent text is empty, absent times `None`.

use std::fmt;

use ipnet::IpNet;

use super::status::{KeyStatus, PrincipalKind, PrincipalStatus, TenantStatus};
use super::{KeyIx, PrincipalIx, RouteIx, TenantIx};
use crate::event::Interner;
use crate::secret::Alphabet;

/// A list of texts.
#[derive(Clone, Copy)]
pub struct Words<'d> {
    pub(super) codes: &'d [u32],
    pub(super) vocabulary: &'d Interner,
}

impl<'d> Words<'d> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'d str> + use<'d> {
        let vocabulary = self.vocabulary;
        self.codes.iter().map(move |&code| vocabulary.get(code))
    }

    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.iter().any(|word| word == text)
    }
}

impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Words<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

/// A key at an instant.
#[derive(Clone, Copy, Debug)]
pub struct KeyAt<'d> {
    pub key: KeyIx,
    pub key_id: &'d str,
    /// Judged by `revoked_at`: a key revoked later was active still.
    pub status: KeyStatus,
    pub status_reason: &'d str,
    pub created_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    /// Id of the key that took this one's place.
    pub replaced_by: &'d str,
    pub grace_until: Option<i64>,
    pub last_rotated_at: Option<i64>,
    /// The key was gone from the identity system by then, since this instant.
    pub deleted_at: Option<i64>,
    /// When the facts shown here began to hold, if a change was seen.
    pub changed_at: Option<i64>,
    /// First snapshot that held the key; `None` when the first one did.
    pub known_since: Option<i64>,
    pub environment: &'d str,
    pub principal_id: &'d str,
    /// `None` when the id is empty or no snapshot ever held it.
    pub principal: Option<PrincipalIx>,
    pub tenant_id: &'d str,
    pub tenant: Option<TenantIx>,
    pub scopes: Words<'d>,
    pub models: Words<'d>,
    pub allowed_regions: Words<'d>,
    pub allowed_ips: &'d [IpNet],
    pub prefix: &'d str,
    /// Last four characters, when known.
    pub last4: Last4,
    /// Characters; 0 when not known.
    pub length: u16,
    /// Two principals claim this very secret.
    pub conflicting: bool,
}

/// The last characters of a key, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Last4(pub(super) [u8; 4]);

impl Last4 {
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).unwrap_or("")
    }
}

impl fmt::Debug for Last4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A principal at an instant.
#[derive(Clone, Copy, Debug)]
pub struct PrincipalAt<'d> {
    pub principal: PrincipalIx,
    pub principal_id: &'d str,
    pub name: &'d str,
    pub kind: PrincipalKind,
    pub tenant_id: &'d str,
    pub tenant: Option<TenantIx>,
    /// Judged by `status_since`: before it the principal counts as active. Deleted once the row is gone.
    pub status: PrincipalStatus,
    pub status_reason: &'d str,
    /// Since when the row's status holds; also for a status that begins after the instant asked for.
    pub status_since: Option<i64>,
    pub roles: Words<'d>,
    pub federation_provider: &'d str,
    pub federation_subject: &'d str,
    pub federation_state: &'d str,
    pub mfa: Option<bool>,
    pub manager: &'d str,
    pub contact: &'d str,
    /// The row had vanished by then, since this instant.
    pub deleted_at: Option<i64>,
}

/// A tenant at an instant.
#[derive(Clone, Copy, Debug)]
pub struct TenantAt<'d> {
    pub tenant: TenantIx,
    pub tenant_id: &'d str,
    pub name: &'d str,
    /// Judged by `status_since`: before it the tenant counts as active. Deleted once the row is gone.
    pub status: TenantStatus,
    pub status_reason: &'d str,
    pub status_since: Option<i64>,
    pub plan: &'d str,
    pub regions: Words<'d>,
    pub quotas: Quotas,
    /// The row had vanished by then, since this instant.
    pub deleted_at: Option<i64>,
}

/// What a tenant may use in its billing period.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quotas {
    pub tokens: Option<i64>,
    pub requests: Option<i64>,
    /// In the billing currency.
    pub spend: Option<f64>,
}

/// A route of the API and what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct Route<'d> {
    pub route: RouteIx,
    /// Upper case; empty for any.
    pub method: &'d str,
    pub template: &'d str,
    pub required_scopes: Words<'d>,
    /// Where the request names a tenant: `path:tenant`, `header:x-tenant-id`, `query:org`, `body:tenant`.
    pub tenant_from: &'d str,
    pub environment: &'d str,
    pub region: &'d str,
    pub models: Words<'d>,
    /// When the route is, or was, withdrawn.
    pub sunset_at: Option<i64>,
}

/// A gateway and what it accepts.
#[derive(Clone, Copy, Debug)]
pub struct Gateway<'d> {
    pub gateway_id: &'d str,
    pub format: &'d str,
    pub environment: &'d str,
    pub region: &'d str,
    /// Where it reads credentials, as in the event column: `header:x-api-key`, `query:apikey`.
    pub credential_places: Words<'d>,
    pub key_shape: KeyShape<'d>,
}

/// What every key of a gateway looks like. Absent rules allow anything.
#[derive(Clone, Copy, Debug)]
pub struct KeyShape<'d> {
    pub prefixes: Words<'d>,
    /// Characters.
    pub length: Option<u16>,
    pub alphabet: Option<Alphabet>,
    /// Name of the checksum, such as `crc32-base62`.
    pub checksum: &'d str,
}
