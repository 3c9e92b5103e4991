//! A request as Kong's `kong.log.serialize()` writes it: of a refusal it keeps neither consumer nor reason.

use super::request::{Outcome, Refusal, Request, Target};
use super::text::{put, put_hex};
use super::write::Names;

pub(crate) fn put_line(out: &mut String, request: &Request, logged_at: i64, id: (u64, u64), names: &Names) {
    let started_at = (logged_at / 1_000).unsigned_abs();
    out.push_str(r#"{"request":{"id":""#);
    put_hex(out, id.0);
    put_hex(out, id.1);
    put!(out, r#"","method":""#, request.method(), r#"","uri":""#);
    names.put_path(out, request);
    out.push_str(r#"","url":"https://api.west.example.com:8443"#);
    names.put_path(out, request);
    put!(out, r#"","size":"#, request.request_bytes, r#","querystring":{},"headers":{"host":"api.west.example.com""#);
    put!(out, r#","user-agent":""#, request.agent, r#"","accept":"application/json""#);
    names.put_credential(out, request);
    put!(out, r#"}},"response":{"status":"#, request.outcome.status(), r#","size":"#, request.response_bytes);
    put!(out, r#","headers":{"content-type":"application/json; charset=utf-8""#, headers_of(request.outcome), "}}");
    let (whole, kong) = (request.latency_us / 1_000, request.gateway_us / 1_000);
    put!(out, r#","latencies":{"request":"#, whole, r#","kong":"#, kong);
    match request.outcome {
        Outcome::Refused(_) => out.push_str(r#","proxy":-1,"receive":0},"tries":[],"source":"kong""#),
        Outcome::Answered(status) => {
            put!(out, r#","proxy":"#, whole.saturating_sub(kong), r#","receive":1},"upstream_status":""#, status);
            put!(out, r#"","tries":[{"balancer_start":"#, started_at + 1, r#","balancer_latency":0,"ip":"10.43.0."#);
            put!(out, 2 + id.1 % 3, r#"","port":8080}],"source":"upstream""#);
            if let Some(key) = request.sent.key() {
                put!(out, r#","authenticated_entity":{"id":""#, names.key_id(key), r#""},"consumer":{"id":""#);
                put!(out, names.principal(key), r#"","username":""#, names.principal(key), r#""}"#);
            }
        }
    }
    if let Target::Route(route, _) = request.target {
        put!(out, r#","route":{"name":""#, route.name(), r#""},"service":{"name":""#, route.route().service, r#""}"#);
    }
    put!(out, r#","client_ip":""#, request.client, r#"","started_at":"#, started_at);
    out.push_str(r#","workspace":"3f9b8a1e-5d4c-4b6a-9e70-1c2d3e4f5a6b","workspace_name":"kong-west"}"#);
}

const fn headers_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered(_) => r#","via":"1.1 kong/3.9.0""#,
        Outcome::Refused(Refusal::Unauthorized | Refusal::BadSignature | Refusal::BadPassword) => {
            r#","server":"kong/3.9.0","www-authenticate":"Key""#
        }
        Outcome::Refused(Refusal::Forbidden | Refusal::NoRoute) => r#","server":"kong/3.9.0""#,
        Outcome::Refused(Refusal::RateLimited) => {
            r#","server":"kong/3.9.0","retry-after":"17","x-ratelimit-limit-minute":"600","x-ratelimit-remaining-minute":"0""#
        }
    }
}
