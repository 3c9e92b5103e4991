//! Apache APISIX: `kafka-logger` and `http-logger`, default shape and custom `log_format`.
//!
//! A refused request has no `consumer` and no `upstream`, and no reason unless response bodies are logged.
//! Source: `apisix/utils/log-util.lua` (get_full_log), `apisix/plugins/kafka-logger.lua`.

use super::dialect::Dialect;
use super::fields::{Draft, Slot};
use crate::time::Unit;

pub(crate) const DIALECT: Dialect = Dialect {
    recognises: |keys| {
        let has = |key: &str| keys.contains(&key);
        has("request") && has("response") && (has("start_time") || has("apisix_latency") || has("@timestamp"))
            || (has("route_id") || has("consumer_name") || has("balancer_ip")) && (has("status") || has("response"))
    },
    wants: &WANTS,
    request_headers: &["request.headers"],
    finish,
};

const OWN: &[(&str, Slot)] = &[
    ("start_time", Slot::EventAt(Unit::Millis)),
    ("client_ip", Slot::ClientAddress),
    ("latency", Slot::Latency(Unit::Millis)),
    ("upstream_latency", Slot::UpstreamLatency(Unit::Millis)),
    ("apisix_latency", Slot::GatewayLatency(Unit::Millis)),
    ("upstream", Slot::Upstream),
    ("balancer_ip", Slot::Upstream),
    ("consumer.username", Slot::Consumer),
    ("server.hostname", Slot::Gateway),
    ("request.method", Slot::Method),
    ("request.uri", Slot::Uri),
    ("request.url", Slot::Url),
    ("request.size", Slot::RequestBytes),
    ("request.body", Slot::RequestBody),
    ("response.status", Slot::Status),
    ("response.size", Slot::ResponseBytes),
    ("response.body", Slot::ResponseBody),
    ("response.headers.x-ratelimit-remaining", Slot::LimitRemaining),
    ("llm_summary.model", Slot::AiModel),
    ("llm_summary.prompt_tokens", Slot::InputTokens),
    ("llm_summary.completion_tokens", Slot::OutputTokens),
    ("llm_model", Slot::AiModel),
    ("request_llm_model", Slot::AiModel),
    ("llm_prompt_tokens", Slot::InputTokens),
    ("llm_completion_tokens", Slot::OutputTokens),
];

const WANTS: [(&str, Slot); OWN.len() + super::dialect::NGINX_VARIABLES.len()] = {
    let mut all = [("", Slot::Status); OWN.len() + super::dialect::NGINX_VARIABLES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < OWN.len() { OWN[at] } else { super::dialect::NGINX_VARIABLES[at - OWN.len()] };
        at += 1;
    }
    all
};

/// The default shape names the application's address but not its status: asked means it answered.
fn finish(draft: &mut Draft<'_>) {
    if draft.proxied == Some(true) && draft.row.upstream_status.is_none() {
        draft.row.upstream_status = draft.row.status;
    }
}
