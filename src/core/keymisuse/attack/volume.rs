//! More of the same: requests, and bytes.

use super::Scene;
use crate::keymisuse::calendar::{DAY, HOUR, next_local};
use crate::keymisuse::catalog::BULK_ROUTES;
use crate::keymisuse::draw::{real, whole};
use crate::keymisuse::traffic::narrow;

/// The owner's own traffic, many times over: a loop, or somebody on the owner's machine.
pub(super) fn spike(scene: &mut Scene<'_>) {
    let long = scene.attack.end - scene.attack.start >= DAY;
    let factor = scene.attack.grade.of([10.0, 5.0, if long { 2.0 } else { 3.0 }]);
    let key = scene.key();
    let mut hour = scene.attack.start;
    while hour < scene.attack.end {
        let mean = scene.world.expected(key, hour) * (factor - 1.0);
        let dispersion = scene.world.keys[key].volume.dispersion / 4.0;
        for _ in 0..scene.draw.negative_binomial(mean, dispersion) {
            let at = scene.moment_in(hour, hour + HOUR);
            let request = scene.world.usual_request(key, at, scene.draw);
            scene.out.push(request);
        }
        hour += HOUR;
    }
}

/// Lists and exports, with more in each answer than the key ever fetched.
pub(super) fn exfiltrate(scene: &mut Scene<'_>) {
    let (factor, key, start, end) =
        (scene.attack.grade.of([50.0, 8.0, 3.0]), scene.key(), scene.attack.start, scene.attack.end);
    let spans = if end - start > DAY {
        // Three nights of five hours.
        let city = scene.world.city_of(key);
        (0..3).map(|night| next_local(city, start + night * DAY, 1)).map(|from| (from, from + 5 * HOUR)).collect()
    } else {
        vec![(start, end)]
    };
    for (from, to) in spans {
        let hours = real(((to - from) / HOUR).unsigned_abs());
        let usual = scene.world.expected(key, from).max(scene.world.keys[key].volume.level);
        let bytes = usual * hours * (factor - 1.0) * mean_answer(scene, key);
        // No more requests than half as many again, so that the bytes are what stands out.
        let count = whole(usual * hours * 0.5).max(8);
        for _ in 0..count {
            let at = scene.moment_in(from, to);
            let mut request = scene.world.usual_request(key, at, scene.draw);
            let route = scene.draw.pick(BULK_ROUTES);
            let (client, agent) = (request.client, request.agent);
            request = scene.world.request(key, route, at, (client, agent), scene.draw);
            request.response_bytes = narrow(whole(bytes / real(count) * scene.draw.between(0.7, 1.3)));
            scene.out.push(request);
        }
    }
}

/// Bytes that an ordinary answer to the key has, on average.
fn mean_answer(scene: &Scene<'_>, key: usize) -> f64 {
    let routes = scene.world.keys[key].role.routes();
    let sum: f64 = routes.iter().map(|route| f64::from(route.route().answer_bytes)).sum();
    // The mean of a log-normal of deviation 0.5 is 1.13 of its median.
    1.13 * sum / real(routes.len() as u64)
}
