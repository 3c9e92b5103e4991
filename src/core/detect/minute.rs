//! What one entity did in one minute: the unit that every detector reads.
//!
//! A [`Minute`] is the sum of all partials of one entity and minute, whatever batch they came from: the same for any
//! order of arrival.

use super::Entity;
use crate::cause::RootCause;
use crate::minutes::{Distinct, EntityKind, MINUTE_US, Partial, Sum, Sums};

/// What one entity did in one minute: all partials of it added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Minute {
    /// Start of the minute, UTC microseconds.
    pub minute_us: i64,
    pub entity: Entity,
    /// Principal of a key; empty for the others.
    pub principal: String,
    pub total: Sums,
    /// By cause, ordered by cause; `None` = not refused.
    pub causes: Vec<(Option<RootCause>, Sums)>,
    /// Sorted, without duplicates: (kind, hash).
    pub distinct: Vec<(Distinct, u32)>,
}

impl Minute {
    /// A minute in which nothing happened yet.
    #[must_use]
    pub const fn empty(minute_us: i64, entity: Entity) -> Self {
        Self {
            minute_us,
            entity,
            principal: String::new(),
            total: Sums::ZERO,
            causes: Vec::new(),
            distinct: Vec::new(),
        }
    }

    /// End of the minute, UTC microseconds.
    #[must_use]
    pub const fn to_us(&self) -> i64 {
        self.minute_us.saturating_add(MINUTE_US)
    }

    /// The distinct values of one kind, in ascending order.
    pub fn of(&self, kind: Distinct) -> impl Iterator<Item = u32> + '_ {
        self.slice(kind).iter().map(|(_, hash)| *hash)
    }

    /// How many distinct values of one kind there are; at least, where a partial was full.
    #[must_use]
    pub fn count(&self, kind: Distinct) -> usize {
        self.slice(kind).len()
    }

    fn slice(&self, kind: Distinct) -> &[(Distinct, u32)] {
        let from = self.distinct.partition_point(|(other, _)| *other < kind);
        let to = self.distinct.partition_point(|(other, _)| *other <= kind);
        self.distinct.get(from..to).unwrap_or_default()
    }

    #[must_use]
    pub fn by_cause(&self, cause: Option<RootCause>) -> Option<&Sums> {
        let at = self.causes.binary_search_by_key(&cause, |(other, _)| *other).ok()?;
        self.causes.get(at).map(|(_, sums)| sums)
    }

    /// Requests that ended with `cause`.
    #[must_use]
    pub fn requests_of(&self, cause: RootCause) -> i64 {
        self.by_cause(Some(cause)).map_or(0, |sums| sums[Sum::Requests])
    }

    /// Adds a partial of the same entity and minute.
    pub fn add(&mut self, partial: &Partial<'_>) {
        self.add_principal(partial.principal);
        self.add_counts(partial);
        self.unite(&mut partial.distinct().collect());
    }

    /// Adds what a partial counts.
    pub(super) fn add_counts(&mut self, partial: &Partial<'_>) {
        self.total += &partial.sums;
        match self.causes.binary_search_by_key(&partial.cause, |(cause, _)| *cause) {
            Ok(at) => self.causes[at].1 += &partial.sums,
            Err(at) => self.causes.insert(at, (partial.cause, partial.sums)),
        }
    }

    /// Of several principals within the minute the later name wins, in any order of arrival.
    pub(super) fn add_principal(&mut self, name: &str) {
        if *self.principal < *name {
            name.clone_into(&mut self.principal);
        }
    }

    /// Takes distinct values in any order, and leaves `fresh` empty.
    pub(super) fn unite(&mut self, fresh: &mut Vec<(Distinct, u32)>) {
        if !fresh.is_empty() {
            fresh.sort_unstable();
            fresh.dedup();
            self.distinct.append(fresh);
            // Stable, because that kind of sort sees two runs and merges them.
            self.distinct.sort();
            self.distinct.dedup();
        }
    }

    /// Makes it another entity's empty minute, and keeps the room that it has.
    pub(super) fn reuse(&mut self, minute_us: i64, kind: EntityKind, name: &str, tenant: &str) {
        self.minute_us = minute_us;
        self.entity.kind = kind;
        name.clone_into(&mut self.entity.name);
        tenant.clone_into(&mut self.entity.tenant);
        self.principal.clear();
        self.total = Sums::ZERO;
        self.causes.clear();
        self.distinct.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_kind() {
        let entity = Entity { kind: EntityKind::Key, name: "k".to_owned(), tenant: "t".to_owned() };
        let mut minute = Minute::empty(60_000_000, entity);
        minute.distinct =
            vec![(Distinct::Network, 3), (Distinct::Network, 9), (Distinct::Route, 1), (Distinct::Object, 7)];
        assert_eq!(minute.of(Distinct::Network).collect::<Vec<_>>(), [3, 9]);
        assert_eq!((minute.count(Distinct::Agent), minute.count(Distinct::Object)), (0, 1));
        assert_eq!(minute.to_us(), 120_000_000);
    }
}
