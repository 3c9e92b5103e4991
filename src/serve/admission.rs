//! The gate that checks proofs: what a request shows, whether a page of another site makes it, and what is answered.
//!
//! A token in the header counts before a cookie. A cookie that opens nothing is as good as none, so that whoever was
//! signed out can sign in; a token that opens nothing is said to be one, and counted against the address it came from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use claviger_core::access::Caller;
use claviger_core::access::exposure::Guard;
use claviger_core::access::origin::Sent;
use claviger_core::fault::{Blame, Fault as _};
use futures::future::BoxFuture;

use super::gate::{Gate, foreign_name, host};
use super::problem::{Kind, Problem};
use crate::access::{Access, AccessError, Shown};
use crate::signals::AccessRefused;

/// Browsers keep a cookie of the first name only if it came over TLS, from this host, for all of it.
const COOKIE_OVER_TLS: &str = "__Host-claviger";
const COOKIE_IN_THE_CLEAR: &str = "claviger";

/// Asks [`Access`] who comes.
#[derive(Clone, Debug)]
pub struct Admission {
    pub access: Arc<Access>,
    /// A proxy before the service says whose requests it brings.
    pub behind_proxy: bool,
    /// Browsers reach the service over TLS: its own, or the proxy's.
    pub encrypted: bool,
}

impl Gate for Admission {
    fn asks_for_proof(&self) -> bool {
        self.access.guard() == Guard::Asks
    }

    fn caller<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Option<Caller>, Problem>> {
        Box::pin(async move {
            match self.shown(&head.headers) {
                Some(shown @ Shown::Secret(_)) => match self.access.authenticate(shown).await {
                    Ok(known) => Ok(Some(known.caller)),
                    Err(error) => Err(self.refuse(&error, head)),
                },
                Some(shown @ Shown::Session(_)) if !sent(head).is_foreign() => {
                    match self.access.authenticate(shown).await {
                        Ok(known) => Ok(Some(known.caller)),
                        Err(error) if error.blame() == Blame::Operator => self.nobody(head),
                        Err(error) => Err(self.refuse(&error, head)),
                    }
                }
                Some(Shown::Session(_)) | None => self.nobody(head),
            }
        })
    }

    fn admission(&self) -> Option<&Admission> {
        Some(self)
    }
}

impl Admission {
    /// What the request shows to prove who sent it.
    pub(super) fn shown<'a>(&self, headers: &'a HeaderMap) -> Option<Shown<'a>> {
        let text = |value: &'a HeaderValue| value.to_str().ok();
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            // One that cannot be read is a proof that does not hold, and not nobody.
            let (scheme, secret) = text(value).and_then(|value| value.split_once(' ')).unwrap_or_default();
            return Some(Shown::Secret(if scheme.eq_ignore_ascii_case("bearer") { secret.trim() } else { "" }));
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(text).flat_map(|line| line.split(';'));
        let mut cookies = cookies.filter_map(|cookie| cookie.trim().split_once('='));
        cookies.find(|(name, _)| *name == self.cookie_name()).map(|(_, value)| Shown::Session(value))
    }

    /// Somebody without a proof: on a bare loopback that is whoever sits at this machine.
    fn nobody(&self, head: &Parts) -> Result<Option<Caller>, Problem> {
        match self.access.guard() {
            Guard::Asks => Ok(None),
            Guard::Open if !sent(head).is_to_loopback() => Err(foreign_name()),
            Guard::Open if sent(head).is_foreign() => Err(cross_site()),
            Guard::Open => Ok(Some(Caller::local())),
        }
    }

    /// The answer to a proof that opens nothing. Whoever shows too many of them is asked to wait.
    pub(super) fn refuse(&self, error: &AccessError, head: &Parts) -> Problem {
        if error.blame() != Blame::Operator {
            return Problem::of(error);
        }
        let from = self.address(head);
        match self.access.note_failure(from) {
            Ok(()) => {
                AccessRefused { from, error }.emit();
                // Only the log hears of a pepper: whoever has no secret learns nothing about an id.
                let told = if matches!(error, AccessError::OtherPepper) { &AccessError::Unknown } else { error };
                Problem::of_kind(Kind::Unauthenticated, told)
            }
            Err(seconds) => Problem::new(
                Kind::TooManyRequests,
                "too many wrong tokens came from this address",
                "wait as long as `Retry-After` says, and use a token that works",
            )
            .retry_after(Duration::from_secs(seconds)),
        }
    }

    /// Where the request comes from: the last address that the proxy wrote down, or the other end of the line.
    fn address(&self, head: &Parts) -> IpAddr {
        let forwarded = || {
            let line = head.headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            line.rsplit(',').next()?.trim().parse().ok()
        };
        let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let said = if self.behind_proxy { forwarded() } else { None };
        said.or(peer).unwrap_or(IpAddr::from([0, 0, 0, 0]))
    }

    fn cookie_name(&self) -> &'static str {
        if self.encrypted { COOKIE_OVER_TLS } else { COOKIE_IN_THE_CLEAR }
    }

    /// A cookie for this host that scripts cannot read and that no other site's page can send.
    pub(super) fn cookie(&self, value: &str, lasts_s: i64) -> String {
        let secure = if self.encrypted { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}", self.cookie_name())
    }
}

/// What a browser says of where the request comes from.
pub(super) fn sent(head: &Parts) -> Sent<'_> {
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    Sent {
        host: host(head),
        origin: text("origin"),
        fetch_site: text("sec-fetch-site"),
        fetch_mode: text("sec-fetch-mode"),
        only_reads: matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS),
    }
}

pub(super) fn cross_site() -> Problem {
    Problem::new(
        Kind::CrossSite,
        "a page of another site sent this request",
        "use the dashboard under the address that it was opened from",
    )
}
