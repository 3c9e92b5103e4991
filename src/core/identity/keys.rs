//! All keys: their ids, hashes and versions, and the ways a credential finds its key.
//!
//! A row of this room is a *credential*: key id and hash together. A key whose secret was exchanged under
//! the same id is two rows, so that the old secret is still recognised for what it was.
//!
//! Budget: 185 bytes a key with a single version and a clear or HMAC hash.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::distinct::{Distinct, NONE, code_of};
use super::sorted::{Sorted, halves, quarters};
use super::timeline::{Moment, OPEN, Timeline};
use super::values::{KeyRare, KeyTerms, KeyValue};
use crate::event::Interner;
use crate::secret::{Credential, Digests, KeyParts, NearMissKind, Schemes, Slips};

/// How a key's hash was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Hmac,
    Sha256,
    Murmur128,
    Murmur64,
    Murmur32,
    /// The row has no hash: the key is known by its id, prefix and last four only.
    Unhashed,
}

/// Names one credential: 16 bytes of its hash, or of its id's code where it has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Material {
    pub(super) scheme: Scheme,
    pub(super) bytes: [u8; 16],
}

/// All hashes that a row came with.
#[derive(Clone, Copy, Default)]
pub(super) struct RowHashes {
    pub(super) hmac: Option<[u8; 16]>,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) murmur32: Option<u32>,
    pub(super) murmur64: Option<u64>,
    pub(super) murmur128: Option<u128>,
    pub(super) parts: Option<KeyParts>,
}

impl RowHashes {
    pub(super) fn is_empty(&self) -> bool {
        self.hmac.is_none()
            && self.sha256.is_none()
            && self.murmur32.is_none()
            && self.murmur64.is_none()
            && self.murmur128.is_none()
    }

    /// By the strongest hash there is.
    pub(super) fn material(&self, id: u32) -> Material {
        let mut bytes = [0; 16];
        let scheme = if let Some(hmac) = self.hmac {
            bytes = hmac;
            Scheme::Hmac
        } else if let Some(sha256) = self.sha256 {
            bytes.copy_from_slice(&sha256[..16]);
            Scheme::Sha256
        } else if let Some(murmur) = self.murmur128 {
            bytes = murmur.to_be_bytes();
            Scheme::Murmur128
        } else if let Some(murmur) = self.murmur64 {
            bytes[..8].copy_from_slice(&murmur.to_be_bytes());
            Scheme::Murmur64
        } else if let Some(murmur) = self.murmur32 {
            bytes[..4].copy_from_slice(&murmur.to_be_bytes());
            Scheme::Murmur32
        } else {
            bytes[..4].copy_from_slice(&id.to_be_bytes());
            Scheme::Unhashed
        };
        Material { scheme, bytes }
    }
}

#[derive(Clone, Copy)]
pub(super) struct KeyEntry {
    pub(super) known_since: Moment,
    /// Code of the key id.
    pub(super) id: u32,
    pub(super) material: Material,
    pub(super) conflicting: bool,
}

#[derive(Default)]
pub(super) struct Keys {
    pub(super) ids: Interner,
    /// Code of a key id → the row that was added first for it; [`NONE`] for ids that are only referred to.
    of_id: Vec<u32>,
    pub(super) entries: Vec<KeyEntry>,
    pub(super) timeline: Timeline<KeyValue>,
    pub(super) terms: Distinct<KeyTerms>,
    pub(super) rare: Vec<KeyRare>,
    materials: HashTable<u32>,
    /// Rows whose hash another row had before them.
    claimed: Vec<u32>,
    hasher: RandomState,
    sha256: Sorted<8>,
    murmur32: Sorted<1>,
    murmur64: Sorted<2>,
    murmur128: Sorted<4>,
    heads: Sorted<2>,
    tails: Sorted<2>,
    lowers: Sorted<2>,
    last4: Sorted<1>,
}

/// A key that a credential meets, and the slip that lies between them.
pub(super) enum Found {
    Exact(u32),
    Near(u32, NearMissKind),
    Nothing,
}

impl Keys {
    /// The row of this id and hash, if there is one.
    pub(super) fn find_row(&self, id: u32, material: Material) -> Option<u32> {
        self.rows_of(material).find(|&row| self.entries[row as usize].id == id)
    }

    /// Rows with this hash: more than one where two ids claim the same secret.
    fn rows_of(&self, material: Material) -> impl Iterator<Item = u32> {
        let hash = self.hasher.hash_one(material);
        let same = move |row: &&u32| self.entries[**row as usize].material == material;
        self.materials.iter_hash(hash).filter(same).copied()
    }

    /// The row of this id and hash, made if there is none; versions follow through the timeline.
    pub(super) fn row_for(&mut self, id: u32, material: Material, hashes: &RowHashes) -> u32 {
        let mut claimed = false;
        for row in self.rows_of(material) {
            if self.entries[row as usize].id == id {
                return row;
            }
            claimed = true;
        }
        let row = self.add_row(id, material, hashes);
        if claimed {
            self.claimed.push(row);
        }
        row
    }

    fn add_row(&mut self, id: u32, material: Material, hashes: &RowHashes) -> u32 {
        let row = code_of(self.entries.len());
        self.entries.push(KeyEntry { known_since: Moment::NONE, id, material, conflicting: false });
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = hasher.hash_one(material);
        self.materials.insert_unique(hash, row, |&row| hasher.hash_one(entries[row as usize].material));
        let slot = id as usize;
        if self.of_id.len() <= slot {
            self.of_id.resize(slot + 1, NONE);
        }
        if self.of_id[slot] == NONE {
            self.of_id[slot] = row;
        }
        // Foreign schemes cost the decoder a hash a credential: kept only where ours is missing.
        if hashes.hmac.is_none() {
            if let Some(sha256) = hashes.sha256 {
                self.sha256.push(eighths(&sha256), row);
            }
            if let Some(murmur) = hashes.murmur128 {
                self.murmur128.push(quarters(murmur), row);
            }
            if let Some(murmur) = hashes.murmur64 {
                self.murmur64.push(halves(murmur), row);
            }
            if let Some(murmur) = hashes.murmur32 {
                self.murmur32.push([murmur], row);
            }
        }
        if let Some(parts) = hashes.parts {
            self.lowers.push(halves(parts.lower), row);
            if parts.head != 0 {
                self.heads.push(halves(parts.head), row);
                self.tails.push(halves(parts.tail), row);
            }
        }
        row
    }

    /// The index of rare columns; [`NONE`] for a key that has none.
    pub(super) fn add_rare(&mut self, rare: KeyRare) -> u32 {
        if rare == KeyRare::EMPTY {
            return NONE;
        }
        self.rare.push(rare);
        code_of(self.rare.len() - 1)
    }

    /// Foreign hashes by row: scheme and hex. For rows that `wanted` picks.
    pub(super) fn foreign_hashes(&self, wanted: impl Fn(u32) -> bool) -> Vec<(u32, &'static str, String)> {
        fn collect<const N: usize>(
            from: &Sorted<N>,
            scheme: &'static str,
            wanted: impl Fn(u32) -> bool,
            into: &mut Vec<(u32, &'static str, String)>,
        ) {
            let picked = from.entries().filter(|&(_, row)| wanted(row));
            into.extend(
                picked.map(|(words, row)| (row, scheme, words.iter().map(|word| format!("{word:08x}")).collect())),
            );
        }
        let mut hashes = Vec::new();
        collect(&self.sha256, "sha256", &wanted, &mut hashes);
        collect(&self.murmur32, "murmur3-32", &wanted, &mut hashes);
        collect(&self.murmur64, "murmur3-64", &wanted, &mut hashes);
        collect(&self.murmur128, "murmur3-128", &wanted, &mut hashes);
        hashes
    }

    /// Takes over the secondary hashes of rows of `other`, given the row here for each row there.
    pub(super) fn adopt_hashes(&mut self, other: &Self, row_here: impl Fn(u32) -> Option<u32>) {
        fn adopt<const N: usize>(into: &mut Sorted<N>, from: &Sorted<N>, row_here: impl Fn(u32) -> Option<u32>) {
            for (key, row) in from.entries() {
                if let Some(row) = row_here(row) {
                    into.push(key, row);
                }
            }
        }
        adopt(&mut self.sha256, &other.sha256, &row_here);
        adopt(&mut self.murmur32, &other.murmur32, &row_here);
        adopt(&mut self.murmur64, &other.murmur64, &row_here);
        adopt(&mut self.murmur128, &other.murmur128, &row_here);
        adopt(&mut self.heads, &other.heads, &row_here);
        adopt(&mut self.tails, &other.tails, &row_here);
        adopt(&mut self.lowers, &other.lowers, &row_here);
    }

    /// Sorts what is looked up by binary search, and marks hashes that two principals claim.
    pub(super) fn seal(&mut self) {
        self.last4 = Sorted::default();
        for row in 0..code_of(self.entries.len()) {
            if let Some(version) = self.timeline.newest(row)
                && version.value.last4 != [0; 4]
            {
                self.last4.push([u32::from_be_bytes(version.value.last4)], row);
            }
        }
        self.sha256.seal();
        self.murmur32.seal();
        self.murmur64.seal();
        self.murmur128.seal();
        self.heads.seal();
        self.tails.seal();
        self.lowers.seal();
        self.last4.seal();
        self.entries.iter_mut().for_each(|entry| entry.conflicting = false);
        for row in self.claimed.clone() {
            self.mark_conflict(self.entries[row as usize].material);
        }
        self.entries.shrink_to_fit();
        self.of_id.shrink_to_fit();
        self.rare.shrink_to_fit();
        self.ids.shrink_to_fit();
        self.timeline.shrink();
    }

    /// Marks the rows that claim a hash, when they do so at once and for different principals.
    fn mark_conflict(&mut self, material: Material) {
        let owners = self.rows_of(material).filter_map(|row| {
            let version = self.timeline.newest(row).filter(|version| version.to == OPEN)?;
            Some((row, version.value.principal))
        });
        let owners: Vec<(u32, u32)> = owners.collect();
        if owners.iter().any(|(_, principal)| *principal != owners[0].1) {
            for (row, _) in owners {
                self.entries[row as usize].conflicting = true;
            }
        }
    }

    /// The row that was added first for a key id: of a changed secret the current one.
    pub(super) fn of_id(&self, id: u32) -> Option<u32> {
        self.of_id.get(id as usize).copied().filter(|&row| row != NONE)
    }

    /// Hash schemes beside ours that some key is known by alone.
    pub(super) fn schemes(&self) -> Schemes {
        let murmur3 = !(self.murmur32.is_empty() && self.murmur64.is_empty() && self.murmur128.is_empty());
        Schemes { sha256: !self.sha256.is_empty(), murmur3 }
    }

    pub(super) fn find(&self, credential: &Credential, vocabulary: &Interner) -> Found {
        if let Some(row) = self.exact(&credential.digests) {
            return Found::Exact(row);
        }
        let Some(slips) = &credential.slips else { return Found::Nothing };
        match self.near(slips, credential.length, vocabulary) {
            Some((row, kind)) => Found::Near(row, kind),
            None => Found::Nothing,
        }
    }

    fn exact(&self, digests: &Digests) -> Option<u32> {
        let ours = Material { scheme: Scheme::Hmac, bytes: digests.fingerprint.0 };
        if let Some(row) = self.living(self.rows_of(ours)) {
            return Some(row);
        }
        if let Some(sha256) = &digests.sha256
            && let Some(row) = self.living(self.sha256.rows(eighths(sha256)))
        {
            return Some(row);
        }
        let (short, long) = digests.murmur3?;
        self.living(self.murmur128.rows(quarters(long)))
            .or_else(|| self.living(self.murmur64.rows(halves(high_half(long)))))
            .or_else(|| self.living(self.murmur32.rows([short])))
    }

    /// Of several claimants of a hash the first that is not gone, else the first: of rows as they were written, since
    /// the order in which a hash table holds them is another in every process.
    fn living(&self, rows: impl Iterator<Item = u32>) -> Option<u32> {
        let gone = |row: u32| self.timeline.newest(row).is_none_or(|version| version.to != OPEN);
        rows.map(|row| (gone(row), row)).min().map(|(_, row)| row)
    }

    /// By what a wrong copy still has in common with a key. Two keys that fit are none.
    fn near(&self, slips: &Slips, length: u16, vocabulary: &Interner) -> Option<(u32, NearMissKind)> {
        if let Some((kind, digests)) = &slips.corrected
            && let Some(row) = self.exact(digests)
        {
            return Some((row, *kind));
        }
        if let Some(row) = self.lowers.only(halves(slips.parts.lower)) {
            return Some((row, NearMissKind::Case));
        }
        let part = |index: &Sorted<2>, hash: u64| if hash == 0 { None } else { index.only(halves(hash)) };
        let shorter = |row: u32| length < self.length_of(row);
        let ends = (part(&self.heads, slips.parts.head), part(&self.tails, slips.parts.tail));
        let by_part = match ends {
            (Some(head), Some(tail)) => (head == tail).then_some(head),
            (Some(row), None) | (None, Some(row)) => Some(row),
            (None, None) => None,
        };
        if let Some(row) = by_part {
            return Some((row, if shorter(row) { NearMissKind::Truncated } else { NearMissKind::OneEdit }));
        }
        let (head, tail) = slips.masked.as_ref()?;
        let last4: [u8; 4] = tail.as_bytes().last_chunk().copied()?;
        let mut fitting = self.last4.rows([u32::from_be_bytes(last4)]).filter(|&row| {
            let prefix = self.terms_of(row).map_or("", |terms| vocabulary.get(terms.prefix));
            head.starts_with(prefix) || prefix.starts_with(head.as_str())
        });
        let row = fitting.next()?;
        fitting.next().is_none().then_some((row, NearMissKind::Masked))
    }

    fn terms_of(&self, row: u32) -> Option<&KeyTerms> {
        self.terms.get(self.timeline.newest(row)?.value.terms)
    }

    /// Characters of the key; 0 when not known.
    fn length_of(&self, row: u32) -> u16 {
        self.terms_of(row).map_or(0, |terms| terms.length)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.ids.heap_bytes()
            + self.of_id.capacity() * size_of::<u32>()
            + self.entries.capacity() * size_of::<KeyEntry>()
            + self.timeline.heap_bytes()
            + self.terms.heap_bytes()
            + self.rare.capacity() * size_of::<KeyRare>()
            + self.materials.allocation_size()
            + self.sha256.heap_bytes()
            + self.murmur32.heap_bytes()
            + self.murmur64.heap_bytes()
            + self.murmur128.heap_bytes()
            + self.heads.heap_bytes()
            + self.tails.heap_bytes()
            + self.lowers.heap_bytes()
            + self.last4.heap_bytes()
    }
}

fn eighths(hash: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(hash.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words
}

const fn high_half(hash: u128) -> u64 {
    (hash >> 64) as u64
}
