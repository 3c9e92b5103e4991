//! A dialect is a table: which JSON path holds what. Adding a gateway is one such file and one line in
//! [`Format`](super::Format).

use super::fields::{Draft, Slot};
use crate::json::layout::Layout;
use crate::time::Unit;

/// How one gateway writes its access log.
pub(crate) struct Dialect {
    /// Whether a document with these top-level keys is of this format.
    pub recognises: fn(&[&str]) -> bool,
    /// Dotted paths of wanted values.
    pub wants: &'static [(&'static str, Slot)],
    /// Objects that hold request headers, by lower-case name.
    pub request_headers: &'static [&'static str],
    /// What the table cannot say.
    pub finish: fn(&mut Draft<'_>),
}

/// Request headers that mean the same behind every gateway.
const HEADERS: &[(&str, Slot)] = &[
    ("host", Slot::Host),
    ("user-agent", Slot::UserAgent),
    ("x-request-id", Slot::RequestId),
    ("traceparent", Slot::Traceparent),
    ("x-consumer-username", Slot::Consumer),
    ("x-anonymous-consumer", Slot::Anonymous),
];

/// Variables of nginx, on which APISIX and Kong are built, under the names people give them in custom formats.
pub(crate) const NGINX_VARIABLES: &[(&str, Slot)] = &[
    ("@timestamp", Slot::EventAtAny),
    ("timestamp", Slot::EventAtAny),
    ("time", Slot::EventAtAny),
    ("time_iso8601", Slot::EventAtAny),
    ("msec", Slot::EventAt(Unit::Seconds)),
    ("request_id", Slot::RequestId),
    ("req_id", Slot::RequestId),
    ("trace_id", Slot::TraceId),
    ("remote_addr", Slot::ClientAddress),
    ("request_method", Slot::Method),
    ("method", Slot::Method),
    ("request_uri", Slot::Uri),
    ("uri", Slot::Uri),
    ("host", Slot::Host),
    ("http_host", Slot::Host),
    ("status", Slot::Status),
    ("upstream_status", Slot::UpstreamStatus),
    ("upstream_addr", Slot::Upstream),
    ("request_time", Slot::Latency(Unit::Seconds)),
    ("upstream_response_time", Slot::UpstreamLatency(Unit::Seconds)),
    ("request_length", Slot::RequestBytes),
    ("bytes_sent", Slot::ResponseBytes),
    ("body_bytes_sent", Slot::ResponseBytes),
    ("http_user_agent", Slot::UserAgent),
    ("user_agent", Slot::UserAgent),
    ("remote_user", Slot::Consumer),
    ("consumer_name", Slot::Consumer),
    ("route_name", Slot::Route),
    ("route_id", Slot::Route),
    ("service_name", Slot::Service),
    ("service_id", Slot::Service),
    ("hostname", Slot::Gateway),
    ("region", Slot::Region),
];

impl Dialect {
    /// The table with headers and the operator's credential places filled in.
    pub(crate) fn layout(&self, credential_headers: &[String], tenant_headers: &[String]) -> Layout<Slot> {
        let mut layout = Layout::new();
        for headers in self.request_headers {
            let path: Vec<&str> = headers.split('.').collect();
            layout.blind_to_case(&path);
            let mut want = |name: &str, slot| layout.want(&[&path[..], &[name]].concat(), slot);
            for &(name, slot) in HEADERS {
                want(name, slot);
            }
            for name in tenant_headers {
                want(name, Slot::TenantAsked);
            }
            for (place, name) in (0..).zip(credential_headers) {
                want(name, Slot::Credential(place));
            }
        }
        // nginx writes header variables as `http_` and the name with underscores.
        for (place, name) in (0..).zip(credential_headers) {
            layout.want(&[&format!("http_{}", name.replace('-', "_"))], Slot::Credential(place));
        }
        for &(path, slot) in self.wants {
            layout.want(&path.split('.').collect::<Vec<_>>(), slot);
        }
        layout
    }
}
