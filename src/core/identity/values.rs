//! Row contents as the directory holds them: codes instead of text, rare columns out of line.

use super::distinct::NONE;
use super::status::{KeyStatus, PrincipalKind, PrincipalStatus, TenantStatus};
use super::timeline::Moment;
use crate::secret::Alphabet;

/// What differs from key to key.
#[derive(Clone, Copy)]
pub(super) struct KeyValue {
    pub(super) created_at: Moment,
    pub(super) expires_at: Moment,
    /// Codes of ids.
    pub(super) principal: u32,
    pub(super) tenant: u32,
    /// Into the distinct [`KeyTerms`].
    pub(super) terms: u32,
    /// Into the [`KeyRare`] rows; [`NONE`] for a key that has none of these columns.
    pub(super) rare: u32,
    /// Last characters, padded with zero.
    pub(super) last4: [u8; 4],
    pub(super) status: KeyStatus,
}

/// What many keys have in common. Words, lists of words, and the shape.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyTerms {
    pub(super) environment: u32,
    pub(super) scopes: u32,
    pub(super) models: u32,
    pub(super) allowed_regions: u32,
    pub(super) allowed_ips: u32,
    pub(super) prefix: u32,
    /// Characters; 0 when not known.
    pub(super) length: u16,
}

/// Columns that few keys fill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyRare {
    pub(super) revoked_at: Moment,
    pub(super) grace_until: Moment,
    pub(super) last_rotated_at: Moment,
    /// Code of a key id.
    pub(super) replaced_by: u32,
    pub(super) status_reason: u32,
}

impl KeyRare {
    pub(super) const EMPTY: Self = Self {
        revoked_at: Moment::NONE,
        grace_until: Moment::NONE,
        last_rotated_at: Moment::NONE,
        replaced_by: NONE,
        status_reason: NONE,
    };
}

#[derive(Clone, Copy)]
pub(super) struct PrincipalValue {
    pub(super) status_since: Moment,
    pub(super) name: u32,
    pub(super) tenant: u32,
    pub(super) status_reason: u32,
    pub(super) roles: u32,
    pub(super) federation_provider: u32,
    pub(super) federation_subject: u32,
    pub(super) federation_state: u32,
    pub(super) manager: u32,
    pub(super) contact: u32,
    pub(super) mfa: Option<bool>,
    pub(super) kind: PrincipalKind,
    pub(super) status: PrincipalStatus,
}

#[derive(Clone, Copy)]
pub(super) struct TenantValue {
    pub(super) status_since: Moment,
    pub(super) quota_tokens: Option<i64>,
    pub(super) quota_requests: Option<i64>,
    pub(super) quota_spend: Option<f64>,
    pub(super) name: u32,
    pub(super) status_reason: u32,
    pub(super) plan: u32,
    pub(super) regions: u32,
    pub(super) status: TenantStatus,
}

pub(super) struct RouteValue {
    /// Upper case; empty for any.
    pub(super) method: String,
    pub(super) template: String,
    pub(super) required_scopes: u32,
    pub(super) tenant_from: u32,
    pub(super) environment: u32,
    pub(super) region: u32,
    pub(super) models: u32,
    pub(super) sunset_at: Moment,
}

pub(super) struct GatewayValue {
    pub(super) gateway_id: String,
    pub(super) format: u32,
    pub(super) environment: u32,
    pub(super) region: u32,
    pub(super) credential_places: u32,
    pub(super) prefixes: u32,
    pub(super) length: Option<u16>,
    pub(super) alphabet: Option<Alphabet>,
    pub(super) checksum: u32,
}
