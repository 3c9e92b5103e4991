//! A session of the dashboard: what its cookie holds, sealed so that only we can have written it.
//!
//! The cookie says who, and until when. A session that a token opened names the token and nothing of its rights: they are
//! looked up at every request, so that it ends when the token does. One that an identity provider's token opened carries
//! its rights, and never outlives that token. Sealed, not encrypted: nothing in it is secret from its holder.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::token::{TokenId, hex};
use super::{Caller, Proof, Scope, TenantScope};
use crate::secret::{DerivedKey, Pepper};

/// A working day: longer than a shift, shorter than a laptop is left in a train.
pub const LASTS_US: i64 = 12 * 3_600 * 1_000_000;

/// Longest cookie that is looked at: browsers keep no longer ones.
const COOKIE_BYTES_MAX: usize = 4_096;

/// The key that seals sessions.
#[derive(Clone, Debug)]
pub struct SessionKey(DerivedKey);

/// Names one session, to end it by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub holder: Holder,
    pub until_us: i64,
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Token(TokenId),
    Oidc(Caller),
}

/// As it stands in the cookie.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    id: String,
    until_us: i64,
    who: Who,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Who {
    Token(String),
    Oidc { name: String, scopes: Vec<String>, tenants: Tenants },
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Tenants {
    All,
    One(String),
}

impl Session {
    /// A session from now on; `random` names it. It ends before what opened it does.
    #[must_use]
    pub fn begin(holder: Holder, opened_until_us: Option<i64>, random: [u8; 16], now_us: i64) -> Self {
        let lasts = now_us.saturating_add(LASTS_US);
        Self { id: SessionId(hex(&random)), holder, until_us: opened_until_us.unwrap_or(lasts).min(lasts) }
    }
}

impl SessionKey {
    #[must_use]
    pub fn new(pepper: &Pepper) -> Self {
        Self(pepper.derive("claviger dashboard sessions"))
    }

    /// The text of a cookie.
    #[must_use]
    pub fn seal(&self, session: &Session) -> String {
        let who = match &session.holder {
            Holder::Token(token) => Who::Token(token.to_string()),
            Holder::Oidc(caller) => Who::Oidc {
                name: caller.name.clone(),
                scopes: caller.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
                tenants: match &caller.tenants {
                    TenantScope::All => Tenants::All,
                    TenantScope::One(tenant) => Tenants::One(tenant.clone()),
                },
            },
        };
        let sealed = Sealed { id: session.id.0.clone(), until_us: session.until_us, who };
        let text = serde_json::to_vec(&sealed).expect("texts and numbers are JSON");
        let mac = self.0.mac(&text);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The session in a cookie; `None` for one that we did not write, or that has ended.
    #[must_use]
    pub fn open(&self, cookie: &str, now_us: i64) -> Option<Session> {
        let (text, mac) = Some(cookie).filter(|cookie| cookie.len() <= COOKIE_BYTES_MAX)?.split_once('.')?;
        let (text, mac) = (URL_SAFE_NO_PAD.decode(text).ok()?, URL_SAFE_NO_PAD.decode(mac).ok()?);
        if !bool::from(self.0.mac(&text).ct_eq(&mac)) {
            return None;
        }
        let Sealed { id, until_us, who } = serde_json::from_slice(&text).ok()?;
        let holder = match who {
            Who::Token(token) => Holder::Token(TokenId::parse(&token)?),
            Who::Oidc { name, scopes, tenants } => Holder::Oidc(Caller {
                name,
                proof: Proof::Oidc,
                scopes: scopes.iter().filter_map(|word| word.parse::<Scope>().ok()).collect(),
                tenants: match tenants {
                    Tenants::All => TenantScope::All,
                    Tenants::One(tenant) => TenantScope::One(tenant),
                },
            }),
        };
        (now_us < until_us).then_some(Session { id: SessionId(id), holder, until_us })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Scopes;
    use super::super::token::{RANDOM_BYTES, Token};
    use super::*;

    fn key(pepper: &[u8]) -> SessionKey {
        SessionKey::new(&Pepper::new(pepper).unwrap())
    }

    fn sessions() -> [Session; 3] {
        let oidc = |tenants| {
            let name = "ada@example.com".to_owned();
            Holder::Oidc(Caller { name, proof: Proof::Oidc, scopes: Scopes::all(), tenants })
        };
        [
            Holder::Token(Token::mint(&[7; RANDOM_BYTES]).id()),
            oidc(TenantScope::All),
            oidc(TenantScope::One("all".into())),
        ]
        .map(|holder| Session::begin(holder, None, [3; 16], 1_000))
    }

    #[test]
    fn a_session_comes_back_from_its_cookie_until_it_ends() {
        let key = key(b"0123456789abcdef");
        for session in sessions() {
            let cookie = key.seal(&session);
            assert!(cookie.len() < 500 && !cookie.contains([';', ' ', ',', '"']), "{cookie}");
            assert_eq!(key.open(&cookie, LASTS_US), Some(session));
            assert_eq!(key.open(&cookie, LASTS_US + 1_000), None);
        }
    }

    #[test]
    fn a_session_ends_with_what_opened_it() {
        let [session, ..] = sessions();
        assert_eq!(Session::begin(session.holder, Some(5_000), [3; 16], 1_000).until_us, 5_000);
    }

    #[test]
    fn a_cookie_of_another_pepper_opens_nothing() {
        for session in sessions() {
            assert_eq!(key(b"0123456789abcdef").open(&key(b"fedcba9876543210").seal(&session), 2_000), None);
        }
    }

    proptest! {
        #[test]
        fn a_changed_cookie_opens_nothing(which in 0..3usize, place: prop::sample::Index, to in "[A-Za-z0-9_.-]") {
            let key = key(b"0123456789abcdef");
            let cookie = key.seal(&sessions()[which]);
            let place = place.index(cookie.len());
            let mut changed = cookie.clone();
            changed.replace_range(place..=place, &to);
            prop_assume!(changed != cookie);
            prop_assert_eq!(key.open(&changed, 2_000), None);
        }

        #[test]
        fn any_text_may_be_a_cookie(text in "\\PC{0,200}") {
            prop_assert_eq!(key(b"0123456789abcdef").open(&text, 0), None);
        }
    }
}
