//! A request as Apache APISIX's `kafka-logger` writes it, response bodies of refusals included.

use super::request::{Outcome, Refusal, Request, Target};
use super::text::{put, put_hex, put_ms};
use super::write::Names;

pub(crate) fn put_line(out: &mut String, request: &Request, logged_at: i64, id: (u64, u64), names: &Names) {
    put!(out, r#"{"client_ip":""#, request.client, r#"","start_time":"#, (logged_at / 1_000).unsigned_abs());
    out.push_str(r#","latency":"#);
    put_ms(out, request.latency_us);
    out.push_str(r#","apisix_latency":"#);
    put_ms(out, request.gateway_us);
    if let Outcome::Answered(_) = request.outcome {
        put!(out, r#","upstream":"10.42.0."#, 2 + id.1 % 3, r#":8080","upstream_latency":"#);
        put_ms(out, request.latency_us - request.gateway_us);
        if let Some(key) = request.sent.key() {
            put!(out, r#","consumer":{"username":""#, names.principal(key), r#""}"#);
        }
    }
    if let Some(call) = &request.ai {
        put!(out, r#","llm_model":""#, call.model, r#"","llm_prompt_tokens":"#, call.input_tokens);
        put!(out, r#","llm_completion_tokens":"#, call.output_tokens);
    }
    if let Target::Route(route, _) = request.target {
        put!(out, r#","service_id":""#, route.route().service, r#"","route_id":""#, route.name(), "\"");
    }
    put!(out, r#","request":{"method":""#, request.method(), r#"","uri":""#);
    names.put_path(out, request);
    out.push_str(r#"","url":"http://api.east.example.com:9080"#);
    names.put_path(out, request);
    put!(out, r#"","size":"#, request.request_bytes, r#","querystring":{},"headers":{"host":"api.east.example.com""#);
    put!(out, r#","user-agent":""#, request.agent, r#"","accept":"application/json","x-request-id":""#);
    put_hex(out, id.0);
    put_hex(out, id.1);
    out.push('"');
    names.put_credential(out, request);
    out.push_str("}}");
    put!(out, r#","response":{"status":"#, request.outcome.status(), r#","size":"#, request.response_bytes);
    out.push_str(r#","headers":{"content-type":"application/json","server":"APISIX/3.11.0","connection":"close"}"#);
    if let Outcome::Refused(refusal) = request.outcome {
        put!(out, r#","body":""#, body_of(refusal), "\"");
    }
    out.push_str(r#"},"server":{"hostname":"apisix-east","version":"3.11.0"}}"#);
}

/// The texts of key-auth, hmac-auth, basic-auth, consumer-restriction and limit-count, as they stand in a JSON string.
const fn body_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Unauthorized => r#"{\"message\":\"Invalid API key in request\"}"#,
        Refusal::BadSignature => r#"{\"message\":\"client request can't be validated: Invalid signature\"}"#,
        Refusal::BadPassword => r#"{\"message\":\"Invalid user authorization\"}"#,
        Refusal::Forbidden => r#"{\"message\":\"The consumer_name is forbidden.\"}"#,
        Refusal::NoRoute => r#"{\"error_msg\":\"404 Route Not Found\"}"#,
        Refusal::RateLimited => r#"{\"error_msg\":\"Too many requests\"}"#,
    }
}
