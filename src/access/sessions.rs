//! Sessions that were ended before their time.

use std::collections::BTreeMap;

use claviger_core::access::session::SessionId;

/// More than people sign out in a session's length; beyond it the ones that end soonest are forgotten.
const SESSIONS_MAX: usize = 100_000;

/// The ended sessions, until they would have ended by themselves.
#[derive(Debug, Default)]
pub(super) struct EndedSessions(BTreeMap<SessionId, i64>);

impl EndedSessions {
    pub(super) fn add(&mut self, id: SessionId, until_us: i64, now_us: i64) {
        if self.0.len() >= SESSIONS_MAX {
            self.0.retain(|_, until| *until > now_us);
        }
        if self.0.len() >= SESSIONS_MAX
            && let Some(soonest) = self.0.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone())
        {
            self.0.remove(&soonest);
        }
        self.0.insert(id, until_us);
    }

    pub(super) fn holds(&self, id: &SessionId) -> bool {
        self.0.contains_key(id)
    }
}
