//! Attacks and faults that change the ordinary requests instead of adding some.

use super::{Attack, AttackKind, Grade};
use crate::keymisuse::catalog::RouteId;
use crate::keymisuse::overlay::{Effect, Overlay, Scope};
use crate::keymisuse::request::{Gateway, Outcome, Refusal};
use crate::keymisuse::world::{Archetype, World};

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
            let outcome = Outcome::Answered(if attack.instance % 2 == 0 { 503 } else { 403 });
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

/// What a fault of one, two or three dimensions hits.
fn population(attack: &Attack, world: &World) -> Scope {
    let routes = [RouteId::GetOrder, RouteId::GetDocument, RouteId::ListOrders, RouteId::GetCustomer];
    let route = Some(routes[attack.instance % routes.len()]);
    let tenant = Some(attack.tenant);
    match attack.grade {
        Grade::Easy => match attack.instance % 3 {
            0 => Scope { route, ..Scope::default() },
            1 => Scope { tenant, ..Scope::default() },
            _ => Scope { gateway: Some(Gateway::Kong), ..Scope::default() },
        },
        Grade::Medium => Scope { tenant, route: busiest_route(attack, world), ..Scope::default() },
        Grade::Hard => {
            let key = &world.keys[attack.key];
            let agent = Some(key.agents[attack.instance % key.agents.len()]);
            Scope { tenant, route: key.role.routes().first().copied(), agent, ..Scope::default() }
        }
    }
}

/// The route that the tenant's busiest key calls most.
fn busiest_route(attack: &Attack, world: &World) -> Option<RouteId> {
    let of_tenant = world.keys.iter().filter(|key| key.tenant == attack.tenant && key.archetype != Archetype::Rare);
    let busiest = of_tenant.max_by(|a, b| a.volume.level.total_cmp(&b.volume.level))?;
    busiest.role.routes().first().copied()
}
