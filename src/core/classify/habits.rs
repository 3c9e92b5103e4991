//! Who is used to authenticate: tells a client that forgot its key from one whose key is taken away on the way.
//!
//! A client here is an address and a user agent. The memory is of this process and bounded; after a restart it
//! fills again, and until then such refusals read as `missing_credential`.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Clients remembered a generation; two generations are kept. About 6 MB.
const CLIENTS_MAX: usize = 100_000;
/// Authenticated requests after which a client is taken to be used to it.
const USED_TO: u16 = 5;

#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    authenticated: u16,
    /// It is also served without a credential: no habit to break.
    mixed: bool,
}

/// What clients usually do.
#[derive(Debug, Default)]
pub(super) struct Habits {
    recent: HashMap<u64, Habit, FixedState>,
    older: HashMap<u64, Habit, FixedState>,
}

impl Habits {
    /// A request of `client` was served, with or without a credential.
    pub(super) fn served(&mut self, client: u64, authenticated: bool) {
        let habit = self.entry(client);
        if authenticated {
            habit.authenticated = habit.authenticated.saturating_add(1);
        } else {
            habit.mixed = true;
        }
    }

    /// Whether a client that now sends no credential always did.
    pub(super) fn is_broken(&mut self, client: u64) -> bool {
        let habit = *self.entry(client);
        habit.authenticated >= USED_TO && !habit.mixed
    }

    fn entry(&mut self, client: u64) -> &mut Habit {
        if !self.recent.contains_key(&client) {
            if self.recent.len() >= CLIENTS_MAX {
                self.older = std::mem::take(&mut self.recent);
            }
            let known = self.older.get(&client).copied().unwrap_or_default();
            self.recent.insert(client, known);
        }
        self.recent.entry(client).or_default()
    }
}
