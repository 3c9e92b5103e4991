//! Queries that people keep under a name: events in the table `saved_queries`, the last one of a name holds.
//!
//! A name belongs to a tenant, or to those who see every tenant; nobody sees another's. Nothing is ever overwritten, so
//! the table also says who changed what.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;

use crate::access::TenantScope;
use crate::event::{ColumnKind, DictColumn, TextColumn, TimeColumn};

/// Longer names do not fit a list.
pub const NAME_CHARS_MAX: usize = 80;
/// Longer SQL is a program.
pub const SQL_BYTES_MAX: usize = 64 << 10;
/// Of one tenant.
pub const QUERIES_MAX: usize = 1_000;

/// Somebody saved a query under a name, or took the name away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedEvent {
    /// UTC microseconds.
    pub at: i64,
    /// Empty for those who see every tenant.
    pub tenant: String,
    pub name: String,
    /// `None` when it was taken away.
    pub sql: Option<String>,
    pub by: String,
}

/// A query as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedQuery {
    pub name: String,
    pub sql: String,
    pub saved_by: String,
    /// UTC microseconds.
    pub saved_at: i64,
}

/// Whose queries a caller keeps and sees.
#[must_use]
pub fn owner(tenants: &TenantScope) -> &str {
    match tenants {
        TenantScope::All => "",
        TenantScope::One(tenant) => tenant,
    }
}

/// Why a query cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsavable {
    #[error("the name has no or more than {NAME_CHARS_MAX} characters, or some that cannot be seen")]
    Name,
    #[error("the SQL is empty or has more than {SQL_BYTES_MAX} bytes")]
    Sql,
    #[error("{QUERIES_MAX} queries are kept already")]
    Full,
}

/// Checks what somebody wants to keep beside what is kept.
///
/// # Errors
/// What is wrong with it.
pub fn check(name: &str, sql: &str, kept: &BTreeMap<String, SavedQuery>) -> Result<(), Unsavable> {
    let seen = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !seen || name.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(Unsavable::Name);
    }
    if sql.trim().is_empty() || sql.len() > SQL_BYTES_MAX {
        return Err(Unsavable::Sql);
    }
    if kept.len() >= QUERIES_MAX && !kept.contains_key(name) {
        return Err(Unsavable::Full);
    }
    Ok(())
}

/// What stands after all events, in any order: the last of a name holds, and of two at once a saving one.
#[must_use]
pub fn standing(mut events: Vec<SavedEvent>, owner: &str) -> BTreeMap<String, SavedQuery> {
    events.sort_by(|a, b| (a.at, a.sql.is_some(), &a.sql).cmp(&(b.at, b.sql.is_some(), &b.sql)));
    let mut standing = BTreeMap::new();
    for SavedEvent { at, name, sql, by, .. } in events.into_iter().filter(|event| event.tenant == owner) {
        match sql {
            Some(sql) => _ = standing.insert(name.clone(), SavedQuery { name, sql, saved_by: by, saved_at: at }),
            None => _ = standing.remove(&name),
        }
    }
    standing
}

/// Columns of the table `saved_queries`.
pub static SAVED_QUERY_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let dict = ColumnKind::Dict.arrow_type();
    Arc::new(Schema::new(vec![
        Field::new("at", ColumnKind::Time.arrow_type(), false),
        Field::new("tenant_id", dict.clone(), true),
        Field::new("name", DataType::Utf8, false),
        Field::new("sql", DataType::Utf8, true),
        Field::new("actor", dict, false),
    ]))
});

/// What a column of `saved_queries` means; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_saved_column(name: &str) -> &'static str {
    match name {
        "at" => "when it was saved or taken away, UTC",
        "tenant_id" => "tenant whose query it is; null for those who see every tenant",
        "name" => "name of the query",
        "sql" => "what was saved; null when it was taken away",
        "actor" => "who did it",
        _ => "",
    }
}

/// Rows of `saved_queries`.
#[must_use]
pub fn saved_rows(events: &[SavedEvent]) -> RecordBatch {
    let (mut at, mut tenant, mut actor) = (TimeColumn::default(), DictColumn::default(), DictColumn::default());
    let (mut name, mut sql) = (TextColumn::default(), TextColumn::default());
    for event in events {
        at.push(Some(event.at));
        tenant.push(&event.tenant);
        name.push(&event.name);
        sql.push(event.sql.as_deref().unwrap_or_default());
        actor.push(&event.by);
    }
    let columns = vec![at.finish(), tenant.finish(), name.finish(), sql.finish(), actor.finish()];
    RecordBatch::try_new(Arc::clone(&SAVED_QUERY_SCHEMA), columns)
        .expect("builders make the types that the schema names")
}

/// The events of a batch of `saved_queries`.
///
/// # Errors
/// When a column is missing or of a type that cannot become the schema's.
pub fn read_saved_rows(batch: &RecordBatch) -> Result<Vec<SavedEvent>, ArrowError> {
    let column = |name: &str, data_type: &DataType| {
        let column = batch.column_by_name(name);
        let column = column.ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))?;
        cast(column, data_type)
    };
    let at = column("at", &ColumnKind::Time.arrow_type())?;
    let texts = ["tenant_id", "name", "sql", "actor"].map(|name| column(name, &DataType::Utf8));
    let [tenant, name, sql, actor] = texts;
    let (tenant, name, sql, actor) = (tenant?, name?, sql?, actor?);
    let at = at.as_primitive::<TimestampMicrosecondType>();
    let text = |column: &arrow::array::ArrayRef, row: usize| {
        column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned())
    };
    let event = |row| SavedEvent {
        at: at.value(row),
        tenant: text(&tenant, row).unwrap_or_default(),
        name: text(&name, row).unwrap_or_default(),
        sql: text(&sql, row),
        by: text(&actor, row).unwrap_or_default(),
    };
    Ok((0..batch.num_rows()).map(event).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, tenant: &str, name: &str, sql: Option<&str>) -> SavedEvent {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        SavedEvent { at, tenant, name, sql: sql.map(str::to_owned), by: "ann".to_owned() }
    }

    #[test]
    fn the_last_word_on_a_name_holds_and_each_tenant_has_its_own() {
        let events = vec![
            event(3, "acme", "b", None),
            event(1, "acme", "a", Some("select 1")),
            event(2, "acme", "a", Some("select 2")),
            event(2, "acme", "b", Some("select 3")),
            event(2, "", "a", Some("select 4")),
        ];
        let of = |owner: &str| {
            standing(events.clone(), owner).into_values().map(|query| (query.name, query.sql)).collect::<Vec<_>>()
        };
        assert_eq!(of("acme"), [("a".to_owned(), "select 2".to_owned())]);
        assert_eq!(of(""), [("a".to_owned(), "select 4".to_owned())]);
        assert!(of("other").is_empty());
    }

    #[test]
    fn rows_read_back_as_the_events_that_they_were() {
        let events = vec![event(1, "acme", "a", Some("select 1")), event(2, "", "a", None)];
        assert_eq!(read_saved_rows(&saved_rows(&events)).unwrap(), events);
    }

    #[test]
    fn what_cannot_be_listed_or_run_is_not_kept() {
        let none = BTreeMap::new();
        assert_eq!(check("by cause", "select 1", &none), Ok(()));
        for name in ["", " ", "a\nb", &"x".repeat(NAME_CHARS_MAX + 1)] {
            assert_eq!(check(name, "select 1", &none), Err(Unsavable::Name), "{name:?}");
        }
        assert_eq!(check("a", " ", &none), Err(Unsavable::Sql));
        let full: BTreeMap<String, SavedQuery> = (0..QUERIES_MAX)
            .map(|number| {
                let name = number.to_string();
                let query = SavedQuery { name: name.clone(), sql: "select 1".into(), saved_by: "".into(), saved_at: 0 };
                (name, query)
            })
            .collect();
        assert_eq!(check("new", "select 1", &full), Err(Unsavable::Full));
        assert_eq!(check("7", "select 1", &full), Ok(()), "what is there may change");
    }
}
