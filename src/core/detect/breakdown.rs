//! Which requests of an hour failed, by tenant, key, gateway, route and program at once: from events.
//!
//! Minutes say how often an entity failed, not which entities met in one request. This book counts leaves, each a
//! combination of values, so that [`attribute`](super::attribute) can name the pair or triple that fails, and so that what
//! one key does is not taken for a trouble of its tenant. Only requests of known tenants count: strangers are refused all
//! day.
//!
//! Ten minutes make a page; those of two hours are kept, at most 16 384 leaves each; requests beyond are left out. A fault
//! that is young is read from its own pages, where what went well before does not thin it out. Where the events are read
//! by another process the book is empty and says nothing.

use std::collections::VecDeque;
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::told::start_of;
use super::{Explanation, Leaves, Names, attribute};
use crate::cause::{CauseClass, RootCause};
use crate::event::{Column, Events};
use crate::stats::real;

/// Of a page.
const LEAVES_MAX: usize = 1 << 14;
const PAGE_US: i64 = 10 * crate::minutes::MINUTE_US;
const PAGES: usize = 12;
const NONE: u32 = 0;

/// Columns of a leaf, and what people call them. What is shared by all that failed is named in this order, the tenant
/// first where it is no one program's: what several programs of a tenant have in common is the tenant.
const COLUMNS: [(Column, &str); 5] = [
    (Column::Gateway, "gateway"),
    (Column::Route, "route"),
    (Column::UserAgent, "agent"),
    (Column::TenantId, "tenant"),
    (Column::KeyId, "key"),
];
/// Of each column: what is the more particular is the better explanation.
const RANKS: [u8; COLUMNS.len()] = [2, 1, 3, 0, 0];
const PROGRAM: usize = 2;
const TENANT: usize = 3;
const KEY: usize = 4;

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    /// Servers behind answered 500 or more.
    Errors,
    /// Servers behind, or the platform itself, refused.
    Platform,
    /// For a reason that lies with the caller: credential, right, account.
    Caller,
}

impl Failing {
    pub(super) const ALL: [Self; 3] = [Self::Errors, Self::Platform, Self::Caller];

    /// Of a cause; `None` for limits, which are the platform's answer to load, and for what was served.
    pub(super) fn of(cause: RootCause) -> Option<Self> {
        match cause.class() {
            CauseClass::Limits | CauseClass::Served => None,
            CauseClass::Platform => Some(Self::Platform),
            CauseClass::Environment
            | CauseClass::Credential
            | CauseClass::Key
            | CauseClass::Identity
            | CauseClass::Account
            | CauseClass::Tenant
            | CauseClass::Permission
            // Refused without a word.
            | CauseClass::None => Some(Self::Caller),
        }
    }
}

/// One combination of values.
type Leaf = [u32; COLUMNS.len()];

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    requests: u32,
    failed: [u32; Failing::ALL.len()],
}

impl Tally {
    const fn add(&mut self, requests: u32, failing: Option<Failing>) {
        self.requests = self.requests.saturating_add(requests);
        if let Some(failing) = failing {
            self.failed[failing as usize] = self.failed[failing as usize].saturating_add(requests);
        }
    }

    fn take(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed.iter_mut().zip(other.failed).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }
}

#[derive(Clone, Debug, Default)]
struct Page {
    from_us: i64,
    leaves: HashMap<Leaf, Tally, FixedState>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Breakdown {
    /// By time, the latest last.
    pages: VecDeque<Page>,
}

/// What best explains the failures of a span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Explained {
    /// Dimension and value's hash: what explains, then what all that failed of it share.
    pub(super) values: Vec<(&'static str, u32)>,
    /// How many of `values` explain.
    pub(super) depth: usize,
    /// Its part of the rise, 0 to 1.
    pub(super) power: f64,
    /// Its failing requests, their part of its requests, and the keys that they came with.
    pub(super) failed: f64,
    pub(super) share: f64,
    pub(super) keys: Vec<u32>,
}

impl Breakdown {
    pub(super) fn observe(&mut self, events: &Events) {
        let dicts = COLUMNS.map(|(column, _)| events.dict(column));
        let hashes = dicts.map(|dict| {
            let hash = |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or(NONE, Names::hash);
            dict.values().iter().map(hash).collect::<Vec<u32>>()
        });
        let causes = events.dict(Column::Cause);
        let failing: Vec<Option<Failing>> =
            causes.values().iter().map(|cause| RootCause::from_name(cause?).and_then(Failing::of)).collect();
        let (event_at, status) = (events.time(Column::EventAt).values(), events.short(Column::Status).values());
        for row in 0..events.len() {
            let leaf = std::array::from_fn(|at| dicts[at].code(row).map_or(NONE, |code| hashes[at][code]));
            if leaf[TENANT] == NONE {
                continue;
            }
            let failing = match causes.code(row) {
                Some(code) => failing[code],
                None if status[row] >= 500 => Some(Failing::Errors),
                None => None,
            };
            self.count(start_of(event_at[row], PAGE_US), leaf, failing);
        }
    }

    fn count(&mut self, page_us: i64, leaf: Leaf, failing: Option<Failing>) {
        let at = self.pages.partition_point(|page| page.from_us < page_us);
        if self.pages.get(at).is_none_or(|page| page.from_us != page_us) {
            if at == 0 && self.pages.len() >= PAGES {
                return;
            }
            self.pages.insert(at, Page { from_us: page_us, leaves: HashMap::default() });
            if self.pages.len() > PAGES {
                self.pages.pop_front();
                return self.count(page_us, leaf, failing);
            }
        }
        let Some(page) = self.pages.get_mut(at) else { return };
        if page.leaves.len() >= LEAVES_MAX && !page.leaves.contains_key(&leaf) {
            return;
        }
        page.leaves.entry(leaf).or_default().add(1, failing);
    }

    /// The leaves of the pages that touch a span; of one tenant, where one is asked for.
    fn leaves(&self, span: &Range<i64>, tenant: Option<&str>) -> Vec<(Leaf, Tally)> {
        let tenant = tenant.map(Names::hash);
        let pages = self.pages.iter().filter(|page| page.from_us < span.end && page.from_us + PAGE_US > span.start);
        let all = pages.flat_map(|page| &page.leaves);
        let mut sums: HashMap<Leaf, Tally, FixedState> = HashMap::default();
        for (leaf, tally) in all.filter(|(leaf, _)| tenant.is_none_or(|tenant| leaf[TENANT] == tenant)) {
            sums.entry(*leaf).or_default().take(tally);
        }
        sums.into_iter().collect()
    }

    /// Heap bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.leaves.allocation_size()).sum()
    }

    /// Whether anything is known of the ten minutes of an instant.
    pub(super) fn knows(&self, at_us: i64) -> bool {
        self.pages.iter().any(|page| page.from_us == start_of(at_us, PAGE_US))
    }

    /// What explains the failures of everybody best, keys left out, where `rate` of all requests used to fail. An
    /// explanation needs `keys_min` keys: what fewer callers do is left out, or a storm of one would hide what happens to
    /// all.
    pub(super) fn explain(&self, span: &Range<i64>, failing: Failing, rate: f64, keys_min: usize) -> Option<Explained> {
        let mut all = self.leaves(span, None);
        for _ in 0..Self::STORMS_MAX {
            let explained = explained(&best_of(&all, failing, rate)?, &all, failing);
            if explained.keys.len() >= keys_min {
                return Some(explained);
            }
            all.retain(|(leaf, _)| !explained.keys.contains(&leaf[KEY]));
        }
        None
    }

    /// Storms of single callers that are left out of one look.
    const STORMS_MAX: usize = 8;

    /// Whether one key alone is behind the failures of a tenant: the others would have them as well, or they are more than
    /// all else that the tenant sends, or they came with the key's part of an `excess` of requests that nobody expected.
    pub(super) fn is_of_one_key(
        &self,
        tenant: &str,
        span: &Range<i64>,
        cause: RootCause,
        failing: Failing,
        excess: f64,
    ) -> bool {
        let mut keys: HashMap<u32, (f64, f64), FixedState> = HashMap::default();
        let floods = |x: f64, requests: f64| failing == Failing::Caller && x >= requests - x;
        // What is wrong with one credential or its rights is wrong with that one, however much else it sends.
        let personal = matches!(cause.class(), CauseClass::Credential | CauseClass::Key | CauseClass::Permission);
        let (mut requests, mut failed) = (0.0, 0.0);
        for (leaf, tally) in self.leaves(span, Some(tenant)) {
            let (n, x) = (f64::from(tally.requests), f64::from(tally.failed[failing as usize]));
            let key = keys.entry(leaf[KEY]).or_default();
            *key = (key.0 + n, key.1 + x);
            (requests, failed) = (requests + n, failed + x);
        }
        keys.values().any(|&(n, x)| {
            let most = x > 0.0 && x >= Self::SOLE_SHARE * failed;
            // At the key's rate the others would have failed this often, and did not.
            let missing = (requests - n) * x / n.max(1.0);
            let wanted = if failing == Failing::Caller { Self::MISSING_MIN_CALLER } else { Self::MISSING_MIN };
            most && (personal || missing >= wanted || floods(x, requests) || (x <= excess && n >= excess))
        })
    }

    /// Of the failures, what makes them one key's; and failures that the others lack for it: by chance one time in twenty.
    const SOLE_SHARE: f64 = 0.8;
    const MISSING_MIN: f64 = 3.0;
    /// What lies with the caller is one caller's unless others show it too.
    const MISSING_MIN_CALLER: f64 = 1.0;
}

/// A difference of ln likelihoods that says nothing.
const SLACK: f64 = 3.0;

/// Of the explanations that are as good as the best, a tenant says more than its gateway, and a program is rarely what is
/// broken.
fn best_of(all: &[(Leaf, Tally)], failing: Failing, rate: f64) -> Option<Explanation> {
    let mut leaves = Leaves::new(KEY);
    for (leaf, tally) in all {
        let [values @ .., _] = leaf;
        leaves.push(values, f64::from(tally.failed[failing as usize]), rate * f64::from(tally.requests));
    }
    let explanations = attribute(&leaves);
    let most = explanations.first()?.gain;
    let as_good = explanations.into_iter().filter(|one| one.gain >= most - SLACK);
    as_good.min_by_key(|one| one.values.iter().map(|(at, _)| RANKS[*at]).max())
}

fn explained(best: &Explanation, all: &[(Leaf, Tally)], failing: Failing) -> Explained {
    let holds = |leaf: &Leaf| best.values.iter().all(|&(at, value)| leaf[at] == value);
    let (mut requests, mut failed) = (0.0, 0.0);
    let mut met: Vec<&Leaf> = Vec::new();
    for (leaf, tally) in all.iter().filter(|(leaf, _)| holds(leaf)) {
        requests += f64::from(tally.requests);
        let here = tally.failed[failing as usize];
        failed += f64::from(here);
        if here > 0 {
            met.push(leaf);
        }
    }
    let mut keys: Vec<u32> = met.iter().map(|leaf| leaf[KEY]).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut values: Vec<(&'static str, u32)> = best.values.iter().map(|&(at, value)| (COLUMNS[at].1, value)).collect();
    let depth = values.len();
    let shared = |at: usize| {
        let value = met.first().map(|leaf| leaf[at]).filter(|value| *value != NONE);
        value.filter(|value| met.iter().all(|leaf| leaf[at] == *value))
    };
    let first = shared(PROGRAM).is_none().then_some(TENANT);
    for at in first.into_iter().chain((0..COLUMNS.len()).filter(|at| Some(*at) != first)) {
        let named = best.values.iter().any(|(named, _)| *named == at);
        values.extend(shared(at).filter(|_| !named).map(|value| (COLUMNS[at].1, value)));
    }
    Explained { values, depth, power: best.power.clamp(0.0, 1.0), failed, share: failed / requests.max(1.0), keys }
}

/// Requests of a minute that failed in a way.
pub(super) fn failed(minute: &super::Minute, failing: Failing) -> f64 {
    use crate::minutes::Sum;
    let of_cause = |(cause, sums): &(Option<RootCause>, crate::minutes::Sums)| match cause {
        None if failing == Failing::Errors => sums[Sum::ServerErrors],
        Some(cause) if Failing::of(*cause) == Some(failing) => sums[Sum::Requests],
        None | Some(_) => 0,
    };
    real(minute.causes.iter().map(of_cause).sum())
}
