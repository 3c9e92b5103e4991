//! What a trouble sends, and what it does to ordinary requests.

use super::{Trouble, TroubleKind};
use crate::keymisuse::calendar::{HOUR, MINUTE, SECOND};
use crate::keymisuse::catalog::{CRAWLER_AGENT, MONITOR_AGENT, PUBLIC_PAGES, RouteId, SCAN_PATHS, USER_AGENTS};
use crate::keymisuse::draw::{Draw, micros, real};
use crate::keymisuse::overlay::{Effect, Overlay, Scope};
use crate::keymisuse::registry::{Address, NetworkKind};
use crate::keymisuse::request::{Gateway, Outcome, Refusal, Request, Sent, Target};
use crate::keymisuse::world::{Archetype, World};

impl Trouble {
    /// The requests that the trouble adds in the hour from `hour_at`.
    pub(crate) fn requests(&self, world: &World, hour_at: i64, out: &mut Vec<Request>) {
        let (from, to) = (hour_at.max(self.start), (hour_at + HOUR).min(self.end));
        if from >= to {
            return;
        }
        let mut draw = Draw::stream(self.seed, hour_at.unsigned_abs());
        match self.kind {
            TroubleKind::DeployBurst => {
                self.more(world, (from, to), Draw::seeded(self.seed).between(1.0, 3.0), &mut draw, out)
            }
            TroubleKind::Launch => self.more(world, (from, to), 4.0, &mut draw, out),
            TroubleKind::BugLoop => self.bug_loop(world, (from, to), &mut draw, out),
            TroubleKind::Throttling => self.more(world, (from, to), 1.0, &mut draw, out),
            TroubleKind::Traveller => self.travel(world, (from, to), &mut draw, out),
            TroubleKind::HealthChecks => self.health_checks(world, (from, to), &mut draw, out),
            TroubleKind::Crawler => self.crawl(world, (from, to), &mut draw, out),
            TroubleKind::Passers => self.pass_by(world, (from, to), &mut draw, out),
            TroubleKind::UpstreamIncident
            | TroubleKind::KeyRotation
            | TroubleKind::OfficeMove
            | TroubleKind::ClockChange
            | TroubleKind::NewNormal
            | TroubleKind::LogGap
            | TroubleKind::ClockSkew => {}
        }
    }

    /// What the trouble does to ordinary requests.
    pub(crate) fn overlay(&self) -> Option<Overlay> {
        let mut draw = Draw::stream(self.seed, 9);
        let (scope, share, outcome, retries) = match self.kind {
            TroubleKind::UpstreamIncident => {
                let status = draw.pick(&[502, 503, 504]);
                let retries = 2 + u32::try_from(draw.below(5)).unwrap_or(0);
                let routes = [RouteId::GetOrder, RouteId::GetDocument, RouteId::GetCustomer];
                let route = Some(draw.pick(&routes));
                (Scope { gateway: self.gateway, route, ..Scope::default() }, 0.7, Outcome::Answered(status), retries)
            }
            TroubleKind::Throttling => {
                let scope = Scope { key: self.keys.first().copied(), ..Scope::default() };
                (scope, 0.5, Outcome::Refused(Refusal::RateLimited), 0)
            }
            TroubleKind::DeployBurst
            | TroubleKind::BugLoop
            | TroubleKind::Launch
            | TroubleKind::KeyRotation
            | TroubleKind::OfficeMove
            | TroubleKind::Traveller
            | TroubleKind::ClockChange
            | TroubleKind::NewNormal
            | TroubleKind::LogGap
            | TroubleKind::ClockSkew
            | TroubleKind::Crawler
            | TroubleKind::HealthChecks
            | TroubleKind::Passers => return None,
        };
        let effect = Effect::Fail { share, outcome, retries };
        Some(Overlay { from: self.start, to: self.end, scope, effect, cause: None })
    }

    /// `extra` times the usual requests on top of them.
    fn more(&self, world: &World, (from, to): (i64, i64), extra: f64, draw: &mut Draw, out: &mut Vec<Request>) {
        let hours = real((to - from).unsigned_abs()) / real(HOUR.unsigned_abs());
        for &key in self.keys.iter().filter(|&&key| world.keys[key].archetype != Archetype::Rare) {
            let mean = world.expected(key, from) * extra * hours;
            for _ in 0..draw.poisson(mean) {
                let at = from + micros(draw.unit() * real((to - from).unsigned_abs()));
                out.push(world.usual_request(key, at, draw));
            }
        }
    }

    fn bug_loop(&self, world: &World, (from, to): (i64, i64), draw: &mut Draw, out: &mut Vec<Request>) {
        let Some(&key) = self.keys.first() else { return };
        let mut at = from;
        while at < to {
            let usual = world.usual_request(key, at, draw);
            let mut request = world.request(key, RouteId::GetDocument, at, (usual.client, usual.agent), draw);
            request.target = Target::Route(RouteId::GetDocument, 1_000_000 + self.seed % 8_000_000);
            request.answered(404, draw);
            out.push(request);
            at += 8 * SECOND + micros(draw.unit() * 4e6);
        }
    }

    fn travel(&self, world: &World, (from, to): (i64, i64), draw: &mut Draw, out: &mut Vec<Request>) {
        let (Some(&key), Some(site)) = (self.keys.first(), self.site) else { return };
        for _ in 0..draw.poisson(world.expected(key, from).min(6.0)) {
            let at = from + micros(draw.unit() * real((to - from).unsigned_abs()));
            let mut request = world.usual_request(key, at, draw);
            request.client = world.host(site, draw.below(site.hosts), at);
            out.push(request);
        }
    }

    fn health_checks(&self, world: &World, (from, to): (i64, i64), draw: &mut Draw, out: &mut Vec<Request>) {
        let (Some(site), Some(gateway)) = (self.site, self.gateway) else { return };
        let step = world.size.monitor_minutes() * MINUTE;
        let mut at = from - from.rem_euclid(step) + step;
        while at < to {
            let client = world.host(site, draw.below(2), at);
            out.push(stranger(world, gateway, Target::Route(RouteId::Status, 0), (client, MONITOR_AGENT), at, draw));
            at += step;
        }
    }

    fn pass_by(&self, world: &World, (from, to): (i64, i64), draw: &mut Draw, out: &mut Vec<Request>) {
        let Some(gateway) = self.gateway else { return };
        for _ in 0..draw.poisson(4.0) {
            let at = from + micros(draw.unit() * real((to - from).unsigned_abs()));
            let network = world.registry.find(draw, |network| network.kind == NetworkKind::Hosting);
            let who = (world.registry.get(network).client(draw.bits()), draw.pick(USER_AGENTS));
            for step in 0..1 + draw.popular(3) {
                let path = Target::Scan(draw.index(SCAN_PATHS));
                let moment = at + i64::try_from(step).unwrap_or(0) * SECOND;
                let mut request = stranger(world, gateway, path, who, moment, draw);
                request.refused(Refusal::NoRoute, draw);
                out.push(request);
            }
        }
    }

    fn crawl(&self, world: &World, (from, to): (i64, i64), draw: &mut Draw, out: &mut Vec<Request>) {
        let (Some(site), Some(gateway)) = (self.site, self.gateway) else { return };
        for _ in 0..draw.poisson(3.0) {
            let at = from + micros(draw.unit() * real((to - from).unsigned_abs()));
            let client = world.host(site, draw.below(site.hosts), at);
            let page = draw.index(PUBLIC_PAGES.len());
            let mut request = stranger(world, gateway, Target::Page(page), (client, CRAWLER_AGENT), at, draw);
            if page >= PUBLIC_PAGES.len() - 2 {
                request.refused(Refusal::NoRoute, draw);
            }
            out.push(request);
        }
    }
}

/// A request without a credential.
fn stranger(
    world: &World,
    gateway: Gateway,
    target: Target,
    who: (Address, &'static str),
    at: i64,
    draw: &mut Draw,
) -> Request {
    let mut request = world.request(0, RouteId::Status, at, who, draw);
    request.sent = Sent::Nothing;
    request.gateway = gateway;
    request.target = target;
    request
}
