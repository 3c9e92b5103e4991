//! What both gateways' lines have in common: paths, and the credential as the caller sent it.

use base64::Engine as _;

use super::catalog::{PUBLIC_PAGES, Parameter, scan_path};
use super::draw::mixed;
use super::request::{Gateway, Request, Sent, Target};
use super::text::{put, put_hex, put_number};
use super::world::World;

/// The texts behind a request's indices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub world: &'a World,
}

impl<'a> Names<'a> {
    pub(crate) fn key_id(&self, key: usize) -> &'a str {
        &self.world.keys[key].id
    }

    pub(crate) fn principal(&self, key: usize) -> &'a str {
        &self.world.keys[key].principal
    }

    pub(crate) fn put_path(&self, out: &mut String, request: &Request) {
        match request.target {
            Target::Route(route, object) => {
                let route = route.route();
                out.push_str(route.before);
                match route.parameter {
                    Parameter::None => {}
                    Parameter::Object => put_number(out, object),
                    Parameter::Tenant => out.push_str(&self.world.tenants[request.tenant].id),
                }
                out.push_str(route.after);
            }
            Target::Scan(number) => {
                let (folder, name) = scan_path(number);
                put!(out, folder, name);
            }
            Target::Page(number) => out.push_str(PUBLIC_PAGES[number]),
        }
    }

    /// The credential's header, and those that the gateway adds for the application when it accepts it.
    pub(crate) fn put_credential(&self, out: &mut String, request: &Request) {
        let keys = &self.world.keys;
        match request.sent {
            Sent::Nothing => {}
            Sent::Key(key) => {
                put!(out, ",\"", request.gateway.key_header(), "\":\"", &keys[key].secret, "\"");
            }
            Sent::Signature(key) => {
                put!(out, r#","authorization":"Signature keyId=\""#, &keys[key].secret);
                out.push_str(r#"\",algorithm=\"hmac-sha256\",headers=\"@request-target date\",signature=\""#);
                put_hex(out, mixed(request.at.unsigned_abs()));
                put_hex(out, mixed(request.at.unsigned_abs() ^ keys[key].objects));
                out.push_str("\\\"\"");
            }
            Sent::Guess(number) => {
                put!(out, ",\"", request.gateway.key_header(), "\":\"ck_live_");
                put_hex(out, mixed(number));
                put_hex(out, mixed(!number));
                out.push('"');
            }
            Sent::Password(account) => put_password(out, account, self.world.seed),
        }
        if let (super::request::Outcome::Answered(_), Some(key)) = (request.outcome, request.sent.key()) {
            put!(out, r#","x-consumer-username":""#, self.principal(key), r#"","x-credential-identifier":""#);
            put!(out, self.key_id(key), "\"");
        }
    }
}

fn put_password(out: &mut String, account: u64, seed: u64) {
    let mut pair = String::from("user");
    put!(&mut pair, account & ((1 << 40) - 1), ":");
    put_hex(&mut pair, mixed(account ^ seed));
    out.push_str(r#","authorization":"Basic "#);
    base64::engine::general_purpose::STANDARD.encode_string(pair, out);
    out.push('"');
}

impl Request {
    pub(crate) const fn method(&self) -> &'static str {
        match self.target {
            Target::Route(route, _) => route.route().method,
            Target::Scan(_) | Target::Page(_) => "GET",
        }
    }
}

/// Appends the line that the request's gateway logs, without a line end.
pub(crate) fn put_line(out: &mut String, request: &Request, logged_at: i64, id: (u64, u64), names: &Names<'_>) {
    match request.gateway {
        Gateway::Apisix => super::apisix::put_line(out, request, logged_at, id, names),
        Gateway::Kong => super::kong::put_line(out, request, logged_at, id, names),
    }
}
