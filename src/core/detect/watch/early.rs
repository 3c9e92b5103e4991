//! Looks at minutes that are still open, so that what is plain already does not wait for its minute to end.
//!
//! Whoever is refused, and whose key shows a network that it never showed, wakes from a long sleep or is given far larger
//! answers, is a suspect. The open minutes of a suspect are judged by the detectors that judge them when they are closed, on a copy of their state:
//! what is told early is what the end of the minute would tell if nothing more came, under the same id. The copy is thrown
//! away, so state stays a function of closed minutes, and what was told is not told again when the minute closes, unless
//! it has become worse. It works on partials, so it is the same where detection runs beside ingest and where it runs alone.
//!
//! Bounded: 65 536 suspects between two looks and as many claims; beyond that suspects wait for the end of their minute,
//! and claims are forgotten (their ids keep people from being told twice). Costs a copy of a state for each suspect and
//! look, and nothing for anybody else but a look at the networks of keys.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::super::told::DAY_US;
use super::super::window::{EntityHash, Windows};
use super::super::{Finding, Minute, key_guessing};
use super::key::KeyGlance;
use super::others::{RouteWatch, SourceWatch};
use super::surroundings::Surroundings;
use super::tenant::TenantGlance;
use super::{Role, Watched};
use crate::minutes::{Distinct, EntityKind, Partial, Sum};

const SUSPECTS_MAX: usize = 1 << 16;
const CLAIMS_MAX: usize = 1 << 16;
/// A key that wakes after so long is worth a look.
const SLEEP_US: i64 = 30 * DAY_US;

#[derive(Clone, Debug, Default)]
pub(super) struct Early {
    suspects: HashSet<EntityHash, FixedState>,
    told: HashSet<u64, FixedState>,
}

impl Early {
    /// Notes the entity of a row when the row is a reason to look at it now.
    pub(super) fn consider(&mut self, partial: &Partial<'_>, entities: &HashMap<EntityHash, Watched, FixedState>) {
        if self.suspects.len() >= SUSPECTS_MAX {
            return;
        }
        let hash = EntityHash::of_partial(partial);
        let refused = partial.cause.is_some() || partial.sums[Sum::NotFound] > 0 || partial.sums[Sum::Unauthorized] > 0;
        if refused || partial.kind == EntityKind::Key && is_odd(partial, entities.get(&hash)) {
            self.suspects.insert(hash);
        }
    }

    /// Judges the open minutes of all suspects; who is one has to become one again.
    pub(super) fn look(
        &mut self,
        windows: &mut Windows,
        entities: &HashMap<EntityHash, Watched, FixedState>,
        surroundings: &Surroundings,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for hash in self.suspects.drain() {
            let mut glance = entities.get(&hash).map(|watched| Glance::of(&watched.role));
            windows.each_open(hash, |minute| {
                let glance = glance.get_or_insert_with(|| Glance::of_new(minute.entity.kind));
                glance.look(minute, surroundings, &mut found);
            });
        }
        if self.told.len() >= CLAIMS_MAX {
            self.told.clear();
        }
        found.retain(|finding| self.told.insert(name_of(finding)));
        found
    }

    /// Whether a claim about a closed minute says more than what was told of it early.
    pub(super) fn is_news(&self, finding: &Finding) -> bool {
        !self.told.contains(&name_of(finding))
    }
}

/// A copy of what can judge a minute that is not over; counts of whole minutes cannot.
enum Glance {
    Key(Box<KeyGlance>),
    Tenant(TenantGlance),
    Source(SourceWatch),
    Route(RouteWatch),
    Gateway(Box<key_guessing::State>),
}

impl Glance {
    fn of(role: &Role) -> Self {
        match role {
            Role::Key(watch) => Self::Key(Box::new(watch.glance())),
            Role::Tenant(watch) => Self::Tenant(watch.glance()),
            Role::Source(watch) => Self::Source((**watch).clone()),
            Role::Route(watch) => Self::Route((**watch).clone()),
            Role::Gateway(watch) => Self::Gateway(Box::new(watch.guessing.clone())),
        }
    }

    /// At one who is seen for the first time.
    fn of_new(kind: EntityKind) -> Self {
        match kind {
            EntityKind::Key | EntityKind::Principal => Self::Key(Box::default()),
            EntityKind::Tenant => Self::Tenant(TenantGlance::default()),
            EntityKind::Source => Self::Source(SourceWatch::default()),
            EntityKind::Route => Self::Route(RouteWatch::default()),
            EntityKind::Gateway => Self::Gateway(Box::default()),
        }
    }

    fn look(&mut self, minute: &Minute, surroundings: &Surroundings, found: &mut Vec<Finding>) {
        let context = surroundings.context();
        match self {
            Self::Key(glance) => glance.look(minute, &context, found),
            Self::Tenant(glance) => glance.look(minute, surroundings, found),
            Self::Source(watch) => watch.observe(minute, &context, found),
            Self::Route(watch) => watch.observe(minute, &context, found),
            Self::Gateway(guessing) => guessing.observe(minute, &context, found),
        }
    }
}

fn is_odd(partial: &Partial<'_>, watched: Option<&Watched>) -> bool {
    let Some(Watched { role: Role::Key(key), last_us, .. }) = watched else { return false };
    let mut networks = partial.distinct().filter(|(kind, _)| *kind == Distinct::Network);
    partial.minute_us - last_us >= SLEEP_US
        || networks.any(|(_, network)| !key.knows_network(network))
        || key.is_heavy(&partial.sums)
}

/// What makes a claim about a minute the same, whenever the minute is looked at.
fn name_of(finding: &Finding) -> u64 {
    let Finding { detector, entity, cause, from_us, to_us, severity, .. } = finding;
    FixedState::default().hash_one((detector, entity.kind, &entity.name, cause, from_us, to_us, severity))
}
