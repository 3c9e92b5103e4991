//! The key in other hands.

use super::{Grade, Scene};
use crate::keymisuse::calendar::{DAY, HOUR};
use crate::keymisuse::catalog::{ADMIN_ROUTES, BULK_ROUTES};
use crate::keymisuse::registry::{Address, Network, NetworkKind};
use crate::keymisuse::request::Refusal;

/// A key that a server used is used from somewhere else as well.
pub(super) fn stolen(scene: &mut Scene<'_>) {
    let count = scene.attack.grade.of([500, 100, 30]);
    let client = match scene.attack.grade {
        Grade::Easy => foreign_host(scene),
        Grade::Medium => near_host(scene),
        Grade::Hard => other_city(scene),
    };
    // The careful thief looks like the owner's program.
    let agent = match scene.attack.grade {
        Grade::Easy | Grade::Medium => scene.other_agent(),
        Grade::Hard => scene.world.keys[scene.key()].agents[0],
    };
    for _ in 0..count {
        let at = scene.moment();
        scene.call_from(at, client, agent);
    }
}

/// A key that nobody used for weeks.
pub(super) fn dormant(scene: &mut Scene<'_>) {
    let count = scene.attack.grade.of([60, 30, 12]);
    let key = scene.key();
    let client = match scene.attack.grade {
        Grade::Easy => foreign_host(scene),
        Grade::Medium => near_host(scene),
        Grade::Hard => {
            let site = scene.world.keys[key].sites[0];
            scene.world.registry.get(site.network).client(scene.draw.bits())
        }
    };
    let agent = scene.other_agent();
    for number in 0..count {
        let at = if number == 0 { scene.attack.start } else { scene.moment() };
        scene.call_from(at, client, agent);
    }
}

/// The key was passed on, and many use it at the same time.
pub(super) fn shared(scene: &mut Scene<'_>) {
    let (prefixes, countries, count) = scene.attack.grade.of([(30, 6, 600), (8, 2, 240), (3, 1, 150)]);
    let home = scene.world.city_of(scene.key()).country;
    let mut places: Vec<&str> = vec![home];
    while places.len() < countries {
        let draw = &mut *scene.draw;
        let index = scene.world.registry.find(draw, |network| network.kind == NetworkKind::Eyeball);
        let country = scene.world.registry.get(index).city().country;
        if !places.contains(&country) {
            places.push(country);
        }
    }
    let users: Vec<(Address, &'static str)> = (0..prefixes)
        .map(|user| {
            let country = places[user % places.len()];
            let client = client_where(scene, |network| {
                network.kind == NetworkKind::Eyeball && network.city().country == country
            });
            let own = scene.world.keys[scene.key()].agents[0];
            (client, if user % 3 == 0 { own } else { scene.other_agent() })
        })
        .collect();
    for _ in 0..count {
        let (at, (client, agent)) = (scene.moment(), scene.draw.pick(&users));
        scene.call_from(at, client, agent);
    }
}

/// The owner's office is dark; its machines are not.
pub(super) fn off_hours(scene: &mut Scene<'_>) {
    let (count, key) = (scene.attack.grade.of([500, 60, 12]), scene.key());
    for number in 0..count {
        let night = if scene.attack.grade == Grade::Hard && number % 2 == 1 { DAY } else { 0 };
        let at = scene.moment_in(scene.attack.start + night, scene.attack.start + night + HOUR);
        let request = scene.world.usual_request(key, at, scene.draw);
        scene.out.push(request);
    }
}

/// Several signs of theft on one key within two hours.
pub(super) fn compound(scene: &mut Scene<'_>) {
    match scene.attack.grade {
        Grade::Easy => {
            let (client, agent) = (foreign_host(scene), scene.other_agent());
            calls(scene, 200, client, agent);
            forbidden(scene, 20, client, agent);
            bulk(scene, 40, 400_000, client, agent);
        }
        Grade::Medium => {
            let (client, agent) = (near_host(scene), scene.other_agent());
            calls(scene, 60, client, agent);
            forbidden(scene, 12, client, agent);
        }
        Grade::Hard => {
            let (client, agent) = (near_host(scene), scene.other_agent());
            calls(scene, 25, client, agent);
        }
    }
}

fn calls(scene: &mut Scene<'_>, count: u64, client: Address, agent: &'static str) {
    for _ in 0..count {
        let at = scene.moment();
        scene.call_from(at, client, agent);
    }
}

fn forbidden(scene: &mut Scene<'_>, count: u64, client: Address, agent: &'static str) {
    for _ in 0..count {
        let (at, route) = (scene.moment(), scene.draw.pick(ADMIN_ROUTES));
        let mut request = scene.world.request(scene.key(), route, at, (client, agent), scene.draw);
        request.refused(Refusal::Forbidden, scene.draw);
        scene.out.push(request);
    }
}

fn bulk(scene: &mut Scene<'_>, count: u64, bytes: u32, client: Address, agent: &'static str) {
    for _ in 0..count {
        let (at, route) = (scene.moment(), scene.draw.pick(BULK_ROUTES));
        let mut request = scene.world.request(scene.key(), route, at, (client, agent), scene.draw);
        request.response_bytes = request.response_bytes.saturating_add(bytes);
        scene.out.push(request);
    }
}

/// A rented machine in another country.
pub(super) fn foreign_host(scene: &mut Scene<'_>) -> Address {
    let country = scene.world.city_of(scene.key()).country;
    client_where(scene, |network| network.kind == NetworkKind::Hosting && network.city().country != country)
}

/// A rented machine of another provider in the owner's country.
fn near_host(scene: &mut Scene<'_>) -> Address {
    let key = scene.key();
    let own = *scene.world.registry.get(scene.world.keys[key].sites[0].network);
    let country = scene.world.city_of(key).country;
    client_where(scene, |network| {
        network.kind == NetworkKind::Hosting && network.city().country == country && network.asn != own.asn
    })
}

/// The same kind of network in another city, of the same country where it has one.
fn other_city(scene: &mut Scene<'_>) -> Address {
    let own = *scene.world.registry.get(scene.world.keys[scene.key()].sites[0].network);
    let country = own.city().country;
    let alike = |network: &Network| network.kind == own.kind && network.city != own.city;
    let domestic =
        scene.world.registry.networks().iter().any(|network| alike(network) && network.city().country == country);
    client_where(scene, |network| alike(network) && (!domestic || network.city().country == country))
}

pub(super) fn client_where(scene: &mut Scene<'_>, suits: impl Fn(&Network) -> bool) -> Address {
    let index = scene.world.registry.find(scene.draw, suits);
    scene.world.registry.get(index).client(scene.draw.bits())
}
