//! One request of the made-up world, before a gateway writes it down.

use super::catalog::RouteId;
use super::registry::Address;

/// The two gateways. Tenants of Europe, Africa and Asia call the first, those of America the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gateway {
    Apisix,
    Kong,
}

impl Gateway {
    pub const ALL: &'static [Self] = &[Self::Apisix, Self::Kong];

    /// Id in the identity folder, and the name that its lines bear.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apisix => "apisix-east",
            Self::Kong => "kong-west",
        }
    }

    #[must_use]
    pub const fn format(self) -> &'static str {
        match self {
            Self::Apisix => "apisix",
            Self::Kong => "kong",
        }
    }

    #[must_use]
    pub const fn region(self) -> &'static str {
        match self {
            Self::Apisix => "east",
            Self::Kong => "west",
        }
    }

    /// The header that clients put their key in.
    pub(crate) const fn key_header(self) -> &'static str {
        match self {
            Self::Apisix => "x-api-key",
            Self::Kong => "apikey",
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A route; the number is the object's where the path names one.
    Route(RouteId, u64),
    /// A path of [`super::catalog::scan_path`].
    Scan(usize),
    /// A page of [`super::catalog::PUBLIC_PAGES`].
    Page(usize),
}

/// The credential of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Nothing,
    /// A key of the world, by index.
    Key(usize),
    /// A request signed in the name of a key.
    Signature(usize),
    /// Something of the shape of a key that is none.
    Guess(u64),
    /// Name and password of an account, by number.
    Password(u64),
}

impl Sent {
    pub(crate) const fn key(self) -> Option<usize> {
        match self {
            Self::Key(key) | Self::Signature(key) => Some(key),
            Self::Nothing | Self::Guess(_) | Self::Password(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The application answered with this status.
    Answered(u16),
    Refused(Refusal),
}

impl Outcome {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Answered(status) => status,
            Self::Refused(refusal) => refusal.status(),
        }
    }
}

/// Why the gateway itself says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The key is unknown, revoked or expired: gateways say the same of all.
    Unauthorized,
    BadSignature,
    BadPassword,
    Forbidden,
    NoRoute,
    RateLimited,
}

impl Refusal {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Unauthorized | Self::BadSignature | Self::BadPassword => 401,
            Self::Forbidden => 403,
            Self::NoRoute => 404,
            Self::RateLimited => 429,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AiCall {
    pub model: &'static str,
    pub input_tokens: u32,
    pub output_tokens: u32,
}

/// Index of an incident or trouble in the plan.
pub(crate) type Cause = Option<u32>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// When it arrived.
    pub at: i64,
    pub gateway: Gateway,
    pub target: Target,
    /// Index of the tenant whose resources are asked for.
    pub tenant: usize,
    pub client: Address,
    pub agent: &'static str,
    pub sent: Sent,
    pub outcome: Outcome,
    pub latency_us: u32,
    pub gateway_us: u32,
    pub request_bytes: u32,
    pub response_bytes: u32,
    pub ai: Option<AiCall>,
    /// The attack that it belongs to. Known to the truth file only.
    pub cause: Cause,
}
