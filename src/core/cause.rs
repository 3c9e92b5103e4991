//! The closed list of causes: code, class, remedy and who must act. Rules are in `classify.rs`.
//!
//! Source: the cause table of the project's domain reference. One request has one primary cause.

mod words;

/// The group a cause belongs to; also what a dashboard colours by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CauseClass {
    Credential,
    Environment,
    Key,
    Identity,
    Account,
    Limits,
    Tenant,
    Permission,
    Platform,
    Served,
    None,
}

impl CauseClass {
    pub const ALL: &'static [Self] = &[
        Self::Credential,
        Self::Environment,
        Self::Key,
        Self::Identity,
        Self::Account,
        Self::Limits,
        Self::Tenant,
        Self::Permission,
        Self::Platform,
        Self::Served,
        Self::None,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Environment => "environment",
            Self::Key => "key",
            Self::Identity => "identity",
            Self::Account => "account",
            Self::Limits => "limits",
            Self::Tenant => "tenant",
            Self::Permission => "permission",
            Self::Platform => "platform",
            Self::Served => "served",
            Self::None => "none",
        }
    }
}

/// Who must act to make the cause go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Caller,
    TenantAdmin,
    GatewayOperator,
    Platform,
}

impl Owner {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::TenantAdmin => "tenant admin",
            Self::GatewayOperator => "gateway operator",
            Self::Platform => "platform",
        }
    }
}

macro_rules! causes {
    ($($variant:ident, $code:literal, $class:ident, $owner:ident, $remedy:literal;)*) => {
        /// Why a request ended as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RootCause { $($variant),* }

        impl RootCause {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code that is stored, shown and queried.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $code),* } }

            #[must_use]
            pub const fn class(self) -> CauseClass { match self { $(Self::$variant => CauseClass::$class),* } }

            #[must_use]
            pub const fn owner(self) -> Owner { match self { $(Self::$variant => Owner::$owner),* } }

            /// One sentence: what the owner does about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str { match self { $(Self::$variant => $remedy),* } }
        }
    };
}

causes! {
    MissingCredential, "missing_credential", Credential, Caller, "send the API key in the header or parameter the gateway reads";
    MisplacedCredential, "misplaced_credential", Credential, Caller, "move the API key to the header or parameter the gateway reads";
    DuplicateCredential, "duplicate_credential", Credential, Caller, "send one credential only: several were sent and they differ";
    MalformedCredential, "malformed_credential", Credential, Caller, "copy the key again from the secret manager: this cannot be a key of this platform";
    NearMissCredential, "near_miss_credential", Credential, Caller, "copy the key again: it differs from a known key by a slip (space, quote, case, a lost or changed character)";
    RetiredKeyFormat, "retired_key_format", Credential, TenantAdmin, "issue a key in the current format and roll it out: the old format is no longer accepted";
    WrongEnvironment, "wrong_environment", Environment, Caller, "use the key of the environment that is called";
    UnknownKey, "unknown_key", Credential, Caller, "check where the key came from: no snapshot of the identity system has ever held it";
    KeyExpired, "key_expired", Key, TenantAdmin, "issue a new key, roll it out to every caller, and set a reminder before its expiry";
    KeyRevoked, "key_revoked", Key, TenantAdmin, "issue a new key if the caller is still entitled to one; the old one was revoked on purpose";
    KeyDisabled, "key_disabled", Key, TenantAdmin, "enable the key again, or issue a new one";
    KeySuperseded, "key_superseded", Key, Caller, "switch to the key that replaced this one: its grace period is over";
    KeyNotYetActive, "key_not_yet_active", Key, Platform, "wait for the new key to be known everywhere, then retry";
    UserDeactivated, "user_deactivated", Identity, TenantAdmin, "reactivate the account, or move the workload to a service account and issue it a new key";
    UserDeleted, "user_deleted", Identity, TenantAdmin, "recreate the identity as a service account with checked roles, then issue a new key";
    OrphanedKey, "orphaned_key", Identity, TenantAdmin, "bind the key to an existing principal, or replace it: it points at nobody";
    MappingConflict, "mapping_conflict", Identity, TenantAdmin, "repair the identity data: the key maps to two principals or to another tenant's";
    ServicePrincipalInvalid, "service_principal_invalid", Identity, TenantAdmin, "repair the machine identity behind the key: its state or its own credential has lapsed";
    FederationBroken, "federation_broken", Identity, TenantAdmin, "restore the link to the identity provider or the assumed role";
    AccountSuspendedBilling, "account_suspended_billing", Account, TenantAdmin, "settle the bill or renew the plan";
    AccountSuspendedPolicy, "account_suspended_policy", Account, TenantAdmin, "answer the policy hold with the provider";
    AccountSuspendedAbuse, "account_suspended_abuse", Account, TenantAdmin, "answer the abuse hold with the provider";
    AccountArchived, "account_archived", Account, TenantAdmin, "restore the project or organisation, or move to a live one";
    QuotaExhausted, "quota_exhausted", Limits, TenantAdmin, "raise the quota or the plan, or wait for the next period";
    RateLimited, "rate_limited", Limits, Caller, "slow down and honour Retry-After, or ask for a higher limit";
    TenantMismatch, "tenant_mismatch", Tenant, Caller, "use a key of the organisation whose resources are called";
    ScopeMissing, "scope_missing", Permission, TenantAdmin, "grant the least scope that the route needs";
    RoleDowngraded, "role_downgraded", Permission, TenantAdmin, "grant the scope again if the change of role was not meant";
    RouteNotGranted, "route_not_granted", Permission, TenantAdmin, "add the API or route to the key's plan";
    ModelNotGranted, "model_not_granted", Permission, TenantAdmin, "grant the model to the key or its project, or call one that is granted";
    IpNotAllowed, "ip_not_allowed", Permission, TenantAdmin, "call from an allowed network, or add this one to the allow-list";
    RegionNotAllowed, "region_not_allowed", Permission, TenantAdmin, "call the region the key or its data is bound to";
    VersionRetired, "version_retired", Platform, Caller, "move to a current version of the API or model";
    IdentityProviderUnavailable, "identity_provider_unavailable", Platform, Platform, "restore the authentication backend; callers did nothing wrong";
    CredentialStripped, "credential_stripped", Platform, GatewayOperator, "find the proxy or firewall on the way that removes the credential";
    PropagationLag, "propagation_lag", Platform, Platform, "wait for the change to reach every gateway, then retry";
    ClockSkew, "clock_skew", Platform, Caller, "synchronise the caller's clock";
    WafBlocked, "waf_blocked", Platform, GatewayOperator, "review the firewall rule that matched";
    UpstreamDenied, "upstream_denied", Platform, Platform, "ask the application behind the gateway: the gateway let the request through";
    Undecidable, "undecidable", None, GatewayOperator, "add the missing field to the gateway's log format";
    ZombieAccess, "zombie_access", Served, Platform, "revoke faster: the request was served although it should have been refused";
    AnonymousFallback, "anonymous_fallback", Served, GatewayOperator, "turn off the anonymous consumer on this route: a refused key was served anyway";
}

impl RootCause {
    /// The cause with this code, if it is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name)
    }
}
