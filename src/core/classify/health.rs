//! Which keys are known to be in order, and for how long: most requests are served, and most keys stay as they are.

use std::sync::{Arc, Weak};

use crate::identity::{Directory, KeyIx};

/// For each key of one directory, the time within which it is known to be in order.
#[derive(Debug, Default)]
pub(super) struct Health {
    directory: Weak<Directory>,
    /// Half-open, UTC microseconds; empty where nothing is known.
    spans: Vec<(i64, i64)>,
}

impl Health {
    /// Forgets everything when the directory has changed.
    pub(super) fn keep_for(&mut self, directory: &Arc<Directory>) {
        if self.directory.as_ptr() != Arc::as_ptr(directory) {
            self.directory = Arc::downgrade(directory);
            self.spans.clear();
            self.spans.resize(directory.key_count(), (0, 0));
        }
    }

    pub(super) fn is_known(&self, key: KeyIx, at: i64) -> bool {
        let (from, until) = self.spans[key.0 as usize];
        (from..until).contains(&at)
    }

    /// The key was in order at `from`, and nothing about it changes before `until`.
    pub(super) fn note(&mut self, key: KeyIx, from: i64, until: i64) {
        let known = &mut self.spans[key.0 as usize];
        *known = if known.1 == until { (known.0.min(from), until) } else { (from, until) };
    }
}
