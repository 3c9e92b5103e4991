//! What a refusal says about the one who asked: only some refusals are steps of a guess or a probe.

use crate::cause::{CauseClass, RootCause};

/// What was wrong with a refused request, as a prober would see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blamed {
    /// Not refused, or for a reason that says nothing: limits, states of the account, a platform at fault.
    Nothing,
    /// There is no such credential.
    Credential,
    /// The caller has, and had, no right to it.
    Right,
    /// Refused without a word: the status must tell.
    Unsaid,
}

impl Blamed {
    /// Of the cause that a request ended with.
    #[must_use]
    pub fn of(cause: RootCause) -> Self {
        use RootCause as Cause;
        match cause.class() {
            // Nothing was tried, or what was tried is known and stood in the wrong place.
            CauseClass::Credential
                if matches!(
                    cause,
                    Cause::MissingCredential | Cause::MisplacedCredential | Cause::DuplicateCredential
                ) =>
            {
                Self::Nothing
            }
            CauseClass::Credential => Self::Credential,
            // Rights that were there yesterday, and rules about places.
            CauseClass::Permission
                if matches!(cause, Cause::RoleDowngraded | Cause::IpNotAllowed | Cause::RegionNotAllowed) =>
            {
                Self::Nothing
            }
            CauseClass::Tenant | CauseClass::Permission => Self::Right,
            CauseClass::Platform if matches!(cause, Cause::UpstreamDenied | Cause::WafBlocked) => Self::Unsaid,
            CauseClass::None => Self::Unsaid,
            CauseClass::Environment
            | CauseClass::Key
            | CauseClass::Identity
            | CauseClass::Account
            | CauseClass::Limits
            | CauseClass::Platform
            | CauseClass::Served => Self::Nothing,
        }
    }
}
