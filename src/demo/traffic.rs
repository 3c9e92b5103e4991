//! Ordinary traffic: who calls what, how often, from where, and how long it takes.
//!
//! Arrivals are Poisson: gaps are exponential, by inversion. One day of the company passes in one run, so
//! that the rate rises and falls while somebody watches. Keys are called with Zipf popularity.

use std::f64::consts::TAU;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::company::{Company, Instant, SECOND};
use super::request::{AiCall, Client, Outcome, Place, Request, Sent, USER_AGENTS};
use super::routes::{Gateway, RouteId};
use super::truth::RequestId;

/// A key with the habits of the program or person that uses it.
#[derive(Clone, Debug)]
pub struct Actor {
    pub key: usize,
    pub tenant: usize,
    pub gateways: Vec<Gateway>,
    pub routes: &'static [RouteId],
    /// First three bytes of the addresses it calls from.
    pub network: [u8; 3],
    /// How many addresses of that network it uses.
    pub addresses: u8,
    pub agent: usize,
    /// How many objects of a kind it works on.
    pub objects: u32,
}

impl Actor {
    /// The habits of the owner of `key`, as the company's data suggest them.
    ///
    /// # Panics
    /// When the key's owner or tenant is unknown: actors are made before the script breaks anything.
    #[must_use]
    pub fn of(company: &Company, key: usize, rng: &mut StdRng) -> Self {
        let row = &company.keys[key];
        let at = |tenant: &super::company::Tenant| tenant.tenant_id == row.tenant_id;
        let tenant = company.tenants.iter().position(at).expect("a key has a tenant");
        let owner = company.principal(&row.principal_id).expect("a key has an owner");
        let regions = &company.tenants[tenant].regions;
        Self {
            key,
            tenant,
            gateways: Gateway::ALL.iter().copied().filter(|gateway| regions.contains(&gateway.region())).collect(),
            routes: match (owner.roles.first(), owner.kind) {
                (Some(&"ai-service"), _) => AI_ROUTES,
                (Some(&"viewer"), _) => READ_ROUTES,
                (_, "human") => HUMAN_ROUTES,
                _ => SERVICE_ROUTES,
            },
            // 198.18.0.0/15 is set aside for measurements (RFC 2544): no address of anybody's.
            network: [198, rng.random_range(18..20), rng.random_range(0..200)],
            addresses: 6,
            agent: if owner.kind == "human" {
                USER_AGENTS.len() - 1
            } else {
                rng.random_range(0..USER_AGENTS.len() - 1)
            },
            objects: if owner.kind == "human" { OBJECTS_OF_PEOPLE } else { OBJECTS_OF_SERVICES },
        }
    }

    /// A request that is in order.
    #[must_use]
    pub fn ordinary_request(&self, at: Instant, rng: &mut StdRng) -> Request {
        let route = pick(self.routes, rng);
        let gateway = pick(&self.gateways, rng);
        let ai = route.is_ai().then(|| ai_call(route, rng));
        let gateway_us = skewed(900.0, rng);
        let application_us = match &ai {
            Some(call) => 180_000 + call.output_tokens * 9_000 + skewed(90_000.0, rng),
            None => skewed(17_000.0, rng),
        };
        Request {
            at,
            id: RequestId::default(),
            gateway,
            route,
            resource: 1_000 + rng.random_range(0..self.objects),
            scanned: None,
            tenant_asked: self.tenant,
            client: Client {
                address: [self.network[0], self.network[1], self.network[2], 10 + rng.random_range(0..self.addresses)],
                agent: self.agent,
                through_proxy: false,
            },
            sent: Sent::Key(self.key),
            place: if ai.is_some() && gateway == Gateway::ApisixEu { Place::Bearer } else { Place::Header },
            outcome: Outcome::Answered(200),
            latency_us: gateway_us + application_us,
            gateway_us,
            request_bytes: 380 + ai.map_or(0, |call| call.input_tokens * 4) + rng.random_range(0..600),
            response_bytes: skewed(f64::from(route.route().answer_bytes) / 2.0, rng) + 90,
            ai,
        }
    }
}

impl Actor {
    /// A request with the ordinary chance of a failure that is nobody's key's fault.
    #[must_use]
    pub fn everyday_request(&self, at: Instant, rng: &mut StdRng) -> Request {
        let mut request = self.ordinary_request(at, rng);
        request.outcome = Outcome::Answered(match rng.random_range(0..10_000_u32) {
            0..=19 => 500,
            20..=29 => 502,
            30..=79 if request.route.changes_an_object() => 403,
            80..=499 if request.route.reads_an_object() => 404,
            _ if request.route.route().method == "POST" && request.ai.is_none() => 201,
            _ => 200,
        });
        request
    }
}

/// The staff's everyday calls.
#[derive(Debug)]
pub struct Crowd {
    actors: Vec<Actor>,
    /// Running sums of popularity, ending at 1.
    popularity: Vec<f64>,
}

impl Crowd {
    /// Everyone whose key the company holds now.
    #[must_use]
    pub fn of(company: &Company, rng: &mut StdRng) -> Self {
        let mut actors: Vec<Actor> = (0..company.keys.len()).map(|key| Actor::of(company, key, rng)).collect();
        for place in (1..actors.len()).rev() {
            actors.swap(place, rng.random_range(0..=place));
        }
        let weights: Vec<f64> = (1..=actors.len()).map(|rank| 1.0 / as_f64(rank).powf(ZIPF_EXPONENT)).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let add = |weight: f64| {
            sum += weight / total;
            sum
        };
        Self { actors, popularity: weights.into_iter().map(add).collect() }
    }

    /// Somebody's next request, with the ordinary share of failures that are nobody's key's fault.
    #[must_use]
    pub fn request(&self, at: Instant, rng: &mut StdRng) -> Request {
        let draw: f64 = rng.random();
        let place = self.popularity.partition_point(|&sum| sum < draw).min(self.actors.len() - 1);
        let actor = &self.actors[place];
        let mut request = actor.everyday_request(at, rng);
        if request.gateway == Gateway::KongUs && rng.random_range(0..100_u32) < 3 {
            request.sent = Sent::Redacted(actor.key);
        }
        request
    }

    /// Everybody, with their share of the requests.
    pub fn shares(&self) -> impl Iterator<Item = (&Actor, f64)> {
        let before = std::iter::once(0.0).chain(self.popularity.iter().copied());
        self.actors.iter().zip(self.popularity.iter().zip(before).map(|(sum, before)| sum - before))
    }
}

/// How busy the company is at a share of the run's length, as a factor whose mean is 1.
#[must_use]
pub fn day_rhythm(share_of_run: f64) -> f64 {
    0.4f64.mul_add((TAU * (share_of_run - 0.2)).sin(), 1.0)
}

/// Time to the next of events that come at `rate` per second, microseconds.
#[must_use]
pub fn next_gap(rate: f64, rng: &mut StdRng) -> f64 {
    // `random` is in 0..1 and the logarithm of 0 is not.
    let draw = 1.0 - rng.random::<f64>();
    -draw.ln() / rate * as_f64_of(SECOND)
}

/// Adds a fractional number of microseconds.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "a gap is far below 2^63 microseconds")]
pub fn later(at: Instant, gap_us: f64) -> Instant {
    at.saturating_add(gap_us.min(1e15) as i64)
}

/// A positive value with a long tail: gamma of shape 2, mean `2 * scale`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and cut to the range")]
fn skewed(scale: f64, rng: &mut StdRng) -> u32 {
    let draw = (1.0 - rng.random::<f64>()) * (1.0 - rng.random::<f64>());
    (-draw.ln() * scale).min(4e9) as u32
}

fn ai_call(route: RouteId, rng: &mut StdRng) -> AiCall {
    let input_tokens = 40 + skewed(300.0, rng);
    match route {
        RouteId::Embed => AiCall { model: "text-embedding-3-small", input_tokens, output_tokens: 0 },
        _ => AiCall { model: "gpt-4o-mini", input_tokens, output_tokens: 10 + skewed(90.0, rng) },
    }
}

pub(super) fn pick<T: Copy>(of: &[T], rng: &mut StdRng) -> T {
    of[rng.random_range(0..of.len())]
}

#[allow(clippy::cast_precision_loss, reason = "ranks and spans are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[allow(clippy::cast_precision_loss, reason = "spans of a run are far below 2^52 microseconds")]
pub(super) fn as_f64_of(span_us: i64) -> f64 {
    span_us as f64
}

const ZIPF_EXPONENT: f64 = 0.9;
/// A person opens the same few documents; a service goes through everybody's orders.
const OBJECTS_OF_PEOPLE: u32 = 8;
pub(super) const OBJECTS_OF_SERVICES: u32 = 9_998_999;

const AI_ROUTES: &[RouteId] = &[RouteId::Chat, RouteId::Chat, RouteId::Embed];
pub(super) const READ_ROUTES: &[RouteId] = &[RouteId::GetDocument, RouteId::ListOrders, RouteId::GetCustomer];
pub(super) const HUMAN_ROUTES: &[RouteId] =
    &[RouteId::ListOrders, RouteId::GetDocument, RouteId::UpdateDocument, RouteId::ListInvoices, RouteId::DailyReport];
pub(super) const SERVICE_ROUTES: &[RouteId] = &[
    RouteId::ListOrders,
    RouteId::GetOrder,
    RouteId::GetOrder,
    RouteId::CreateOrder,
    RouteId::GetCustomer,
    RouteId::UpdateCustomer,
    RouteId::PostEvents,
    RouteId::PostEvents,
    RouteId::ListInvoices,
    RouteId::GetExport,
];
