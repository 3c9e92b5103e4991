//! Which requests of an hour failed, by tenant, key, gateway, route and program at once: from events.
//!
//! Minutes say how often an entity failed, not which entities met in one request. This book counts leaves, each a
//! combination of values, so that [`attribute`](super::attribute) can name the pair or triple that fails, and so that what
//! one key does is not taken for a trouble of its tenant. Only requests of known tenants count: strangers are refused all
//! day.
//!
//! The hour that is open and the one before are kept, at most 65 536 leaves each; requests beyond are left out. Where the
//! events are read by another process the book is empty and says nothing.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::told::{HOUR_US, start_of};
use super::{Explanation, Leaves, Names, attribute};
use crate::cause::{CauseClass, RootCause};
use crate::event::{Column, Events};
use crate::stats::real;

const LEAVES_MAX: usize = 1 << 16;
const NONE: u32 = 0;

/// Columns of a leaf, and what people call them. What is shared by all that failed is named in this order.
const COLUMNS: [(Column, &str); 5] = [
    (Column::Gateway, "gateway"),
    (Column::Route, "route"),
    (Column::UserAgent, "agent"),
    (Column::TenantId, "tenant"),
    (Column::KeyId, "key"),
];
/// Of each column: what is the more particular is the better explanation.
const RANKS: [u8; COLUMNS.len()] = [2, 1, 3, 0, 0];
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

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    requests: u32,
    failed: [u32; Failing::ALL.len()],
}

#[derive(Clone, Debug, Default)]
struct Hour {
    from_us: i64,
    leaves: HashMap<[u32; COLUMNS.len()], Tally, FixedState>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Breakdown {
    open: Hour,
    before: Hour,
}

/// What best explains the failures of an hour.
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
    pub(super) keys: usize,
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
            self.count(start_of(event_at[row], HOUR_US), leaf, failing);
        }
    }

    fn count(&mut self, hour_us: i64, leaf: [u32; COLUMNS.len()], failing: Option<Failing>) {
        if hour_us > self.open.from_us {
            self.before = std::mem::replace(&mut self.open, Hour { from_us: hour_us, leaves: HashMap::default() });
        }
        let hour = match hour_us {
            _ if hour_us == self.open.from_us => &mut self.open,
            _ if hour_us == self.before.from_us => &mut self.before,
            _ => return,
        };
        if hour.leaves.len() >= LEAVES_MAX && !hour.leaves.contains_key(&leaf) {
            return;
        }
        let tally = hour.leaves.entry(leaf).or_default();
        tally.requests += 1;
        if let Some(failing) = failing {
            tally.failed[failing as usize] += 1;
        }
    }

    /// The leaves of the hour that holds an instant; of one tenant, where one is asked for.
    fn leaves(&self, at_us: i64, tenant: Option<&str>) -> Vec<(&[u32; COLUMNS.len()], &Tally)> {
        let hour_us = start_of(at_us, HOUR_US);
        let hour = [&self.open, &self.before].into_iter().find(|hour| hour.from_us == hour_us);
        let tenant = tenant.map(Names::hash);
        let all = hour.into_iter().flat_map(|hour| &hour.leaves);
        all.filter(|(leaf, _)| tenant.is_none_or(|tenant| leaf[TENANT] == tenant)).collect()
    }

    /// A difference of ln likelihoods that says nothing.
    const SLACK: f64 = 3.0;

    /// Heap bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.open.leaves.allocation_size() + self.before.leaves.allocation_size()
    }

    /// Whether anything is known of the hour.
    pub(super) fn knows(&self, at_us: i64) -> bool {
        let hour_us = start_of(at_us, HOUR_US);
        [&self.open, &self.before].into_iter().any(|hour| hour.from_us == hour_us && !hour.leaves.is_empty())
    }

    /// What explains the failures of everybody best, keys left out, where `rate` of all requests used to fail.
    pub(super) fn explain(&self, at_us: i64, failing: Failing, rate: f64) -> Option<Explained> {
        let all = self.leaves(at_us, None);
        let mut leaves = Leaves::new(KEY);
        for (leaf, tally) in &all {
            let [values @ .., _] = leaf;
            leaves.push(values, f64::from(tally.failed[failing as usize]), rate * f64::from(tally.requests));
        }
        let explanations = attribute(&leaves);
        let most = explanations.first()?.gain;
        // Of those that are as good, a tenant says more than its gateway, and a program is rarely what is broken.
        let as_good = explanations.iter().filter(|one| one.gain >= most - Self::SLACK);
        let widest = |one: &&Explanation| one.values.iter().map(|(at, _)| RANKS[*at]).max();
        let best = as_good.min_by_key(widest)?;
        Some(explained(best, &all, failing))
    }

    /// Whether one key alone is behind the failures of a tenant: the others would have them as well, or they are more than
    /// all else that the tenant sends.
    pub(super) fn is_of_one_key(&self, tenant: &str, at_us: i64, cause: RootCause, failing: Failing) -> bool {
        let mut keys: HashMap<u32, (f64, f64), FixedState> = HashMap::default();
        let floods = |x: f64, requests: f64| failing == Failing::Caller && x >= requests - x;
        // What is wrong with one credential or its rights is wrong with that one, however much else it sends.
        let personal = matches!(cause.class(), CauseClass::Credential | CauseClass::Key | CauseClass::Permission);
        let (mut requests, mut failed) = (0.0, 0.0);
        for (leaf, tally) in self.leaves(at_us, Some(tenant)) {
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
            most && (personal || missing >= wanted || floods(x, requests))
        })
    }

    /// Of the failures, what makes them one key's; and failures that the others lack for it: by chance one time in twenty.
    const SOLE_SHARE: f64 = 0.8;
    const MISSING_MIN: f64 = 3.0;
    /// What lies with the caller is one caller's unless others show it too.
    const MISSING_MIN_CALLER: f64 = 1.0;
}

fn explained(best: &Explanation, all: &[(&[u32; COLUMNS.len()], &Tally)], failing: Failing) -> Explained {
    let holds = |leaf: &[u32; COLUMNS.len()]| best.values.iter().all(|&(at, value)| leaf[at] == value);
    let (mut requests, mut failed) = (0.0, 0.0);
    let mut met: Vec<&[u32; COLUMNS.len()]> = Vec::new();
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
    for (at, (_, name)) in COLUMNS.iter().enumerate() {
        let named = best.values.iter().any(|(named, _)| *named == at);
        let shared = met.first().map(|leaf| leaf[at]).filter(|value| met.iter().all(|leaf| leaf[at] == *value));
        values.extend(shared.filter(|value| !named && *value != NONE).map(|value| (*name, value)));
    }
    let keys = keys.len();
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
