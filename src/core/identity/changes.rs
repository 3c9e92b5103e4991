//! Identity changes as rows of the lake table `identity_history`: what changed, from what to what, when it took
//! effect, and by which snapshot it was noticed. No secret in it: secrets are keyed hashes already.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::Directory;
use super::diff::{Change, Diff, EntityKind};
use super::fields::Value;
use super::timeline::{OPEN, Version};
use crate::event::{ColumnKind, DictColumn, TextColumn, TimeColumn};

/// Columns of the `identity_history` table.
pub static IDENTITY_HISTORY_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let (dict, time) = (ColumnKind::Dict.arrow_type(), ColumnKind::Time.arrow_type());
    Arc::new(Schema::new(vec![
        Field::new("directory_version", dict.clone(), false),
        Field::new("kind", dict.clone(), false),
        Field::new("id", DataType::Utf8, false),
        Field::new("field", dict.clone(), false),
        Field::new("before", DataType::Utf8, true),
        Field::new("after", DataType::Utf8, true),
        Field::new("at", time.clone(), false),
        Field::new("source", dict, true),
        Field::new("noticed_as_of", time, false),
    ]))
});

/// What a column of `identity_history` means; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_history_column(name: &str) -> &'static str {
    match name {
        "directory_version" => "version of the identity directory that brought the change",
        "kind" => "what changed: key, principal, tenant or grant",
        "id" => "id of the key, principal or tenant; party and scope of a grant",
        "field" => "the field that changed; `row` where the whole row came or went",
        "before" => "its value before; null where there was none",
        "after" => "its value afterwards; null where there is none",
        "at" => "when the change took effect, UTC",
        "source" => "the system that the snapshot came from",
        "noticed_as_of" => "as-of time of the snapshot that brought the change, UTC",
        _ => "",
    }
}

/// What `next` knows that `previous` did not. The first snapshot of all adds no row for what is merely there:
/// only what its rows themselves tell of the past (an account suspended, a key revoked, dated versions).
#[must_use]
pub fn history_rows(previous: &Directory, next: &Directory) -> RecordBatch {
    let changes =
        if previous.snapshots().is_empty() { next.told_changes() } else { Diff::between(previous, next).changes };
    let mut columns = Columns::default();
    for change in &changes {
        columns.push(change, next);
    }
    columns.finish()
}

#[derive(Default)]
struct Columns {
    directory_version: DictColumn,
    kind: DictColumn,
    id: TextColumn,
    field: DictColumn,
    before: TextColumn,
    after: TextColumn,
    at: TimeColumn,
    source: DictColumn,
    noticed_as_of: TimeColumn,
}

impl Columns {
    fn push(&mut self, change: &Change, directory: &Directory) {
        self.directory_version.push(directory.version());
        self.kind.push(change.kind.name());
        self.id.push(&change.id);
        self.field.push(change.field);
        self.before.push(&change.before);
        self.after.push(&change.after);
        self.at.push(Some(change.at));
        self.source.push(directory.source());
        self.noticed_as_of.push(Some(directory.noticed_at()));
    }

    fn finish(&mut self) -> RecordBatch {
        let columns = vec![
            self.directory_version.finish(),
            self.kind.finish(),
            self.id.finish(),
            self.field.finish(),
            self.before.finish(),
            self.after.finish(),
            self.at.finish(),
            self.source.finish(),
            self.noticed_as_of.finish(),
        ];
        RecordBatch::try_new(Arc::clone(&IDENTITY_HISTORY_SCHEMA), columns)
            .expect("builders make the types that the schema names")
    }
}

impl Directory {
    /// Changes that the rows of a single snapshot tell of: states with a time, and versions with dates.
    fn told_changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for key in self.keys() {
            let id = self.keys.ids.get(self.keys.entries[key.0 as usize].id);
            let versions: Vec<_> = self.keys.timeline.versions(key.0).collect();
            if let &[only] = versions.as_slice() {
                let (_, rare) = self.key_parts(&only.value);
                told_status(&mut changes, EntityKind::Key, id, only.value.status.name(), rare.revoked_at.get());
            }
            told_versions(&mut changes, EntityKind::Key, id, &versions, |value| self.key_fields(value));
        }
        for principal in self.principals() {
            let id = self.principal_ids.get(principal.0);
            let versions: Vec<_> = self.principals.versions(principal.0).collect();
            if let &[only] = versions.as_slice() {
                let since = only.value.status_since.get();
                told_status(&mut changes, EntityKind::Principal, id, only.value.status.name(), since);
            }
            told_versions(&mut changes, EntityKind::Principal, id, &versions, |value| self.principal_fields(value));
        }
        for tenant in self.tenants() {
            let id = self.tenant_ids.get(tenant.0);
            let versions: Vec<_> = self.tenants.versions(tenant.0).collect();
            if let &[only] = versions.as_slice() {
                let since = only.value.status_since.get();
                told_status(&mut changes, EntityKind::Tenant, id, only.value.status.name(), since);
            }
            told_versions(&mut changes, EntityKind::Tenant, id, &versions, |value| self.tenant_fields(value));
        }
        changes
    }
}

/// A state other than active, and when it began.
fn told_status(changes: &mut Vec<Change>, kind: EntityKind, id: &str, status: &str, since: Option<i64>) {
    if let Some(at) = since
        && status != "active"
    {
        let (id, before, after) = (id.to_owned(), String::new(), status.to_owned());
        changes.push(Change { kind, id, field: "status", before, after, at });
    }
}

/// What differs between dated versions, and the end of the last.
fn told_versions<'d, V, const N: usize>(
    changes: &mut Vec<Change>,
    kind: EntityKind,
    id: &str,
    versions: &[&Version<V>],
    fields: impl Fn(&V) -> [(&'static str, Value<'d>); N],
) {
    for pair in versions.windows(2) {
        let [newer, older] = pair else { continue };
        for ((field, before), (_, after)) in fields(&older.value).into_iter().zip(fields(&newer.value)) {
            if before != after {
                let (before, after) = (before.to_string(), after.to_string());
                changes.push(Change { kind, id: id.to_owned(), field, before, after, at: newer.from });
            }
        }
    }
    if let Some(last) = versions.first().filter(|last| last.to != OPEN) {
        let before = Change::PRESENT.to_owned();
        changes.push(Change { kind, id: id.to_owned(), field: Change::ROW, before, after: String::new(), at: last.to });
    }
}
