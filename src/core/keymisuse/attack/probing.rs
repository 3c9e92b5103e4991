//! Paths, objects and rights that are tried.

use super::theft::client_where;
use super::{Grade, Scene};
use crate::keymisuse::catalog::{ADMIN_ROUTES, RouteId, SCAN_PATHS};
use crate::keymisuse::draw::index_of;
use crate::keymisuse::registry::NetworkKind;
use crate::keymisuse::request::{Refusal, Sent, Target};

/// The owner's program calls routes for administrators.
pub(super) fn unauthorised(scene: &mut Scene<'_>) {
    for _ in 0..scene.attack.grade.of([40, 12, 5]) {
        let (key, at) = (scene.key(), scene.moment());
        let usual = scene.world.usual_request(key, at, scene.draw);
        let route = scene.draw.pick(ADMIN_ROUTES);
        let mut request = scene.world.request(key, route, at, (usual.client, usual.agent), scene.draw);
        request.refused(Refusal::Forbidden, scene.draw);
        scene.out.push(request);
    }
}

/// Object after object, most of them other people's.
pub(super) fn enumerate(scene: &mut Scene<'_>) {
    let (count, stride) = scene.attack.grade.of([(2_000, 1), (300, 7), (60, 1)]);
    let mut numbers: Vec<u64> = {
        let first = 1_000_000 + scene.draw.below(8_000_000);
        (0..count).map(|step| first + step * stride).collect()
    };
    if scene.attack.grade == Grade::Hard {
        scene.draw.shuffle(&mut numbers);
    }
    let key = scene.key();
    let routes = scene.world.keys[key].role.routes();
    let objects = [RouteId::GetOrder, RouteId::GetDocument, RouteId::GetCustomer];
    let route = objects.into_iter().find(|route| routes.contains(route)).unwrap_or(RouteId::GetDocument);
    let usual = scene.world.usual_request(key, scene.attack.start, scene.draw);
    let part = (scene.attack.end - scene.attack.start) / i64::try_from(numbers.len()).unwrap_or(1);
    for (step, number) in (0..).zip(numbers) {
        let from = scene.attack.start + step * part;
        let at = scene.moment_in(from, from + part);
        let mut request = scene.world.request(key, route, at, (usual.client, usual.agent), scene.draw);
        request.target = Target::Route(route, number);
        let status = match scene.attack.grade {
            Grade::Easy if scene.draw.chance(0.3) => Some(404),
            Grade::Medium if scene.draw.chance(0.1) => Some(403),
            Grade::Easy | Grade::Medium | Grade::Hard => None,
        };
        if let Some(status) = status {
            request.answered(status, scene.draw);
        }
        scene.out.push(request);
    }
}

/// Paths that may exist: without a key by strangers, slowly with one.
pub(super) fn scan(scene: &mut Scene<'_>) {
    let (count, missing) = scene.attack.grade.of([(500, 0.95), (120, 0.7), (15, 1.0)]);
    let stranger = client_where(scene, |network| network.kind == NetworkKind::Hosting);
    let agent = scene.other_agent();
    let mut paths: Vec<u64> = (0..SCAN_PATHS as u64).collect();
    scene.draw.shuffle(&mut paths);
    for path in paths.into_iter().cycle().take(count) {
        let (key, at) = (scene.key(), scene.moment());
        let usual = scene.world.usual_request(key, at, scene.draw);
        let who = if scene.attack.names_key { (usual.client, usual.agent) } else { (stranger, agent) };
        let mut request = scene.world.request(key, RouteId::Status, at, who, scene.draw);
        if !scene.attack.names_key {
            request.sent = Sent::Nothing;
        }
        if scene.draw.chance(missing) {
            request.target = Target::Scan(index_of(path));
            request.refused(Refusal::NoRoute, scene.draw);
        }
        scene.out.push(request);
    }
}
