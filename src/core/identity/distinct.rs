//! Values that repeat a million times, held once: lists of scopes, terms of keys.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Codes to something else.
pub(super) type CodeMap<V> = hashbrown::HashMap<u32, V, RandomState>;

/// The code of "no value".
pub(super) const NONE: u32 = u32::MAX;

/// Distinct values, each with a small code that counts up from 0.
pub(super) struct Distinct<T> {
    values: Vec<T>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { values: Vec::new(), table: HashTable::new(), hasher: RandomState::default() }
    }
}

impl<T: Hash + Eq> Distinct<T> {
    pub(super) fn intern(&mut self, value: T) -> u32 {
        let hash = self.hasher.hash_one(&value);
        if let Some(&code) = self.table.find(hash, |&code| self.values[code as usize] == value) {
            return code;
        }
        let code = code_of(self.values.len());
        self.values.push(value);
        let (values, hasher) = (&self.values, &self.hasher);
        self.table.insert_unique(hash, code, |&code| hasher.hash_one(&values[code as usize]));
        code
    }

    pub(super) fn get(&self, code: u32) -> Option<&T> {
        self.values.get(code as usize)
    }

    /// Bytes on the heap, those that the values themselves point to left out.
    pub(super) fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<T>() + self.table.allocation_size()
    }
}

/// The position of a new value.
pub(super) fn code_of(position: usize) -> u32 {
    u32::try_from(position).expect("4 billion rows of identity do not fit into memory")
}
