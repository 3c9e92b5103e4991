//! KeyMisuseBench: a made-up platform whose keys are misused in known ways, and the measure of who notices.
//!
//! [`Benchmark::new`] plans four weeks of traffic of two gateways: ordinary use with its seasons and noise, troubles
//! that are nobody's fault, and from the third week on seventeen kinds of attack in three grades. [`Benchmark::lines`]
//! streams it as the gateways' logs, in bounded memory; [`Benchmark::identity`] is what the identity system knows.
//! The same seed gives the same bytes everywhere.
//!
//! [`score`] compares what was reported with what was done; [`nab`] is the published scoring rule of another benchmark,
//! for the series detector.
//!
//! Nothing in a line tells an attack from its surroundings but what the attack does: ids are random, programs and
//! sizes are everybody's. No address is anybody's ([`registry`]). It measures detectors against a model of the world,
//! which is friendlier than the world.
//!
//! Budget: 5 µs a line.

mod apisix;
mod attack;
mod calendar;
mod catalog;
mod draw;
mod identity;
mod kong;
pub mod nab;
mod overlay;
pub mod registry;
mod request;
pub mod run;
pub mod score;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod traffic;
mod trouble;
mod truth;
mod volume;
mod world;
mod write;

use std::collections::HashSet;

pub use attack::{AttackKind, Grade};
pub use calendar::{DAYS, LEARN_DAYS, START};
pub use identity::IdentityFile;
pub use registry::Registry;
pub use request::Gateway;
pub use stream::{Attacks, Line, Lines};
pub use trouble::TroubleKind;
pub use truth::{BenignTrouble, Incident};
pub use volume::CountCells;
pub use world::Size;

use attack::Attack;
use trouble::Trouble;
use world::World;

/// A planned instance.
#[derive(Clone, Debug)]
pub struct Benchmark {
    world: World,
    attacks: Vec<Attack>,
    troubles: Vec<Trouble>,
    /// Troubles that hit a gateway's log as such.
    timed: Vec<(TroubleKind, Gateway, i64, i64)>,
}

/// The seed of the instance that is checked in every build.
pub const DEFAULT_SEED: u64 = 20_260_309;

impl Benchmark {
    #[must_use]
    pub fn new(seed: u64, size: Size) -> Self {
        let mut world = World::new(seed, size);
        let attacks = attack::plan(&mut world);
        let misused: HashSet<usize> =
            attacks.iter().filter(|attack| attack.names_key).map(|attack| attack.key).collect();
        let troubles = trouble::plan(&mut world, &misused);
        let of_log = |kind| matches!(kind, TroubleKind::LogGap | TroubleKind::ClockSkew);
        let timed = troubles
            .iter()
            .filter(|trouble| of_log(trouble.kind))
            .filter_map(|trouble| Some((trouble.kind, trouble.gateway?, trouble.start, trouble.end)));
        let timed = timed.collect();
        Self { world, attacks, troubles, timed }
    }

    #[must_use]
    pub const fn size(&self) -> Size {
        self.world.size
    }

    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.world.seed
    }

    /// The log lines of both gateways, and at their end the truth.
    #[must_use]
    pub fn lines(&self, attacks: Attacks) -> Lines<'_> {
        Lines::new(self, attacks)
    }

    /// The canonical identity folder.
    #[must_use]
    pub fn identity(&self) -> Vec<IdentityFile> {
        identity::files(&self.world)
    }

    /// Prefixes with their place, provider and kind.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.world.registry
    }

    /// The troubles, in order of their start. Those that are `announced` make the calendar of planned changes.
    #[must_use]
    pub fn benign(&self) -> Vec<BenignTrouble> {
        self.troubles.iter().map(|trouble| truth::benign(trouble, &self.world)).collect()
    }

    /// Keys in the directory.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.world.keys.len()
    }

    /// Keys times days of the scored half.
    #[must_use]
    pub fn key_days(&self) -> u64 {
        self.world.keys.len() as u64 * (DAYS - LEARN_DAYS).unsigned_abs()
    }
}
