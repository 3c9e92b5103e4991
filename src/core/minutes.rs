//! Events to entity-minute partials: what detectors, rollups and dashboards work from instead of events.
//!
//! A row counts the requests of one entity in one minute that ended with one cause (null: not refused). It is a
//! *partial*: another batch may hold more of the same minute, and readers add rows up. Distinct values
//! (networks, agents, routes, tenants asked for, keys) are kept as stable 32-bit hashes, at most
//! [`DISTINCT_MAX`] a row: union them; a full set means "at least".
//!
//! Entities are keys, source networks, tenants and routes. Keys that the directory does not know are no entity of
//! their own, or a guessing attack would write a row a guess: they count as distinct keys of their source.
//!
//! Budget: 0.15 µs an event.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array as _, ArrayRef, Int64Array, ListArray, RecordBatch};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::event::{Column, ColumnKind, Dict, DictColumn, Events, LongColumn, TimeColumn};
use crate::secret::stable_hash;

/// Distinct values of one kind that a row keeps.
pub const DISTINCT_MAX: usize = 16;

const MINUTE_US: i64 = 60_000_000;

/// What a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKind {
    /// A key of the directory, by key id.
    Key,
    /// A client network (/24 or /56).
    Source,
    Tenant,
    /// A route of a gateway, as method and route.
    Route,
}

impl EntityKind {
    pub const ALL: &'static [Self] = &[Self::Key, Self::Source, Self::Tenant, Self::Route];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Source => "source",
            Self::Tenant => "tenant",
            Self::Route => "route",
        }
    }
}

/// Sums of a row, in column order.
const SUMS: &[&str] = &[
    "requests",
    "served",
    "refused",
    "client_errors",
    "server_errors",
    "first_served",
    "first_refused",
    "request_bytes",
    "response_bytes",
    "input_tokens",
    "output_tokens",
    "cost_micros",
];

/// Distinct sets of a row, in column order.
const SETS: &[&str] = &["networks", "agents", "routes", "tenants_asked", "keys"];

/// Columns of the `entity_minutes` table.
pub static MINUTE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let dict = ColumnKind::Dict.arrow_type();
    let mut fields = vec![
        Field::new("minute", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("entity_kind", dict.clone(), false),
        Field::new("entity", dict.clone(), false),
        Field::new("tenant_id", dict.clone(), true),
        Field::new("cause", dict, true),
    ];
    fields.extend(SUMS.iter().map(|name| Field::new(*name, DataType::Int64, false)));
    fields.extend(SETS.iter().map(|name| Field::new(*name, DataType::List(set_item()), false)));
    Arc::new(Schema::new(fields))
});

/// What a column of the `entity_minutes` table means, with its unit; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_minute_column(name: &str) -> &'static str {
    match name {
        "minute" => "start of the minute in which the requests arrived, UTC",
        "entity_kind" => "what is counted: key, source (a client network), tenant or route",
        "entity" => "key id, network, tenant id, or method and route",
        "tenant_id" => "tenant of a key or tenant; null for sources and routes",
        "cause" => "root cause that all requests of the row ended with; null when they were not refused",
        "requests" => "requests; the sum of the four outcomes that follow",
        "served" => "requests that were answered",
        "refused" => "requests that were refused for a reason that is about the caller",
        "client_errors" => "other answers of 400 to 499",
        "server_errors" => "other answers of 500 to 599",
        "first_served" => "served requests that were the first to their route within this partial",
        "first_refused" => "refused requests that were the first to their route within this partial",
        "request_bytes" => "size of the requests, bytes",
        "response_bytes" => "size of the responses, bytes",
        "input_tokens" => "prompt tokens",
        "output_tokens" => "generated tokens",
        "cost_micros" => "cost in millionths of the billing currency",
        "networks" => "hashes of distinct client networks, at most 16; empty for sources",
        "agents" => "hashes of distinct user agents, at most 16",
        "routes" => "hashes of distinct routes, at most 16; empty for routes",
        "tenants_asked" => "hashes of distinct tenants asked for, at most 16",
        "keys" => "hashes of distinct fingerprints of credentials, at most 16; empty for keys",
        _ => "",
    }
}

fn set_item() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Int64, false))
}

/// At most [`DISTINCT_MAX`] different codes.
#[derive(Clone, Copy, Debug, Default)]
struct DistinctCodes {
    codes: [u32; DISTINCT_MAX],
    len: u8,
}

impl DistinctCodes {
    fn as_slice(&self) -> &[u32] {
        &self.codes[..usize::from(self.len)]
    }

    /// Whether `code` is seen for the first time here.
    fn insert(&mut self, code: i32) -> bool {
        let (code, len) = (code.cast_unsigned(), usize::from(self.len));
        if len == DISTINCT_MAX || self.as_slice().contains(&code) {
            return false;
        }
        self.codes[len] = code;
        self.len += 1;
        true
    }
}

/// One row in the making. Texts are codes of the batch's dictionaries, -1 for none.
#[derive(Clone, Debug)]
struct Partial {
    minute: i64,
    cause: i32,
    entity: u32,
    tenant: i32,
    /// Index of the next partial of the same entity.
    next: u32,
    sums: [i64; SUMS.len()],
    sets: [DistinctCodes; SETS.len()],
}

const NONE: i32 = -1;
const END: u32 = u32::MAX;

/// The partials of one classified batch.
#[must_use]
pub fn minutes(events: &Events) -> RecordBatch {
    let batch = Batch::of(events);
    let mut rows = Rows::default();
    for &kind in EntityKind::ALL {
        let partials = batch.partials(kind);
        rows.push(&batch, kind, &partials);
    }
    rows.finish()
}

/// A dictionary column as plain codes.
struct Codes<'a> {
    dict: Dict<'a>,
    codes: Vec<i32>,
}

impl<'a> Codes<'a> {
    fn of(events: &'a Events, column: Column) -> Self {
        let dict = events.dict(column);
        let keys = dict.array().keys();
        let codes = match keys.nulls() {
            None => keys.values().to_vec(),
            Some(nulls) => {
                keys.values().iter().zip(nulls).map(|(&code, present)| if present { code } else { NONE }).collect()
            }
        };
        Self { dict, codes }
    }

    fn name(&self, code: i32) -> &'a str {
        usize::try_from(code).map_or("", |code| self.dict.value(code))
    }
}

/// The columns that partials are made from.
struct Batch<'a> {
    keys: Codes<'a>,
    networks: Codes<'a>,
    tenants: Codes<'a>,
    routes: Codes<'a>,
    methods: Codes<'a>,
    causes: Codes<'a>,
    agents: Codes<'a>,
    tenants_asked: Codes<'a>,
    fingerprints: Codes<'a>,
    minutes: Vec<i64>,
    /// Index into [`SUMS`] of what became of each request, beside being one.
    outcomes: Vec<u8>,
    /// The columns that are added up, with their index into [`SUMS`]; those without a value are left out.
    amounts: Vec<(usize, &'a [i64])>,
}

impl<'a> Batch<'a> {
    fn of(events: &'a Events) -> Self {
        let codes = |column| Codes::of(events, column);
        let event_at = events.time(Column::EventAt).values();
        let status = events.short(Column::Status).values();
        let refused = events.dict(Column::DeniedBy).array().keys();
        let outcomes = (0..events.len()).map(|row| match status[row] / 100 {
            _ if refused.is_valid(row) => 2,
            4 => 3,
            5 => 4,
            _ => 1,
        });
        let longs = [
            Column::RequestBytes,
            Column::ResponseBytes,
            Column::InputTokens,
            Column::OutputTokens,
            Column::CostMicros,
        ];
        let amounts =
            (7..).zip(longs.map(|column| events.long(column))).filter(|(_, values)| values.null_count() < values.len());
        Self {
            keys: codes(Column::KeyId),
            networks: codes(Column::ClientNetwork),
            tenants: codes(Column::TenantId),
            routes: codes(Column::Route),
            methods: codes(Column::Method),
            causes: codes(Column::Cause),
            agents: codes(Column::UserAgent),
            tenants_asked: codes(Column::TenantAsked),
            fingerprints: codes(Column::Fingerprint),
            minutes: event_at.iter().map(|at| at - at.rem_euclid(MINUTE_US)).collect(),
            outcomes: outcomes.collect(),
            amounts: amounts.map(|(sum, values)| (sum, values.values().as_ref())).collect(),
        }
    }

    /// The entity of each row as a small number, [`END`] for none. A route's number also says the method.
    fn entities(&self, kind: EntityKind) -> Vec<u32> {
        let plain = |codes: &Codes<'_>| codes.codes.iter().map(|&code| code.cast_unsigned()).collect();
        match kind {
            EntityKind::Key => plain(&self.keys),
            EntityKind::Source => plain(&self.networks),
            EntityKind::Tenant => plain(&self.tenants),
            EntityKind::Route => {
                let methods = self.methods_count();
                let pair = |(&route, &method): (&i32, &i32)| {
                    if route == NONE {
                        END
                    } else {
                        (route.cast_unsigned() * methods).saturating_add((method + 1).cast_unsigned())
                    }
                };
                self.routes.codes.iter().zip(&self.methods.codes).map(pair).collect()
            }
        }
    }

    fn methods_count(&self) -> u32 {
        u32::try_from(self.methods.dict.values_len()).map_or(1, |count| count.min(1_000) + 1)
    }

    fn entity_name(&self, kind: EntityKind, entity: u32) -> String {
        let name = |codes: &Codes<'_>, code: u32| codes.name(code.cast_signed()).to_owned();
        match kind {
            EntityKind::Key => name(&self.keys, entity),
            EntityKind::Source => name(&self.networks, entity),
            EntityKind::Tenant => name(&self.tenants, entity),
            EntityKind::Route => {
                let route = name(&self.routes, entity / self.methods_count());
                match (entity % self.methods_count()).checked_sub(1) {
                    None => route,
                    Some(method) => format!("{} {route}", name(&self.methods, method)),
                }
            }
        }
    }

    fn partials(&self, kind: EntityKind) -> Vec<Partial> {
        let entities = self.entities(kind);
        let numbers = entities.iter().filter(|&&entity| entity != END).max().map_or(0, |&last| last as usize + 1);
        let mut partials: Vec<Partial> = Vec::new();
        // An entity has a handful of partials in a batch, one a minute and cause: a chain finds them without hashing.
        let mut first = vec![END; numbers];
        for (row, &entity) in entities.iter().enumerate().filter(|(_, entity)| **entity != END) {
            let (minute, cause) = (self.minutes[row], self.causes.codes[row]);
            let mut at = first[entity as usize];
            while let Some(partial) = partials.get(at as usize) {
                if partial.minute == minute && partial.cause == cause {
                    break;
                }
                at = partial.next;
            }
            if at == END {
                at = u32::try_from(partials.len()).expect("a batch has far fewer than 2^32 rows");
                let tenant =
                    if kind == EntityKind::Key || kind == EntityKind::Tenant { self.tenants.codes[row] } else { NONE };
                let next = std::mem::replace(&mut first[entity as usize], at);
                partials.push(Partial {
                    minute,
                    cause,
                    entity,
                    tenant,
                    next,
                    sums: [0; SUMS.len()],
                    sets: Default::default(),
                });
            }
            self.add(&mut partials[at as usize], kind, row);
        }
        partials
    }

    fn add(&self, partial: &mut Partial, kind: EntityKind, row: usize) {
        let outcome = usize::from(self.outcomes[row]);
        partial.sums[0] += 1;
        partial.sums[outcome] += 1;
        for (sum, values) in &self.amounts {
            partial.sums[*sum] = partial.sums[*sum].saturating_add(values[row]);
        }
        let [networks, agents, routes, tenants_asked, keys] = &mut partial.sets;
        let insert =
            |set: &mut DistinctCodes, codes: &Codes<'_>| codes.codes[row] != NONE && set.insert(codes.codes[row]);
        if kind != EntityKind::Source {
            insert(networks, &self.networks);
        }
        insert(agents, &self.agents);
        // The first request of a source to a route is what tells scanning from a client with one broken link.
        if kind != EntityKind::Route && insert(routes, &self.routes) && (1..=2).contains(&outcome) {
            partial.sums[outcome + 4] += 1;
        }
        insert(tenants_asked, &self.tenants_asked);
        if kind != EntityKind::Key {
            insert(keys, &self.fingerprints);
        }
    }

    /// Stable hashes of the distinct values of each set's column.
    fn set_hashes(&self) -> [Vec<i64>; SETS.len()] {
        [&self.networks, &self.agents, &self.routes, &self.tenants_asked, &self.fingerprints].map(|codes| {
            let values = codes.dict.values();
            values.iter().map(|text| i64::from(stable_hash(text.unwrap_or("").as_bytes()))).collect()
        })
    }
}

#[derive(Default)]
struct Rows {
    minute: TimeColumn,
    entity_kind: DictColumn,
    entity: DictColumn,
    tenant: DictColumn,
    cause: DictColumn,
    sums: [LongColumn; SUMS.len()],
    sets: [SetColumn; SETS.len()],
    hashes: Option<[Vec<i64>; SETS.len()]>,
}

impl Rows {
    fn push(&mut self, batch: &Batch<'_>, kind: EntityKind, partials: &[Partial]) {
        let hashes = self.hashes.get_or_insert_with(|| batch.set_hashes());
        for partial in partials {
            self.minute.push(Some(partial.minute));
            self.entity_kind.push(kind.name());
            self.entity.push(&batch.entity_name(kind, partial.entity));
            self.tenant.push(batch.tenants.name(partial.tenant));
            self.cause.push(batch.causes.name(partial.cause));
            for (column, sum) in self.sums.iter_mut().zip(partial.sums) {
                column.push(Some(sum));
            }
            for ((column, set), hashes) in self.sets.iter_mut().zip(&partial.sets).zip(&*hashes) {
                column.push(set.as_slice().iter().map(|&code| hashes[code as usize]));
            }
        }
    }

    fn finish(mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = vec![
            self.minute.finish(),
            self.entity_kind.finish(),
            self.entity.finish(),
            self.tenant.finish(),
            self.cause.finish(),
        ];
        columns.extend(self.sums.iter_mut().map(LongColumn::finish));
        columns.extend(self.sets.into_iter().map(SetColumn::finish));
        RecordBatch::try_new(Arc::clone(&MINUTE_SCHEMA), columns)
            .expect("builders make the types that the schema names")
    }
}

#[derive(Default)]
struct SetColumn {
    values: Vec<i64>,
    lengths: Vec<usize>,
}

impl SetColumn {
    fn push(&mut self, values: impl Iterator<Item = i64>) {
        let before = self.values.len();
        self.values.extend(values);
        self.lengths.push(self.values.len() - before);
    }

    fn finish(self) -> ArrayRef {
        let values = Int64Array::new(ScalarBuffer::from(self.values), None);
        Arc::new(ListArray::new(set_item(), OffsetBuffer::from_lengths(self.lengths), Arc::new(values), None))
    }
}
