//! Who is known to be in order, and for how long: most requests are served, and most keys stay as they are.

use std::sync::{Arc, Weak};

use crate::identity::{Directory, KeyIx, PrincipalIx};

/// Whom a request is charged to: its key, or where that is hidden the principal whom the gateway names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bearer {
    Key(KeyIx),
    Principal(PrincipalIx),
}

/// Half-open, UTC microseconds; empty where nothing is known.
type Span = (i64, i64);

/// For each key and principal of one directory, the time within which it is known to be in order.
#[derive(Debug, Default)]
pub(super) struct Health {
    directory: Weak<Directory>,
    keys: Vec<Span>,
    /// As far as the last principal that was noted.
    principals: Vec<Span>,
}

impl Health {
    /// Forgets everything when the directory has changed.
    pub(super) fn keep_for(&mut self, directory: &Arc<Directory>) {
        if self.directory.as_ptr() != Arc::as_ptr(directory) {
            self.directory = Arc::downgrade(directory);
            self.keys.clear();
            self.keys.resize(directory.key_count(), (0, 0));
            self.principals.clear();
        }
    }

    pub(super) fn is_known(&self, bearer: Bearer, at: i64) -> bool {
        let span = match bearer {
            Bearer::Key(key) => self.keys.get(key.0 as usize),
            Bearer::Principal(principal) => self.principals.get(principal.0 as usize),
        };
        span.is_some_and(|&(from, until)| (from..until).contains(&at))
    }

    /// The bearer was in order at `from`, and nothing about it changes before `until`.
    pub(super) fn note(&mut self, bearer: Bearer, from: i64, until: i64) {
        let (spans, index) = match bearer {
            Bearer::Key(key) => (&mut self.keys, key.0 as usize),
            Bearer::Principal(principal) => (&mut self.principals, principal.0 as usize),
        };
        if spans.len() <= index {
            spans.resize(index + 1, (0, 0));
        }
        let known = &mut spans[index];
        *known = if known.1 == until { (known.0.min(from), until) } else { (from, until) };
    }
}
