//! Who is let in: tokens of our own, tokens of an identity provider, and the dashboard's sessions.
//!
//! Promises that a proof is checked wherever one is shown, that a revoked token opens nothing within five seconds, in
//! every process and without a restart, and that nobody gets in while it cannot be told who may. What a proof gives is
//! decided in `claviger_core::access`; here tables are read, keys fetched and clocks looked at. Knows nothing of HTTP but
//! the text that a client shows.

mod error;
mod oidc;
mod sessions;
mod tokens;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use claviger_core::access::Caller;
use claviger_core::access::exposure::Guard;
use claviger_core::access::failures::Failures;
use claviger_core::access::session::{Holder, Session, SessionKey};
use claviger_core::access::token::{PREFIX, Token, TokenId, TokenKey};
use claviger_core::config::Serve;
use claviger_core::fault::{Blame, Fault as _};
use claviger_core::secret::Pepper;
use rand::TryRng as _;
use rand::rngs::SysRng;

pub use error::AccessError;
pub use oidc::{Oidc, OidcError};

use crate::lake::Lake;
use crate::signals;
use sessions::EndedSessions;
use tokens::TokenCache;

/// What a client shows to prove who it is.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// The text after `Bearer`, or a password.
    Secret(&'a str),
    /// The dashboard's cookie.
    Session(&'a str),
}

/// Somebody whose proof holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub caller: Caller,
    /// When the proof ends, if that can be said now.
    pub until_us: Option<i64>,
    holder: Holder,
}

/// Why a password does not let anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// It opens nothing. Why is in the log only.
    Wrong,
    /// It opens nothing, as did too many from this address before it.
    TooOften { wait_s: u64 },
    /// The lake or the identity provider does not say.
    Unknowable,
}

/// The room. Shared by all that ask it.
#[derive(Debug)]
pub struct Access {
    guard: Guard,
    tokens: TokenCache,
    session_key: SessionKey,
    oidc: Option<Oidc>,
    ended: Mutex<EndedSessions>,
    failures: Mutex<Failures>,
    lake: OnceLock<Lake>,
}

impl Access {
    /// As the configuration says.
    ///
    /// # Errors
    /// The identity provider that it names cannot be asked.
    pub fn of(config: &Serve, pepper: &Pepper) -> Result<Arc<Self>, OidcError> {
        let rules = config.oidc.rules().map_err(|source| OidcError::Misconfigured { source })?;
        let oidc = rules.map(|rules| Oidc::new(rules, &config.oidc.jwks_url)).transpose()?;
        // An address that may not be listened on at all is refused by whoever would listen.
        Ok(Self::new(config.guard().unwrap_or(Guard::Asks), pepper, oidc))
    }

    /// Lets nobody in by a token before [`Access::attach`].
    #[must_use]
    pub fn new(guard: Guard, pepper: &Pepper, oidc: Option<Oidc>) -> Arc<Self> {
        Arc::new(Self {
            guard,
            tokens: TokenCache::new(TokenKey::new(pepper)),
            session_key: SessionKey::new(pepper),
            oidc,
            ended: Mutex::default(),
            failures: Mutex::default(),
            lake: OnceLock::new(),
        })
    }

    /// From now on tokens are looked up in this lake. The first call decides.
    pub fn attach(&self, lake: Lake) {
        if self.lake.set(lake).is_err() {
            tracing::error!("tokens were given a second lake: the first stays");
        }
    }

    /// Whether callers have to prove who they are.
    #[must_use]
    pub const fn guard(&self) -> Guard {
        self.guard
    }

    /// Who shows this.
    ///
    /// # Errors
    /// Why it opens nothing, or why that cannot be told now.
    pub async fn authenticate(&self, shown: Shown<'_>) -> Result<Known, AccessError> {
        match shown {
            Shown::Secret(text) if text.starts_with(PREFIX) => {
                let token = Token::parse(text).map_err(|why| AccessError::NoToken { why })?;
                let caller = self.tokens.verify(self.lake()?, &token, now_us()).await?;
                Ok(self.of_token(caller, token.id()))
            }
            Shown::Secret(text) => {
                let oidc = self.oidc.as_ref().ok_or(AccessError::OtherKind)?;
                let admitted = oidc.verify(text, now_us()).await?;
                let holder = Holder::Oidc(admitted.caller.clone());
                Ok(Known { caller: admitted.caller, until_us: Some(admitted.until_us), holder })
            }
            Shown::Session(cookie) => {
                let session = self.session(cookie).ok_or(AccessError::SessionEnded)?;
                let known = match &session.holder {
                    Holder::Token(id) => {
                        let caller = self.tokens.caller(self.lake()?, *id, now_us()).await?;
                        self.of_token(caller, *id)
                    }
                    Holder::Oidc(caller) => Known { caller: caller.clone(), until_us: None, holder: session.holder },
                };
                Ok(Known { until_us: Some(session.until_us), ..known })
            }
        }
    }

    /// For protocols that know passwords: a token is one. The user's name is the client's business, unless it is the id of
    /// another token.
    ///
    /// # Errors
    /// The password opens nothing, too many of this address did not, or that cannot be told now.
    pub async fn authenticate_password(
        &self,
        user: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Known, PasswordRefusal> {
        let is_named_so = |known: &Known| TokenId::parse(user).is_none_or(|id| known.caller.name == id.as_str());
        let error = match self.authenticate(Shown::Secret(password)).await {
            Ok(known) if is_named_so(&known) => return Ok(known),
            // Whoever has the secret of one token learns nothing of the id of another.
            Ok(_) => AccessError::Unknown,
            Err(error) if error.blame() == Blame::Operator => error,
            Err(error) => {
                tracing::warn!(%from, %error, "whether a password opens anything cannot be told");
                return Err(PasswordRefusal::Unknowable);
            }
        };
        match self.note_failure(from) {
            Ok(()) => {
                signals::AccessRefused { from, error: &error }.emit();
                Err(PasswordRefusal::Wrong)
            }
            Err(wait_s) => Err(PasswordRefusal::TooOften { wait_s }),
        }
    }

    /// Looks again at a proof that was good, for protocols whose connections outlive it.
    ///
    /// # Errors
    /// It opens nothing any more, or that cannot be told now.
    pub async fn still_holds(&self, known: &Known) -> Result<(), AccessError> {
        match &known.holder {
            Holder::Token(id) => self.tokens.caller(self.lake()?, *id, now_us()).await.map(drop),
            Holder::Oidc(_) if known.until_us.is_some_and(|until| until <= now_us()) => Err(AccessError::SessionEnded),
            Holder::Oidc(_) => Ok(()),
        }
    }

    /// The text of a cookie that stands for whoever is known now.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn begin_session(&self, known: &Known) -> Result<(String, Session), AccessError> {
        let mut random = [0; 16];
        SysRng.try_fill_bytes(&mut random).map_err(|source| AccessError::NoRandomness { source: source.into() })?;
        let session = Session::begin(known.holder.clone(), known.until_us, random, now_us());
        Ok((self.session_key.seal(&session), session))
    }

    /// Ends the session of a cookie, in this process for good, in others when its time comes.
    pub fn end_session(&self, cookie: &str) {
        if let Some(session) = self.session_key.open(cookie, now_us()) {
            self.ended().add(session.id, session.until_us, now_us());
        }
    }

    /// Notes that a proof shown from this address does not hold.
    ///
    /// # Errors
    /// That happened too often: seconds to wait.
    pub fn note_failure(&self, from: IpAddr) -> Result<(), u64> {
        // A purse is one number: a panic elsewhere does not spoil it.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).note(from, now_us())
    }

    fn of_token(&self, caller: Caller, id: TokenId) -> Known {
        Known { caller, until_us: self.tokens.ends_at_us(id), holder: Holder::Token(id) }
    }

    fn session(&self, cookie: &str) -> Option<Session> {
        let session = self.session_key.open(cookie, now_us())?;
        (!self.ended().holds(&session.id)).then_some(session)
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, EndedSessions> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lake(&self) -> Result<&Lake, AccessError> {
        self.lake.get().ok_or(AccessError::Starting)
    }
}

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
