//! Hash → row, as one sorted array: 12 bytes a key for 64-bit hashes, where a hash table takes twice that.
//! Looked up for refused credentials and foreign hash schemes only, so a binary search is quick enough.

/// Keys of `N` 32-bit words (no padding, whatever the width), each with a row.
pub(super) struct Sorted<const N: usize>(Vec<([u32; N], u32)>);

impl<const N: usize> Default for Sorted<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize> Sorted<N> {
    pub(super) fn push(&mut self, key: [u32; N], row: u32) {
        self.0.push((key, row));
    }

    /// To be called after the last `push` and before the first lookup.
    pub(super) fn seal(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rows(&self, key: [u32; N]) -> impl Iterator<Item = u32> {
        let start = self.0.partition_point(|(other, _)| *other < key);
        self.0.iter().skip(start).take_while(move |(other, _)| *other == key).map(|&(_, row)| row)
    }

    /// The row, when exactly one has this key.
    pub(super) fn only(&self, key: [u32; N]) -> Option<u32> {
        let mut rows = self.rows(key);
        let first = rows.next()?;
        rows.next().is_none().then_some(first)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = ([u32; N], u32)> {
        self.0.iter().copied()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<([u32; N], u32)>()
    }
}

/// A 64-bit hash as words.
#[expect(clippy::cast_possible_truncation, reason = "the two halves are taken apart")]
pub(super) const fn halves(hash: u64) -> [u32; 2] {
    [(hash >> 32) as u32, hash as u32]
}

/// A 128-bit hash as words.
#[expect(clippy::cast_possible_truncation, reason = "the two halves are taken apart")]
pub(super) const fn quarters(hash: u128) -> [u32; 4] {
    let (high, low) = (halves((hash >> 64) as u64), halves(hash as u64));
    [high[0], high[1], low[0], low[1]]
}
