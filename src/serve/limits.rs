//! How much anybody may ask at once: length of the URL, requests at a time, requests a second, time until an answer
//! begins. Sizes of headers are the door's to limit, sizes of bodies the extractors', and what a query may use the
//! sandbox's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use claviger_core::access::{Caller, TenantScope};
use claviger_core::config::ServeLimits;
use claviger_core::rate::{Allowance, Buckets};
use tokio::sync::Semaphore;

use super::problem::{Kind, Problem};

pub const URL_BYTES_MAX: usize = 8 << 10;
pub const HEADER_BYTES_MAX: u32 = 16 << 10;
/// HTTP/1 has one buffer for the request line and the headers.
pub const HEAD_BYTES_MAX: usize = 24 << 10;
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Until a request at capacity is worth trying again.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// The limits that requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    at_once: Arc<Semaphore>,
    rates: Arc<Rates>,
    answer_within: Duration,
}

#[derive(Debug)]
struct Rates {
    began: Instant,
    callers: Mutex<Buckets>,
    tenants: Mutex<Buckets>,
}

impl Limiter {
    pub(super) fn new(limits: &ServeLimits) -> Self {
        let allowance = Allowance { per_second: limits.requests_per_second, burst: limits.requests_burst };
        let buckets = || Mutex::new(Buckets::new(allowance));
        Self {
            at_once: Arc::new(Semaphore::new(limits.requests_at_once)),
            rates: Arc::new(Rates { began: Instant::now(), callers: buckets(), tenants: buckets() }),
            answer_within: limits.answer_limit_ms.duration(),
        }
    }

    /// Takes one request from the caller's allowance, and from its tenant's; or says how long to wait.
    pub(super) fn admit(&self, caller: &Caller) -> Result<(), Duration> {
        let now_us = u64::try_from(self.rates.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let take = |buckets: &Mutex<Buckets>, name: &str| {
            // A bucket is a few numbers, whole at every moment: a panic elsewhere does not spoil them.
            buckets.lock().unwrap_or_else(PoisonError::into_inner).take(name, now_us)
        };
        let own = take(&self.rates.callers, &caller.name);
        let tenants = match &caller.tenants {
            TenantScope::One(tenant) => take(&self.rates.tenants, tenant),
            TenantScope::All => Ok(()),
        };
        own.and(tenants).map_err(|wait| Duration::from_micros(wait.us))
    }
}

fn too_often(wait: Duration) -> Problem {
    Problem::new(
        Kind::TooManyRequests,
        "more requests a second than a caller or tenant may send",
        "wait as long as `Retry-After` says; `serve.limits` sets the rate",
    )
    .retry_after(wait)
}

/// Holds a request to the limits, from the moment that its caller is known.
pub(super) async fn hold(State(limiter): State<Limiter>, request: Request, next: Next) -> Response {
    if let Some(caller) = request.extensions().get::<Caller>()
        && let Err(wait) = limiter.admit(caller)
    {
        return too_often(wait).into_response();
    }
    let Ok(_at_once) = limiter.at_once.try_acquire() else {
        let problem = Problem::new(
            Kind::TooManyRequests,
            "as many requests as the service takes at once are being answered",
            "wait a second and try again",
        );
        return problem.retry_after(BUSY_WAIT).into_response();
    };
    match tokio::time::timeout(limiter.answer_within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Kind::TimedOut,
            "no answer began within the time that a request may take",
            "ask for less: a shorter range, one tenant, fewer columns",
        )
        .into_response(),
    }
}

/// Refuses URLs that no client of ours has a reason to send.
pub(super) async fn short_url(request: Request, next: Next) -> Response {
    let length = request.uri().path_and_query().map_or(0, |asked| asked.as_str().len());
    if length <= URL_BYTES_MAX {
        return next.run(request).await;
    }
    let detail = format!("the URL has {length} bytes, of at most {URL_BYTES_MAX}");
    Problem::new(Kind::UrlTooLong, detail, "send long SQL in the body of a POST").into_response()
}
