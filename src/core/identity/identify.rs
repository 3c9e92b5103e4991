//! Events meet the directory: who is behind each request, as of its time.
//!
//! Work is done once a distinct credential, consumer and gateway of the batch; a row then costs a few array
//! reads. Only keys and principals with more than one version are looked up row by row.
//!
//! Budget: 60 ns an event at ten events a key and a million keys, 120 ns where the directory has routes.

use std::sync::Arc;

use arrow::array::Array as _;

use super::routes::{parameter_position, segments};
use super::{Directory, KeyIx, Match, PrincipalIx, RouteIx, TenantIx};
use crate::decode::Decoded;
use crate::event::{Column, Dict, DictColumn, Events};
use crate::secret::{Credential, NearMissKind};

/// Events with the identity behind them, and what later rooms need to judge it.
#[derive(Debug)]
pub struct Identified {
    pub(super) events: Events,
    pub(super) directory: Arc<Directory>,
    pub(super) credentials: Vec<Arc<Credential>>,
    pub(super) credential_of: Vec<u32>,
    /// Distinct subjects of the batch; the first is "nobody".
    pub(super) subjects: Vec<Subject>,
    pub(super) subject_of: Vec<u32>,
    /// Empty when the directory knows no routes.
    pub(super) routes: Vec<Option<RouteIx>>,
}

/// Whom a request is about, as far as the directory knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The key that was presented, or that was meant: then `near` says how it was missed.
    pub key: Option<KeyIx>,
    pub near: Option<NearMissKind>,
    /// Behind the key, or named by the gateway.
    pub principal: Option<PrincipalIx>,
    /// Of the key, else of the principal.
    pub tenant: Option<TenantIx>,
    pub route: Option<RouteIx>,
}

impl Identified {
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    #[must_use]
    pub fn into_events(self) -> Events {
        self.events
    }

    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    #[must_use]
    pub fn credentials(&self) -> &[Arc<Credential>] {
        &self.credentials
    }

    #[must_use]
    pub fn subject(&self, row: usize) -> Subject {
        let route = self.routes.get(row).copied().flatten();
        Subject { route, ..self.subjects[self.subject_of[row] as usize] }
    }

    /// The credential that a row's request carried.
    #[must_use]
    pub fn credential(&self, row: usize) -> Option<&Credential> {
        self.credentials.get(self.credential_of[row] as usize).map(|credential| &**credential)
    }

    /// The row's index into [`Identified::credentials`], for work done once a credential.
    #[must_use]
    pub fn credential_index(&self, row: usize) -> Option<usize> {
        let index = self.credential_of[row] as usize;
        (index < self.credentials.len()).then_some(index)
    }
}

/// Joins a batch with the directory.
#[must_use]
pub fn identify(decoded: Decoded, directory: &Arc<Directory>) -> Identified {
    let Decoded { events, credentials, credential_of } = decoded;
    let (routes, asked) = find_routes(&events, directory);
    let rows = events.len();
    let mut join = Join::new(directory, rows);
    let by_credential: Vec<Entry> = credentials.iter().map(|credential| join.of_credential(credential)).collect();
    let consumers = events.dict(Column::Consumer);
    let mut by_consumer: Vec<Option<Entry>> = vec![None; consumers.values().len()];
    let event_at = events.time(Column::EventAt);
    let status = events.short(Column::Status).values();
    // Slips are looked for once any request of the batch was refused, and then are none of the served ones' business.
    let applies = |entry: &Entry, row: usize| entry.near_miss.is_none() || (400..500).contains(&status[row]);

    let mut subject_of = Vec::with_capacity(rows);
    for (row, &credential) in credential_of.iter().enumerate() {
        let entry = match by_credential.get(credential as usize) {
            Some(entry) if entry.found() && applies(entry, row) => *entry,
            Some(_) | None => match consumers.code(row) {
                Some(code) => *by_consumer[code].get_or_insert_with(|| join.of_consumer(consumers.get(row))),
                None => Entry::NOBODY,
            },
        };
        let entry = if entry.varies { join.as_of(entry, event_at.value(row)) } else { entry };
        join.push(&entry);
        subject_of.push(entry.subject);
    }
    let mut version = DictColumn::default();
    version.reserve(rows);
    let code = version.code(directory.version());
    (0..rows).for_each(|_| version.push_code(code));

    let columns = vec![
        join.key_id.finish(),
        join.principal_id.finish(),
        join.principal_kind.finish(),
        join.tenant_id.finish(),
        join.environment.finish(),
        join.near_miss.finish(),
        version.finish(),
    ];
    let subjects = join.subjects;
    let mut events = events.with(columns);
    if let Some(mut asked) = asked {
        events = events.replacing(Column::TenantAsked, asked.finish());
    }
    Identified { events, directory: Arc::clone(directory), credentials, credential_of, subjects, subject_of, routes }
}

/// What a row gets: its subject, and the codes of its column values.
#[derive(Clone, Copy)]
struct Entry {
    subject: u32,
    key_id: Option<u32>,
    principal_id: Option<u32>,
    principal_kind: Option<u32>,
    tenant_id: Option<u32>,
    environment: Option<u32>,
    near_miss: Option<u32>,
    /// It depends on the time of the event.
    varies: bool,
}

impl Entry {
    const NOBODY: Self = Self {
        subject: 0,
        key_id: None,
        principal_id: None,
        principal_kind: None,
        tenant_id: None,
        environment: None,
        near_miss: None,
        varies: false,
    };

    const fn found(&self) -> bool {
        self.subject != 0
    }
}

struct Join<'d> {
    directory: &'d Directory,
    subjects: Vec<Subject>,
    key_id: DictColumn,
    principal_id: DictColumn,
    principal_kind: DictColumn,
    tenant_id: DictColumn,
    environment: DictColumn,
    near_miss: DictColumn,
}

impl<'d> Join<'d> {
    fn new(directory: &'d Directory, rows: usize) -> Self {
        let mut join = Self {
            directory,
            subjects: vec![Subject::default()],
            key_id: DictColumn::default(),
            principal_id: DictColumn::default(),
            principal_kind: DictColumn::default(),
            tenant_id: DictColumn::default(),
            environment: DictColumn::default(),
            near_miss: DictColumn::default(),
        };
        for column in [
            &mut join.key_id,
            &mut join.principal_id,
            &mut join.principal_kind,
            &mut join.tenant_id,
            &mut join.environment,
            &mut join.near_miss,
        ] {
            column.reserve(rows);
        }
        join
    }

    fn of_credential(&mut self, credential: &Credential) -> Entry {
        match self.directory.find(credential) {
            Match::Known(key) => self.of_key(key, None, self.directory.as_of(), !self.directory.is_constant(key)),
            Match::Near(key, kind) => {
                self.of_key(key, Some(kind), self.directory.as_of(), !self.directory.is_constant(key))
            }
            Match::Unknown => Entry::NOBODY,
        }
    }

    fn of_key(&mut self, key: KeyIx, near: Option<NearMissKind>, at: i64, varies: bool) -> Entry {
        let seen = self.directory.key_at(key, at);
        let principal = seen.principal.map(|principal| self.directory.principal(principal, at));
        let (mut tenant, mut tenant_id) = (seen.tenant, seen.tenant_id);
        if let Some(principal) = principal.filter(|_| tenant_id.is_empty()) {
            (tenant, tenant_id) = (principal.tenant, principal.tenant_id);
        }
        Entry {
            subject: self.subject(Subject { key: Some(key), near, principal: seen.principal, tenant, route: None }),
            key_id: self.key_id.code(seen.key_id),
            principal_id: self.principal_id.code(seen.principal_id),
            principal_kind: principal.and_then(|principal| self.principal_kind.code(principal.kind.name())),
            tenant_id: self.tenant_id.code(tenant_id),
            environment: self.environment.code(seen.environment),
            near_miss: near.and_then(|near| self.near_miss.code(near.name())),
            varies,
        }
    }

    /// A request without a key that is known, of which the gateway says whose it is.
    fn of_consumer(&mut self, consumer: &str) -> Entry {
        match self.directory.find_principal_named(consumer) {
            Some(principal) => {
                let varies = !self.directory.principals.is_constant(principal.0);
                self.of_principal(principal, self.directory.as_of(), varies)
            }
            None => Entry::NOBODY,
        }
    }

    fn of_principal(&mut self, principal: PrincipalIx, at: i64, varies: bool) -> Entry {
        let seen = self.directory.principal(principal, at);
        let tenant = seen.tenant;
        Entry {
            subject: self.subject(Subject { principal: Some(principal), tenant, ..Subject::default() }),
            principal_id: self.principal_id.code(seen.principal_id),
            principal_kind: self.principal_kind.code(seen.kind.name()),
            tenant_id: self.tenant_id.code(seen.tenant_id),
            varies,
            ..Entry::NOBODY
        }
    }

    /// The entry at the time of a row.
    fn as_of(&mut self, entry: Entry, at: i64) -> Entry {
        let subject = self.subjects[entry.subject as usize];
        match (subject.key, subject.principal) {
            (Some(key), _) => self.of_key(key, subject.near, at, true),
            (None, Some(principal)) => self.of_principal(principal, at, true),
            (None, None) => entry,
        }
    }

    fn subject(&mut self, subject: Subject) -> u32 {
        if self.subjects.last() != Some(&subject) {
            self.subjects.push(subject);
        }
        u32::try_from(self.subjects.len() - 1).expect("a batch has far fewer than 2^32 rows")
    }

    fn push(&mut self, entry: &Entry) {
        self.key_id.push_code(entry.key_id);
        self.principal_id.push_code(entry.principal_id);
        self.principal_kind.push_code(entry.principal_kind);
        self.tenant_id.push_code(entry.tenant_id);
        self.environment.push_code(entry.environment);
        self.near_miss.push_code(entry.near_miss);
    }
}

/// The route of every row, and the column of tenants asked for if paths name some that the log did not.
pub(super) fn find_routes(events: &Events, directory: &Directory) -> (Vec<Option<RouteIx>>, Option<DictColumn>) {
    if !directory.has_routes() {
        return (Vec::new(), None);
    }
    let (methods, gateways, formats) =
        (events.dict(Column::Method), events.dict(Column::Gateway), events.dict(Column::Format));
    let (paths, asked) = (events.text(Column::Path), events.dict(Column::TenantAsked));
    let mut environments: Vec<Option<&str>> = vec![None; gateways.values().len()];
    let tenant_segments: Vec<Option<usize>> = directory
        .routes
        .list
        .iter()
        .map(|route| {
            let name = directory.word(route.tenant_from).strip_prefix("path:")?;
            parameter_position(&route.template, name)
        })
        .collect();

    let mut routes = Vec::with_capacity(events.len());
    let mut from_path: Option<TenantColumn<'_>> = None;
    for row in 0..events.len() {
        let environment = match gateways.code(row) {
            Some(code) => *environments[code].get_or_insert_with(|| {
                directory.gateway_for(gateways.get(row), formats.get(row)).map_or("", |gateway| gateway.environment)
            }),
            None => "",
        };
        let path = paths.value(row);
        let route = directory.route_in(methods.get(row), path, environment);
        routes.push(route);
        let segment = route.and_then(|route| tenant_segments[route.0 as usize]);
        let named = segment.filter(|_| asked.code(row).is_none()).and_then(|segment| segments(path).nth(segment));
        match (&mut from_path, named) {
            (Some(column), named) => column.push(row, named),
            (None, Some(_)) => from_path.insert(TenantColumn::up_to(row, asked)).push(row, named),
            (None, None) => {}
        }
    }
    (routes, from_path.map(|column| column.built))
}

/// The column of tenants asked for, rebuilt with what paths add to it.
struct TenantColumn<'a> {
    logged: Dict<'a>,
    /// Code in `logged` → code here.
    codes: Vec<Option<u32>>,
    built: DictColumn,
}

impl<'a> TenantColumn<'a> {
    /// With the rows before `row` as they were logged.
    fn up_to(row: usize, logged: Dict<'a>) -> Self {
        let mut built = DictColumn::default();
        let codes = logged.values().iter().map(|value| built.code(value.unwrap_or(""))).collect();
        let mut column = Self { logged, codes, built };
        (0..row).for_each(|row| column.push(row, None));
        column
    }

    fn push(&mut self, row: usize, named: Option<&str>) {
        let logged = self.logged.code(row).and_then(|code| self.codes[code]);
        let code = logged.or_else(|| named.and_then(|named| self.built.code(named)));
        self.built.push_code(code);
    }
}
