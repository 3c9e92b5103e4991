//! What goes wrong, as clients are told: problem details of RFC 9457. The one place that knows status codes.
//!
//! Promises that nothing internal leaves: a client sees what failed and what to do, the log gets the whole chain of
//! reasons under the same `id`. Texts of [`Fault`]s never quote rows, and their sources are not shown.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claviger_core::access::Scope;
use claviger_core::fault::{Blame, Fault};
use serde::Serialize;
use utoipa::ToSchema;

use crate::signals::RequestFailed;

pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $variant:ident $status:ident $slug:literal $title:literal;)*) => {
        /// The closed list of problems.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[doc = $doc])* $variant),* }

        impl Kind {
            #[must_use]
            pub const fn status(self) -> StatusCode { match self { $(Self::$variant => StatusCode::$status),* } }

            /// The last part of the problem's `type`: stable, for programs.
            #[must_use]
            pub const fn slug(self) -> &'static str { match self { $(Self::$variant => $slug),* } }

            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$variant => $title),* } }
        }
    };
}

kinds! {
    BadRequest BAD_REQUEST "bad-request" "The request cannot be understood";
    /// SQL or a parameter that is not accepted.
    Refused BAD_REQUEST "refused" "The request is not accepted";
    Unauthenticated UNAUTHORIZED "unauthenticated" "Sign in first";
    Forbidden FORBIDDEN "forbidden" "This needs a right that the caller lacks";
    /// A browser sent it on behalf of another site.
    CrossSite FORBIDDEN "cross-site" "Requests from other sites are not accepted";
    NotFound NOT_FOUND "not-found" "There is no such thing";
    MethodNotAllowed METHOD_NOT_ALLOWED "method-not-allowed" "This method is not offered here";
    NotAcceptable NOT_ACCEPTABLE "not-acceptable" "None of the accepted formats is offered";
    Conflict CONFLICT "conflict" "It has changed meanwhile";
    BodyTooLarge PAYLOAD_TOO_LARGE "body-too-large" "The request body is too large";
    UrlTooLong URI_TOO_LONG "url-too-long" "The URL is too long";
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "The request body has another format";
    /// The answer would be larger, or the work longer, than is allowed.
    LimitReached UNPROCESSABLE_ENTITY "limit-reached" "The answer would go beyond a limit";
    TooManyRequests TOO_MANY_REQUESTS "too-many-requests" "Too many requests";
    Internal INTERNAL_SERVER_ERROR "internal" "An error of Claviger's own";
    Unavailable SERVICE_UNAVAILABLE "unavailable" "Something that is needed does not answer";
    TimedOut GATEWAY_TIMEOUT "timed-out" "It took longer than is allowed";
}

/// One problem, ready to be answered.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: Kind,
    /// What failed, in this case.
    pub detail: Cow<'static, str>,
    /// What to do next.
    pub hint: Cow<'static, str>,
    /// Names this occurrence in the log.
    pub id: String,
    pub retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        let id: String = uuid::Uuid::new_v4().simple().to_string().chars().take(ID_CHARS).collect();
        Self { kind, detail: detail.into(), hint: hint.into(), id, retry_after: None }
    }

    /// A room's fault, as its blame says whose it is.
    #[must_use]
    pub fn of(fault: &dyn Fault) -> Self {
        let problem = match fault.blame() {
            Blame::Operator => Self::new(Kind::Refused, fault.to_string(), fault.hint()),
            Blame::Environment => Self::new(Kind::Unavailable, fault.to_string(), fault.hint()),
            Blame::Data | Blame::Bug => {
                Self::new(Kind::Internal, "the request could not be answered", "the log says why, under this id")
            }
        };
        problem.logged(fault)
    }

    /// As [`Problem::of`], where the room knows better than blame which kind it is.
    #[must_use]
    pub fn of_kind(kind: Kind, fault: &dyn Fault) -> Self {
        Self::new(kind, fault.to_string(), fault.hint()).logged(fault)
    }

    #[must_use]
    pub fn not_found(what: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, what, hint)
    }

    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Kind::Unauthenticated, "the request does not say who asks", "send a token as `Authorization: Bearer`")
    }

    #[must_use]
    pub fn lacks(scope: Scope) -> Self {
        Self::new(
            Kind::Forbidden,
            format!("the scope `{scope}` is needed"),
            "ask an administrator for a token that has it",
        )
    }

    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Clients see the fault, the log its reasons as well. What clients did wrong is no news.
    fn logged(self, fault: &dyn Fault) -> Self {
        if self.kind.status().is_server_error() {
            RequestFailed { id: &self.id, fault }.emit();
        }
        self
    }
}

/// Problem details as they are sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    /// The kind of problem: `urn:claviger:problem:` and a stable word.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'a str,
    status: u16,
    /// What failed this time.
    detail: &'a str,
    /// What to do next.
    hint: &'a str,
    /// Names this occurrence in the service's log.
    id: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            kind: format!("urn:claviger:problem:{}", self.kind.slug()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            hint: &self.hint,
            id: &self.id,
        };
        let text = serde_json::to_string(&body).expect("a problem holds texts and a number");
        let mut response = (self.kind.status(), [(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"claviger\""));
        }
        response
    }
}

const ID_CHARS: usize = 12;
