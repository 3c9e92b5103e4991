//! The Merkle tree of RFC 6962, section 2.1, grown leaf by leaf in the memory of its right edge.
//!
//! Leaves are hashed under `0x00`, nodes under `0x01`, so that a node cannot be passed off as a leaf. Own code, since it
//! is thirty lines against the RFC's test vectors, and the right edge is what a restart has to find in a digest.

use sha2::{Digest as _, Sha256};

use super::Hash;

/// The hash of a record as a leaf.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(record).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that only grows. It keeps the roots of its complete subtrees, the largest first: one a set bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    edge: Vec<Hash>,
}

impl Tree {
    /// A tree of `size` leaves by the roots of its complete subtrees; `None` where their number does not fit.
    #[must_use]
    pub fn of(size: u64, edge: Vec<Hash>) -> Option<Self> {
        (edge.len() == size.count_ones() as usize).then_some(Self { size, edge })
    }

    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.edge.push(hash);
        self.size += 1;
    }

    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn edge(&self) -> &[Hash] {
        &self.edge
    }

    /// The root; of no leaves, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut hashes = self.edge.iter().rev();
        let smallest = hashes.next().copied().unwrap_or_else(|| super::hash(b""));
        hashes.fold(smallest, |right, left| node_hash(left, &right))
    }
}

/// The audit path of leaf `index` in the tree that `before` becomes with `leaves`, nearest sibling first (RFC 6962,
/// 2.1.1). `None` for a leaf that is not among `leaves`.
#[must_use]
pub fn prove_inclusion(before: &Tree, leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let size = before.size + leaves.len() as u64;
    if !(before.size..size).contains(&index) {
        return None;
    }
    let known = Known { before, leaves };
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(known.hash(middle, end)?);
            end = middle;
        } else {
            path.push(known.hash(begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether a leaf stands at `index` of the tree of this size and root (RFC 9162, 2.1.3.2).
#[must_use]
pub fn inclusion_holds(leaf: Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The largest power of two below `size`, for a size above one.
const fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// A tree of which the complete subtrees of its beginning and the leaves of its end are known.
struct Known<'a> {
    before: &'a Tree,
    leaves: &'a [Hash],
}

impl Known<'_> {
    /// The hash over `begin..end`, a range that the recursion of the RFC visits.
    fn hash(&self, begin: u64, end: u64) -> Option<Hash> {
        if end <= self.before.size {
            return self.complete(begin, end);
        }
        if end - begin == 1 {
            return self.leaves.get(usize::try_from(begin - self.before.size).ok()?).copied();
        }
        let middle = begin + split(end - begin);
        Some(node_hash(&self.hash(begin, middle)?, &self.hash(middle, end)?))
    }

    fn complete(&self, begin: u64, end: u64) -> Option<Hash> {
        let mut from = 0;
        let mut bits = self.before.size;
        for hash in &self.before.edge {
            let width = 1 << (63 - bits.leading_zeros());
            if (from, from + width) == (begin, end) {
                return Some(*hash);
            }
            from += width;
            bits -= width;
        }
        None
    }
}
