//! What a directory remembers beyond its last snapshot, as rows of the canonical folder: written out, they let
//! the next process tell a deleted user from one that never was.
//!
//! Only rows with a history are given, each with all its versions and their dates; keyed hashes stand for keys.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::fields::{Field, Value};
use super::grants::Party;
use super::keys::Scheme;
use super::rows::Table;
use super::timeline::{EVER, OPEN, Timeline, Version};
use super::{Directory, KeyIx};
use crate::secret::Fingerprint;
use crate::time;

impl Directory {
    /// Rows for [`Directory::recall`], one JSON object each.
    #[must_use]
    pub fn past_rows(&self) -> Vec<(Table, String)> {
        let mut rows = self.past_keys();
        for principal in self.principals().filter(|ix| has_history(&self.principals, ix.0)) {
            for version in self.principals.versions(principal.0) {
                let id = ("principal_id", self.principal_ids.get(principal.0));
                rows.push((Table::Principals, row(id, &self.principal_fields(&version.value), version).to_string()));
            }
        }
        for tenant in self.tenants().filter(|ix| has_history(&self.tenants, ix.0)) {
            for version in self.tenants.versions(tenant.0) {
                let id = ("tenant_id", self.tenant_ids.get(tenant.0));
                rows.push((Table::Tenants, row(id, &self.tenant_fields(&version.value), version).to_string()));
            }
        }
        for grant in self.grants.list.iter().filter(|grant| grant.from != EVER || grant.to != OPEN) {
            let mut row = Map::new();
            for party in [grant.subject, grant.gives] {
                let (column, text) = match party {
                    Party::Principal(ix) => ("principal_id", self.principal_ids.get(ix)),
                    Party::Role(word) => ("role", self.word(word)),
                    Party::Scope(word) => ("scope", self.word(word)),
                };
                row.insert(column.to_owned(), json!(text));
            }
            insert_span(&mut row, ["from", "to"], grant.from, grant.to);
            rows.push((Table::Grants, Json::Object(row).to_string()));
        }
        rows
    }

    fn past_keys(&self) -> Vec<(Table, String)> {
        let timeline = &self.keys.timeline;
        let kept: BTreeSet<u32> = self.keys().map(|key| key.0).filter(|&ix| has_history(timeline, ix)).collect();
        let foreign = self.keys.foreign_hashes(|row| kept.contains(&row));
        let mut rows = Vec::new();
        for &ix in &kept {
            let entry = &self.keys.entries[ix as usize];
            let mut fingerprints = Map::new();
            if entry.material.scheme == Scheme::Hmac {
                let hash = Fingerprint(entry.material.bytes);
                fingerprints.insert("hmac-sha256".to_owned(), json!(hash.hex().as_str()));
            }
            for (_, scheme, hash) in foreign.iter().filter(|(row, _, _)| *row == ix) {
                fingerprints.insert((*scheme).to_owned(), json!(hash));
            }
            for version in timeline.versions(ix) {
                let mut row = row(("key_id", self.keys.ids.get(entry.id)), &self.key_fields(&version.value), version);
                row["fingerprints"] = Json::Object(fingerprints.clone());
                row["last4"] = json!(
                    self.key_versions(KeyIx(ix)).next().map_or(String::new(), |key| key.last4.as_str().to_owned())
                );
                rows.push((Table::Keys, row.to_string()));
            }
        }
        rows
    }
}

fn has_history<V: Copy>(timeline: &Timeline<V>, ix: u32) -> bool {
    !timeline.is_constant(ix)
}

/// The columns of one version; those that belong to an object are put into one.
fn row<V>(id: (&str, &str), fields: &[Field<'_>], version: &Version<V>) -> Json {
    let mut row = Map::new();
    row.insert(id.0.to_owned(), json!(id.1));
    for (name, value) in fields {
        let value = match value {
            Value::Text("") | Value::Time(None) | Value::Whole(None) | Value::Real(None) => continue,
            Value::Text(text) => json!(text),
            Value::Time(Some(at)) => json!(time::format(*at)),
            Value::Whole(Some(number)) => json!(number),
            Value::Real(Some(number)) => json!(number),
            Value::List(words) => json!(words.iter().collect::<Vec<_>>()),
        };
        match name.split_once('.') {
            Some((object, member)) => {
                let object = row.entry(object).or_insert_with(|| json!({}));
                object[member] = value;
            }
            None => {
                row.insert((*name).to_owned(), value);
            }
        }
    }
    insert_span(&mut row, ["valid_from", "valid_to"], version.from, version.to);
    Json::Object(row)
}

fn insert_span(row: &mut Map<String, Json>, columns: [&str; 2], from: i64, to: i64) {
    for (column, at) in columns.into_iter().zip([from, to]) {
        if at != EVER && at != OPEN {
            row.insert(column.to_owned(), json!(time::format(at)));
        }
    }
}
