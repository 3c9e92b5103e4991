//! Seventeen kinds of misuse in three grades: what each looks like, and how long it lasts.
//!
//! An attack is planned as a few numbers and becomes requests when the stream reaches it, so that a large instance
//! holds one attack's requests at a time. Attackers use programs, ids and sizes that others use too: nothing in a line
//! says that it belongs to an attack.

mod faults;
mod guessing;
mod hosts;
mod probing;
mod theft;
mod volume;

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, HOUR, MINUTE};
use super::draw::Draw;
use super::overlay::Overlay;
use super::registry::Address;
use super::request::Request;
use super::world::World;

pub(crate) use hosts::plan;

macro_rules! kinds {
    ($($variant:ident, $name:literal;)*) => {
        /// What is done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AttackKind { $($variant),* }

        impl AttackKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word of the truth file.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name),* } }

            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

kinds! {
    VolumeSpike, "volume_spike";
    StolenKey, "stolen_key";
    UnauthorisedEndpoints, "unauthorised_endpoints";
    BruteForce, "brute_force";
    KeyGuessing, "key_guessing";
    CredentialStuffing, "credential_stuffing";
    DormantKey, "dormant_key";
    RevokedKey, "revoked_key";
    SharedKey, "shared_key";
    Enumeration, "enumeration";
    PathScanning, "path_scanning";
    Exfiltration, "exfiltration";
    OffHours, "off_hours";
    FailureShift, "failure_shift";
    TokenSpike, "token_spike";
    CompoundTheft, "compound_theft";
    PopulationFault, "population_fault";
}

/// How hard it is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Easy,
    Medium,
    Hard,
}

impl Grade {
    pub const ALL: &'static [Self] = &[Self::Easy, Self::Medium, Self::Hard];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Medium => "medium",
            Self::Hard => "hard",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|grade| grade.name() == name)
    }

    /// The one of three values that belongs to this grade.
    pub(crate) fn of<T: Copy>(self, values: [T; 3]) -> T {
        values[self as usize]
    }
}

/// One attack of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub kind: AttackKind,
    pub grade: Grade,
    /// Which of the instances of its kind and grade.
    pub instance: usize,
    /// The key that is misused; where none is, the one whose gateway and routes are the stage.
    pub key: usize,
    /// A key is misused, as against keys being guessed or a tenant failing.
    pub names_key: bool,
    pub tenant: usize,
    pub start: i64,
    pub end: i64,
    pub seed: u64,
}

impl Attack {
    /// How long an attack lasts, microseconds.
    pub(crate) fn duration(kind: AttackKind, grade: Grade, instance: usize) -> i64 {
        match kind {
            AttackKind::VolumeSpike if Self::is_day_long(grade, instance) => DAY,
            AttackKind::VolumeSpike | AttackKind::StolenKey | AttackKind::DormantKey => HOUR,
            AttackKind::UnauthorisedEndpoints => grade.of([20 * MINUTE, 2 * HOUR, DAY]),
            AttackKind::BruteForce => grade.of([10 * MINUTE, HOUR, DAY]),
            AttackKind::KeyGuessing => grade.of([HOUR, 2 * HOUR, 6 * HOUR]),
            AttackKind::CredentialStuffing => grade.of([HOUR, 3 * HOUR, DAY]),
            AttackKind::RevokedKey => grade.of([HOUR, 2 * HOUR, 3 * DAY]),
            AttackKind::SharedKey => 2 * HOUR,
            AttackKind::Enumeration => grade.of([HOUR, 2 * HOUR, DAY]),
            AttackKind::PathScanning => grade.of([20 * MINUTE, 2 * HOUR, DAY]),
            // Three nights, and the rest of the third.
            AttackKind::Exfiltration => grade.of([2 * HOUR, 4 * HOUR, 3 * DAY + 5 * HOUR]),
            AttackKind::OffHours => grade.of([HOUR, HOUR, DAY + HOUR]),
            AttackKind::FailureShift => grade.of([2 * HOUR, 3 * HOUR, 6 * HOUR]),
            AttackKind::TokenSpike => grade.of([2 * HOUR, 3 * HOUR, 6 * HOUR]),
            AttackKind::CompoundTheft => 2 * HOUR,
            AttackKind::PopulationFault => HOUR,
        }
    }

    /// Every second hard spike doubles a whole day instead of tripling an hour.
    const fn is_day_long(grade: Grade, instance: usize) -> bool {
        matches!(grade, Grade::Hard) && instance % 2 == 1
    }

    /// The requests that the attack adds to the ordinary ones; none where it changes those.
    pub(crate) fn requests(&self, world: &World) -> Vec<Request> {
        let mut draw = Draw::seeded(self.seed);
        let mut scene = Scene { world, attack: self, draw: &mut draw, out: Vec::new() };
        match self.kind {
            AttackKind::VolumeSpike => volume::spike(&mut scene),
            AttackKind::Exfiltration => volume::exfiltrate(&mut scene),
            AttackKind::StolenKey => theft::stolen(&mut scene),
            AttackKind::DormantKey => theft::dormant(&mut scene),
            AttackKind::SharedKey => theft::shared(&mut scene),
            AttackKind::OffHours => theft::off_hours(&mut scene),
            AttackKind::CompoundTheft => theft::compound(&mut scene),
            AttackKind::UnauthorisedEndpoints => probing::unauthorised(&mut scene),
            AttackKind::Enumeration => probing::enumerate(&mut scene),
            AttackKind::PathScanning => probing::scan(&mut scene),
            AttackKind::BruteForce => guessing::brute_force(&mut scene),
            AttackKind::KeyGuessing => guessing::guess(&mut scene),
            AttackKind::CredentialStuffing => guessing::stuff(&mut scene),
            AttackKind::RevokedKey => guessing::revoked(&mut scene),
            AttackKind::FailureShift | AttackKind::TokenSpike | AttackKind::PopulationFault => {}
        }
        scene.out
    }

    /// What the attack does to ordinary requests while it lasts.
    pub(crate) fn overlay(&self, world: &World) -> Option<Overlay> {
        faults::overlay(self, world)
    }
}

/// An attack at work.
struct Scene<'a> {
    world: &'a World,
    attack: &'a Attack,
    draw: &'a mut Draw,
    out: Vec<Request>,
}

impl Scene<'_> {
    const fn key(&self) -> usize {
        self.attack.key
    }

    /// An instant of the attack.
    fn moment(&mut self) -> i64 {
        self.moment_in(self.attack.start, self.attack.end)
    }

    fn moment_in(&mut self, from: i64, to: i64) -> i64 {
        from + super::draw::micros(self.draw.unit() * super::draw::real((to - from).unsigned_abs()))
    }

    /// Anybody's program but the owner's where there is a choice.
    fn other_agent(&mut self) -> &'static str {
        let own = self.world.keys[self.key()].agents[0];
        loop {
            let agent = self.draw.pick(super::catalog::USER_AGENTS);
            if agent != own {
                return agent;
            }
        }
    }

    /// A call of one of the owner's routes from elsewhere.
    fn call_from(&mut self, at: i64, client: Address, agent: &'static str) {
        let key = self.key();
        let route = self.draw.pick(self.world.keys[key].role.routes());
        let request = self.world.request(key, route, at, (client, agent), self.draw);
        self.out.push(request);
    }
}
