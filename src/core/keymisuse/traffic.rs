//! Ordinary traffic: what the owner of a key sends, when, from where, and what comes back.

use super::calendar::{DAY, HOUR, MINUTE, SECOND, START, local};
use super::catalog::{ADMIN_ROUTES, EMBEDDING_MODEL, MODELS, Role, RouteId, SCAN_PATHS};
use super::draw::{Draw, ln, micros, mixed, real, whole};
use super::registry::Address;
use super::request::{AiCall, Outcome, Refusal, Request, Sent, Target};
use super::volume::{Noise, Volume};
use super::world::{Archetype, Key, Site, World};

/// A server's address changes this rarely, of all its requests.
const ADDRESS_CHANGES: f64 = 5e-5;
/// Of the requests of an app's users, those that ask for a token with name and password.
const LOGINS: f64 = 0.03;
/// Logins with a mistyped password.
const MISTYPED: f64 = 0.06;
/// Users of all apps.
pub(crate) const ACCOUNTS: u64 = 40_000;

impl World {
    /// The requests of one key in the hour from `hour_at`, in no order.
    pub(crate) fn ordinary(
        &self,
        key: usize,
        hour_at: i64,
        noise: &mut Noise,
        draw: &mut Draw,
        out: &mut Vec<Request>,
    ) {
        let factor = noise.next(draw);
        let row = &self.keys[key];
        if row.archetype == Archetype::Rare {
            return; // their uses are few, and planned ahead
        }
        let mean = self.expected(key, hour_at) * factor;
        if row.archetype == Archetype::Cron {
            return self.timetable(key, mean, hour_at, draw, out);
        }
        for _ in 0..draw.negative_binomial(mean, row.volume.dispersion) {
            let at = hour_at + micros(draw.unit() * super::draw::real(HOUR.unsigned_abs()));
            if at >= row.used.0 && at < row.used.1 {
                out.push(self.usual_request(key, at, draw));
            }
        }
    }

    /// Cron keys run each quarter of an hour, each hour, or at two in the night, on the minute.
    fn timetable(&self, key: usize, mean: f64, hour_at: i64, draw: &mut Draw, out: &mut Vec<Request>) {
        let row = &self.keys[key];
        let city = self.city_of(key);
        let (hour, day) = local(city, hour_at);
        let runs: &[i64] = match row.objects % 3 {
            0 => &[0, 15, 30, 45],
            1 => &[5],
            _ if hour == 2 => &[0],
            _ => &[],
        };
        let mut weight = if row.objects % 3 == 2 { 24.0 } else { 1.0 / real(runs.len().max(1) as u64) };
        weight *= Volume::month_end(city, hour_at);
        for &minute in runs {
            // The nightly run begins within three minutes of two, by the day.
            let late = if row.objects % 3 == 2 { i64::try_from(mixed(day.unsigned_abs()) % 4).unwrap_or(0) } else { 0 };
            let mut at = hour_at + (minute + late) * MINUTE;
            for _ in 0..draw.negative_binomial(mean * weight, row.volume.dispersion) {
                at += micros(draw.exponential() * 0.4 * super::draw::real(SECOND.unsigned_abs()));
                if at < row.used.1 && at < hour_at + HOUR {
                    out.push(self.usual_request(key, at, draw));
                }
            }
        }
    }

    /// A request in the manner of a key's owner, with the ordinary share of failures.
    pub(crate) fn usual_request(&self, key: usize, at: i64, draw: &mut Draw) -> Request {
        let row = &self.keys[key];
        let (client, home) = self.usual_client(row, at, draw);
        let agent = if row.agents.len() == 1 || home { row.agents[0] } else { draw.pick(&row.agents) };
        let agent =
            if row.archetype == Archetype::Mobile { row.agents[agent_of(client, row.agents.len())] } else { agent };
        if row.archetype == Archetype::Mobile && draw.chance(LOGINS) {
            let account = draw.below(ACCOUNTS);
            return self.login(row.tenant, account, draw.chance(MISTYPED), (client, agent), at, draw);
        }
        let route = draw.pick(row.role.routes());
        let mut request = self.request(key, route, at, (client, agent), draw);
        let chance = draw.unit();
        if chance < 0.004 {
            self.spoil(&mut request, row, chance / 0.004, draw);
        } else if matches!(request.target, Target::Route(route, _) if takes_object(route)) && draw.chance(row.missing) {
            request.answered(404, draw);
        }
        request
    }

    /// What goes wrong for everybody now and then; `which` is a share of it.
    fn spoil(&self, request: &mut Request, row: &Key, which: f64, draw: &mut Draw) {
        match which {
            share if share < 0.35 => request.answered(500, draw),
            share if share < 0.45 => request.answered(502, draw),
            share if share < 0.6 => request.answered(403, draw),
            share if share < 0.65 && row.role != Role::Admin => {
                request.target = Target::Route(draw.pick(ADMIN_ROUTES), 0);
                request.refused(Refusal::Forbidden, draw);
            }
            share if share < 0.7 => {
                // A path with a slip in it.
                request.target = Target::Scan(draw.index(SCAN_PATHS));
                request.refused(Refusal::NoRoute, draw);
            }
            share if share < 0.85 => request.refused(Refusal::RateLimited, draw),
            _ if row.signs => request.refused(Refusal::BadSignature, draw),
            _ => {
                // An old configuration, with a key that nobody knows any more.
                request.sent = Sent::Guess(row.objects ^ draw.below(3));
                request.refused(Refusal::Unauthorized, draw);
            }
        }
    }

    /// A request with a key that is in order, by anybody.
    pub(crate) fn request(
        &self,
        key: usize,
        route: RouteId,
        at: i64,
        (client, agent): (Address, &'static str),
        draw: &mut Draw,
    ) -> Request {
        let row = &self.keys[key];
        let gateway_us = skewed(900.0, draw);
        let ai = route.is_ai().then(|| ai_call(route, row.role, draw));
        let application_us = match &ai {
            Some(call) => 180_000 + call.output_tokens * 9_000 + skewed(90_000.0, draw),
            None => skewed(17_000.0, draw),
        };
        let status = if route.route().method == "POST" && ai.is_none() { 201 } else { 200 };
        Request {
            at,
            gateway: if row.gateways.len() > 1 && draw.chance(0.3) { row.gateways[1] } else { row.gateways[0] },
            target: Target::Route(route, own_object(row, draw)),
            tenant: row.tenant,
            client,
            agent,
            sent: if row.signs { Sent::Signature(key) } else { Sent::Key(key) },
            outcome: Outcome::Answered(status),
            latency_us: gateway_us + application_us,
            gateway_us,
            request_bytes: narrow(380 + ai.map_or(0, |call| u64::from(call.input_tokens) * 4) + draw.below(600)),
            response_bytes: answer_bytes(route, draw),
            ai,
            cause: None,
        }
    }

    /// An app's user asks for a token.
    pub(crate) fn login(
        &self,
        tenant: usize,
        account: u64,
        wrong: bool,
        (client, agent): (Address, &'static str),
        at: i64,
        draw: &mut Draw,
    ) -> Request {
        let gateway_us = skewed(900.0, draw);
        let mut request = Request {
            at,
            gateway: super::request::Gateway::Apisix,
            target: Target::Route(RouteId::Login, 0),
            tenant,
            client,
            agent,
            sent: Sent::Password(account),
            outcome: Outcome::Answered(200),
            latency_us: gateway_us + skewed(60_000.0, draw),
            gateway_us,
            request_bytes: narrow(420 + draw.below(60)),
            response_bytes: answer_bytes(RouteId::Login, draw),
            ai: None,
            cause: None,
        };
        if wrong {
            // A mistyped password is another credential than the right one.
            request.sent = Sent::Password(account | (1 + draw.below(1 << 20)) << 40);
            request.refused(Refusal::BadPassword, draw);
        }
        request
    }

    /// An address that the key's owner usually has; whether it is of the first site.
    fn usual_client(&self, row: &Key, at: i64, draw: &mut Draw) -> (Address, bool) {
        let place = match row.archetype {
            Archetype::Mobile => draw.index(row.sites.len()),
            Archetype::Partner => usize::from(draw.chance(0.4)),
            // A build machine all day, or a notebook at the office and now and then at home.
            Archetype::Office if row.objects.is_multiple_of(2) => 0,
            Archetype::Office => 1 + usize::from(draw.chance(0.1)),
            Archetype::Server | Archetype::Cron | Archetype::Rare => 0,
        };
        let moved = row.moves.filter(|&(from, _)| place == 0 && at >= from);
        let site = moved.map_or(row.sites[place], |(_, site)| site);
        if row.archetype == Archetype::Server && draw.chance(ADDRESS_CHANGES) {
            return (self.registry.get(site.network).client(draw.bits()), true);
        }
        let host = if row.archetype == Archetype::Mobile { draw.popular(site.hosts) } else { draw.below(site.hosts) };
        (self.host(site, host, at), place == 0)
    }

    /// Host `host` of a site; phones with IPv6 change their prefix every day.
    pub(crate) fn host(&self, site: Site, host: u64, at: i64) -> Address {
        let network = self.registry.get(site.network);
        if site.together {
            return network.neighbour(site.seed, mixed(site.seed ^ host));
        }
        match network.client(mixed(site.seed ^ host)) {
            address @ Address::V4(_) => address,
            Address::V6(..) => {
                let day = (at - START).div_euclid(DAY);
                network.client(mixed(site.seed ^ host ^ mixed(day.unsigned_abs())))
            }
        }
    }

    /// The uses of a key that is rarely used: visits with long gaps, from `from` on.
    pub(crate) fn rare_uses(&self, key: usize, from: i64, to: i64, draw: &mut Draw) -> Vec<Request> {
        let mut out = Vec::new();
        let mut at = from + micros(draw.unit() * real(DAY.unsigned_abs()));
        while at < to {
            let mut moment = at;
            for _ in 0..1 + draw.popular(20) {
                if moment < to {
                    out.push(self.usual_request(key, moment, draw));
                }
                moment += micros(draw.exponential() * 20.0 * real(SECOND.unsigned_abs()));
            }
            at += micros(draw.lomax(self.keys[key].gap_shape, 3.0).max(0.05) * real(DAY.unsigned_abs()));
        }
        out
    }
}

impl Request {
    /// The application answered with a failure.
    pub(crate) fn answered(&mut self, status: u16, draw: &mut Draw) {
        self.outcome = Outcome::Answered(status);
        self.response_bytes = narrow(150 + draw.below(140));
        self.ai = None;
    }

    /// The gateway refused it.
    pub(crate) fn refused(&mut self, refusal: Refusal, draw: &mut Draw) {
        self.outcome = Outcome::Refused(refusal);
        self.response_bytes = narrow(150 + draw.below(140));
        self.latency_us = self.gateway_us;
        self.ai = None;
    }
}

/// A phone has one program, however often it calls.
fn agent_of(client: Address, agents: usize) -> usize {
    let bits = match client {
        Address::V4(bits) => u64::from(bits),
        Address::V6(upper, _) => upper,
    };
    super::draw::index_of(mixed(bits) % agents as u64)
}

pub(crate) const fn takes_object(route: RouteId) -> bool {
    matches!(route.route().parameter, super::catalog::Parameter::Object)
}

/// One of the few hundred objects that a key's owner works with.
fn own_object(row: &Key, draw: &mut Draw) -> u64 {
    1_000_000 + mixed(row.objects ^ draw.popular(400)) % 8_000_000
}

fn answer_bytes(route: RouteId, draw: &mut Draw) -> u32 {
    narrow(90 + whole(draw.log_normal(ln(f64::from(route.route().answer_bytes)), 0.5)))
}

/// Tokens as the Azure trace of 2023 has them: medians 1 020 and 129 for conversations, 1 469 and 13 for code.
fn ai_call(route: RouteId, role: Role, draw: &mut Draw) -> AiCall {
    let (model, limit) = MODELS[usize::from(draw.chance(0.15))];
    let tokens = |median: f64, deviation: f64, draw: &mut Draw| {
        narrow(whole(draw.log_normal(ln(median), deviation)).clamp(1, u64::from(limit / 2)))
    };
    if route == RouteId::Embed {
        return AiCall { model: EMBEDDING_MODEL, input_tokens: tokens(400.0, 0.8, draw), output_tokens: 0 };
    }
    let code = role == Role::Ai && draw.chance(0.3);
    let (input, output) = if code { ((1_469.0, 0.9), (13.0, 0.9)) } else { ((1_020.0, 0.9), (129.0, 0.8)) };
    AiCall { model, input_tokens: tokens(input.0, input.1, draw), output_tokens: tokens(output.0, output.1, draw) }
}

/// A positive span with a long tail, microseconds: gamma of shape 2, mean `2 * scale`.
pub(crate) fn skewed(scale: f64, draw: &mut Draw) -> u32 {
    narrow(whole(-ln((1.0 - draw.unit()) * (1.0 - draw.unit())) * scale))
}

pub(crate) fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
