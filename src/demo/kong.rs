//! Kong's `kong.log.serialize()`, as its http-log and kafka-log plugins send it.
//!
//! What it hides: the `authorization` header (`REDACTED`), and on a refusal the consumer, the credential and
//! the reason; `latencies.proxy` is then -1 and `source` is `kong`.

use std::fmt::Write as _;

use super::lines::{Names, put, put_ms};
use super::request::{Outcome, Refusal, Request, USER_AGENTS};

pub(super) fn put_line(out: &mut String, request: &Request, names: &Names) {
    put_request(out, request, names);
    put_response(out, request);
    put_latencies(out, request);
    match request.outcome {
        Outcome::Refused(_) => out.push_str(r#","tries":[]"#),
        Outcome::Answered(status) => put_application(out, request, names, status),
        Outcome::AnsweredAnonymously => put_application(out, request, names, 200),
    }
    let route = request.route.route();
    let number = request.route as usize;
    put!(
        out,
        r#","route":{{"id":"0b5e6d1c-0000-4000-8000-{number:012x}","name":"r{number}","paths":["{}"]"#,
        route.path
    );
    put!(out, r#","methods":["{}"],"protocols":["http","https"],"strip_path":false"#, route.method);
    put!(out, r#","service":{{"id":"7d1f0a92-0000-4000-8000-{number:012x}"}}}},"service":{{"id":"#);
    put!(out, r#""7d1f0a92-0000-4000-8000-{number:012x}","name":"platform","host":"platform.internal","port":8080"#);
    let [a, b, c, d] = request.client.address;
    put!(out, r#","protocol":"http"}},"client_ip":"{a}.{b}.{c}.{d}","started_at":{}"#, request.at / 1_000);
    let source = if matches!(request.outcome, Outcome::Refused(_)) { "kong" } else { "upstream" };
    put!(
        out,
        r#","source":"{source}","workspace":"3f9b8a1e-5d4c-4b6a-9e70-1c2d3e4f5a6b","workspace_name":"{}"}}"#,
        request.gateway.name()
    );
}

fn put_request(out: &mut String, request: &Request, names: &Names) {
    put!(out, r#"{{"request":{{"id":"{}","method":"{}","uri":""#, request.id, request.route.route().method);
    names.put_path(out, request);
    names.put_query(out, request);
    out.push_str(r#"","url":"https://api.us.example.com:8443"#);
    names.put_path(out, request);
    names.put_query(out, request);
    put!(out, r#"","size":{},"querystring":{{"#, request.request_bytes);
    names.put_query_members(out, request);
    put!(out, r#"}},"headers":{{"host":"api.us.example.com","user-agent":"{}""#, USER_AGENTS[request.client.agent]);
    out.push_str(r#","accept":"application/json""#);
    names.put_way(out, request);
    names.put_credential_header(out, request);
    match request.outcome {
        Outcome::Refused(_) => {}
        Outcome::AnsweredAnonymously => out.push_str(r#","x-anonymous-consumer":"true""#),
        Outcome::Answered(_) => {
            if let Some((key_id, principal_id)) = names.caller(request.sent) {
                put!(out, r#","x-consumer-username":"{principal_id}","x-credential-identifier":"{key_id}""#);
            }
        }
    }
    out.push_str(r#"},"tls":{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384","client_verify":"NONE"}}"#);
}

fn put_response(out: &mut String, request: &Request) {
    let status = request.outcome.status();
    put!(out, r#","response":{{"status":{status},"size":{},"headers":{{"#, request.response_bytes);
    out.push_str(r#""content-type":"application/json; charset=utf-8""#);
    out.push_str(match request.outcome {
        Outcome::Answered(_) | Outcome::AnsweredAnonymously => r#","via":"1.1 kong/3.9.0""#,
        Outcome::Refused(Refusal::KeyMissing | Refusal::Unauthorized) => {
            r#","server":"kong/3.9.0","www-authenticate":"Key""#
        }
        Outcome::Refused(Refusal::Forbidden | Refusal::AddressNotAllowed) => r#","server":"kong/3.9.0""#,
        Outcome::Refused(Refusal::RateLimited) => {
            r#","server":"kong/3.9.0","retry-after":"17","x-ratelimit-limit-minute":"600","x-ratelimit-remaining-minute":"0""#
        }
        Outcome::Refused(Refusal::QuotaUsedUp) => {
            r#","server":"kong/3.9.0","retry-after":"561600","x-ratelimit-limit-month":"10000","x-ratelimit-remaining-month":"0""#
        }
    });
    out.push_str("}}");
}

fn put_latencies(out: &mut String, request: &Request) {
    let (whole, kong) = (request.latency_us / 1_000, request.gateway_us / 1_000);
    put!(out, r#","latencies":{{"request":{whole},"kong":{kong},"#);
    match request.outcome {
        Outcome::Refused(_) => out.push_str(r#""proxy":-1,"receive":0}"#),
        Outcome::Answered(_) | Outcome::AnsweredAnonymously => put!(out, r#""proxy":{},"receive":1}}"#, whole - kong),
    }
}

/// What is there only when the request got through.
fn put_application(out: &mut String, request: &Request, names: &Names, status: u16) {
    out.push_str(r#","upstream_uri":""#);
    names.put_path(out, request);
    put!(out, r#"","upstream_status":"{status}","tries":[{{"balancer_start":{}"#, request.at / 1_000 + 1);
    let node = request.resource % 3 + 2;
    put!(out, r#","balancer_latency":0,"ip":"10.43.{}.{node}","port":8080}}]"#, request.route as usize);
    match (request.outcome, names.caller(request.sent)) {
        (Outcome::AnsweredAnonymously, _) => {
            out.push_str(r#","consumer":{"id":"a11ce000-0000-4000-8000-000000000000","username":"anonymous"}"#);
        }
        (_, Some((key_id, principal_id))) => {
            put!(out, r#","authenticated_entity":{{"id":"{key_id}"}},"consumer":{{"id":"{principal_id}""#);
            put!(out, r#","username":"{principal_id}","custom_id":"{principal_id}"}}"#);
        }
        (_, None) => {}
    }
    if let Some(call) = &request.ai {
        let tokens = call.input_tokens + call.output_tokens;
        put!(out, r#","ai":{{"ai-proxy":{{"meta":{{"provider_name":"openai","request_model":"{}""#, call.model);
        put!(out, r#","response_model":"{}","llm_latency":"#, call.model);
        put_ms(out, request.latency_us - request.gateway_us);
        put!(out, r#"}},"usage":{{"prompt_tokens":{},"completion_tokens":{}"#, call.input_tokens, call.output_tokens);
        put!(out, r#","total_tokens":{tokens}}},"payload":{{}}}}}}"#);
    }
}
