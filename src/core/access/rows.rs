//! What happens to tokens as rows of the lake's table `tokens`, and back.
//!
//! No secret is in a row, yet the table is for this program only: SQL never sees it. Whose rows a token may see is
//! written out (`all`, or `one` and whom), so that a value that got lost can only narrow.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array as _, AsArray as _, PrimitiveArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::ledger::{Grant, TokenEvent, TokenHappening};
use super::token::{TokenHash, TokenId};
use super::{Scope, Scopes, TenantScope};
use crate::event::{ColumnKind, TextColumn, TimeColumn};

const TEXTS: [&str; 11] = [
    "token_id",
    "event",
    "actor",
    "label",
    "scopes",
    "tenants",
    "tenant_id",
    "hash",
    "hash_key",
    "last4",
    "other_token_id",
];

/// Columns of the table `tokens`.
pub static TOKEN_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = |name: &str, is_nullable| Field::new(name, ColumnKind::Time.arrow_type(), is_nullable);
    let mut fields = vec![time("at", false), time("until_at", true)];
    fields.extend(TEXTS.map(|name| Field::new(name, DataType::Utf8, !["token_id", "event"].contains(&name))));
    Arc::new(Schema::new(fields))
});

/// What a column of `tokens` means; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_token_column(name: &str) -> &'static str {
    match name {
        "at" => "when it happened",
        "until_at" => "when the token expires; of one that was replaced, until when it works",
        "token_id" => "the token: its text after `clv_`, up to the next `_`",
        "event" => "created, rotated, revoked or used",
        "actor" => "who did it",
        "label" => "what the token is for, in its maker's words",
        "scopes" => "what it may do, with spaces between",
        "tenants" => "whose rows it may see: `all`, or `one` tenant's",
        "tenant_id" => "the one tenant",
        "hash" => "HMAC-SHA-256 of the token under a key made from the pepper",
        "hash_key" => "names that key",
        "last4" => "the token's last four characters",
        "other_token_id" => "the token that this one replaces, or that replaces it",
        _ => "",
    }
}

const ALL: &str = "all";
const ONE: &str = "one";

/// Rows in [`TOKEN_SCHEMA`].
#[must_use]
pub fn token_rows(events: &[TokenEvent]) -> RecordBatch {
    let (mut at, mut until) = (TimeColumn::default(), TimeColumn::default());
    let mut texts: [TextColumn; TEXTS.len()] = std::array::from_fn(|_| TextColumn::default());
    for event in events {
        at.push(Some(event.at_us));
        until.push(until_of(&event.what));
        for (column, text) in texts.iter_mut().zip(texts_of(event)) {
            column.push(&text);
        }
    }
    let mut columns = vec![at.finish(), until.finish()];
    columns.extend(texts.iter_mut().map(TextColumn::finish));
    RecordBatch::try_new(Arc::clone(&TOKEN_SCHEMA), columns).expect("builders make the types that the schema names")
}

fn until_of(what: &TokenHappening) -> Option<i64> {
    match what {
        TokenHappening::Created(grant) => grant.expires_at_us,
        TokenHappening::Rotated { until_us, .. } => Some(*until_us),
        TokenHappening::Revoked | TokenHappening::Used => None,
    }
}

/// In the order of [`TEXTS`]; empty is null.
fn texts_of(event: &TokenEvent) -> [String; TEXTS.len()] {
    let (token, by) = (event.token.to_string(), event.by.clone());
    let nothing = String::new;
    let short = |name: &str, other: String| {
        let [label, scopes, tenants, tenant, hash, key, last4] = std::array::from_fn(|_| nothing());
        [token.clone(), name.to_owned(), by.clone(), label, scopes, tenants, tenant, hash, key, last4, other]
    };
    match &event.what {
        TokenHappening::Created(grant) => {
            let scopes: Vec<&str> = grant.scopes.iter().map(Scope::word).collect();
            let (tenants, tenant) = match &grant.tenants {
                TenantScope::All => (ALL, nothing()),
                TenantScope::One(tenant) => (ONE, tenant.clone()),
            };
            let (hash, key, last4) = (grant.hash.hex(), grant.key.clone(), grant.last4.clone());
            let replaces = grant.replaces.map(|id| id.to_string()).unwrap_or_default();
            let (scopes, tenants, label) = (scopes.join(" "), tenants.to_owned(), grant.label.clone());
            [token, "created".to_owned(), by, label, scopes, tenants, tenant, hash, key, last4, replaces]
        }
        TokenHappening::Rotated { successor, .. } => short("rotated", successor.to_string()),
        TokenHappening::Revoked => short("revoked", nothing()),
        TokenHappening::Used => short("used", nothing()),
    }
}

/// The events of a batch, and how many of its rows are none: written by another version, or damaged.
///
/// Text may come as plain, large, viewed or dictionary text; columns are found by name.
#[must_use]
pub fn read_token_rows(batch: &RecordBatch) -> (Vec<TokenEvent>, usize) {
    let columns = Columns {
        at: long(batch, "at"),
        until: long(batch, "until_at"),
        texts: TEXTS.map(|name| {
            let text = cast(batch.column_by_name(name)?, &DataType::Utf8).ok()?;
            text.as_string_opt::<i32>().cloned()
        }),
    };
    let events: Vec<TokenEvent> = (0..batch.num_rows()).filter_map(|row| columns.event(row)).collect();
    let unread = batch.num_rows() - events.len();
    (events, unread)
}

fn long(batch: &RecordBatch, name: &str) -> Option<PrimitiveArray<Int64Type>> {
    let long = cast(batch.column_by_name(name)?, &DataType::Int64).ok()?;
    long.as_primitive_opt().cloned()
}

struct Columns {
    at: Option<PrimitiveArray<Int64Type>>,
    until: Option<PrimitiveArray<Int64Type>>,
    texts: [Option<StringArray>; TEXTS.len()],
}

impl Columns {
    fn event(&self, row: usize) -> Option<TokenEvent> {
        let instant = |column: &Option<PrimitiveArray<Int64Type>>| {
            column.as_ref().filter(|column| column.is_valid(row)).map(|column| column.value(row))
        };
        let texts = self
            .texts
            .each_ref()
            .map(|column| column.as_ref().filter(|column| column.is_valid(row)).map_or("", |column| column.value(row)));
        let [token, event, by, label, scopes, tenants, tenant, hash, key, last4, other] = texts;
        let until = instant(&self.until);
        let what = match event {
            "created" => TokenHappening::Created(Grant {
                label: label.to_owned(),
                // A scope of a later version is not granted here.
                scopes: scopes.split(' ').filter_map(|word| word.parse::<Scope>().ok()).collect::<Scopes>(),
                tenants: match (tenants, tenant) {
                    (ALL, "") => TenantScope::All,
                    (ONE, tenant) if !tenant.is_empty() => TenantScope::One(tenant.to_owned()),
                    _ => return None,
                },
                expires_at_us: until,
                hash: TokenHash::from_hex(hash)?,
                key: key.to_owned(),
                last4: last4.to_owned(),
                replaces: TokenId::parse(other),
            }),
            "rotated" => TokenHappening::Rotated { successor: TokenId::parse(other)?, until_us: until? },
            "revoked" => TokenHappening::Revoked,
            "used" => TokenHappening::Used,
            _ => return None,
        };
        Some(TokenEvent { at_us: instant(&self.at)?, token: TokenId::parse(token)?, by: by.to_owned(), what })
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::{RANDOM_BYTES, Token, TokenKey};
    use super::*;
    use crate::secret::{Pepper, stable_hash};

    fn token(seed: u8) -> Token {
        Token::mint(&std::array::from_fn::<u8, RANDOM_BYTES, _>(|place| {
            stable_hash(&[seed, u8::try_from(place).unwrap()]).to_le_bytes()[0]
        }))
    }

    fn events() -> Vec<TokenEvent> {
        let key = TokenKey::new(&Pepper::new(b"0123456789abcdef").unwrap());
        let token =
            |seed: u8| Token::mint(&std::array::from_fn(|place| seed.wrapping_mul(u8::try_from(place).unwrap())));
        let grant = |seed, tenants, expires_at_us, replaces| {
            TokenHappening::Created(Grant {
                label: "a b".to_owned(),
                scopes: Scopes::all(),
                tenants,
                expires_at_us,
                hash: key.hash(&token(seed)),
                key: key.name(),
                last4: token(seed).last4().to_owned(),
                replaces,
            })
        };
        let event = |seed, what| TokenEvent { at_us: 7, token: token(seed).id(), by: "ada".to_owned(), what };
        vec![
            event(1, grant(1, TenantScope::All, None, None)),
            event(2, grant(2, TenantScope::One("acme".to_owned()), Some(99), Some(token(1).id()))),
            event(1, TokenHappening::Rotated { successor: token(2).id(), until_us: 50 }),
            event(1, TokenHappening::Used),
            event(2, TokenHappening::Revoked),
        ]
    }

    #[test]
    fn events_come_back_from_their_rows() {
        assert_eq!(read_token_rows(&token_rows(&events())), (events(), 0));
    }

    #[test]
    fn a_grant_whose_tenant_got_lost_is_no_grant() {
        let rows = token_rows(&events());
        for lost in ["tenant_id", "tenants", "hash"] {
            let place = rows.schema().index_of(lost).unwrap();
            let mut columns = rows.columns().to_vec();
            columns[place] = arrow::array::new_null_array(&DataType::Utf8, rows.num_rows());
            let fields: Vec<Field> =
                rows.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
            let damaged = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
            let (read, unread) = read_token_rows(&damaged);
            let of_one = |event: &TokenEvent| matches!(&event.what, TokenHappening::Created(grant) if grant.tenants != TenantScope::All);
            assert!(unread > 0 && !read.iter().any(of_one), "{lost}: {read:?}");
        }
    }

    #[test]
    fn no_secret_is_in_a_row() {
        let secret = token(1);
        let shown = format!("{:?} {:?}", token_rows(&events()), events());
        let (_, body) = secret.reveal().rsplit_once('_').unwrap();
        assert!(!body.as_bytes().windows(8).any(|part| shown.contains(std::str::from_utf8(part).unwrap())), "{shown}");
    }
}
