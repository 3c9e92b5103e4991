//! What was true when: versions of one row, newest first, chained.
//!
//! Nearly every row has a single version, which then costs one array slot and no pointer.

use super::distinct::{NONE, code_of};

/// Before and after all events.
pub(super) const EVER: i64 = i64::MIN;
pub(super) const OPEN: i64 = i64::MAX;

/// An instant in UTC microseconds, or none, in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Moment(i64);

impl Moment {
    pub(super) const NONE: Self = Self(i64::MIN);

    pub(super) const fn get(self) -> Option<i64> {
        if self.0 == i64::MIN { None } else { Some(self.0) }
    }
}

impl From<Option<i64>> for Moment {
    fn from(at: Option<i64>) -> Self {
        at.map_or(Self::NONE, Self)
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::NONE
    }
}

/// When a row holds.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) dated: bool,
}

/// A row's content from `from` (inclusive) to `to` (exclusive), and the version before it.
#[derive(Clone, Copy)]
pub(super) struct Version<V> {
    pub(super) from: i64,
    pub(super) to: i64,
    older: u32,
    /// The row itself says from when it holds; else `from` is when a snapshot showed it.
    pub(super) dated: bool,
    pub(super) value: V,
}

impl<V> Version<V> {
    pub(super) fn new(span: Span, value: V) -> Self {
        Self { from: span.from, to: span.to, older: NONE, dated: span.dated, value }
    }
}

/// What a row said at an instant.
#[derive(Clone, Copy)]
pub(super) struct AsOf<V> {
    pub(super) value: V,
    /// The row was gone by then, since this instant.
    pub(super) gone_at: Option<i64>,
    /// When this version took the place of another.
    pub(super) since: Option<i64>,
}

/// Versions of all rows of one kind, by the row's index.
pub(super) struct Timeline<V> {
    latest: Vec<Option<Version<V>>>,
    older: Vec<Version<V>>,
}

impl<V> Default for Timeline<V> {
    fn default() -> Self {
        Self { latest: Vec::new(), older: Vec::new() }
    }
}

impl<V: Copy> Timeline<V> {
    /// Rows known, present or not.
    pub(super) fn len(&self) -> usize {
        self.latest.len()
    }

    /// Whether the index has any version at all: ids that are only referred to have none.
    pub(super) fn has(&self, ix: u32) -> bool {
        self.latest.get(ix as usize).is_some_and(Option::is_some)
    }

    /// Whether the row has one version only, without dates.
    pub(super) fn is_undated(&self, ix: u32) -> bool {
        self.newest(ix).is_some_and(|version| version.older == NONE && !version.dated)
    }

    /// Whether the row is the same at every instant.
    pub(super) fn is_constant(&self, ix: u32) -> bool {
        match self.latest.get(ix as usize) {
            Some(Some(version)) => version.older == NONE && version.to == OPEN,
            Some(None) | None => true,
        }
    }

    /// Adds a version. Returns the one that it met in its place, if any: that began at the same instant, or neither
    /// has dates (two snapshots hold the row). The later one counts.
    pub(super) fn insert(&mut self, ix: u32, mut version: Version<V>) -> Option<V> {
        let slot = ix as usize;
        if self.latest.len() <= slot {
            self.latest.resize_with(slot + 1, || None);
        }
        let Some(latest) = &mut self.latest[slot] else {
            self.latest[slot] = Some(version);
            return None;
        };
        if version.from == latest.from || !version.dated && !latest.dated {
            let rival = latest.value;
            if version.from >= latest.from {
                version.older = latest.older;
                *latest = version;
            }
            return Some(rival);
        }
        let spill = code_of(self.older.len());
        if version.from > latest.from {
            self.older.push(std::mem::replace(latest, version));
            latest.older = spill;
            return None;
        }
        // Walk to the first version that does not begin after the new one.
        let (mut before, mut at) = (NONE, latest.older);
        while let Some(next) = self.older.get(at as usize)
            && next.from > version.from
        {
            (before, at) = (at, next.older);
        }
        if let Some(same) = self.older.get_mut(at as usize)
            && same.from == version.from
        {
            version.older = same.older;
            return Some(std::mem::replace(same, version).value);
        }
        version.older = at;
        self.older.push(version);
        match self.older.get_mut(before as usize) {
            Some(newer) => newer.older = spill,
            None => latest.older = spill,
        }
        None
    }

    /// Versions of a row, newest first.
    pub(super) fn versions(&self, ix: u32) -> impl Iterator<Item = &Version<V>> {
        let mut next = self.latest.get(ix as usize).and_then(Option::as_ref);
        std::iter::from_fn(move || {
            let version = next?;
            next = self.older.get(version.older as usize);
            Some(version)
        })
    }

    pub(super) fn newest(&self, ix: u32) -> Option<&Version<V>> {
        self.latest.get(ix as usize).and_then(Option::as_ref)
    }

    pub(super) fn newest_mut(&mut self, ix: u32) -> Option<&mut Version<V>> {
        self.latest.get_mut(ix as usize).and_then(Option::as_mut)
    }

    /// What the row said at `at`. Before its first version that one counts: nothing better is known.
    pub(super) fn as_of(&self, ix: u32, at: i64) -> Option<AsOf<V>> {
        let mut chosen = None;
        for version in self.versions(ix) {
            chosen = Some(version);
            if version.from <= at {
                break;
            }
        }
        chosen.map(|version| AsOf {
            value: version.value,
            gone_at: (at >= version.to).then_some(version.to),
            since: (version.older != NONE).then_some(version.from),
        })
    }

    /// Where a row's newest version is one without dates, it begins where the version before it ended: that it
    /// was gone in between is not what such a history means to say.
    pub(super) fn close_gaps(&mut self) {
        for latest in self.latest.iter_mut().flatten() {
            if let Some(before) = self.older.get(latest.older as usize)
                && !latest.dated
                && before.to < latest.from
            {
                latest.from = before.to;
            }
        }
    }

    pub(super) fn shrink(&mut self) {
        self.latest.shrink_to_fit();
        self.older.shrink_to_fit();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.latest.capacity() * size_of::<Option<Version<V>>>() + self.older.capacity() * size_of::<Version<V>>()
    }
}
