//! Why somebody is not let in.

use claviger_core::access::claims::ClaimsRefusal;
use claviger_core::access::ledger::{Standing, TokenRefusal};
use claviger_core::access::token::NoToken;
use claviger_core::fault::{Blame, Fault};
use claviger_core::time;

use super::oidc::OidcError;
use crate::lake::LakeError;

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("{why}")]
    NoToken { why: NoToken },
    #[error("this is no token of this service, and no identity provider is configured")]
    OtherKind,
    #[error("the token is not known here")]
    Unknown,
    #[error("the token was made under another pepper than this service has")]
    OtherPepper,
    #[error("the token {}", ended(*standing))]
    Ended { standing: Standing },
    #[error("{why}")]
    Claims { why: ClaimsRefusal },
    #[error("the token is not signed by a key of the identity provider")]
    Signature,
    #[error("the session has ended")]
    SessionEnded,
    #[error("the keys of the identity provider cannot be had")]
    NoKeys { source: OidcError },
    #[error("who may come in cannot be read from the lake")]
    Unreadable { source: LakeError },
    #[error("the service is starting")]
    Starting,
    #[error("the system gives no random numbers")]
    NoRandomness { source: Box<dyn std::error::Error + Send + Sync> },
}

fn ended(standing: Standing) -> String {
    match standing {
        Standing::Live => "works".to_owned(),
        Standing::Revoked { at_us } => format!("was revoked at {}", time::format(at_us)),
        Standing::Replaced { at_us, by } => format!("was replaced by {by}, and ended at {}", time::format(at_us)),
        Standing::Expired { at_us } => format!("expired at {}", time::format(at_us)),
    }
}

impl From<TokenRefusal> for AccessError {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::Unknown => Self::Unknown,
            TokenRefusal::OtherPepper => Self::OtherPepper,
            TokenRefusal::Ended(standing) => Self::Ended { standing },
        }
    }
}

impl Fault for AccessError {
    fn hint(&self) -> String {
        let hint = match self {
            Self::NoToken { .. } => "copy the whole token again, from where it was shown when it was made",
            Self::OtherKind => "use a token that begins with `clv_`, or configure `serve.oidc`",
            Self::Unknown => "`claviger token list` shows the ids of all tokens; the id is the part after `clv_`",
            Self::OtherPepper => "make tokens with the pepper file that the service runs with",
            Self::Ended { .. } => "`claviger token create` or `rotate` makes a new one",
            Self::Claims { .. } => "sign in again; `serve.oidc` says which issuer, audience and roles are accepted",
            Self::Signature => "sign in again; `serve.oidc.jwks_url` says where the provider's keys are",
            Self::SessionEnded => "sign in again",
            Self::NoKeys { source } => return source.hint(),
            Self::Unreadable { source } => return source.hint(),
            Self::Starting => "`/ready` says what it waits for",
            Self::NoRandomness { .. } => "look at /dev/urandom of the machine",
        };
        hint.to_owned()
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { source } => source.blame(),
            Self::NoKeys { .. } | Self::Starting | Self::NoRandomness { .. } => Blame::Environment,
            Self::NoToken { .. }
            | Self::OtherKind
            | Self::Unknown
            | Self::OtherPepper
            | Self::Ended { .. }
            | Self::Claims { .. }
            | Self::Signature
            | Self::SessionEnded => Blame::Operator,
        }
    }
}
