//! Labels and sentences of causes and classes, as operators read them on every page. Callers never see these.
//!
//! Source: the word list of the dashboard's design. `{missing_field}` and `{lag}` are filled in by who shows them.

use super::{CauseClass, RootCause};

impl CauseClass {
    /// As a legend shows it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Credential => "Credential",
            Self::Environment => "Environment",
            Self::Key => "Key",
            Self::Identity => "Identity",
            Self::Account => "Account",
            Self::Limits => "Limits",
            Self::Tenant => "Tenant",
            Self::Permission => "Permission",
            Self::Platform => "Platform",
            Self::Served => "Served but wrong",
            Self::None => "Cannot be decided",
        }
    }
}

impl RootCause {
    /// A few words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.words().0
    }

    /// One sentence for the operator.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::MissingCredential => {
                ("No key sent", "The request carried no credential in any place this gateway reads.")
            }
            Self::MisplacedCredential => (
                "Key in the wrong place",
                "A key was sent, but where this gateway does not look (query, other header, other scheme).",
            ),
            Self::DuplicateCredential => {
                ("Two different keys", "The request carried several credentials that differ, so none was trusted.")
            }
            Self::MalformedCredential => (
                "Not a valid key shape",
                "Length, alphabet, prefix or checksum show that this cannot be a key of this platform.",
            ),
            Self::NearMissCredential => (
                "Almost right key",
                "It would be a known key after a small repair: a space, quotes, doubled scheme, case, cut end, one typo, or a masked key pasted back.",
            ),
            Self::RetiredKeyFormat => ("Old key format", "The key was valid once; its format is no longer accepted."),
            Self::WrongEnvironment => {
                ("Wrong environment", "The key belongs to another environment than the one it was sent to.")
            }
            Self::UnknownKey => ("Unknown key", "Well formed, but in no snapshot we have ever loaded."),
            Self::KeyExpired => ("Key expired", "The key passed its expiry date before this request."),
            Self::KeyRevoked => ("Key revoked", "A person or a policy revoked the key before this request."),
            Self::KeyDisabled => ("Key switched off", "The key is disabled and may be enabled again."),
            Self::KeySuperseded => ("Replaced key", "This is the old key of a rotation and its grace period is over."),
            Self::KeyNotYetActive => {
                ("Key too new", "Created or re-enabled moments ago; the gateway does not know it yet.")
            }
            Self::UserDeactivated => ("User deactivated", "The account behind the key is switched off."),
            Self::UserDeleted => ("User deleted", "The account behind the key is gone; the key outlived it."),
            Self::OrphanedKey => {
                ("Key without a user", "The key points at a user that never existed or was never linked.")
            }
            Self::MappingConflict => {
                ("Key maps to two users", "The key leads to more than one user, or to one of another tenant.")
            }
            Self::ServicePrincipalInvalid => (
                "Service identity broken",
                "The machine identity behind the key is misconfigured or its own credential has lapsed.",
            ),
            Self::FederationBroken => (
                "Identity link broken",
                "The link to the identity in the other cloud or identity provider no longer works.",
            ),
            Self::AccountSuspendedBilling => {
                ("Suspended: billing", "The account is suspended because of payment or plan.")
            }
            Self::AccountSuspendedPolicy => ("Suspended: policy", "The account is suspended for breaking the terms."),
            Self::AccountSuspendedAbuse => ("Suspended: abuse", "The account was suspended by an abuse check."),
            Self::AccountArchived => {
                ("Account closed", "The project, workspace or organisation was closed or archived.")
            }
            Self::QuotaExhausted => ("Quota used up", "Tokens, requests or spend for this period are used up."),
            Self::RateLimited => ("Too many requests", "More requests in the window than the limit allows."),
            Self::TenantMismatch => ("Wrong tenant", "The key of one tenant was used on resources of another."),
            Self::ScopeMissing => ("Scope never granted", "The user never had the scope that this route needs."),
            Self::RoleDowngraded => {
                ("Scope taken away", "The user had the scope until a grant ended or a role changed.")
            }
            Self::RouteNotGranted => ("Route not in plan", "This API or route is not part of the key's plan."),
            Self::ModelNotGranted => {
                ("Model not granted", "This model or tier is not granted to the key, project or plan.")
            }
            Self::IpNotAllowed => ("Address not allowed", "The request came from outside the allow-list."),
            Self::RegionNotAllowed => ("Region not allowed", "The key or its data is bound to another region."),
            Self::VersionRetired => ("Version retired", "This API version or model has been withdrawn."),
            Self::IdentityProviderUnavailable => {
                ("Sign-in service down", "The identity service failed; the caller did nothing wrong.")
            }
            Self::CredentialStripped => {
                ("Key lost on the way", "A proxy or firewall on the way removed or changed the credential.")
            }
            Self::PropagationLag => {
                ("Not yet in sync", "Gateway and identity disagree for less time than a change needs to spread.")
            }
            Self::ClockSkew => ("Clock off", "The signature or token time is too far from ours."),
            Self::WafBlocked => ("Blocked by a firewall rule", "A rule refused the request, not identity."),
            Self::UpstreamDenied => {
                ("Refused by the application", "The gateway let it through; the application said no.")
            }
            Self::Undecidable => ("Cannot be decided", "The log lacks a field that would decide: {missing_field}."),
            Self::ZombieAccess => (
                "Served after shutdown",
                "Served although key, user, account or tenant was no longer allowed, {lag} after the change.",
            ),
            Self::AnonymousFallback => {
                ("Served as anonymous", "The key was refused, yet the request was served as the anonymous consumer.")
            }
        }
    }
}
