//! From captured values to a row: what a value is for, whatever the gateway calls it.
//!
//! A dialect says which JSON path holds which [`Slot`]; everything about units, the many spellings of "none",
//! numbers written as text, and time formats is decided here, once.

use crate::event::Row;
use crate::json::Kind;
use crate::time::{self, Unit};

/// What a captured value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    EventAt(Unit),
    /// RFC 3339 text, or a number of seconds, milliseconds, microseconds or nanoseconds by its size.
    EventAtAny,
    Latency(Unit),
    UpstreamLatency(Unit),
    GatewayLatency(Unit),
    Status,
    UpstreamStatus,
    RequestBytes,
    ResponseBytes,
    InputTokens,
    OutputTokens,
    /// Cost in millionths of the billing currency.
    CostMicros,
    Gateway,
    RequestId,
    TraceId,
    Traceparent,
    Method,
    Host,
    /// Path with query.
    Uri,
    /// Whole URL.
    Url,
    Route,
    Service,
    ClientAddress,
    UserAgent,
    Region,
    Consumer,
    GatewayCode,
    GatewayMessage,
    AiProvider,
    AiModel,
    TenantAsked,
    RequestBody,
    ResponseBody,
    /// Requests left in the limiter's window.
    LimitRemaining,
    /// Requests left in a window of a day or more: a quota.
    QuotaRemaining,
    /// Present only when the request was passed on to the application.
    Upstream,
    /// `kong` or `upstream`: who made the response.
    ResponseSource,
    /// The gateway served the request as its anonymous consumer.
    Anonymous,
    /// A header that may hold a credential: index into the places of the options.
    Credential(u8),
    /// Where the credential stood, in the words of [`Column::CredentialPlace`](crate::event::Column).
    CredentialPlace,
    /// Hash of the credential under our pepper, made upstream of us, hex.
    Fingerprint,
}

/// A row in the making: what the log said, before paths are cut and credentials hashed. Not to be printed.
#[derive(Default)]
pub(crate) struct Draft<'a> {
    pub row: Row<'a>,
    pub uri: &'a str,
    pub url: &'a str,
    pub request_body: &'a str,
    pub response_body: &'a str,
    /// Whether the application was asked; `None` when the log cannot tell.
    pub proxied: Option<bool>,
    /// Kong's word for who made the response.
    pub response_source: &'a str,
    pub anonymous: bool,
    /// The limiter's headers say that nothing is left.
    pub limit_spent: bool,
    /// They say so of a window of a day or more.
    pub quota_spent: bool,
    pub fingerprint: &'a str,
    presented: [Presented<'a>; 4],
    presented_count: usize,
}

/// A credential as it stood in the log. Not to be printed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Presented<'a> {
    /// Index into the places of the options.
    pub place: u8,
    pub value: &'a str,
}

impl<'a> Draft<'a> {
    /// Notes a credential; beyond four a request's further ones change no verdict.
    pub(crate) fn present(&mut self, place: u8, value: &'a str) {
        let known = &self.presented[..self.presented_count];
        if known.len() < self.presented.len() && !known.iter().any(|other| other.place == place && other.value == value)
        {
            self.presented[self.presented_count] = Presented { place, value };
            self.presented_count += 1;
        }
    }

    pub(crate) fn presented(&self) -> &[Presented<'a>] {
        &self.presented[..self.presented_count]
    }

    /// Fills in one value. The error names the field that cannot be what it says.
    pub(crate) fn take(&mut self, slot: Slot, kind: Kind, text: &'a str) -> Result<(), &'static str> {
        if matches!(kind, Kind::Null | Kind::False) || is_none(text) && kind != Kind::True {
            return Ok(());
        }
        let row = &mut self.row;
        match slot {
            Slot::EventAt(unit) => row.event_at = Some(time::micros(text, unit).ok_or("event_at")?),
            Slot::EventAtAny => row.event_at = Some(time::instant(text).ok_or("event_at")?),
            Slot::Latency(unit) => row.latency_us = time::micros(text, unit).filter(|us| *us >= 0),
            Slot::UpstreamLatency(unit) => row.upstream_latency_us = time::micros(text, unit).filter(|us| *us >= 0),
            Slot::GatewayLatency(unit) => row.gateway_latency_us = time::micros(text, unit).filter(|us| *us >= 0),
            Slot::Status => row.status = Some(status(text).ok_or("status")?),
            // Several attempts are listed as "502, 200": the last one answered.
            Slot::UpstreamStatus => row.upstream_status = text.rsplit([',', ':']).find_map(|part| status(part.trim())),
            Slot::RequestBytes => row.request_bytes = Some(whole(text).ok_or("request_bytes")?),
            Slot::ResponseBytes => row.response_bytes = Some(whole(text).ok_or("response_bytes")?),
            Slot::InputTokens => row.input_tokens = Some(whole(text).ok_or("input_tokens")?),
            Slot::OutputTokens => row.output_tokens = Some(whole(text).ok_or("output_tokens")?),
            Slot::CostMicros => row.cost_micros = Some(whole(text).ok_or("cost_micros")?),
            Slot::Gateway => row.gateway = text,
            Slot::RequestId => row.request_id = text,
            Slot::TraceId => row.trace_id = text,
            Slot::Traceparent => row.trace_id = trace_of(text).unwrap_or(text),
            Slot::Method => row.method = text,
            Slot::Host => row.host = text,
            Slot::Uri => self.uri = text,
            Slot::Url => self.url = text,
            Slot::Route => row.route = text,
            Slot::Service => row.service = text,
            Slot::ClientAddress => row.client_address = text,
            Slot::UserAgent => row.user_agent = text,
            Slot::Region => row.region = text,
            Slot::Consumer => row.consumer = text,
            Slot::GatewayCode => row.gateway_code = text,
            Slot::GatewayMessage => row.gateway_message = text,
            Slot::AiProvider => row.ai_provider = text,
            Slot::AiModel => row.ai_model = text,
            Slot::TenantAsked => row.tenant_asked = text,
            Slot::RequestBody => self.request_body = text,
            Slot::ResponseBody => self.response_body = text,
            Slot::LimitRemaining => self.limit_spent |= text == "0",
            Slot::QuotaRemaining => self.quota_spent |= text == "0",
            Slot::Upstream => self.proxied = Some(true),
            Slot::ResponseSource => self.response_source = text,
            Slot::Anonymous => self.anonymous = kind == Kind::True || text.eq_ignore_ascii_case("true"),
            Slot::Credential(place) => self.present(place, text),
            Slot::CredentialPlace => row.credential_place = text,
            Slot::Fingerprint => self.fingerprint = text,
        }
        Ok(())
    }
}

/// Missing, null, empty and `-` are four spellings of none.
fn is_none(text: &str) -> bool {
    text.is_empty() || text == "-"
}

/// The trace id of a W3C `traceparent`: 32 hex digits after the version.
fn trace_of(parent: &str) -> Option<&str> {
    parent.get(3..35).filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// An HTTP status, also when written as text.
fn status(text: &str) -> Option<i16> {
    let value: i16 = text.parse().ok()?;
    (0..=999).contains(&value).then_some(value)
}

/// A count: whole and not negative, also when written as text or with a fraction of zeros.
fn whole(text: &str) -> Option<i64> {
    let text =
        text.split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0')).map_or(text, |(whole, _)| whole);
    text.parse().ok().filter(|value| *value >= 0)
}
