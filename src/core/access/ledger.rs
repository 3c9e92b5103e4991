//! What became of every token: a fold over the rows of the table `tokens`.
//!
//! Promises that neither order nor repetition of events matters, since rows of several writers come as they come: each
//! fact is the least or the greatest of what was said about it, always to the narrower side. A revocation holds from the
//! moment it is read, whatever the clocks of two machines say.

use std::collections::BTreeMap;

use super::token::{Token, TokenHash, TokenId, TokenKey};
use super::{Caller, Proof, Scopes, TenantScope};

/// The use of a token is noted when the last note is older than this: who still uses it matters, when exactly does not.
pub const USE_NOTED_EVERY_US: i64 = 3_600_000_000;

/// Something that happened to a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEvent {
    pub at_us: i64,
    pub token: TokenId,
    /// Who did it, as it stands in the audit trail.
    pub by: String,
    pub what: TokenHappening,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenHappening {
    Created(Grant),
    /// Another token takes its place; this one works until then.
    Rotated {
        successor: TokenId,
        until_us: i64,
    },
    Revoked,
    Used,
}

/// What a token's maker gave to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it is for, in its maker's words; may be empty.
    pub label: String,
    pub scopes: Scopes,
    pub tenants: TenantScope,
    /// `None` for one that does not expire.
    pub expires_at_us: Option<i64>,
    pub hash: TokenHash,
    /// [`TokenKey::name`] of the key that `hash` was made under.
    pub key: String,
    pub last4: String,
    pub replaces: Option<TokenId>,
}

impl Grant {
    /// Where two say that they made a token, the one that sorts first is believed.
    fn sort_key(&self) -> impl Ord + use<> {
        let Self { label, scopes, tenants, expires_at_us, hash, key, last4, replaces } = self;
        let ends = expires_at_us.unwrap_or(i64::MAX);
        (ends, hash.hex(), *scopes, tenants.clone(), label.clone(), key.clone(), last4.clone(), *replaces)
    }
}

/// Every token there was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    created: BTreeMap<TokenId, Created>,
    endings: BTreeMap<TokenId, Endings>,
    uses: BTreeMap<TokenId, i64>,
}

/// How a token came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub at_us: i64,
    pub by: String,
    pub grant: Grant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Endings {
    revoked_at_us: Option<i64>,
    replaced: Option<(i64, TokenId)>,
}

/// Whether a token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Live,
    Revoked { at_us: i64 },
    Replaced { at_us: i64, by: TokenId },
    Expired { at_us: i64 },
}

impl Standing {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Revoked { .. } => "revoked",
            Self::Replaced { .. } => "replaced",
            Self::Expired { .. } => "expired",
        }
    }
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// No such id, or another secret: the two are not told apart.
    Unknown,
    /// The id is known, and was made under another pepper than the one at hand.
    OtherPepper,
    /// The right secret, of a token that has ended.
    Ended(Standing),
}

impl Tokens {
    #[must_use]
    pub fn fold(events: impl IntoIterator<Item = TokenEvent>) -> Self {
        let mut tokens = Self::default();
        for event in events {
            tokens.apply(event);
        }
        tokens
    }

    pub fn apply(&mut self, TokenEvent { at_us, token, by, what }: TokenEvent) {
        match what {
            TokenHappening::Created(grant) => {
                let told = Created { at_us, by, grant };
                let order = |created: &Created| (created.at_us, created.by.clone(), created.grant.sort_key());
                match self.created.get_mut(&token) {
                    Some(known) if order(known) <= order(&told) => {}
                    Some(known) => *known = told,
                    None => _ = self.created.insert(token, told),
                }
            }
            TokenHappening::Rotated { successor, until_us } => {
                let replaced = &mut self.endings.entry(token).or_default().replaced;
                *replaced = Some(replaced.map_or((until_us, successor), |known| known.min((until_us, successor))));
            }
            TokenHappening::Revoked => {
                let revoked = &mut self.endings.entry(token).or_default().revoked_at_us;
                *revoked = Some(revoked.map_or(at_us, |known| known.min(at_us)));
            }
            TokenHappening::Used => {
                let used = self.uses.entry(token).or_insert(at_us);
                *used = at_us.max(*used);
            }
        }
    }

    /// The tokens in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (TokenId, &Created)> {
        self.created.iter().map(|(id, created)| (*id, created))
    }

    #[must_use]
    pub fn get(&self, id: TokenId) -> Option<&Created> {
        self.created.get(&id)
    }

    /// When its use was noted last.
    #[must_use]
    pub fn used_at_us(&self, id: TokenId) -> Option<i64> {
        self.uses.get(&id).copied()
    }

    /// `None` for a token that nobody made.
    #[must_use]
    pub fn standing(&self, id: TokenId, now_us: i64) -> Option<Standing> {
        let created = self.created.get(&id)?;
        let endings = self.endings.get(&id);
        if let Some(at_us) = endings.and_then(|endings| endings.revoked_at_us) {
            return Some(Standing::Revoked { at_us });
        }
        if let Some((at_us, by)) = endings.and_then(|endings| endings.replaced).filter(|(at_us, _)| *at_us <= now_us) {
            return Some(Standing::Replaced { at_us, by });
        }
        match created.grant.expires_at_us {
            Some(at_us) if at_us <= now_us => Some(Standing::Expired { at_us }),
            _ => Some(Standing::Live),
        }
    }

    /// When a token that works now will not work any more: its expiry, or the end of the overlap with its successor.
    #[must_use]
    pub fn ends_at_us(&self, id: TokenId) -> Option<i64> {
        let expires = self.created.get(&id)?.grant.expires_at_us;
        let replaced = self.endings.get(&id).and_then(|endings| endings.replaced).map(|(at_us, _)| at_us);
        expires.into_iter().chain(replaced).min()
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// Why it opens nothing. That a token has ended is told only to those who have its secret.
    pub fn verify(&self, token: &Token, key: &TokenKey, now_us: i64) -> Result<Caller, TokenRefusal> {
        let id = token.id();
        let created = self.created.get(&id);
        let kept = created.map_or(TokenHash::NOBODY, |created| created.grant.hash);
        let is_same = kept == key.hash(token);
        match created {
            Some(_) if is_same => self.caller(id, now_us),
            Some(created) if created.grant.key != key.name() => Err(TokenRefusal::OtherPepper),
            _ => Err(TokenRefusal::Unknown),
        }
    }

    /// Who holds the token of this id, for those who have shown it before.
    ///
    /// # Errors
    /// It has ended, or nobody made it.
    pub fn caller(&self, id: TokenId, now_us: i64) -> Result<Caller, TokenRefusal> {
        let standing = self.standing(id, now_us).ok_or(TokenRefusal::Unknown)?;
        if standing != Standing::Live {
            return Err(TokenRefusal::Ended(standing));
        }
        let grant = &self.created.get(&id).ok_or(TokenRefusal::Unknown)?.grant;
        let (scopes, tenants) = (grant.scopes, grant.tenants.clone());
        Ok(Caller { name: id.to_string(), proof: Proof::Token, scopes, tenants })
    }
}

/// Whether the use of a token at `now_us` is worth a row, its last noted one being then.
#[must_use]
pub fn is_use_worth_noting(last_us: Option<i64>, now_us: i64) -> bool {
    last_us.is_none_or(|last| now_us.saturating_sub(last) >= USE_NOTED_EVERY_US)
}

#[cfg(test)]
mod tests;
