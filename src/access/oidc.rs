//! Tokens of an identity provider: its public keys, and signatures checked with them.
//!
//! Keys are fetched when a token names one that is not known, and now and then; never more often than the provider can
//! bear, whoever sends made-up tokens. What it answers is taken as hostile: bounded in time and size, no redirects, and
//! each key only for the one algorithm that it is for. While the provider does not answer, known keys go on.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use claviger_core::access::claims::{Admitted, Algorithm, ClaimRules, admit};
use claviger_core::access::jwt::Unverified;
use claviger_core::config::ConfigError;
use claviger_core::fault::{Blame, Fault};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Deserialize;

use super::AccessError;

const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 256 << 10;
const KEYS_MAX: usize = 64;

/// A key that was taken back stays good for so long.
const FETCH_EVERY: Duration = Duration::from_secs(600);

/// How often unknown keys may make us ask.
const FETCH_SOONEST: Duration = Duration::from_secs(30);

/// One provider.
pub struct Oidc {
    rules: ClaimRules,
    jwks_url: Url,
    client: Client,
    soonest: Duration,
    keys: RwLock<Option<Keys>>,
    /// When it was asked last. Held while it is asked: one question at a time.
    tried_at: tokio::sync::Mutex<Option<Instant>>,
}

/// What the provider answered, and when.
#[derive(Clone)]
struct Keys {
    keys: Arc<[ProviderKey]>,
    at: Instant,
}

struct ProviderKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Oidc {
    /// # Errors
    /// The URL is none, or there is no TLS to fetch it with.
    pub fn new(rules: ClaimRules, jwks_url: &str) -> Result<Self, OidcError> {
        let jwks_url = Url::parse(jwks_url).map_err(|source| OidcError::BadUrl { source: source.into() })?;
        let client = Client::builder()
            .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .timeout(ANSWER_LIMIT)
            .build()
            .map_err(|source| OidcError::NoClient { source })?;
        Ok(Self {
            rules,
            jwks_url,
            client,
            soonest: FETCH_SOONEST,
            keys: RwLock::default(),
            tried_at: tokio::sync::Mutex::default(),
        })
    }

    /// As it is, but asking for unknown keys as often as this.
    #[must_use]
    pub fn asking_every(self, soonest: Duration) -> Self {
        Self { soonest, ..self }
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// It is not of the provider, not good now, or gives nothing here; or the provider's keys cannot be had.
    pub(super) async fn verify(&self, text: &str, now_us: i64) -> Result<Admitted, AccessError> {
        let refused = |why| AccessError::Claims { why };
        let token = Unverified::parse(text).map_err(refused)?;
        let key = self.key(&token).await?;
        let algorithm = match token.algorithm {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        };
        let is_signed =
            jsonwebtoken::crypto::verify(token.signature, token.message.as_bytes(), &key, algorithm).unwrap_or(false);
        if !is_signed {
            return Err(AccessError::Signature);
        }
        admit(token.claims_once_verified(), &self.rules, now_us).map_err(refused)
    }

    /// The key that the token says it is signed by.
    async fn key(&self, token: &Unverified<'_>) -> Result<DecodingKey, AccessError> {
        let known = self.known();
        let found = known.as_ref().and_then(|keys| keys.find(token));
        let mut tried_at = match found {
            Some(key) if known.as_ref().is_some_and(|keys| keys.at.elapsed() < FETCH_EVERY) => return Ok(key.clone()),
            // Whoever has a key does not wait for an answer that somebody else waits for.
            Some(key) => match self.tried_at.try_lock() {
                Ok(tried_at) => tried_at,
                Err(_) => return Ok(key.clone()),
            },
            None => self.tried_at.lock().await,
        };
        // Somebody else may have asked while we waited.
        let is_answered = |keys: Keys| keys.at.elapsed() < FETCH_EVERY && keys.find(token).is_some();
        if !self.known().is_some_and(is_answered) && tried_at.is_none_or(|at| at.elapsed() >= self.soonest) {
            let now = Instant::now();
            *tried_at = Some(now);
            match self.fetch().await {
                Ok(keys) => {
                    *self.keys.write().unwrap_or_else(PoisonError::into_inner) =
                        Some(Keys { keys: keys.into(), at: now });
                }
                Err(source) if known.is_none() => return Err(AccessError::NoKeys { source }),
                Err(error) => {
                    tracing::warn!(%error, "the identity provider's keys cannot be read: the known ones go on")
                }
            }
        }
        match self.known() {
            Some(keys) => keys.find(token).cloned().ok_or(AccessError::Signature),
            None => Err(AccessError::NoKeys { source: OidcError::TriedJustNow }),
        }
    }

    fn known(&self) -> Option<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch(&self) -> Result<Vec<ProviderKey>, OidcError> {
        let unreachable = |source: reqwest::Error| OidcError::Unreachable { source: source.without_url() };
        let mut answer = self.client.get(self.jwks_url.clone()).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(OidcError::Answered { status: answer.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(OidcError::TooLong);
            }
            body.extend_from_slice(&piece);
        }
        let keys = provider_keys(&body)?;
        tracing::info!(keys = keys.len(), "the identity provider's keys were read");
        Ok(keys)
    }
}

impl Keys {
    /// By its name; a token that names none is signed by the only key there is for its algorithm.
    fn find(&self, token: &Unverified<'_>) -> Option<&DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == token.algorithm);
        match &token.key_id {
            Some(id) => fitting.find(|key| key.id.as_ref() == Some(id)).map(|key| &key.key),
            None => fitting.next().filter(|_| fitting.next().is_none()).map(|key| &key.key),
        }
    }
}

/// The keys of an answer that signatures can be checked with. Others are passed over.
fn provider_keys(body: &[u8]) -> Result<Vec<ProviderKey>, OidcError> {
    #[derive(Deserialize)]
    struct Answer {
        keys: Vec<serde_json::Value>,
    }
    let Answer { keys } = serde_json::from_slice(body).map_err(|source| OidcError::Unreadable { source })?;
    Ok(keys.into_iter().take(KEYS_MAX).filter_map(provider_key).collect())
}

fn provider_key(value: serde_json::Value) -> Option<ProviderKey> {
    let key: Jwk = serde_json::from_value(value).ok()?;
    if key.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::Rs256,
        AlgorithmParameters::EllipticCurve(of) if of.curve == EllipticCurve::P256 => Algorithm::Es256,
        AlgorithmParameters::OctetKeyPair(of) if of.curve == EllipticCurve::Ed25519 => Algorithm::EdDsa,
        _ => return None,
    };
    Some(ProviderKey { id: key.common.key_id.clone(), algorithm, key: DecodingKey::from_jwk(&key).ok()? })
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Why a provider's keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("the section `[serve.oidc]` cannot be used")]
    Misconfigured { source: ConfigError },
    #[error("`serve.oidc.jwks_url` is no URL")]
    BadUrl { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("no HTTPS client can be made")]
    NoClient { source: reqwest::Error },
    #[error("the identity provider does not answer")]
    Unreachable { source: reqwest::Error },
    #[error("the identity provider answered with status {status}")]
    Answered { status: u16 },
    #[error("the identity provider's answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the identity provider's answer is no set of keys")]
    Unreadable { source: serde_json::Error },
    #[error("the identity provider did not answer a moment ago")]
    TriedJustNow,
}

impl Fault for OidcError {
    fn hint(&self) -> String {
        match self {
            Self::Misconfigured { source } => return source.hint(),
            Self::NoClient { .. } => "check the certificates that this system trusts",
            Self::TriedJustNow => "wait half a minute; the log says what it answered",
            Self::BadUrl { .. }
            | Self::Unreachable { .. }
            | Self::Answered { .. }
            | Self::TooLong
            | Self::Unreadable { .. } => "try `curl` on `serve.oidc.jwks_url` from this machine",
        }
        .to_owned()
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Misconfigured { .. } | Self::BadUrl { .. } => Blame::Operator,
            Self::NoClient { .. }
            | Self::Unreachable { .. }
            | Self::Answered { .. }
            | Self::TooLong
            | Self::Unreadable { .. }
            | Self::TriedJustNow => Blame::Environment,
        }
    }
}
