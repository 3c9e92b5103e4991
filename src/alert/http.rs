//! Posts JSON to addresses that may be called, and reads what the answer means.
//!
//! The resolver below hands the client only addresses that were checked, and the client connects to those and no others:
//! a name that resolves differently a moment later changes nothing. Redirects are not followed and proxies not used, since
//! either would call an address that nobody checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use claviger_core::alert::Answer;
use claviger_core::alert::address::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use url::{Host, Url};

use super::sinks::SinkError;

/// Of an answer no more is read: it is looked at by nobody, and only lets the connection be used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// What is to be posted.
pub(super) struct Post {
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: String,
}

impl Post {
    pub(super) fn with(mut self, headers: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }
}

pub(super) struct Http {
    client: Client,
    allow_private: bool,
}

impl Http {
    pub(super) fn new(allow_private: bool, limit: Duration) -> Result<Self, SinkError> {
        let client = Client::builder()
            .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Checked { allow_private }))
            .connect_timeout(CONNECT_LIMIT.min(limit))
            .timeout(limit)
            .build()
            .map_err(|source| SinkError::HttpUnavailable { source })?;
        Ok(Self { client, allow_private })
    }

    pub(super) async fn post(&self, post: Post) -> Answer {
        if let Err(reason) = self.check_literal(&post.url) {
            return Answer::Unreachable { reason };
        }
        let mut request = self.client.post(&post.url).header(CONTENT_TYPE, "application/json").body(post.body);
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => answer_of(response).await,
            // The URL may hold a secret.
            Err(error) => failure_of(&error.without_url()),
        }
    }

    /// Addresses that are written as such do not pass the resolver.
    fn check_literal(&self, url: &str) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| format!("the URL cannot be read: {error}"))?;
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err("the URL names no host".to_owned()),
        };
        if self.allow_private || is_public(address) { Ok(()) } else { Err(not_public(address)) }
    }
}

fn not_public(address: IpAddr) -> String {
    format!("{address} is not a public address; `alert.allow_private_networks` allows it")
}

async fn answer_of(mut response: Response) -> Answer {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let answer = Answer::of_status(response.status().as_u16(), retry_after.and_then(retry_after_us));
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            break;
        }
    }
    answer
}

/// Seconds, or a date of RFC 9110.
fn retry_after_us(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(i64::from(seconds) * 1_000_000);
    }
    let at = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((at.timestamp_micros() - Utc::now().timestamp_micros()).max(0))
}

fn failure_of(error: &reqwest::Error) -> Answer {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        reason = format!("{reason}: {inner}");
        source = inner.source();
    }
    if error.is_connect() || error.is_builder() { Answer::Unreachable { reason } } else { Answer::Unclear { reason } }
}

/// Resolves a name once, and hands out what may be called.
struct Checked {
    allow_private: bool,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let addresses = resolve(name.as_str(), 0, allow_private).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a host, all of which may be called: one that may not condemns them all.
pub(super) async fn resolve(host: &str, port: u16, allow_private: bool) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    match addresses.iter().find(|address| !allow_private && !is_public(address.ip())) {
        Some(inward) => Err(io::Error::new(io::ErrorKind::PermissionDenied, not_public(inward.ip()))),
        None if addresses.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        None => Ok(addresses),
    }
}
