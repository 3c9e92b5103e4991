//! What detectors share: options, score levels, the population that a key is compared with, and names.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::peers::PeerBook;
use super::{DetectOptions, Levels, Minute, new_origin};
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::secret::stable_hash;

/// What a detector may look at beside its own state.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub options: &'a DetectOptions,
    pub levels: &'a Levels,
    pub population: &'a Population,
    pub names: &'a Names,
}

/// How common values and refusals are, by tenant and overall: fed by the rows of tenants, one a minute.
///
/// Bounded: [`Population::VALUES_MAX`] values; once full, new values count as unseen until the daily decay makes room.
#[derive(Clone, Debug, Default)]
pub struct Population {
    /// Decayed number of tenant-minutes that showed a value; the empty tenant is everybody.
    values: HashMap<(u64, Distinct, u32), f32, FixedState>,
    /// By tenant: tenant-minutes, first contacts, and those of them that were served, decayed.
    tenants: HashMap<u64, Tally, FixedState>,
    all: Tally,
    /// Decayed number of values of a kind that a tenant showed, and of those that it had not shown before.
    changes: HashMap<(u64, Distinct), Changes, FixedState>,
    pub(super) peers: PeerBook,
    /// Until then keys are being guessed from many addresses, as far as a gateway can tell.
    pub(super) guessed_until_us: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    shown: f32,
    appeared: f32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    minutes: f32,
    requests: f32,
    served: f32,
}

impl Population {
    pub const VALUES_MAX: usize = 1 << 18;
    /// Of the counts that a day leaves: half-life 30 days.
    const DAILY_DECAY: f32 = 0.977_16;

    /// Learns from the minute of a tenant; other entities say nothing here.
    pub fn learn(&mut self, minute: &Minute) {
        if minute.entity.kind != EntityKind::Tenant {
            return;
        }
        let tenant = tenant_hash(&minute.entity.name);
        #[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^24")]
        let (requests, served) = (minute.total[Sum::Requests] as f32, minute.total[Sum::Served] as f32);
        for tally in [&mut self.all, self.tenants.entry(tenant).or_default()] {
            tally.minutes += 1.0;
            tally.requests += requests;
            tally.served += served;
        }
        // Whether a key, object or path is new to a tenant is never asked.
        for of_kind in minute.distinct.chunk_by(|(kind, _), (next, _)| kind == next) {
            let Some(&(kind, _)) = of_kind.first().filter(|(kind, _)| new_origin::judges(*kind)) else { continue };
            for owner in [tenant, EVERYBODY] {
                let changes = self.changes.entry((owner, kind)).or_default();
                for &(_, hash) in of_kind {
                    changes.shown += 1.0;
                    let room = self.values.len() < Self::VALUES_MAX;
                    if let Some(count) = self.values.get_mut(&(owner, kind, hash)) {
                        *count += 1.0;
                    } else if room {
                        self.values.insert((owner, kind, hash), 1.0);
                        changes.appeared += 1.0;
                    }
                }
            }
        }
    }

    /// Forgets a little; called once a day of event time.
    pub fn decay(&mut self) {
        self.values.retain(|_, count| {
            *count *= Self::DAILY_DECAY;
            *count > 0.2
        });
        for changes in self.changes.values_mut() {
            changes.shown *= Self::DAILY_DECAY;
            changes.appeared *= Self::DAILY_DECAY;
        }
        for tally in self.tenants.values_mut().chain([&mut self.all]) {
            for count in [&mut tally.minutes, &mut tally.requests, &mut tally.served] {
                *count *= Self::DAILY_DECAY;
            }
        }
    }

    /// How likely it is that a key which shows something new shows this. A value that others of the tenant show has their
    /// share; one that nobody of the tenant ever showed has the chance that the tenant shows something new, times the
    /// same thing once more among everybody: a tenant of phones is not surprised by an address, a tenant of servers is.
    #[must_use]
    pub fn chance_of_new(&self, tenant: &str, kind: Distinct, hash: u32) -> f64 {
        let own = self.chance_within(tenant_hash(tenant), kind, hash);
        let everybody = self.chance_within(EVERYBODY, kind, hash);
        match (own, everybody) {
            (Chance::Known(share), _) => share,
            (Chance::New(new), Chance::Known(other) | Chance::New(other)) => new * other,
        }
    }

    fn chance_within(&self, owner: u64, kind: Distinct, hash: u32) -> Chance {
        let changes = self.changes.get(&(owner, kind)).copied().unwrap_or_default();
        let shown = f64::from(changes.shown) + 1.0;
        let count = self.values.get(&(owner, kind, hash)).copied().unwrap_or(0.0);
        // What was seen in one minute only is the very change that is judged.
        if count > 1.0 {
            Chance::Known((f64::from(count) / shown).min(1.0))
        } else {
            Chance::New(((f64::from(changes.appeared) + 1.0) / (shown + 1.0)).min(1.0))
        }
    }

    /// Share of a tenant's requests that are served, 0.5 to 0.995; of all requests, where the tenant is empty or new.
    #[must_use]
    pub fn success_rate(&self, tenant: &str) -> f64 {
        let own = self.tenants.get(&tenant_hash(tenant)).filter(|tally| tally.requests >= 100.0);
        let tally = own.unwrap_or(&self.all);
        // As if 20 requests had been seen before, 18 of them served.
        ((f64::from(tally.served) + 18.0) / (f64::from(tally.requests) + 20.0)).clamp(0.5, 0.995)
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.allocation_size()
            + self.tenants.allocation_size()
            + self.changes.allocation_size()
            + self.peers_bytes()
    }
}

/// The chance of a value among those that a tenant shows.
#[derive(Clone, Copy, Debug)]
enum Chance {
    /// Its share.
    Known(f64),
    /// That of any new value.
    New(f64),
}

/// The tenant number that stands for everybody.
const EVERYBODY: u64 = 0;

pub(super) fn tenant_hash(tenant: &str) -> u64 {
    use std::hash::BuildHasher as _;
    FixedState::default().hash_one(tenant).max(EVERYBODY + 1)
}

/// Texts behind the hashes of distinct values, as far as rows and events have shown them.
///
/// Bounded: [`Names::MAX`] texts of at most [`Names::BYTES_MAX`] bytes; later ones are shown as their hash.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<u32, Box<str>, FixedState>);

impl Names {
    pub const MAX: usize = 1 << 16;
    pub const BYTES_MAX: usize = 120;

    /// Keeps the text, if there is room.
    pub fn learn(&mut self, text: &str) {
        if !text.is_empty() && self.0.len() < Self::MAX {
            let kept = text.get(..text.floor_char_boundary(Self::BYTES_MAX)).unwrap_or_default();
            self.0.entry(Self::hash(text)).or_insert_with(|| kept.into());
        }
    }

    /// The text, or the hash in hexadecimal.
    #[must_use]
    pub fn resolve(&self, hash: u32) -> String {
        self.0.get(&hash).map_or_else(|| format!("#{hash:08x}"), |text| text.to_string())
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.allocation_size() + self.0.values().map(|text| text.len()).sum::<usize>()
    }

    /// The hash of a text as the rows hold it.
    #[must_use]
    pub fn hash(text: &str) -> u32 {
        stable_hash(text.as_bytes()).max(1)
    }
}
