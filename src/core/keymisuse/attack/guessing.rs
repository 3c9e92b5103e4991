//! Credentials that are tried.

use super::theft::client_where;
use super::{Grade, Scene};
use crate::keymisuse::calendar::DAY;
use crate::keymisuse::catalog::{APP_AGENTS, RouteId};
use crate::keymisuse::draw::{index_of, mixed};
use crate::keymisuse::registry::{Address, NetworkKind};
use crate::keymisuse::request::{Refusal, Sent};
use crate::keymisuse::traffic::ACCOUNTS;

/// Signatures in the name of one key, all of them wrong.
pub(super) fn brute_force(scene: &mut Scene<'_>) {
    let (count, addresses) = scene.attack.grade.of([(300, 1), (60, 1), (432, 40)]);
    let clients = clients(scene, addresses, NetworkKind::Hosting);
    let agent = scene.other_agent();
    for number in 0..count {
        let at = match scene.attack.grade {
            Grade::Easy | Grade::Medium => scene.moment(),
            // Evenly over the day: slow on purpose.
            Grade::Hard => {
                let part = (scene.attack.end - scene.attack.start) / count;
                let from = scene.attack.start + number * part;
                scene.moment_in(from, from + part)
            }
        };
        let route = scene.draw.pick(scene.world.keys[scene.key()].role.routes());
        let client = scene.draw.pick(&clients);
        let mut request = scene.world.request(scene.key(), route, at, (client, agent), scene.draw);
        request.sent = Sent::Signature(scene.key());
        request.refused(Refusal::BadSignature, scene.draw);
        scene.out.push(request);
    }
}

/// Keys that do not exist.
pub(super) fn guess(scene: &mut Scene<'_>) {
    let count = scene.attack.grade.of([5_000, 600, 240]);
    let clients = match scene.attack.grade {
        Grade::Easy => clients(scene, 1, NetworkKind::Hosting),
        Grade::Medium => {
            let index = scene.world.registry.find(scene.draw, |network| network.kind == NetworkKind::Hosting);
            let seed = scene.draw.bits();
            (0..20).map(|host| scene.world.registry.get(index).neighbour(seed, host)).collect()
        }
        Grade::Hard => clients(scene, 60, NetworkKind::Eyeball),
    };
    let agent = scene.other_agent();
    let tried = scene.draw.bits();
    for number in 0..count {
        let (at, client) = (scene.moment(), scene.draw.pick(&clients));
        let route = scene.draw.pick(&[RouteId::GetOrder, RouteId::ListOrders, RouteId::GetCustomer]);
        let mut request = scene.world.request(scene.key(), route, at, (client, agent), scene.draw);
        request.sent = Sent::Guess(mixed(tried ^ number));
        request.refused(Refusal::Unauthorized, scene.draw);
        scene.out.push(request);
    }
}

/// Names and passwords that leaked elsewhere.
pub(super) fn stuff(scene: &mut Scene<'_>) {
    let (accounts, addresses, good) = scene.attack.grade.of([(2_000, 5, 0.005), (600, 200, 0.02), (200, 200, 0.02)]);
    let clients = match scene.attack.grade {
        Grade::Easy => clients(scene, addresses, NetworkKind::Hosting),
        Grade::Medium | Grade::Hard => clients(scene, addresses, NetworkKind::Eyeball),
    };
    let first = scene.draw.bits();
    for number in 0..accounts {
        let at = match scene.attack.grade {
            Grade::Easy | Grade::Medium => scene.moment(),
            Grade::Hard => scene.moment_in(scene.attack.start, scene.attack.start + DAY),
        };
        // One try an address where there are as many as accounts.
        let client = clients[index_of(number % clients.len() as u64)];
        let agent = scene.draw.pick(APP_AGENTS);
        let wrong = !scene.draw.chance(good);
        let account = mixed(first ^ number) % ACCOUNTS;
        let tenant = scene.attack.tenant;
        let mut request = scene.world.login(tenant, account, false, (client, agent), at, scene.draw);
        if wrong {
            request.sent = Sent::Password(account | (1 + scene.draw.below(1 << 20)) << 40);
            request.refused(Refusal::BadPassword, scene.draw);
        }
        scene.out.push(request);
    }
}

/// A key that was revoked days ago.
pub(super) fn revoked(scene: &mut Scene<'_>) {
    let (count, refused) = scene.attack.grade.of([(120, false), (500, true), (9, true)]);
    let client = super::theft::foreign_host(scene);
    let agent = scene.world.keys[scene.key()].agents[0];
    for number in 0..count {
        let at = if number == 0 { scene.attack.start } else { scene.moment() };
        let route = scene.draw.pick(scene.world.keys[scene.key()].role.routes());
        let mut request = scene.world.request(scene.key(), route, at, (client, agent), scene.draw);
        if refused {
            request.refused(Refusal::Unauthorized, scene.draw);
        }
        scene.out.push(request);
    }
}

fn clients(scene: &mut Scene<'_>, count: u64, kind: NetworkKind) -> Vec<Address> {
    (0..count).map(|_| client_where(scene, |network| network.kind == kind)).collect()
}
