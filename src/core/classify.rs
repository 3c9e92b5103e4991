//! Verdicts: one primary cause a refused request, with its evidence; and the served requests that should not have
//! been.
//!
//! The rules work on plain facts (`facts.rs`, `rules.rs`); `witness.rs` gathers them from a batch. A verdict is
//! worked out once for all rows of a batch that have the same facts.
//!
//! Budget: 60 ns a served event, 150 ns a refused one.

mod again;
mod columns;
pub mod facts;
mod habits;
mod health;
mod outcome;
mod rules;
mod verdict;
mod witness;
mod word;

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::cause::RootCause;
use crate::event::{Column, Dict, Events};
use crate::identity::Identified;
pub use again::{Rehearing, evidence_for, rehear};
use columns::{Served, VerdictColumns};
use habits::Habits;
use health::{Bearer, Health};
use outcome::Outcome;
pub use rules::{Confidence, RULES, Rule};
pub use verdict::{Verdict, decide};
use witness::Witness;
pub use word::Word;

/// What verdicts depend on besides the rows.
#[derive(Clone, Debug)]
pub struct ClassifyOptions {
    /// Age of the directory at the time of a request from which its facts are likely, no longer certain.
    pub freshness_limit_us: i64,
    /// How long a change may take to reach every gateway.
    pub propagation_window_us: i64,
    /// Names of the consumers that gateways fall back to when a credential is refused.
    pub anonymous_consumers: Vec<String>,
}

impl Default for ClassifyOptions {
    fn default() -> Self {
        Self {
            freshness_limit_us: 24 * 3_600 * 1_000_000,
            propagation_window_us: 30 * 1_000_000,
            anonymous_consumers: vec!["anonymous".to_owned()],
        }
    }
}

/// Events with all columns.
#[derive(Clone, Debug)]
pub struct Classified {
    events: Events,
    denied: u64,
}

impl Classified {
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    #[must_use]
    pub fn into_events(self) -> Events {
        self.events
    }

    /// Refused requests among the events.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied
    }
}

/// What a classifier learns from batch to batch.
#[derive(Debug, Default)]
pub struct Memory {
    habits: Habits,
    health: Health,
}

/// Names the cause of every refusal of a batch.
#[must_use]
pub fn classify(batch: Identified, options: &ClassifyOptions, memory: &mut Memory) -> Classified {
    let mut columns = VerdictColumns::for_rows(batch.events().len());
    memory.health.keep_for(batch.directory());
    let denied = Judge::new(&batch, options).judge(memory, &mut columns);
    let added = columns.finish();
    Classified { events: batch.into_events().with(added), denied }
}

/// What two refusals must share to share a verdict, when nothing about their subject changes in between.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Likeness {
    credential: Option<usize>,
    consumer: Option<usize>,
    outcome: Outcome,
    gateway: Option<usize>,
    route: Option<crate::identity::RouteIx>,
    place: Option<usize>,
    count: i16,
    tenant_asked: Option<usize>,
    address: Option<usize>,
    region: Option<usize>,
    model: Option<usize>,
    habit_broken: bool,
    /// What the clock alone changes: the snapshot is too old to be sure of, the route is withdrawn.
    stale: bool,
    withdrawn: bool,
}

struct Judge<'a> {
    batch: &'a Identified,
    options: &'a ClassifyOptions,
    witness: Witness<'a>,
    first_at: i64,
    last_at: i64,
    /// Per credential: what its verdicts depend on.
    dependence: Vec<Option<Dependence>>,
    words: HashMap<(Option<usize>, Option<usize>), Word, FixedState>,
    gateways: HashMap<(Option<usize>, Option<usize>), Option<usize>, FixedState>,
    verdicts: HashMap<Likeness, usize, FixedState>,
}

impl<'a> Judge<'a> {
    fn new(batch: &'a Identified, options: &'a ClassifyOptions) -> Self {
        let times = batch.events().time(Column::EventAt).values();
        let credentials = batch.credentials().len();
        Self {
            witness: Witness::of(batch, options),
            first_at: times.iter().copied().min().unwrap_or(0),
            last_at: times.iter().copied().max().unwrap_or(0),
            dependence: vec![None; credentials],
            words: HashMap::default(),
            gateways: HashMap::default(),
            verdicts: HashMap::default(),
            batch,
            options,
        }
    }

    /// Fills the columns; returns how many requests were refused.
    fn judge(&mut self, memory: &mut Memory, columns: &mut VerdictColumns) -> u64 {
        let events = self.batch.events();
        let dicts = [
            Column::GatewayCode,
            Column::GatewayMessage,
            Column::Gateway,
            Column::Format,
            Column::Consumer,
            Column::ClientAddress,
            Column::UserAgent,
        ];
        let [codes, messages, gateways, formats, consumers, addresses, agents] =
            dicts.map(|column| events.dict(column));
        let address_hashes = hashes(addresses);
        let agent_hashes = hashes(agents);
        let is_anonymous: Vec<bool> = (0..consumers.values_len())
            .map(|code| self.options.anonymous_consumers.iter().any(|name| name == consumers.value(code)))
            .collect();
        let kinds = events.dict(Column::CredentialKind);
        let Memory { habits, health } = memory;
        let mut denied = 0;
        for row in 0..events.len() {
            let said = (codes.code(row), messages.code(row));
            let word = match said {
                (None, None) => Word::Silent,
                _ => *self.words.entry(said).or_insert_with(|| Word::of(codes.get(row), messages.get(row))),
            };
            let outcome = self.witness.outcome(row, word);
            let client = || {
                let address = addresses.code(row).map_or(0, |code| address_hashes[code]);
                address ^ agents.code(row).map_or(0, |code| agent_hashes[code]).rotate_left(1)
            };
            let bare = kinds.code(row).is_none();
            if outcome.is_refusal() {
                denied += 1;
                let gateway = *self
                    .gateways
                    .entry((gateways.code(row), formats.code(row)))
                    .or_insert_with(|| self.witness.gateway_index(gateways.get(row), formats.get(row)));
                let habit_broken = bare && outcome.status == 401 && habits.is_broken(client());
                self.refusal(row, outcome, gateway, habit_broken, columns);
                continue;
            }
            if !outcome.is_served() {
                columns.push_none();
                continue;
            }
            let named = consumers.code(row);
            let anonymous = named.is_some_and(|code| is_anonymous[code]);
            habits.served(client(), !bare && !anonymous);
            if anonymous && !bare {
                self.fallback(row, outcome, consumers.get(row), columns);
                continue;
            }
            self.served(row, outcome, health, columns);
        }
        denied
    }

    fn refusal(
        &mut self,
        row: usize,
        outcome: Outcome,
        gateway: Option<usize>,
        habit_broken: bool,
        columns: &mut VerdictColumns,
    ) {
        let at = self.witness.event_at(row);
        let events = self.batch.events();
        let code = |column| events.dict(column).code(row);
        let count = events.short(Column::Credentials);
        let dependence = self.dependence(row);
        let likeness = Likeness {
            credential: self.batch.credential_index(row),
            consumer: code(Column::Consumer),
            outcome,
            gateway,
            route: self.batch.subject(row).route,
            place: code(Column::CredentialPlace),
            count: count.value(row),
            tenant_asked: code(Column::TenantAsked),
            address: if dependence.on_address { code(Column::ClientAddress) } else { None },
            region: code(Column::Region),
            model: code(Column::AiModel),
            habit_broken,
            stale: self.witness.is_stale(at),
            withdrawn: self.witness.is_withdrawn(row, at),
        };
        if dependence.settled
            && let Some(&known) = self.verdicts.get(&likeness)
        {
            return columns.push_again(known);
        }
        let facts = self.witness.facts(row, at, outcome, gateway, habit_broken);
        let number = columns.push_refusal(outcome.denied_by(), &decide(&facts));
        if dependence.settled {
            self.verdicts.insert(likeness, number);
        }
    }

    /// A request that was served: in order, unless its subject was not.
    fn served(&mut self, row: usize, outcome: Outcome, health: &mut Health, columns: &mut VerdictColumns) {
        let at = self.witness.event_at(row);
        let subject = self.batch.subject(row);
        let bearer = subject.key.map(Bearer::Key).or_else(|| subject.principal.map(Bearer::Principal));
        let Some(bearer) = bearer.filter(|&bearer| !health.is_known(bearer, at)) else {
            return columns.push_none();
        };
        let facts = self.witness.facts(row, at, outcome, None, false);
        match verdict::zombie(&facts) {
            Some((reason, lag_us)) => columns.push_served(&Served {
                cause: RootCause::ZombieAccess,
                reason: Some(reason),
                lag_us,
                contradiction: Some("the gateway served what the directory refuses"),
                evidence: &format!("should_be={}", reason.name()),
            }),
            None => {
                health.note(bearer, at, self.witness.next_change(row, at).unwrap_or(i64::MAX));
                columns.push_none();
            }
        }
    }

    /// A request whose credential was refused and that was served all the same, as nobody. Why it was refused is
    /// judged as if the gateway had said so.
    fn fallback(&mut self, row: usize, outcome: Outcome, consumer: &str, columns: &mut VerdictColumns) {
        let refused = Outcome { status: 401, application_asked: false, ..outcome };
        let verdict = decide(&self.witness.facts(row, self.witness.event_at(row), refused, None, false));
        columns.push_served(&Served {
            cause: RootCause::AnonymousFallback,
            reason: Some(verdict.cause).filter(|&cause| cause != RootCause::Undecidable),
            lag_us: None,
            contradiction: verdict.contradiction,
            evidence: &format!("served_as={consumer}"),
        });
    }

    fn dependence(&mut self, row: usize) -> Dependence {
        let margin = self.options.propagation_window_us.saturating_mul(2);
        let (from, to) = (self.first_at.saturating_sub(margin), self.last_at.saturating_add(margin));
        let witness = &self.witness;
        let find = || Dependence {
            settled: witness.next_change(row, from).is_none_or(|change| change > to),
            on_address: witness.limits_addresses(row),
        };
        match self.batch.credential_index(row) {
            Some(credential) => *self.dependence[credential].get_or_insert_with(find),
            None => find(),
        }
    }
}

/// What the verdicts on one credential depend on, within a batch.
#[derive(Clone, Copy)]
struct Dependence {
    /// Nothing about its subject changes while the batch lasts.
    settled: bool,
    /// The caller's address matters.
    on_address: bool,
}

fn hashes(dict: Dict<'_>) -> Vec<u64> {
    let state = FixedState::default();
    (0..dict.values_len()).map(|code| state.hash_one(dict.value(code))).collect()
}
