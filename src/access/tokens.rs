//! The table of tokens as it was at most a few seconds ago.
//!
//! It is looked at again when somebody asks and the last look is [`FRESH`] ago; a token that is not known makes it look
//! sooner, so that a new one works within a second. While the table cannot be read, what was known holds for [`STALE_MAX`], and
//! then nobody gets in: a revocation may be waiting there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use claviger_core::access::Caller;
use claviger_core::access::ledger::{TokenEvent, TokenHappening, TokenRefusal, Tokens, is_use_worth_noting};
use claviger_core::access::token::{Token, TokenId, TokenKey};
use tokio::task::JoinSet;

use super::AccessError;
use crate::lake::{Lake, LakeError, TokenTable};

/// Less than the five seconds within which a revocation is to hold, by the time that a look may take.
const FRESH: Duration = Duration::from_secs(3);

/// How often unknown tokens may make it look.
const SOONEST: Duration = Duration::from_millis(250);

const STALE_MAX: Duration = Duration::from_secs(60);

/// A name for what a service writes of its own accord.
const BY_SERVICE: &str = "claviger";

#[derive(Debug)]
pub(super) struct TokenCache {
    key: TokenKey,
    seen: RwLock<Option<Seen>>,
    /// One look at a time; others wait for it.
    table: tokio::sync::Mutex<Looks>,
    uses: Mutex<Uses>,
}

/// What the last good look saw.
#[derive(Clone, Debug)]
struct Seen {
    tokens: Arc<Tokens>,
    at: Instant,
}

#[derive(Debug, Default)]
struct Looks {
    table: Option<TokenTable>,
    /// When it was last tried, with or without success.
    tried_at: Option<Instant>,
}

/// Notes of use that are under way, and when each token's use was noted last.
#[derive(Debug, Default)]
struct Uses {
    noted: BTreeMap<TokenId, i64>,
    writes: JoinSet<()>,
}

impl TokenCache {
    pub(super) fn new(key: TokenKey) -> Self {
        Self { key, seen: RwLock::default(), table: tokio::sync::Mutex::default(), uses: Mutex::default() }
    }

    /// Who holds this token.
    pub(super) async fn verify(&self, lake: &Lake, token: &Token, now_us: i64) -> Result<Caller, AccessError> {
        self.look(lake, FRESH).await?;
        let mut judged = self.known()?.verify(token, &self.key, now_us);
        if judged == Err(TokenRefusal::Unknown) {
            self.look(lake, SOONEST).await?;
            judged = self.known()?.verify(token, &self.key, now_us);
        }
        let caller = judged?;
        self.note_use(lake, token.id(), now_us);
        Ok(caller)
    }

    /// Who holds the token of this id, for a session that it opened.
    pub(super) async fn caller(&self, lake: &Lake, id: TokenId, now_us: i64) -> Result<Caller, AccessError> {
        self.look(lake, FRESH).await?;
        let caller = self.known()?.caller(id, now_us)?;
        self.note_use(lake, id, now_us);
        Ok(caller)
    }

    /// When the token ends, by its expiry or its successor.
    pub(super) fn ends_at_us(&self, id: TokenId) -> Option<i64> {
        self.seen().and_then(|seen| seen.tokens.ends_at_us(id))
    }

    fn seen(&self) -> Option<Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn known(&self) -> Result<Arc<Tokens>, AccessError> {
        self.seen().map(|seen| seen.tokens).ok_or(AccessError::Starting)
    }

    /// Looks at the table unless it was looked at less than `age` ago.
    async fn look(&self, lake: &Lake, age: Duration) -> Result<(), AccessError> {
        let is_fresh = |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| seen.at.elapsed() < age);
        if is_fresh(&self.seen()) {
            return Ok(());
        }
        let mut looks = self.table.lock().await;
        // Somebody else looked, or tried to, while we waited for the lock.
        let was_tried = looks.tried_at.is_some_and(|at| at.elapsed() < age.min(SOONEST));
        if is_fresh(&self.seen()) {
            return Ok(());
        }
        if !was_tried || self.seen().is_none() {
            looks.tried_at = Some(Instant::now());
            match self.read(lake, &mut looks.table).await {
                Ok(()) => return Ok(()),
                Err(source) if self.is_too_old() => return Err(AccessError::Unreadable { source }),
                Err(error) => {
                    tracing::warn!(%error, "tokens cannot be read: what was known of them holds for a minute")
                }
            }
        }
        if self.is_too_old() { Err(AccessError::Starting) } else { Ok(()) }
    }

    fn is_too_old(&self) -> bool {
        self.seen().is_none_or(|seen| seen.at.elapsed() > STALE_MAX)
    }

    async fn read(&self, lake: &Lake, table: &mut Option<TokenTable>) -> Result<(), LakeError> {
        let at = Instant::now();
        let is_new = table.is_none();
        let open = match table {
            Some(open) => open,
            None => table.insert(lake.tokens().await?),
        };
        let has_moved = open.moved().await?;
        let known = self.seen().filter(|_| !is_new && !has_moved).map(|seen| seen.tokens);
        let tokens = match known {
            Some(tokens) => tokens,
            None => Arc::new(Tokens::fold(open.read().await?)),
        };
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(Seen { tokens, at });
        Ok(())
    }

    /// Has the use written down, when that is worth a row. Nobody waits for it, and nothing rests on it.
    fn note_use(&self, lake: &Lake, id: TokenId, now_us: i64) {
        let stored = self.seen().and_then(|seen| seen.tokens.used_at_us(id));
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_use_worth_noting(stored.max(uses.noted.get(&id).copied()), now_us) {
            return;
        }
        uses.noted.insert(id, now_us);
        while uses.writes.try_join_next().is_some() {}
        let by = BY_SERVICE.to_owned();
        let (lake, events) = (lake.clone(), [TokenEvent { at_us: now_us, token: id, by, what: TokenHappening::Used }]);
        uses.writes.spawn(async move {
            if let Err(error) = lake.record_token_uses(now_us, &events).await {
                tracing::warn!(%error, "the use of a token could not be noted");
            }
        });
    }
}
