//! The gateway's word: what its code and message claim, as one of a few meanings. It is one witness, often
//! blurred and sometimes wrong; see `rules.rs` for when it is believed.
//!
//! Source of the phrases: the key-auth, jwt, acl, ip-restriction, rate-limiting, consumer-restriction and
//! limit-count plugins of Kong and APISIX, and the reason vocabularies of further gateways.

/// What a gateway says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Word {
    /// Nothing that means anything.
    #[default]
    Silent,
    Missing,
    Duplicate,
    /// Unknown, expired or anything else: the usual vague answer.
    Invalid,
    Malformed,
    Expired,
    Disabled,
    Revoked,
    UserInvalid,
    Suspended,
    Unpaid,
    RateLimited,
    QuotaSpent,
    ScopeMissing,
    NotGranted,
    ModelNotGranted,
    TenantMismatch,
    IpDenied,
    RegionDenied,
    VersionRetired,
    FirewallBlocked,
    AuthBackendDown,
    ClockSkew,
    FederationBroken,
}

/// Phrases in order: the first that occurs decides. Lower case; codes and messages are compared alike.
const PHRASES: &[(&str, Word)] = &[
    // Our own decoder's, from counters: it outranks a message that calls every limit a rate limit.
    ("quota_spent", Word::QuotaSpent),
    // Kong's jwt and APISIX's basic-auth and jwt-auth: no such issuer or user, which reads like something else below.
    ("no credentials found for given", Word::Invalid),
    ("invalid user authorization", Word::Invalid),
    ("invalid user key in jwt", Word::Invalid),
    ("missing user key in jwt", Word::Malformed),
    ("no mandatory", Word::Malformed),
    ("no api key found", Word::Missing),
    ("missing api key", Word::Missing),
    ("missing jwt token", Word::Missing),
    ("no credential", Word::Missing),
    ("missing_api_key", Word::Missing),
    ("missing authorization", Word::Missing),
    ("duplicate api key", Word::Duplicate),
    ("rate limit", Word::RateLimited),
    ("rate_limit", Word::RateLimited),
    ("too many requests", Word::RateLimited),
    ("throttl", Word::RateLimited),
    ("insufficient_quota", Word::QuotaSpent),
    ("quota", Word::QuotaSpent),
    ("budget", Word::QuotaSpent),
    ("free tier", Word::QuotaSpent),
    ("billing", Word::Unpaid),
    ("payment", Word::Unpaid),
    ("unpaid", Word::Unpaid),
    ("ip address not allowed", Word::IpDenied),
    ("ip address is not allowed", Word::IpDenied),
    ("ip_not_allowed", Word::IpDenied),
    ("ip_address_blocked", Word::IpDenied),
    ("region", Word::RegionDenied),
    ("model_access_denied", Word::ModelNotGranted),
    ("model_not_found", Word::ModelNotGranted),
    ("model is not granted", Word::ModelNotGranted),
    ("not have access to model", Word::ModelNotGranted),
    ("required scopes not present", Word::ScopeMissing),
    ("insufficient_scope", Word::ScopeMissing),
    ("insufficient permissions", Word::ScopeMissing),
    ("scope", Word::ScopeMissing),
    ("cannot consume this service", Word::NotGranted),
    ("is forbidden", Word::NotGranted),
    ("access to this api has been disallowed", Word::NotGranted),
    ("wrong tenant", Word::TenantMismatch),
    ("tenant mismatch", Word::TenantMismatch),
    ("other organization", Word::TenantMismatch),
    ("clock skew", Word::ClockSkew),
    ("token used before issued", Word::ClockSkew),
    ("waf", Word::FirewallBlocked),
    ("blocked by firewall", Word::FirewallBlocked),
    ("auth backend", Word::AuthBackendDown),
    ("no_db_connection", Word::AuthBackendDown),
    ("authorizer_failure", Word::AuthBackendDown),
    ("auth_provider_unavailable", Word::AuthBackendDown),
    ("identity provider unavailable", Word::AuthBackendDown),
    ("identity_provider_unavailable", Word::AuthBackendDown),
    ("identity provider", Word::FederationBroken),
    ("identity_provider", Word::FederationBroken),
    ("version is retired", Word::VersionRetired),
    ("version has been retired", Word::VersionRetired),
    ("invalid user", Word::UserInvalid),
    ("user is disabled", Word::UserInvalid),
    ("user_disabled", Word::UserInvalid),
    ("suspended", Word::Suspended),
    ("workspace_disabled", Word::Suspended),
    ("realm_disabled", Word::Suspended),
    ("revoked", Word::Revoked),
    ("key is blocked", Word::Disabled),
    ("disabled", Word::Disabled),
    ("inactive", Word::Disabled),
    ("expired", Word::Expired),
    ("unrecognizable token", Word::Malformed),
    ("bad token", Word::Malformed),
    ("malformed", Word::Malformed),
    ("invalid", Word::Invalid),
    ("unauthorized", Word::Invalid),
    ("authorization failed", Word::Invalid),
    ("failed to verify", Word::Invalid),
];

impl Word {
    /// The meaning of a code and a message. Worked out once a distinct pair.
    #[must_use]
    pub fn of(code: &str, message: &str) -> Self {
        let code = code.to_ascii_lowercase();
        let message = message.to_ascii_lowercase();
        let says = |phrase: &str| code.contains(phrase) || message.contains(phrase);
        PHRASES.iter().find(|(phrase, _)| says(phrase)).map_or(Self::Silent, |(_, word)| *word)
    }

    /// Whether only one who knows the key could say so: "invalid" is said of unknown keys as well.
    pub(super) const fn knows_the_key(self) -> bool {
        matches!(
            self,
            Self::Expired | Self::Disabled | Self::Revoked | Self::UserInvalid | Self::Suspended | Self::Unpaid
        )
    }

    /// For evidence lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::UserInvalid => "user_invalid",
            Self::Suspended => "suspended",
            Self::Unpaid => "unpaid",
            Self::RateLimited => "rate_limited",
            Self::QuotaSpent => "quota_spent",
            Self::ScopeMissing => "scope_missing",
            Self::NotGranted => "not_granted",
            Self::ModelNotGranted => "model_not_granted",
            Self::TenantMismatch => "tenant_mismatch",
            Self::IpDenied => "ip_denied",
            Self::RegionDenied => "region_denied",
            Self::VersionRetired => "version_retired",
            Self::FirewallBlocked => "firewall_blocked",
            Self::AuthBackendDown => "auth_backend_down",
            Self::ClockSkew => "clock_skew",
            Self::FederationBroken => "federation_broken",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gateways_say_means_what_their_sources_mean_by_it() {
        for (code, message, word) in [
            ("", "No API key found in request", Word::Missing),
            ("", "No credentials found for given 'iss'", Word::Invalid),
            ("", "No mandatory 'iss' in claims", Word::Malformed),
            ("", "Invalid user authorization", Word::Invalid),
            ("", "Invalid user key in JWT token", Word::Invalid),
            ("", "missing user key in JWT token", Word::Malformed),
            ("", "invalid user", Word::UserInvalid),
            ("", "Key is inactive, please renew", Word::Disabled),
            ("", "client request can't be validated: Clock skew exceeded", Word::ClockSkew),
            ("WORKSPACE_DISABLED", "", Word::Suspended),
            ("user_disabled", "", Word::UserInvalid),
            ("API_KEY_IP_ADDRESS_BLOCKED", "", Word::IpDenied),
            ("identity_provider_error", "", Word::FederationBroken),
            ("identity_provider_unavailable", "", Word::AuthBackendDown),
            ("", "Unauthorized", Word::Invalid),
            ("", "forbidden", Word::Silent),
        ] {
            assert_eq!(Word::of(code, message), word, "{code} {message}");
        }
    }
}
