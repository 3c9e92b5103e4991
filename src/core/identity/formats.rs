//! Formats of keys that are over: prefixes under which every key the directory knows has come to its end.
//!
//! Worked out once a directory, when it is first asked for: one pass over all keys.

use std::collections::HashMap;

use super::{Directory, KeyAt, KeyStatus};

impl Directory {
    /// Whether keys with this prefix existed, and all had ended when the newest snapshot was taken.
    #[must_use]
    pub fn is_format_retired(&self, prefix: &str) -> bool {
        let word = self.vocabulary.find(prefix).filter(|_| !prefix.is_empty());
        word.is_some_and(|word| self.retired_formats.get_or_init(|| self.find_retired_formats()).contains(&word))
    }

    /// Their codes in the vocabulary, in no order: there are a handful.
    fn find_retired_formats(&self) -> Vec<u32> {
        let mut all_ended: HashMap<&str, bool> = HashMap::new();
        let now = self.noticed_at();
        for key in self.keys() {
            let key = self.key_at(key, now);
            *all_ended.entry(key.prefix).or_insert(true) &= has_ended(&key, now);
        }
        let retired = all_ended.into_iter().filter(|(_, ended)| *ended);
        retired.filter_map(|(prefix, _)| self.vocabulary.find(prefix)).collect()
    }
}

fn has_ended(key: &KeyAt<'_>, now: i64) -> bool {
    key.status == KeyStatus::Revoked || key.deleted_at.is_some() || key.expires_at.is_some_and(|end| end <= now)
}
