//! One classified batch to its partials.
//!
//! Rows of a batch find their partial without hashing: entities are dictionary codes already, and an entity has a
//! handful of partials, one a minute and cause, which form a chain. Distinct values lie in one arena, a chain a
//! partial and kind.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Int64Array, ListArray, RecordBatch};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use memchr::memrchr;

use super::{Blamed, DISTINCT_MAX, Distinct, EntityKind, MINUTE_SCHEMA, MINUTE_US, Sum, Sums, distinct_item};
use crate::cause::RootCause;
use crate::event::{Column, Dict, DictColumn, Events, LongColumn, TimeColumn};
use crate::geo::Place;
use crate::secret::stable_hash;

/// No dictionary code.
const NONE: i32 = -1;
/// No entity, partial or value.
const END: u32 = u32::MAX;
/// The hash of no value. A value whose hash it is counts as another one.
const NO_HASH: u32 = 0;

/// The partials of one classified batch.
#[must_use]
pub fn minutes(events: &Events) -> RecordBatch {
    let batch = Batch::of(events);
    let mut rows = Rows::default();
    for &kind in EntityKind::COUNTED {
        rows.push(&batch, kind, &Partials::of(&batch, kind));
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

    /// The hash of each row's value, worked out once a distinct value.
    fn hashes(&self) -> Vec<u32> {
        self.spread(|text| hash(text.as_bytes()), NO_HASH)
    }

    /// What `work` makes of each row's value, done once a distinct value; `none` where a row has none.
    fn spread<T: Copy>(&self, work: impl Fn(&str) -> T, none: T) -> Vec<T> {
        let of_value: Vec<T> = self.dict.values().iter().map(|text| work(text.unwrap_or(""))).collect();
        self.codes.iter().map(|&code| usize::try_from(code).map_or(none, |code| of_value[code])).collect()
    }
}

fn hash(value: &[u8]) -> u32 {
    stable_hash(value).max(NO_HASH + 1)
}

/// What became of a request, beside being one: indices into [`Sum`].
const OUTCOMES: [Sum; 4] = [Sum::Served, Sum::Refused, Sum::ClientErrors, Sum::ServerErrors];
const SERVED: u8 = 0;
const REFUSED: u8 = 1;

/// The columns that partials are made from.
struct Batch<'a> {
    keys: Codes<'a>,
    networks: Codes<'a>,
    tenants: Codes<'a>,
    principals: Codes<'a>,
    routes: Codes<'a>,
    methods: Codes<'a>,
    gateways: Codes<'a>,
    causes: Codes<'a>,
    minutes: Vec<i64>,
    /// Index into [`OUTCOMES`].
    outcomes: Vec<u8>,
    status: &'a [i16],
    /// The columns that are added up; those without a value are left out.
    amounts: Vec<(Sum, &'a [i64])>,
    /// By kind, the hash of each row's value.
    distinct: [Vec<u32>; Distinct::COUNT],
    /// The kinds of which any row has a value.
    present: [bool; Distinct::COUNT],
    /// Each row's object id as a number, where it is one.
    numbers: Vec<Option<i64>>,
}

impl<'a> Batch<'a> {
    fn of(events: &'a Events) -> Self {
        let codes = |column| Codes::of(events, column);
        let event_at = events.time(Column::EventAt).values();
        let status = events.short(Column::Status).values();
        let refused = events.dict(Column::DeniedBy).array().keys();
        let outcomes = (0..events.len()).map(|row| match status[row] / 100 {
            _ if refused.is_valid(row) => REFUSED,
            4 => 2,
            5 => 3,
            _ => SERVED,
        });
        let outcomes: Vec<u8> = outcomes.collect();
        let longs = [
            (Sum::RequestBytes, Column::RequestBytes),
            (Sum::ResponseBytes, Column::ResponseBytes),
            (Sum::InputTokens, Column::InputTokens),
            (Sum::OutputTokens, Column::OutputTokens),
            (Sum::CostMicros, Column::CostMicros),
            (Sum::RevocationLagUs, Column::RevocationLagUs),
        ];
        let longs = longs.map(|(sum, column)| (sum, events.long(column)));
        let amounts = longs.into_iter().filter(|(_, values)| values.null_count() < values.len());
        let (routes, methods) = (codes(Column::Route), codes(Column::Method));
        let (networks, route_hashes) = (codes(Column::ClientNetwork), routes.hashes());
        let paths = events.text(Column::Path);
        let fingerprints = codes(Column::Fingerprint).hashes();
        let causes = codes(Column::Cause);
        let blamed = |cause: &str| RootCause::from_name(cause).map_or(Blamed::Nothing, Blamed::of);
        let blamed = causes.spread(blamed, Blamed::Nothing);
        let passwords = codes(Column::CredentialKind).spread(|kind| kind == "basic", false);
        let failed = |row: usize, password: bool| {
            // An application refuses passwords without a cause of ours.
            let wrong = blamed[row] == Blamed::Credential || (password && status[row] == 401);
            if wrong && passwords[row] == password { fingerprints[row] } else { NO_HASH }
        };
        let probed = |row: usize, wanted: bool| if wanted { hash_of_pattern(paths.value(row)) } else { NO_HASH };
        let forbidden =
            |row: usize| blamed[row] == Blamed::Right || (blamed[row] == Blamed::Unsaid && status[row] == 403);
        let networks_located = events.dict(Column::ClientCountry).array().null_count() < events.len();
        let relays = codes(Column::ClientRelay);
        let relay = |row: usize| match relays.codes[row] {
            // Without a database nobody knows that a network is direct.
            NONE if networks_located && networks.codes[row] != NONE => hash(b"direct"),
            code => relay_hash(relays.name(code)),
        };
        let places =
            codes(Column::ClientPlace).spread(|text| Place::parse(text).map_or(NO_HASH, Place::packed), NO_HASH);
        let place = |row: usize| if relays.codes[row] == NONE { places[row] } else { NO_HASH };
        let objects: Vec<&str> = (0..events.len()).map(|row| object_of(paths.value(row))).collect();
        let object = |row: usize| match objects[row] {
            "" => NO_HASH,
            id => hash(id.as_bytes()).wrapping_add(route_hashes[row]).max(NO_HASH + 1),
        };
        let rows = || 0..events.len();
        let distinct: [Vec<u32>; Distinct::COUNT] = Distinct::ALL
            .iter()
            .map(|kind| match kind {
                Distinct::Network => networks.hashes(),
                Distinct::Agent => codes(Column::UserAgent).hashes(),
                Distinct::Route => route_hashes.clone(),
                Distinct::TenantAsked => codes(Column::TenantAsked).hashes(),
                Distinct::Key => fingerprints.clone(),
                Distinct::Region => codes(Column::Region).hashes(),
                Distinct::Path => rows().map(|row| probed(row, status[row] == 404)).collect(),
                Distinct::Object => rows().map(object).collect(),
                Distinct::Country => codes(Column::ClientCountry).hashes(),
                Distinct::Provider => codes(Column::ClientProvider).hashes(),
                Distinct::Relay => rows().map(relay).collect(),
                Distinct::Place => rows().map(place).collect(),
                Distinct::UnknownKey => rows().map(|row| failed(row, false)).collect(),
                Distinct::FailedAccount => rows().map(|row| failed(row, true)).collect(),
                Distinct::Forbidden => rows().map(|row| probed(row, forbidden(row))).collect(),
            })
            .collect::<Vec<_>>()
            .try_into()
            .expect("one column a kind");
        Self {
            present: std::array::from_fn(|kind| distinct[kind].iter().any(|&hash| hash != NO_HASH)),
            distinct,
            numbers: objects.iter().map(|id| id.parse().ok()).collect(),
            keys: codes(Column::KeyId),
            networks,
            tenants: codes(Column::TenantId),
            principals: codes(Column::PrincipalId),
            routes,
            methods,
            gateways: codes(Column::Gateway),
            causes,
            minutes: event_at.iter().map(|at| at - at.rem_euclid(MINUTE_US)).collect(),
            outcomes,
            status,
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
            EntityKind::Gateway => plain(&self.gateways),
            EntityKind::Principal => plain(&self.principals),
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
            EntityKind::Gateway => name(&self.gateways, entity),
            EntityKind::Principal => name(&self.principals, entity),
            EntityKind::Route => {
                let route = name(&self.routes, entity / self.methods_count());
                match (entity % self.methods_count()).checked_sub(1) {
                    None => route,
                    Some(method) => format!("{} {route}", name(&self.methods, method)),
                }
            }
        }
    }
}

/// The part of a path that names one object: its last part, when that holds a digit.
fn object_of(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let last = memrchr(b'/', path.as_bytes()).map_or(path, |at| path.get(at + 1..).unwrap_or(""));
    if last.bytes().any(|byte| byte.is_ascii_digit()) { last } else { "" }
}

/// The hash of a path whose ids are left out, so that a client which asks for one thing after another asks for one.
fn hash_of_pattern(path: &str) -> u32 {
    let mut pattern = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        pattern.push('/');
        pattern.push_str(if is_id(segment) { "{}" } else { segment });
    }
    hash(pattern.as_bytes())
}

/// A number, or at least 8 characters with two digits and no dot: file names and `v1` are none.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    digits == segment.len() || (segment.len() >= 8 && digits >= 2 && !segment.contains('.'))
}

fn relay_hash(name: &str) -> u32 {
    if name.is_empty() { NO_HASH } else { hash(name.as_bytes()) }
}

/// One row in the making.
#[derive(Clone, Debug)]
struct Partial {
    minute: i64,
    cause: i32,
    entity: u32,
    tenant: i32,
    principal: i32,
    /// The next partial of the same entity.
    next: u32,
    sums: Sums,
    /// By kind, the first distinct value and how many there are.
    first: [u32; Distinct::COUNT],
    len: [u8; Distinct::COUNT],
    walk: Walk,
}

/// How a key goes from object to object.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    route: i32,
    number: Option<i64>,
    step: i64,
}

impl Walk {
    /// Whether `number` follows the one before by 1 or by the last step.
    fn goes_on(&mut self, route: i32, number: Option<i64>) -> bool {
        let before = std::mem::replace(self, Self { route, number, step: 0 });
        let (Some(from), Some(to)) = (before.number.filter(|_| before.route == route), number) else { return false };
        self.step = to.saturating_sub(from);
        self.step != 0 && (self.step.abs() == 1 || self.step == before.step)
    }
}

/// The partials of one kind of entity, and their distinct values.
struct Partials {
    all: Vec<Partial>,
    /// A value and the next one of the same partial and kind.
    values: Vec<(u32, u32)>,
}

impl Partials {
    fn of(batch: &Batch<'_>, kind: EntityKind) -> Self {
        let entities = batch.entities(kind);
        let numbers = entities.iter().filter(|&&entity| entity != END).max().map_or(0, |&last| last as usize + 1);
        let mut partials = Self { all: Vec::new(), values: Vec::new() };
        let mut first = vec![END; numbers];
        for (row, &entity) in entities.iter().enumerate().filter(|(_, entity)| **entity != END) {
            let at = partials.find(batch, kind, &mut first[entity as usize], entity, row);
            partials.add(batch, kind, at as usize, row);
        }
        partials
    }

    /// The partial that a row belongs to, new if need be.
    fn find(&mut self, batch: &Batch<'_>, kind: EntityKind, first: &mut u32, entity: u32, row: usize) -> u32 {
        let (minute, cause) = (batch.minutes[row], batch.causes.codes[row]);
        let mut at = *first;
        while let Some(partial) = self.all.get(at as usize) {
            if partial.minute == minute && partial.cause == cause {
                return at;
            }
            at = partial.next;
        }
        let at = u32::try_from(self.all.len()).expect("a batch has far fewer than 2^32 rows");
        let owned = kind == EntityKind::Key;
        self.all.push(Partial {
            minute,
            cause,
            entity,
            tenant: if owned || kind == EntityKind::Tenant { batch.tenants.codes[row] } else { NONE },
            principal: if owned { batch.principals.codes[row] } else { NONE },
            next: std::mem::replace(first, at),
            sums: Sums::default(),
            first: [END; Distinct::COUNT],
            len: [0; Distinct::COUNT],
            walk: Walk::default(),
        });
        at
    }

    fn add(&mut self, batch: &Batch<'_>, kind: EntityKind, at: usize, row: usize) {
        let outcome = batch.outcomes[row];
        let sums = &mut self.all[at].sums;
        sums[Sum::Requests] += 1;
        sums[OUTCOMES[usize::from(outcome)]] += 1;
        sums[Sum::NotFound] += i64::from(batch.status[row] == 404);
        sums[Sum::Unauthorized] += i64::from(batch.status[row] == 401);
        for (sum, values) in &batch.amounts {
            sums[*sum] = sums[*sum].saturating_add(values[row]);
        }
        for &distinct in kept_of(kind).iter().filter(|distinct| batch.present[**distinct as usize]) {
            let is_new = self.insert(at, distinct, batch.distinct[distinct as usize][row]);
            // The first request of a source to a route is what tells scanning from a client with one broken link.
            if is_new && distinct == Distinct::Route {
                match outcome {
                    SERVED => self.all[at].sums[Sum::FirstServed] += 1,
                    REFUSED => self.all[at].sums[Sum::FirstRefused] += 1,
                    _ => {}
                }
            }
        }
        if kind == EntityKind::Key && batch.distinct[Distinct::Object as usize][row] != NO_HASH {
            let partial = &mut self.all[at];
            partial.sums[Sum::Objects] += 1;
            partial.sums[Sum::ObjectsDenied] += i64::from(matches!(batch.status[row], 403 | 404));
            let goes_on = partial.walk.goes_on(batch.routes.codes[row], batch.numbers[row]);
            partial.sums[Sum::ObjectSteps] += i64::from(goes_on);
        }
    }

    /// Whether `hash` is seen here for the first time.
    fn insert(&mut self, at: usize, distinct: Distinct, hash: u32) -> bool {
        let partial = &mut self.all[at];
        let (first, len) = (&mut partial.first[distinct as usize], &mut partial.len[distinct as usize]);
        if hash == NO_HASH || usize::from(*len) == DISTINCT_MAX {
            return false;
        }
        let mut at = *first;
        while let Some(&(value, next)) = self.values.get(at as usize) {
            if value == hash {
                return false;
            }
            at = next;
        }
        let new = u32::try_from(self.values.len()).expect("a batch has far fewer than 2^32 values");
        self.values.push((hash, std::mem::replace(first, new)));
        *len += 1;
        true
    }

    fn packed<'a>(&'a self, partial: &'a Partial) -> impl Iterator<Item = i64> + 'a {
        Distinct::ALL.iter().flat_map(move |&distinct| {
            let first = self.values.get(partial.first[distinct as usize] as usize);
            std::iter::successors(first, |(_, next)| self.values.get(*next as usize))
                .map(move |&(hash, _)| distinct.packed(hash))
        })
    }
}

/// The distinct values that rows of a kind keep: an entity is no distinct value of itself.
const fn kept_of(kind: EntityKind) -> &'static [Distinct] {
    use Distinct::{
        Agent, Country, FailedAccount, Forbidden, Key, Network, Object, Path, Place, Provider, Region, Relay, Route,
        TenantAsked, UnknownKey,
    };
    match kind {
        EntityKind::Key => &[
            Network,
            Agent,
            Route,
            TenantAsked,
            Region,
            Path,
            Object,
            Country,
            Provider,
            Relay,
            Place,
            UnknownKey,
            Forbidden,
        ],
        EntityKind::Source => &[Agent, Route, TenantAsked, Key, Path, UnknownKey, FailedAccount, Forbidden],
        EntityKind::Tenant => &[Network, Agent, Route, TenantAsked, Key, Region, Country, Provider, Relay],
        EntityKind::Route => &[Network, Agent, TenantAsked, Key, UnknownKey, FailedAccount],
        EntityKind::Gateway => &[UnknownKey, FailedAccount],
        EntityKind::Principal => &[],
    }
}

#[derive(Default)]
struct Rows {
    minute: TimeColumn,
    entity_kind: DictColumn,
    entity: DictColumn,
    tenant: DictColumn,
    principal: DictColumn,
    cause: DictColumn,
    sums: [LongColumn; Sum::COUNT],
    distinct: Vec<i64>,
    distinct_len: Vec<usize>,
}

impl Rows {
    fn push(&mut self, batch: &Batch<'_>, kind: EntityKind, partials: &Partials) {
        for partial in &partials.all {
            self.minute.push(Some(partial.minute));
            self.entity_kind.push(kind.name());
            self.entity.push(&batch.entity_name(kind, partial.entity));
            self.tenant.push(batch.tenants.name(partial.tenant));
            self.principal.push(batch.principals.name(partial.principal));
            self.cause.push(batch.causes.name(partial.cause));
            for (column, &sum) in self.sums.iter_mut().zip(Sum::ALL) {
                column.push(Some(partial.sums[sum]));
            }
            let before = self.distinct.len();
            self.distinct.extend(partials.packed(partial));
            self.distinct_len.push(self.distinct.len() - before);
        }
    }

    fn finish(mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = vec![
            self.minute.finish(),
            self.entity_kind.finish(),
            self.entity.finish(),
            self.tenant.finish(),
            self.principal.finish(),
            self.cause.finish(),
        ];
        columns.extend(self.sums.iter_mut().map(LongColumn::finish));
        let values = Int64Array::new(ScalarBuffer::from(self.distinct), None);
        let offsets = OffsetBuffer::from_lengths(self.distinct_len);
        columns.push(Arc::new(ListArray::new(distinct_item(), offsets, Arc::new(values), None)));
        RecordBatch::try_new(Arc::clone(&MINUTE_SCHEMA), columns)
            .expect("builders make the types that the schema names")
    }
}

#[cfg(test)]
mod tests {
    use super::{Walk, hash, hash_of_pattern, object_of};

    #[test]
    fn ids_are_left_out_of_probed_paths_and_file_names_are_not() {
        for (path, pattern) in [
            ("/v1/orders/4711", "/v1/orders/{}"),
            ("/v1/orders/4711/lines/", "/v1/orders/{}/lines"),
            ("/v1/docs/9f86d081-884c", "/v1/docs/{}"),
            ("/backup-2024.zip", "/backup-2024.zip"),
            ("/.env", "/.env"),
            ("/", ""),
        ] {
            assert_eq!(hash_of_pattern(path), hash(pattern.as_bytes()), "{path}");
        }
    }

    #[test]
    fn an_object_is_the_last_part_of_a_path_that_holds_a_digit() {
        for (path, object) in [
            ("/v1/orders/4711", "4711"),
            ("/v1/orders/4711/", "4711"),
            ("/v1/orders/b2c4-x", "b2c4-x"),
            ("/v1/orders", ""),
            ("/v1/", "v1"),
            ("7", "7"),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(object_of(path), object, "{path}");
        }
    }

    #[test]
    fn a_walk_goes_on_by_one_or_by_the_step_before_on_the_same_route() {
        let mut walk = Walk::default();
        let asked = [(1, 10), (1, 17), (1, 24), (1, 25), (2, 26), (2, 26), (1, 99)];
        let went_on = asked.map(|(route, number)| walk.goes_on(route, Some(number)));
        assert_eq!(went_on, [false, false, true, true, false, false, false]);
        assert!(!walk.goes_on(1, None) && !walk.goes_on(1, Some(100)), "an id that is no number breaks the walk");
    }
}
