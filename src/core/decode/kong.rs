//! Kong: `http-log`, `file-log` and `kafka-log`, all of which write `kong.log.serialize()`.
//!
//! A refused request has `latencies.proxy` = -1, no `consumer` and no `authenticated_entity`; the text sent to the
//! client is not logged. `authorization` is masked, other credential headers are not.
//! Source: `kong/pdk/log.lua`; the limiter's headers: `kong/plugins/rate-limiting/handler.lua`.

use super::dialect::Dialect;
use super::fields::{Draft, Slot};
use crate::time::Unit;

pub(crate) const DIALECT: Dialect = Dialect {
    recognises: |keys| {
        let has = |key: &str| keys.contains(&key);
        has("latencies") && has("request") && has("response") || has("started_at") && has("request") && has("client_ip")
    },
    wants: &[
        ("started_at", Slot::EventAt(Unit::Millis)),
        ("client_ip", Slot::ClientAddress),
        ("latencies.request", Slot::Latency(Unit::Millis)),
        ("latencies.proxy", Slot::UpstreamLatency(Unit::Millis)),
        ("latencies.kong", Slot::GatewayLatency(Unit::Millis)),
        ("upstream_status", Slot::UpstreamStatus),
        ("source", Slot::ResponseSource),
        ("consumer.username", Slot::Consumer),
        ("request.id", Slot::RequestId),
        ("request.method", Slot::Method),
        ("request.uri", Slot::Uri),
        ("request.url", Slot::Url),
        ("request.size", Slot::RequestBytes),
        ("request.body", Slot::RequestBody),
        ("response.status", Slot::Status),
        ("response.size", Slot::ResponseBytes),
        ("response.body", Slot::ResponseBody),
        ("response.headers.www-authenticate", Slot::GatewayMessage),
        // The rate-limiting plugin counts in windows; those of a day and more are what plans sell.
        ("response.headers.x-ratelimit-remaining-second", Slot::LimitRemaining),
        ("response.headers.x-ratelimit-remaining-minute", Slot::LimitRemaining),
        ("response.headers.x-ratelimit-remaining-hour", Slot::LimitRemaining),
        ("response.headers.x-ratelimit-remaining-day", Slot::QuotaRemaining),
        ("response.headers.x-ratelimit-remaining-month", Slot::QuotaRemaining),
        ("response.headers.x-ratelimit-remaining-year", Slot::QuotaRemaining),
        ("response.headers.ratelimit-remaining", Slot::LimitRemaining),
        ("route.name", Slot::Route),
        ("service.name", Slot::Service),
        ("workspace_name", Slot::Gateway),
        ("correlation_id", Slot::RequestId),
        ("trace_id", Slot::TraceId),
        ("trace_id.w3c", Slot::TraceId),
    ],
    request_headers: &["request.headers"],
    finish,
};

/// `source` says who made the response; Kong's own answers carry no status of the application.
fn finish(draft: &mut Draft<'_>) {
    match draft.response_source {
        "kong" => draft.row.upstream_status = None,
        "upstream" if draft.row.upstream_status.is_none() => draft.row.upstream_status = draft.row.status,
        _ => {}
    }
}
