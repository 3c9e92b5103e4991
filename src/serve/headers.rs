//! What every answer tells browsers, and what browsers must tell before anything is changed.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::admission::{cross_site, sent};

/// Pages load from their own origin only, are framed by nobody, and make no HTML from text.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'self'; require-trusted-types-for 'script'; trusted-types default";

const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

/// Whether the service speaks TLS itself, or a proxy before it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encrypted(pub(super) bool);

/// Lays the security headers on every answer, whatever it is.
pub(super) async fn secure(State(encrypted): State<Encrypted>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if encrypted.0 {
        set(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Lets nothing be changed by a page of another site. Programs send none of a browser's headers, and carry no cookie that
/// could be used behind somebody's back.
pub(super) async fn same_site(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let sent = sent(&head);
    if sent.only_reads || !sent.is_foreign() {
        return next.run(Request::from_parts(head, body)).await;
    }
    cross_site().into_response()
}
