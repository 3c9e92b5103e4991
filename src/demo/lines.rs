//! What both gateways' log lines have in common: names by index, paths, queries, and the credential as the
//! caller sent it.
//!
//! Budget: 50 000 lines a second on one core, about a kilobyte each. So: one buffer, integers only, nothing
//! allocated a line.

use std::fmt::Write as _;

use super::company::Company;
use super::request::{NO_KEYS, Place, Request, SCANNED_PATHS, Sent, Slip};
use super::routes::{Gateway, RouteId};

/// Appends formatted text to a `String`, which cannot fail.
macro_rules! put {
    ($out:expr, $($argument:tt)*) => {
        $out.write_fmt(format_args!($($argument)*)).expect("a String takes any text")
    };
}
pub(super) use put;

/// The texts behind a request's indices, as they were when the run began.
#[derive(Clone, Debug)]
pub struct Names {
    keys: Vec<KeyNames>,
    tenants: Vec<String>,
}

#[derive(Clone, Debug)]
struct KeyNames {
    clear: super::company::ClearKey,
    key_id: String,
    principal_id: String,
}

impl Names {
    #[must_use]
    pub fn of(company: &Company) -> Self {
        let key = |key: &super::company::Key| KeyNames {
            clear: key.key.clone(),
            key_id: key.key_id.clone(),
            principal_id: key.principal_id.clone(),
        };
        Self {
            keys: company.keys.iter().map(key).collect(),
            tenants: company.tenants.iter().map(|tenant| tenant.tenant_id.clone()).collect(),
        }
    }

    /// Key id and principal id of whoever is served.
    pub(super) fn caller(&self, sent: Sent) -> Option<(&str, &str)> {
        match sent {
            Sent::Key(key) | Sent::Redacted(key) => Some((&self.keys[key].key_id, &self.keys[key].principal_id)),
            Sent::Nothing | Sent::Slip(..) | Sent::Guess(_) | Sent::NoKey(_) => None,
        }
    }

    pub(super) fn tenant(&self, index: usize) -> &str {
        &self.tenants[index]
    }

    /// The credential as it stands inside a JSON string.
    fn put_credential(&self, out: &mut String, sent: Sent) {
        match sent {
            Sent::Nothing => {}
            Sent::Redacted(_) => out.push_str("REDACTED"),
            Sent::Key(key) => out.push_str(self.keys[key].clear.expose()),
            Sent::Guess(digits) => put!(out, "{}{digits:032x}", super::company::LIVE_PREFIX),
            Sent::NoKey(place) => out.push_str(NO_KEYS[place]),
            Sent::Slip(key, slip) => {
                let clear = self.keys[key].clear.expose();
                match slip {
                    Slip::Quoted => put!(out, r#"\"{clear}\""#),
                    Slip::Truncated => out.extend(clear.chars().take(clear.len() - 6)),
                    Slip::Masked => {
                        out.push_str(super::company::LIVE_PREFIX);
                        out.push_str("****");
                        out.extend(clear.chars().skip(clear.len() - 4));
                    }
                }
            }
        }
    }

    /// The path with its parameters filled in.
    pub(super) fn put_path(&self, out: &mut String, request: &Request) {
        if let Some(scanned) = request.scanned {
            out.push_str(SCANNED_PATHS[scanned]);
            return;
        }
        let template = request.route.route().path;
        let Some((before, rest)) = template.split_once('{') else {
            out.push_str(template);
            return;
        };
        let (parameter, after) = rest.split_once('}').unwrap_or((rest, ""));
        out.push_str(before);
        if parameter == "tenant_id" {
            out.push_str(self.tenant(request.tenant_asked));
        } else {
            put!(out, "{}", request.resource);
        }
        out.push_str(after);
    }

    /// `?page=3&api_key=…`, or nothing.
    pub(super) fn put_query(&self, out: &mut String, request: &Request) {
        let mut separator = '?';
        if let Some(page) = page_of(request) {
            put!(out, "{separator}page={page}");
            separator = '&';
        }
        if request.place == Place::Query {
            put!(out, "{separator}api_key=");
            self.put_credential(out, request.sent);
        }
    }

    /// `"page":"3","api_key":"…"`, or nothing.
    pub(super) fn put_query_members(&self, out: &mut String, request: &Request) {
        let mut separator = "";
        if let Some(page) = page_of(request) {
            put!(out, r#""page":"{page}""#);
            separator = ",";
        }
        if request.place == Place::Query {
            put!(out, r#"{separator}"api_key":""#);
            self.put_credential(out, request.sent);
            out.push('"');
        }
    }

    /// `,"x-api-key":"…"`, or nothing when no header carries the credential.
    pub(super) fn put_credential_header(&self, out: &mut String, request: &Request) {
        match (request.sent, request.place) {
            (Sent::Nothing, _) | (_, Place::Query) => return,
            // Kong's serializer hides this header, whoever reads it.
            (Sent::Redacted(_), _) => out.push_str(r#","authorization":""#),
            (_, Place::Header) => put!(out, r#","{}":""#, request.gateway.key_header()),
            (_, Place::Bearer) => out.push_str(r#","authorization":"Bearer "#),
        }
        self.put_credential(out, request.sent);
        out.push('"');
    }

    /// `,"x-forwarded-for":"…"` and what else a request picks up on its way.
    pub(super) fn put_way(&self, out: &mut String, request: &Request) {
        let [a, b, c, d] = request.client.address;
        put!(out, r#","x-forwarded-for":"{a}.{b}.{c}.{d}""#);
        if request.client.through_proxy {
            out.push_str(r#","via":"1.1 egress-proxy.granite-energy.example (squid/6.12)""#);
        }
        if request.route == RouteId::DailyReport {
            put!(out, r#","x-tenant-id":"{}""#, self.tenant(request.tenant_asked));
        }
    }
}

fn page_of(request: &Request) -> Option<u32> {
    matches!(request.route, RouteId::ListOrders | RouteId::ListInvoices).then_some(request.resource % 50)
}

/// Milliseconds with three decimals.
pub(super) fn put_ms(out: &mut String, us: u32) {
    put!(out, "{}.{:03}", us / 1000, us % 1000);
}

/// Appends the line that the request's gateway logs, without a line end.
pub fn put_line(out: &mut String, request: &Request, names: &Names) {
    match request.gateway {
        Gateway::ApisixEu => super::apisix::put_line(out, request, names),
        Gateway::KongUs => super::kong::put_line(out, request, names),
    }
}
