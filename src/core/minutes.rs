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

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::event::{Column, ColumnKind, Dict, DictColumn, Events, LongColumn, TimeColumn};
use crate::secret::stable_hash;

/// Distinct values of one kind that a row keeps.
pub const DISTINCT_MAX: usize = 16;

const MINUTE_US: i64 = 60_000_000;

/// What a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    "requests", "served", "refused", "client_errors", "server_errors", "first_served", "first_refused",
    "request_bytes", "response_bytes", "input_tokens", "output_tokens", "cost_micros",
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
    fn insert(&mut self, code: Option<usize>) -> bool {
        let Some(code) = code.and_then(|code| u32::try_from(code).ok()) else { return false };
        let known = self.as_slice().contains(&code);
        if known || usize::from(self.len) == DISTINCT_MAX {
            return false;
        }
        self.codes[usize::from(self.len)] = code;
        self.len += 1;
        true
    }
}

/// One row in the making. Texts are codes of the batch's dictionaries.
#[derive(Clone, Debug)]
struct Partial {
    minute: i64,
    entity: usize,
    tenant: Option<usize>,
    cause: Option<usize>,
    sums: [i64; SUMS.len()],
    sets: [DistinctCodes; SETS.len()],
}

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

/// The columns that partials are made from.
struct Batch<'a> {
    events: &'a Events,
    keys: Dict<'a>,
    networks: Dict<'a>,
    tenants: Dict<'a>,
    routes: Dict<'a>,
    methods: Dict<'a>,
    causes: Dict<'a>,
    agents: Dict<'a>,
    tenants_asked: Dict<'a>,
    fingerprints: Dict<'a>,
    /// Counts of each event, as added to [`SUMS`].
    minutes: Vec<i64>,
    sums: Vec<[i64; SUMS.len()]>,
}

impl<'a> Batch<'a> {
    fn of(events: &'a Events) -> Self {
        let event_at = events.time(Column::EventAt).values();
        let minutes = event_at.iter().map(|at| at - at.rem_euclid(MINUTE_US)).collect();
        let (status, denied) = (events.short(Column::Status).values(), events.dict(Column::DeniedBy));
        let longs = [Column::RequestBytes, Column::ResponseBytes, Column::InputTokens, Column::OutputTokens, Column::CostMicros]
            .map(|column| events.long(column).values());
        let sums = (0..events.len()).map(|row| {
            let refused = denied.code(row).is_some();
            let class = status[row] / 100;
            let flags = [!refused && class < 4, refused, !refused && class == 4, class == 5];
            let mut sums = [0; SUMS.len()];
            sums[0] = 1;
            for (sum, flag) in sums[1..5].iter_mut().zip(flags) {
                *sum = i64::from(flag);
            }
            for (sum, values) in sums[7..].iter_mut().zip(longs) {
                *sum = values[row];
            }
            sums
        });
        Self {
            keys: events.dict(Column::KeyId),
            networks: events.dict(Column::ClientNetwork),
            tenants: events.dict(Column::TenantId),
            routes: events.dict(Column::Route),
            methods: events.dict(Column::Method),
            causes: events.dict(Column::Cause),
            agents: events.dict(Column::UserAgent),
            tenants_asked: events.dict(Column::TenantAsked),
            fingerprints: events.dict(Column::Fingerprint),
            minutes,
            sums: sums.collect(),
            events,
        }
    }

    /// The entity of a row: its code, and for routes the method's beside it.
    fn entity(&self, kind: EntityKind, row: usize) -> Option<usize> {
        match kind {
            EntityKind::Key => self.keys.code(row),
            EntityKind::Source => self.networks.code(row),
            EntityKind::Tenant => self.tenants.code(row),
            EntityKind::Route => {
                let route = self.routes.code(row)?;
                Some(route * (self.methods.values_len() + 1) + self.methods.code(row).map_or(0, |code| code + 1))
            }
        }
    }

    fn entity_name(&self, kind: EntityKind, entity: usize) -> String {
        let text = |dict: &Dict<'_>, code: usize| dict.value(code).to_owned();
        match kind {
            EntityKind::Key => text(&self.keys, entity),
            EntityKind::Source => text(&self.networks, entity),
            EntityKind::Tenant => text(&self.tenants, entity),
            EntityKind::Route => {
                let methods = self.methods.values_len() + 1;
                let route = text(&self.routes, entity / methods);
                match entity % methods {
                    0 => route,
                    method => format!("{} {route}", self.methods.value(method - 1)),
                }
            }
        }
    }

    fn partials(&self, kind: EntityKind) -> Vec<Partial> {
        let mut partials: Vec<Partial> = Vec::new();
        let mut index: HashTable<u32> = HashTable::new();
        let hasher = RandomState::default();
        let mut last = usize::MAX;
        for row in 0..self.events.len() {
            let Some(entity) = self.entity(kind, row) else { continue };
            let (minute, cause) = (self.minutes[row], self.causes.code(row));
            let is_it = |partial: &Partial| partial.entity == entity && partial.minute == minute && partial.cause == cause;
            if !partials.get(last).is_some_and(is_it) {
                let hash = hasher.hash_one((entity, minute, cause));
                let found = index.find(hash, |&at| is_it(&partials[at as usize])).copied();
                last = found.map_or(partials.len(), |at| at as usize);
                if found.is_none() {
                    let tenant = if kind == EntityKind::Key || kind == EntityKind::Tenant { self.tenants.code(row) } else { None };
                    partials.push(Partial { minute, entity, tenant, cause, sums: [0; SUMS.len()], sets: Default::default() });
                    let at = u32::try_from(last).expect("a batch has far fewer than 2^32 rows");
                    index.insert_unique(hash, at, |&at| {
                        let partial = &partials[at as usize];
                        hasher.hash_one((partial.entity, partial.minute, partial.cause))
                    });
                }
            }
            self.add(&mut partials[last], kind, row);
        }
        partials
    }

    fn add(&self, partial: &mut Partial, kind: EntityKind, row: usize) {
        for (sum, value) in partial.sums.iter_mut().zip(self.sums[row]) {
            *sum += value;
        }
        let [networks, agents, routes, tenants_asked, keys] = &mut partial.sets;
        if kind != EntityKind::Source {
            networks.insert(self.networks.code(row));
        }
        agents.insert(self.agents.code(row));
        // The first request of a source to a route is what tells scanning from a client with one broken link.
        if kind != EntityKind::Route && routes.insert(self.routes.code(row)) {
            partial.sums[5] += self.sums[row][1];
            partial.sums[6] += self.sums[row][2];
        }
        tenants_asked.insert(self.tenants_asked.code(row));
        if kind != EntityKind::Key {
            keys.insert(self.fingerprints.code(row));
        }
    }

    /// Stable hashes of the distinct values of each set's column.
    fn set_hashes(&self) -> [Vec<i64>; SETS.len()] {
        [self.networks, self.agents, self.routes, self.tenants_asked, self.fingerprints].map(|dict| {
            (0..dict.values_len()).map(|code| i64::from(stable_hash(dict.value(code).as_bytes()))).collect()
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
            self.tenant.push(partial.tenant.map_or("", |code| batch.tenants.value(code)));
            self.cause.push(partial.cause.map_or("", |code| batch.causes.value(code)));
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
        RecordBatch::try_new(Arc::clone(&MINUTE_SCHEMA), columns).expect("builders make the types that the schema names")
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
