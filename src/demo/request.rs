//! One request as it happened, before any gateway wrote about it. Small and free of text, so that tens of
//! thousands a second can be drawn and rendered.

use super::company::Instant;
use super::routes::{Gateway, RouteId};
use super::truth::RequestId;

#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Whole milliseconds (UTC microseconds like every instant): as fine as the gateways log.
    pub at: Instant,
    pub id: RequestId,
    pub gateway: Gateway,
    pub route: RouteId,
    /// Number in the path, where the route has one.
    pub resource: u32,
    /// A path that no application serves, instead of the route's: index into [`SCANNED_PATHS`].
    pub scanned: Option<usize>,
    /// Index of the tenant whose resources are asked for.
    pub tenant_asked: usize,
    pub client: Client,
    pub sent: Sent,
    pub place: Place,
    pub outcome: Outcome,
    pub latency_us: u32,
    /// Time in the gateway itself, part of `latency_us`.
    pub gateway_us: u32,
    pub request_bytes: u32,
    pub response_bytes: u32,
    pub ai: Option<AiCall>,
}

#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub address: [u8; 4],
    /// Index into [`USER_AGENTS`].
    pub agent: usize,
    /// The request came through the egress proxy that names itself in `via`.
    pub through_proxy: bool,
}

/// What the caller presented. Keys are indices into the company's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Nothing,
    Key(usize),
    /// A known key, copied badly.
    Slip(usize, Slip),
    /// Well formed, and never issued.
    Guess(u128),
    /// What guessing tools and unfilled templates send: index into [`NO_KEYS`].
    NoKey(usize),
    /// A token that the gateway's log replaces by `REDACTED`; the key names whose it is.
    Redacted(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    Quoted,
    Truncated,
    Masked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The gateway's key header.
    Header,
    /// `authorization: Bearer`, which the APISIX gateway reads on AI routes.
    Bearer,
    /// The query parameter `api_key`, which neither gateway reads.
    Query,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The application answered with this status.
    Answered(u16),
    /// A key was presented and refused, and the application answered the anonymous consumer.
    AnsweredAnonymously,
    /// The gateway refused; the application was never asked.
    Refused(Refusal),
}

/// The little that a gateway says when it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    KeyMissing,
    /// Whatever is wrong with the key or its owner: both gateways say the same.
    Unauthorized,
    Forbidden,
    AddressNotAllowed,
    RateLimited,
    QuotaUsedUp,
}

impl Refusal {
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::KeyMissing | Self::Unauthorized => 401,
            Self::Forbidden | Self::AddressNotAllowed => 403,
            Self::RateLimited | Self::QuotaUsedUp => 429,
        }
    }
}

impl Outcome {
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Answered(status) => status,
            Self::AnsweredAnonymously => 200,
            Self::Refused(refusal) => refusal.status(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AiCall {
    pub model: &'static str,
    pub input_tokens: u32,
    pub output_tokens: u32,
}

pub const USER_AGENTS: &[&str] = &[
    "python-requests/2.32.3",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "axios/1.7.9",
    "restic/0.17.3",
    "curl/8.11.0",
    "python-httpx/0.28.1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
];

/// Where people who look around hope to find something.
pub const SCANNED_PATHS: &[&str] = &[
    "/v1/admin",
    "/v1/admin/users",
    "/v1/internal",
    "/v1/debug",
    "/v1/config",
    "/v1/.env",
    "/v1/.git/config",
    "/v1/backup.zip",
    "/v1/swagger.json",
    "/v1/actuator/env",
    "/v1/metrics",
    "/v1/tokens",
    "/v1/secrets",
    "/v1/users/export",
    "/v1/console",
    "/v1/graphql",
    "/v1/private",
    "/v1/old",
    "/v1/test",
    "/v1/staging",
    "/v1/root",
    "/v1/shell",
    "/v1/upload",
    "/v1/dump.sql",
    "/v1/keys",
];

/// What is sent in a key's place and cannot be one.
pub const NO_KEYS: &[&str] =
    &["test", "admin", "changeme", "YOUR_API_KEY", "undefined", "ck_live_", "0000000000000000"];
