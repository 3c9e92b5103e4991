//! What changed from one directory to another, field by field.
//!
//! Compared is what each says now, not their histories: a row that is gone counts as absent.

use std::fmt;

use serde::{Serialize, Serializer};

use super::fields::{Field, Value};
use super::grants::{Grant, Party};
use super::keys::Material;
use super::timeline::{EVER, OPEN, Timeline, Version};
use super::{Directory, KeyIx};
use crate::time;

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Key,
    Principal,
    Tenant,
    Grant,
}

impl EntityKind {
    pub const ALL: &'static [Self] = &[Self::Key, Self::Principal, Self::Tenant, Self::Grant];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Principal => "principal",
            Self::Tenant => "tenant",
            Self::Grant => "grant",
        }
    }
}

/// One field of one row, or a row as a whole: then `field` is [`Change::ROW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub kind: EntityKind,
    pub id: String,
    pub field: &'static str,
    /// Empty for what was absent.
    pub before: String,
    /// Empty for what is absent now.
    pub after: String,
    /// When it took place as far as is known, UTC microseconds.
    #[serde(serialize_with = "as_text")]
    pub at: i64,
}

fn as_text<S: Serializer>(at: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time::format(*at))
}

impl Change {
    /// The field of a row that came or went.
    pub const ROW: &'static str = "row";
    /// The field of a key whose secret was exchanged; values are keyed hashes.
    pub const FINGERPRINT: &'static str = "fingerprint";
    pub(super) const PRESENT: &'static str = "present";
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, id, field) = (self.kind.name(), &self.id, self.field);
        let shown = |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
        match (field, self.before.as_str(), self.after.as_str()) {
            (Self::ROW, "", _) => write!(f, "+ {kind} {id}"),
            (Self::ROW, _, _) => write!(f, "- {kind} {id}"),
            (_, before, after) => write!(f, "~ {kind} {id}: {field} {} -> {}", shown(before), shown(after)),
        }
    }
}

/// All changes, by kind and in the order of the newer directory; what vanished comes last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    pub before: String,
    pub after: String,
    pub changes: Vec<Change>,
}

impl Diff {
    #[must_use]
    pub fn between(before: &Directory, after: &Directory) -> Self {
        let mut work = Work { before, after, at: after.noticed_at(), changes: Vec::new() };
        work.keys();
        work.principals();
        work.tenants();
        work.grants();
        Self { before: before.version().to_owned(), after: after.version().to_owned(), changes: work.changes }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Changes of one kind: rows added, rows removed, fields changed.
    #[must_use]
    pub fn counts(&self, kind: EntityKind) -> [usize; 3] {
        let mut counts = [0; 3];
        for change in self.changes.iter().filter(|change| change.kind == kind) {
            let slot = match (change.field, change.before.is_empty()) {
                (Change::ROW, true) => 0,
                (Change::ROW, false) => 1,
                (_, _) => 2,
            };
            counts[slot] += 1;
        }
        counts
    }
}

struct Work<'a> {
    before: &'a Directory,
    after: &'a Directory,
    at: i64,
    changes: Vec<Change>,
}

/// The version that says what is so now, unless the row is gone.
fn present<V: Copy>(timeline: &Timeline<V>, ix: u32) -> Option<&Version<V>> {
    timeline.newest(ix).filter(|version| version.to == OPEN)
}

impl Work<'_> {
    fn keys(&mut self) {
        let (before, after) = (self.before, self.after);
        let at_or = |at: Option<i64>, otherwise: i64| at.unwrap_or(otherwise);
        for KeyIx(ix) in after.keys() {
            let Some(new) = present(&after.keys.timeline, ix) else { continue };
            let entry = &after.keys.entries[ix as usize];
            let id = after.keys.ids.get(entry.id);
            // An exchanged secret stays known beside the new one: the row that an id stands for is the one to compare.
            if after.keys.of_id(entry.id) != Some(ix) {
                continue;
            }
            let (_, rare) = after.key_parts(&new.value);
            let Some(old_ix) = before.find_key(id) else {
                self.add(
                    EntityKind::Key,
                    id,
                    Change::ROW,
                    "",
                    Change::PRESENT,
                    at_or(new.value.created_at.get(), self.at),
                );
                continue;
            };
            let Some(old) = present(&before.keys.timeline, old_ix.0) else {
                self.add(EntityKind::Key, id, Change::ROW, "", Change::PRESENT, self.at);
                continue;
            };
            let old_entry = &before.keys.entries[old_ix.0 as usize];
            let at = changed_at(new, old.from, rare.revoked_at.get(), self.at);
            if old_entry.material != entry.material {
                let at = at_or(rare.last_rotated_at.get(), self.at);
                let (was, is) = (show_material(&old_entry.material), show_material(&entry.material));
                self.add(EntityKind::Key, id, Change::FINGERPRINT, &was, &is, at);
            }
            self.fields(EntityKind::Key, id, &before.key_fields(&old.value), &after.key_fields(&new.value), at);
        }
        for KeyIx(ix) in before.keys() {
            let entry = &before.keys.entries[ix as usize];
            let id = before.keys.ids.get(entry.id);
            if before.keys.of_id(entry.id) != Some(ix) || present(&before.keys.timeline, ix).is_none() {
                continue;
            }
            let now = after.find_key(id);
            if now.is_none_or(|now| present(&after.keys.timeline, now.0).is_none()) {
                let at = now.and_then(|now| after.keys.timeline.newest(now.0)).map_or(self.at, |version| version.to);
                self.add(EntityKind::Key, id, Change::ROW, Change::PRESENT, "", at);
            }
        }
    }

    fn principals(&mut self) {
        let (before, after) = (self.before, self.after);
        for ix in after.principals() {
            let Some(new) = present(&after.principals, ix.0) else { continue };
            let id = after.principal_ids.get(ix.0);
            let old = before.find_principal(id).and_then(|old| present(&before.principals, old.0));
            let Some(old) = old else {
                self.add(EntityKind::Principal, id, Change::ROW, "", Change::PRESENT, self.at);
                continue;
            };
            let at = changed_at(new, old.from, new.value.status_since.get(), self.at);
            let (was, is) = (before.principal_fields(&old.value), after.principal_fields(&new.value));
            self.fields(EntityKind::Principal, id, &was, &is, at);
        }
        for ix in before.principals().filter(|ix| present(&before.principals, ix.0).is_some()) {
            let id = before.principal_ids.get(ix.0);
            let now = after.find_principal(id);
            if now.is_none_or(|now| present(&after.principals, now.0).is_none()) {
                let at = now.and_then(|now| after.principals.newest(now.0)).map_or(self.at, |version| version.to);
                self.add(EntityKind::Principal, id, Change::ROW, Change::PRESENT, "", at);
            }
        }
    }

    fn tenants(&mut self) {
        let (before, after) = (self.before, self.after);
        for ix in after.tenants() {
            let Some(new) = present(&after.tenants, ix.0) else { continue };
            let id = after.tenant_ids.get(ix.0);
            let old = before.find_tenant(id).and_then(|old| present(&before.tenants, old.0));
            let Some(old) = old else {
                self.add(EntityKind::Tenant, id, Change::ROW, "", Change::PRESENT, self.at);
                continue;
            };
            let at = changed_at(new, old.from, new.value.status_since.get(), self.at);
            self.fields(
                EntityKind::Tenant,
                id,
                &before.tenant_fields(&old.value),
                &after.tenant_fields(&new.value),
                at,
            );
        }
        for ix in before.tenants().filter(|ix| present(&before.tenants, ix.0).is_some()) {
            let id = before.tenant_ids.get(ix.0);
            let now = after.find_tenant(id);
            if now.is_none_or(|now| present(&after.tenants, now.0).is_none()) {
                let at = now.and_then(|now| after.tenants.newest(now.0)).map_or(self.at, |version| version.to);
                self.add(EntityKind::Tenant, id, Change::ROW, Change::PRESENT, "", at);
            }
        }
    }

    fn grants(&mut self) {
        let (before, after) = (self.before.open_grants(), self.after.open_grants());
        for (name, grant) in &after {
            if before.binary_search_by(|(other, _)| other.cmp(name)).is_err() {
                let at = if grant.from == EVER { self.at } else { grant.from };
                self.add(EntityKind::Grant, name, Change::ROW, "", Change::PRESENT, at);
            }
        }
        let gone = before.iter().filter(|(name, _)| after.binary_search_by(|(other, _)| other.cmp(name)).is_err());
        let gone: Vec<_> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            let ended = self.after.grants.list.iter().filter(|grant| self.after.grant_name(grant) == name);
            let at = ended.map(|grant| grant.to).max().unwrap_or(self.at);
            self.add(EntityKind::Grant, &name, Change::ROW, Change::PRESENT, "", at);
        }
    }

    fn fields(&mut self, kind: EntityKind, id: &str, before: &[Field<'_>], after: &[Field<'_>], at: i64) {
        for ((name, was), (_, is)) in before.iter().zip(after).filter(|((_, was), (_, is))| was != is) {
            // A status that names its own time changed then; the rest of the row when it was noticed.
            self.add(kind, id, name, &shown(was), &shown(is), at);
        }
    }

    fn add(&mut self, kind: EntityKind, id: &str, field: &'static str, before: &str, after: &str, at: i64) {
        let (id, before, after) = (id.to_owned(), before.to_owned(), after.to_owned());
        self.changes.push(Change { kind, id, field, before, after, at });
    }
}

fn shown(value: &Value<'_>) -> String {
    value.to_string()
}

/// When the newer version began, if its directory has taken over the older one's history; else the time the row
/// names; else when it was noticed.
fn changed_at<V>(new: &Version<V>, old_from: i64, named: Option<i64>, noticed: i64) -> i64 {
    if new.from > old_from && new.from < noticed && new.from != EVER {
        return new.from;
    }
    named.filter(|&named| named > old_from && named <= noticed).unwrap_or(noticed)
}

fn show_material(material: &Material) -> String {
    material.bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Directory {
    /// `principal p-1: role editor`, `role editor: scope orders:write`.
    pub(super) fn grant_name(&self, grant: &Grant) -> String {
        let name = |party: Party| match party {
            Party::Principal(ix) => format!("principal {}", self.principal_ids.get(ix)),
            Party::Role(word) => format!("role {}", self.word(word)),
            Party::Scope(word) => format!("scope {}", self.word(word)),
        };
        format!("{}: {}", name(grant.subject), name(grant.gives))
    }

    /// Grants that hold when the directory was taken, by name.
    fn open_grants(&self) -> Vec<(String, Grant)> {
        let at = self.noticed_at();
        let open = self.grants.list.iter().filter(|grant| grant.to > at);
        let mut open: Vec<_> = open.map(|grant| (self.grant_name(grant), *grant)).collect();
        open.sort_by(|a, b| a.0.cmp(&b.0));
        open.dedup_by(|a, b| a.0 == b.0);
        open
    }
}
