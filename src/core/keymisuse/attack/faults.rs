//! Attacks and faults that change the ordinary requests instead of adding some.

use std::collections::BTreeMap;

use super::{Attack, AttackKind, Grade};
use crate::keymisuse::catalog::RouteId;
use crate::keymisuse::draw::{ln, real};
use crate::keymisuse::overlay::{Effect, Overlay, Scope};
use crate::keymisuse::request::{Gateway, Outcome, Refusal};
use crate::keymisuse::world::{Archetype, Key, World};

pub(super) fn overlay(attack: &Attack, world: &World) -> Option<Overlay> {
    let (scope, effect) = match attack.kind {
        AttackKind::FailureShift => {
            let share = attack.grade.of([0.4, 0.12, 0.05]);
            let outcome = match attack.instance % 2 {
                0 => Outcome::Answered(403),
                _ => Outcome::Refused(Refusal::Unauthorized),
            };
            (Scope { tenant: Some(attack.tenant), ..Scope::default() }, Effect::Fail { share, outcome, retries: 0 })
        }
        AttackKind::TokenSpike => {
            let (input, output) = attack.grade.of([(20.0, 20.0), (6.0, 6.0), (1.0, 2.5)]);
            (Scope { key: Some(attack.key), ..Scope::default() }, Effect::Tokens { input, output })
        }
        AttackKind::PopulationFault => {
            let share = attack.grade.of([0.6, 0.8, 0.9]);
            let outcome = Outcome::Answered(if attack.instance.is_multiple_of(2) { 503 } else { 403 });
            (population(attack, world), Effect::Fail { share, outcome, retries: 0 })
        }
        AttackKind::VolumeSpike
        | AttackKind::StolenKey
        | AttackKind::UnauthorisedEndpoints
        | AttackKind::BruteForce
        | AttackKind::KeyGuessing
        | AttackKind::CredentialStuffing
        | AttackKind::DormantKey
        | AttackKind::RevokedKey
        | AttackKind::SharedKey
        | AttackKind::Enumeration
        | AttackKind::PathScanning
        | AttackKind::Exfiltration
        | AttackKind::OffHours
        | AttackKind::CompoundTheft => return None,
    };
    Some(Overlay { from: attack.start, to: attack.end, scope, effect, cause: None })
}

/// What a fault of one, two or three dimensions hits: of all combinations those whose part of the traffic is nearest to
/// a fifth, a tenth and a twentieth in that hour, one after the other.
fn population(attack: &Attack, world: &World) -> Scope {
    let wanted = attack.grade.of([0.2, 0.1, 0.05]);
    let mut shares: BTreeMap<Combination, f64> = BTreeMap::new();
    let mut total = 0.0;
    let steady = |key: &Key| !matches!(key.archetype, Archetype::Rare | Archetype::Cron);
    let in_use = |key: &Key| key.used.0 <= attack.start && key.used.1 > attack.end;
    for (number, key) in world.keys.iter().enumerate().filter(|(_, key)| steady(key) && in_use(key)) {
        let expected = world.expected(number, attack.start);
        let routes = key.role.routes();
        for &route in routes {
            for agent in &key.agents {
                let part = expected / real((routes.len() * key.agents.len()) as u64);
                total += part;
                for combination in combinations(attack.grade, key, route, agent) {
                    *shares.entry(combination).or_default() += part;
                }
            }
        }
    }
    let mut ranked: Vec<(Combination, f64)> = shares.into_iter().collect();
    let distance = |share: f64| ln(share / total / wanted).abs();
    ranked.sort_by(|a, b| distance(a.1).total_cmp(&distance(b.1)).then(a.0.cmp(&b.0)));
    let (tenant, gateway, route, agent) = ranked[attack.instance % ranked.len().min(12)].0;
    Scope { key: None, tenant, gateway, route, agent }
}

type Combination = (Option<usize>, Option<Gateway>, Option<RouteId>, Option<&'static str>);

fn combinations(grade: Grade, key: &Key, route: RouteId, agent: &'static str) -> Vec<Combination> {
    let gateway = key.gateways[0];
    match grade {
        Grade::Easy => vec![
            (Some(key.tenant), None, None, None),
            (None, Some(gateway), None, None),
            (None, None, Some(route), None),
        ],
        Grade::Medium => vec![(Some(key.tenant), None, Some(route), None), (None, Some(gateway), Some(route), None)],
        Grade::Hard => vec![(None, Some(gateway), Some(route), Some(agent))],
    }
}
