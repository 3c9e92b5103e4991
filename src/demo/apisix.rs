//! Apache APISIX `kafka-logger`: the default log format, and on AI routes the `llm_*` variables that a
//! `log_format_extra` adds.
//!
//! What it hides: a refused request has neither `consumer` nor `upstream`, and no reason. Bodies are logged
//! where the route asks for them: requests on AI routes (`include_req_body`), and answers of 400 and above on
//! [`logs_error_bodies`] routes (`include_resp_body` with an expression).

use std::fmt::Write as _;

use super::lines::{Names, put, put_ms};
use super::request::{Outcome, Refusal, Request, USER_AGENTS};
use super::routes::RouteId;

pub(super) fn put_line(out: &mut String, request: &Request, names: &Names) {
    let [a, b, c, d] = request.client.address;
    put!(out, r#"{{"client_ip":"{a}.{b}.{c}.{d}","start_time":{},"latency":"#, request.at / 1_000);
    put_ms(out, request.latency_us);
    out.push_str(r#","apisix_latency":"#);
    put_ms(out, request.gateway_us);
    put_application(out, request, names);
    let route = request.route as usize;
    put!(out, r#","service_id":"svc-{}","route_id":"r{route}""#, service_of(request.route));
    put_request(out, request, names);
    put_response(out, request);
    put!(out, r#","server":{{"hostname":"{}","version":"3.11.0"}}}}"#, request.gateway.name());
}

/// What is there only when the request got through.
fn put_application(out: &mut String, request: &Request, names: &Names) {
    if matches!(request.outcome, Outcome::Refused(_)) {
        return;
    }
    put!(
        out,
        r#","upstream":"10.42.{}.{}:8080","upstream_latency":"#,
        request.route as usize,
        request.resource % 3 + 2
    );
    put_ms(out, request.latency_us - request.gateway_us);
    if let Some((_, principal_id)) = names.caller(request.sent) {
        put!(out, r#","consumer":{{"username":"{principal_id}"}}"#);
    }
    if let Some(call) = &request.ai {
        put!(out, r#","llm_model":"{}","llm_prompt_tokens":{}"#, call.model, call.input_tokens);
        put!(out, r#","llm_completion_tokens":{}"#, call.output_tokens);
    }
}

fn put_request(out: &mut String, request: &Request, names: &Names) {
    put!(out, r#","request":{{"method":"{}","uri":""#, request.route.route().method);
    names.put_path(out, request);
    names.put_query(out, request);
    out.push_str(r#"","url":"http://api.eu.example.com:9080"#);
    names.put_path(out, request);
    names.put_query(out, request);
    put!(out, r#"","size":{},"querystring":{{"#, request.request_bytes);
    names.put_query_members(out, request);
    put!(out, r#"}},"headers":{{"host":"api.eu.example.com","user-agent":"{}""#, USER_AGENTS[request.client.agent]);
    put!(out, r#","accept":"application/json","accept-encoding":"gzip, deflate, br","x-request-id":"{}""#, request.id);
    names.put_way(out, request);
    names.put_credential_header(out, request);
    if let Some((key_id, principal_id)) = names.caller(request.sent)
        && !matches!(request.outcome, Outcome::Refused(_))
    {
        put!(out, r#","x-consumer-username":"{principal_id}","x-credential-identifier":"{key_id}""#);
    }
    if request.route.route().method != "GET" {
        out.push_str(r#","content-type":"application/json""#);
    }
    out.push('}');
    if let Some(call) = &request.ai {
        put!(out, r#","body":"{{\"model\":\"{}\",\"messages\":[]}}""#, call.model);
    }
    out.push('}');
}

fn put_response(out: &mut String, request: &Request) {
    let status = request.outcome.status();
    put!(out, r#","response":{{"status":{status},"size":{},"headers":{{"#, request.response_bytes);
    out.push_str(r#""content-type":"application/json","server":"APISIX/3.11.0","connection":"close""#);
    let Outcome::Refused(refusal) = request.outcome else {
        out.push_str("}}");
        return;
    };
    out.push_str(match refusal {
        Refusal::KeyMissing | Refusal::Unauthorized => r#","www-authenticate":"apikey""#,
        Refusal::Forbidden | Refusal::AddressNotAllowed => "",
        Refusal::RateLimited => r#","x-ratelimit-limit":"600","x-ratelimit-remaining":"0","x-ratelimit-reset":"17""#,
        Refusal::QuotaUsedUp => {
            r#","x-ratelimit-limit":"10000","x-ratelimit-remaining":"0","x-ratelimit-reset":"561600""#
        }
    });
    out.push('}');
    if logs_error_bodies(request.route) {
        put!(out, r#","body":"{}""#, body_of(refusal));
    }
    out.push('}');
}

/// Routes whose logger has `include_resp_body` for answers of 400 and above.
const fn logs_error_bodies(route: RouteId) -> bool {
    matches!(route, RouteId::ListOrders | RouteId::GetOrder | RouteId::Chat)
}

/// The texts of key-auth, consumer-restriction, ip-restriction and limit-count, as they stand in a JSON string.
const fn body_of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::KeyMissing => r#"{\"message\":\"Missing API key in request\"}"#,
        Refusal::Unauthorized => r#"{\"message\":\"Invalid API key in request\"}"#,
        Refusal::Forbidden => r#"{\"message\":\"The consumer_name is forbidden.\"}"#,
        Refusal::AddressNotAllowed => r#"{\"message\":\"Your IP address is not allowed\"}"#,
        Refusal::RateLimited => r#"{\"error_msg\":\"Too many requests\"}"#,
        Refusal::QuotaUsedUp => r#"{\"error_msg\":\"Monthly quota of the free plan exceeded\"}"#,
    }
}

const fn service_of(route: RouteId) -> &'static str {
    match route {
        RouteId::ListOrders | RouteId::GetOrder | RouteId::CreateOrder => "orders",
        RouteId::GetCustomer | RouteId::UpdateCustomer => "customers",
        RouteId::ListInvoices | RouteId::DailyReport => "finance",
        RouteId::PostEvents | RouteId::ServiceStatus => "platform",
        RouteId::PutBackup | RouteId::GetExport => "storage",
        RouteId::GetDocument | RouteId::UpdateDocument => "documents",
        RouteId::Chat | RouteId::Embed => "ai",
    }
}
