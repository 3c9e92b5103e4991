//! The instance as a stream of log lines, hour by hour, in the order in which gateways would send them.
//!
//! A line is sent when its request ends, so event times are a little out of order, as they are in the world; half a
//! percent of the lines come up to twenty seconds late and one in a thousand comes twice. Memory is one hour of
//! requests and the attacks that run in it.

use std::collections::BTreeMap;

use super::Benchmark;
use super::attack::Attack;
use super::calendar::{DAY, DAYS, HOUR, PROLOGUE_DAYS, SECOND, START};
use super::draw::{Draw, micros, mixed, real};
use super::overlay::Overlay;
use super::request::{Gateway, Request};
use super::trouble::TroubleKind;
use super::truth::{Incident, Tally, incident};
use super::volume::Noise;
use super::world::Archetype;
use super::write::{Names, put_line};

const LATE: f64 = 0.005;
const LATE_SECONDS: f64 = 20.0;
const TWICE: f64 = 0.001;

/// A line beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose log it stands in.
    pub gateway: Gateway,
    /// The time that the line states, UTC microseconds.
    pub at_us: i64,
}

/// Whether attacks happen in the stream. Without them it is the same world on its ordinary days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attacks {
    Included,
    LeftOut,
}

struct Emission {
    sent_at: i64,
    id: (u64, u64),
    request: Request,
}

/// The lines of an instance.
pub struct Lines<'a> {
    bench: &'a Benchmark,
    attacks: Attacks,
    overlays: Vec<Overlay>,
    tallies: Vec<Tally>,
    noise: Vec<Noise>,
    draw: Draw,
    /// Start of the next hour to make.
    hour_at: i64,
    /// Requests of hours to come, by hour's start.
    planned: BTreeMap<i64, Vec<Request>>,
    next_attack: usize,
    /// Number of the next request.
    number: u64,
    /// This hour's lines, the next one last.
    ready: Vec<Emission>,
    late: Vec<Emission>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(bench: &'a Benchmark, attacks: Attacks) -> Self {
        let mut overlays: Vec<Overlay> = bench.troubles.iter().filter_map(super::trouble::Trouble::overlay).collect();
        if attacks == Attacks::Included {
            overlays.extend(
                (0..).zip(&bench.attacks).filter_map(|(number, attack)| {
                    Some(Overlay { cause: Some(number), ..attack.overlay(&bench.world)? })
                }),
            );
        }
        let mut lines = Self {
            bench,
            attacks,
            overlays,
            tallies: vec![Tally::default(); bench.attacks.len()],
            noise: vec![Noise::default(); bench.world.keys.len()],
            draw: Draw::stream(bench.world.seed, 5),
            hour_at: START - PROLOGUE_DAYS * DAY,
            planned: BTreeMap::new(),
            next_attack: 0,
            number: 0,
            ready: Vec::new(),
            late: Vec::new(),
        };
        lines.plan_rare_uses();
        lines
    }

    /// Appends the next line to `out`, without a line end; `None` after the last one.
    pub fn next_line(&mut self, out: &mut String) -> Option<Line> {
        while self.ready.is_empty() {
            if !self.make_hour() {
                return None;
            }
        }
        let Emission { id, request, .. } = self.ready.pop()?;
        let at_us = request.at + self.skew(&request);
        put_line(out, &request, at_us, id, &Names { world: &self.bench.world });
        Some(Line { gateway: request.gateway, at_us })
    }

    /// Whether the next line belongs to an attack. For tests of what lines give away.
    #[cfg(test)]
    pub(crate) fn next_is_attack(&mut self) -> bool {
        while self.ready.is_empty() && self.make_hour() {}
        self.ready.last().is_some_and(|emission| emission.request.cause.is_some())
    }

    /// What was done, once the stream has ended; before that, what was done so far.
    #[must_use]
    pub fn truth(&self) -> Vec<Incident> {
        let world = &self.bench.world;
        let seen = self.bench.attacks.iter().zip(&self.tallies).enumerate().map(|(number, (attack, tally))| {
            let cause = u32::try_from(number).ok();
            let overlay = self.overlays.iter().find(|overlay| overlay.cause == cause && cause.is_some());
            incident(number, attack, tally, overlay, world)
        });
        seen.filter(|incident| incident.requests > 0).collect()
    }

    fn plan_rare_uses(&mut self) {
        let world = &self.bench.world;
        for key in (0..world.keys.len()).filter(|&key| world.keys[key].archetype == Archetype::Rare) {
            let mut draw = Draw::stream(world.seed, 10_000 + key as u64);
            let to = world.keys[key].used.1.min(START + DAYS * DAY);
            let uses = world.rare_uses(key, START - PROLOGUE_DAYS * DAY, to, &mut draw);
            self.plan(uses);
        }
    }

    fn plan(&mut self, requests: Vec<Request>) {
        for request in requests {
            let hour = request.at - request.at.rem_euclid(HOUR);
            self.planned.entry(hour.max(self.hour_at)).or_default().push(request);
        }
    }

    /// Makes the lines of the next hour; false when there is none.
    fn make_hour(&mut self) -> bool {
        if self.hour_at < START {
            // Before the world begins, only the hours in which a rare key was used are worth a visit.
            let next = self.planned.keys().next().copied().unwrap_or(START);
            self.hour_at = next.min(START);
        }
        if self.hour_at >= START + DAYS * DAY && self.planned.is_empty() && self.late.is_empty() {
            return false;
        }
        let mut requests = self.requests_of_hour();
        self.apply_overlays(&mut requests);
        requests.sort_by_key(|request| request.at);
        let mut emissions = std::mem::take(&mut self.late);
        for request in requests {
            self.send(request, &mut emissions);
        }
        self.hour_at += HOUR;
        let over = self.hour_at >= START + DAYS * DAY && self.planned.is_empty();
        let (ready, late) = emissions.into_iter().partition(|emission| over || emission.sent_at < self.hour_at);
        (self.ready, self.late) = (ready, late);
        self.ready.sort_by_key(|emission| std::cmp::Reverse((emission.sent_at, emission.id)));
        true
    }

    fn requests_of_hour(&mut self) -> Vec<Request> {
        let world = &self.bench.world;
        let in_world = (START..START + DAYS * DAY).contains(&self.hour_at);
        if self.attacks == Attacks::Included {
            while let Some(attack) = self.bench.attacks.get(self.next_attack)
                && attack.start < self.hour_at + HOUR
            {
                let requests = self.marked(attack, self.next_attack);
                self.plan(requests);
                self.next_attack += 1;
            }
        }
        let mut requests = self.planned.remove(&self.hour_at).unwrap_or_default();
        if in_world {
            for (key, noise) in self.noise.iter_mut().enumerate() {
                world.ordinary(key, self.hour_at, noise, &mut self.draw, &mut requests);
            }
            for trouble in &self.bench.troubles {
                trouble.requests(world, self.hour_at, &mut requests);
            }
        }
        requests
    }

    fn marked(&self, attack: &Attack, number: usize) -> Vec<Request> {
        let mut requests = attack.requests(&self.bench.world);
        requests.iter_mut().for_each(|request| request.cause = u32::try_from(number).ok());
        requests
    }

    fn apply_overlays(&mut self, requests: &mut Vec<Request>) {
        let (from, to) = (self.hour_at, self.hour_at + HOUR);
        let current: Vec<Overlay> =
            self.overlays.iter().filter(|overlay| overlay.from < to && overlay.to > from).copied().collect();
        if current.is_empty() {
            return;
        }
        let mut again = Vec::new();
        for request in requests.iter_mut() {
            for overlay in &current {
                for attempt in 0..overlay.apply(request, &mut self.draw) {
                    // Exponential back-off from one second.
                    let at = request.at + (SECOND << attempt) + micros(self.draw.unit() * 5e5);
                    again.push(Request { at, ..*request });
                }
            }
        }
        let (now, later): (Vec<Request>, Vec<Request>) = again.into_iter().partition(|request| request.at < to);
        requests.extend(now);
        for request in later {
            self.planned.entry(to).or_default().push(request);
        }
    }

    fn send(&mut self, request: Request, emissions: &mut Vec<Emission>) {
        if self.is_lost(&request) {
            return;
        }
        let number = mixed(self.number ^ self.bench.world.seed.rotate_left(17));
        let id = (number, mixed(number ^ self.bench.world.seed));
        self.number += 1;
        if let Some(tally) = request.cause.and_then(|cause| self.tallies.get_mut(cause as usize)) {
            tally.note(&request, id);
        }
        let mut sent_at = request.at + i64::from(request.latency_us);
        if self.draw.chance(LATE) {
            sent_at += micros(self.draw.unit() * LATE_SECONDS * real(SECOND.unsigned_abs()));
        }
        if self.draw.chance(TWICE) {
            let again = sent_at + micros(self.draw.unit() * 5.0 * real(SECOND.unsigned_abs()));
            emissions.push(Emission { sent_at: again, id, request });
        }
        emissions.push(Emission { sent_at, id, request });
    }

    /// Lines in a hole of their gateway's log.
    fn is_lost(&self, request: &Request) -> bool {
        self.during(TroubleKind::LogGap, request)
    }

    /// How wrong the gateway's clock is.
    fn skew(&self, request: &Request) -> i64 {
        if !self.during(TroubleKind::ClockSkew, request) {
            0
        } else if self.bench.world.seed.is_multiple_of(2) {
            30 * SECOND
        } else {
            -30 * SECOND
        }
    }

    fn during(&self, kind: TroubleKind, request: &Request) -> bool {
        self.bench.timed.iter().any(|&(which, gateway, from, to)| {
            which == kind && gateway == request.gateway && (from..to).contains(&request.at)
        })
    }
}

impl Iterator for Lines<'_> {
    type Item = (Line, String);

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = String::new();
        let line = self.next_line(&mut text)?;
        Some((line, text))
    }
}
