//! Who is attacked, and when: keys and hours in which the attack can be what its name says.
//!
//! A spike hits a key that sends something, a thief takes a server's key, offices are visited in their night. Apart
//! from that the choice is random. One key is attacked again only when there are too few, and then days later.

use super::{Attack, AttackKind, Grade};
use crate::keymisuse::calendar::{DAY, DAYS, HOUR, LEARN_DAYS, MINUTE, START, is_weekend, local, next_local};
use crate::keymisuse::catalog::Role;
use crate::keymisuse::draw::Draw;
use crate::keymisuse::world::{Archetype, Key, World};

/// Requests an hour that a spike or a heavy answer needs to stand on.
const BUSY: f64 = 5.0;
/// Requests an hour of a tenant in which a share of failures can be seen.
const CROWD: f64 = 18.0;
/// Requests an hour below which a key has no habits that a fortnight could teach.
const KNOWN: f64 = 0.4;

/// Kinds whose hosts are scarce choose first.
const ORDER: &[AttackKind] = &[
    AttackKind::DormantKey,
    AttackKind::OffHours,
    AttackKind::BruteForce,
    AttackKind::RevokedKey,
    AttackKind::TokenSpike,
    AttackKind::VolumeSpike,
    AttackKind::Exfiltration,
    AttackKind::FailureShift,
    AttackKind::PopulationFault,
    AttackKind::StolenKey,
    AttackKind::SharedKey,
    AttackKind::CompoundTheft,
    AttackKind::Enumeration,
    AttackKind::UnauthorisedEndpoints,
    AttackKind::PathScanning,
    AttackKind::KeyGuessing,
    AttackKind::CredentialStuffing,
];

/// All attacks of an instance, by start. Keys whose end the plan needs (revoked, forgotten) get it here.
pub(crate) fn plan(world: &mut World) -> Vec<Attack> {
    let mut draw = Draw::stream(world.seed, 2);
    let mut planner = Planner { taken: Vec::new(), tenant_levels: tenant_levels(world) };
    let mut attacks = Vec::new();
    for &kind in ORDER {
        for instance in 0..world.size.instances() {
            for &grade in Grade::ALL {
                let attack = planner.place(world, kind, grade, instance, &mut draw);
                prepare(world, &attack);
                attacks.push(attack);
            }
        }
    }
    attacks.sort_by_key(|attack| (attack.start, attack.kind, attack.grade));
    attacks
}

/// What must have happened before.
fn prepare(world: &mut World, attack: &Attack) {
    let key = &mut world.keys[attack.key];
    if attack.kind == AttackKind::RevokedKey {
        let at = attack.start - attack.grade.of([2, 4, 6]) * DAY;
        key.revoked_at = Some(at);
        key.used.1 = at;
    } else if attack.kind == AttackKind::DormantKey {
        key.used.1 = attack.start - attack.grade.of([90, 60, 45]) * DAY;
    }
}

struct Planner {
    /// Mean requests an hour of each tenant.
    tenant_levels: Vec<f64>,
    /// Key, or tenant for kinds that hit one, with start and end.
    taken: Vec<(Target, i64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Key(usize),
    Tenant(usize),
    Everybody,
}

impl Target {
    /// Peace between two attacks on the same target.
    const fn rest(self) -> i64 {
        match self {
            Self::Key(_) => 2 * DAY,
            Self::Tenant(_) => DAY,
            Self::Everybody => 2 * HOUR,
        }
    }
}

impl Planner {
    fn place(&mut self, world: &World, kind: AttackKind, grade: Grade, instance: usize, draw: &mut Draw) -> Attack {
        let mut candidates: Vec<usize> =
            (0..world.keys.len()).filter(|&key| self.suits(world, key, kind, true)).collect();
        if candidates.is_empty() {
            // Too small a world: the busiest of those that would do if they sent more.
            candidates = (0..world.keys.len()).filter(|&key| self.suits(world, key, kind, false)).collect();
            candidates.sort_by(|&a, &b| world.keys[b].volume.level.total_cmp(&world.keys[a].volume.level));
            candidates.truncate(4);
        }
        if candidates.is_empty() {
            candidates = (0..world.keys.len()).filter(|&key| is_alive(world, key)).collect();
        }
        draw.shuffle(&mut candidates);
        candidates.sort_by_key(|&key| self.uses(target(world, kind, key)));
        let duration = Attack::duration(kind, grade, instance);
        let mut chosen = (candidates[0], earliest(kind));
        'search: for &key in &candidates {
            for _ in 0..60 {
                let start = start(world, kind, key, duration, draw);
                chosen = (key, start);
                if fits(world, kind, key, start) && self.is_free(target(world, kind, key), start, start + duration) {
                    break 'search;
                }
            }
        }
        let (key, start) = chosen;
        self.taken.push((target(world, kind, key), start, start + duration));
        Attack {
            kind,
            grade,
            instance,
            key,
            names_key: names_key(kind, grade),
            tenant: world.keys[key].tenant,
            start,
            end: start + duration,
            seed: draw.bits(),
        }
    }

    /// Whether the attack on the key would be what it is called; `busy` asks for the traffic that it needs, too.
    fn suits(&self, world: &World, key: usize, kind: AttackKind, busy: bool) -> bool {
        let row = &world.keys[key];
        let server = matches!(row.archetype, Archetype::Server | Archetype::Partner);
        let at_least = |level: f64| !busy || row.volume.level >= level;
        is_alive(world, key)
            && match kind {
                AttackKind::DormantKey => row.archetype == Archetype::Rare && (!busy || row.gap_shape > 2.0),
                AttackKind::OffHours => row.archetype == Archetype::Office && at_least(KNOWN),
                AttackKind::BruteForce => row.signs,
                AttackKind::RevokedKey => server && at_least(KNOWN) && row.volume.level < BUSY,
                AttackKind::TokenSpike => row.role == Role::Ai && at_least(BUSY / 2.0),
                AttackKind::VolumeSpike => (server || row.archetype == Archetype::Mobile) && at_least(BUSY),
                AttackKind::Exfiltration => server && row.role != Role::Ai && at_least(BUSY),
                AttackKind::FailureShift => !busy || self.tenant_levels[row.tenant] >= CROWD,
                AttackKind::SharedKey | AttackKind::CompoundTheft | AttackKind::StolenKey => {
                    row.archetype == Archetype::Server && at_least(KNOWN)
                }
                AttackKind::Enumeration => server && row.role != Role::Ai && at_least(KNOWN),
                AttackKind::UnauthorisedEndpoints | AttackKind::PathScanning => server && at_least(KNOWN),
                AttackKind::KeyGuessing | AttackKind::CredentialStuffing => row.archetype == Archetype::Mobile,
                AttackKind::PopulationFault => true,
            }
    }

    fn uses(&self, target: Target) -> usize {
        self.taken.iter().filter(|(other, ..)| *other == target).count()
    }

    fn is_free(&self, target: Target, start: i64, end: i64) -> bool {
        self.taken
            .iter()
            .all(|&(other, from, to)| other != target || start > to + target.rest() || end < from - target.rest())
    }
}

fn target(world: &World, kind: AttackKind, key: usize) -> Target {
    if kind == AttackKind::FailureShift {
        Target::Tenant(world.keys[key].tenant)
    } else if kind == AttackKind::PopulationFault {
        Target::Everybody
    } else {
        Target::Key(key)
    }
}

const fn names_key(kind: AttackKind, grade: Grade) -> bool {
    !matches!(
        (kind, grade),
        (
            AttackKind::KeyGuessing
                | AttackKind::CredentialStuffing
                | AttackKind::FailureShift
                | AttackKind::PopulationFault,
            _
        ) | (AttackKind::PathScanning, Grade::Easy | Grade::Medium)
    )
}

/// Nothing ends the key.
fn is_alive(world: &World, key: usize) -> bool {
    world.keys[key].used == (i64::MIN, i64::MAX)
}

/// Whether a key's traffic comes all day, so that it counts for what can be seen of its tenant.
fn is_steady(key: &Key) -> bool {
    !matches!(key.archetype, Archetype::Rare | Archetype::Cron)
}

fn tenant_levels(world: &World) -> Vec<f64> {
    let mut levels = vec![0.0; world.tenants.len()];
    for key in world.keys.iter().filter(|key| is_steady(key)) {
        levels[key.tenant] += key.volume.level;
    }
    levels
}

/// Requests of a tenant's keys in the hour from an instant.
fn tenant_expected(world: &World, tenant: usize, at: i64) -> f64 {
    let keys = (0..world.keys.len()).filter(|&key| world.keys[key].tenant == tenant && is_steady(&world.keys[key]));
    keys.map(|key| world.expected(key, at)).sum()
}

const fn earliest(kind: AttackKind) -> i64 {
    // A revocation needs its days of silence after the first fortnight has begun.
    START + LEARN_DAYS * DAY + if matches!(kind, AttackKind::RevokedKey) { 2 * DAY } else { HOUR }
}

fn start(world: &World, kind: AttackKind, key: usize, duration: i64, draw: &mut Draw) -> i64 {
    let (from, to) = (earliest(kind), START + DAYS * DAY - duration - HOUR);
    let minutes = ((to - from) / MINUTE).unsigned_abs();
    let at = from + i64::try_from(draw.below(minutes)).unwrap_or(0) * MINUTE;
    if kind != AttackKind::OffHours {
        return at;
    }
    let three = next_local(world.city_of(key), at, 3);
    if three > to { three - DAY } else { three }
}

/// Whether the hour is right.
fn fits(world: &World, kind: AttackKind, key: usize, start: i64) -> bool {
    let expected = world.expected(key, start);
    let level = world.keys[key].volume.level;
    match kind {
        AttackKind::VolumeSpike => expected >= BUSY,
        AttackKind::StolenKey => expected >= 0.8 * level,
        AttackKind::FailureShift => tenant_expected(world, world.keys[key].tenant, start) >= CROWD,
        // By day in Europe and morning in America, when most of the traffic is there.
        AttackKind::PopulationFault => (9..16).contains(&((start - START) / HOUR).rem_euclid(24)),
        AttackKind::TokenSpike => expected >= 0.5 * level,
        AttackKind::OffHours => {
            let city = world.city_of(key);
            world.keys[key].volume.is_quiet(city, start) && !is_weekend(local(city, start).1)
        }
        AttackKind::UnauthorisedEndpoints
        | AttackKind::BruteForce
        | AttackKind::KeyGuessing
        | AttackKind::CredentialStuffing
        | AttackKind::DormantKey
        | AttackKind::RevokedKey
        | AttackKind::SharedKey
        | AttackKind::Enumeration
        | AttackKind::PathScanning
        | AttackKind::Exfiltration
        | AttackKind::CompoundTheft => true,
    }
}
