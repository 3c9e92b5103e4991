//! The company's life in order of time: everyday traffic, the script's incidents, and the changes to the
//! identity system. Same plan, same steps, to the byte.

use std::collections::BTreeSet;

use claviger_core::cause::RootCause;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::cast::Cast;
use super::company::{Change, Company, Instant, SECOND};
use super::lines::Names;
use super::misuse::Misuse;
use super::past::Past;
use super::request::Request;
use super::script::{IncidentKind, Moment, Timeline};
use super::traffic::{Actor, Crowd, as_f64_of, day_rhythm, later, next_gap};
use super::truth::{Seal, Truth};

/// What makes two runs the same.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub timeline: Timeline,
    /// Requests per second, on average.
    pub rate: f64,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Request(Request, Truth),
    /// The identity system has changed: [`Story::company`] is what it holds from `at` on.
    IdentityChanged {
        at: Instant,
    },
}

/// An endless or bounded iterator over [`Step`]s.
#[derive(Debug)]
pub struct Story {
    plan: Plan,
    company: Company,
    crowd: Crowd,
    cast: Cast,
    scenes: Vec<Scene>,
    /// Changes still to come, the next one last.
    changes: Vec<(Instant, Change)>,
    crowd_next: Instant,
    sequence: u64,
    seal: Seal,
    rng: StdRng,
}

/// One incident on the stage.
#[derive(Debug)]
struct Scene {
    kind: IncidentKind,
    begins_at: Instant,
    /// When its first failure can come: after the pause, where the identity system changed.
    fails_from: Instant,
    ends_at: Instant,
    rate: f64,
    next: Instant,
    /// Requests since it began to fail.
    number: usize,
}

impl Story {
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let timeline = plan.timeline;
        let mut company = Company::found(timeline.begin, &mut rng);
        let crowd = Crowd::of(&company, &mut rng);
        let cast = Cast::hire(&mut company, timeline.begin, |kind| timeline.begins_at(kind), &mut rng);
        let mut changes: Vec<(Instant, Change)> = IncidentKind::ALL
            .iter()
            .filter_map(|&kind| Some((timeline.begins_at(kind), cast.change(kind, &company)?)))
            .collect();
        changes.push((
            timeline.at(BACKUP_KEY_REVOKED),
            Change::RevokeKeys {
                keys: cast.of(IncidentKind::BackupUserDeleted).iter().map(|actor| actor.key).collect(),
                reason: "owner deleted",
            },
        ));
        changes.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut scenes: Vec<Scene> = IncidentKind::ALL
            .iter()
            .map(|&kind| Scene::of(kind, &plan, cast.change(kind, &company).is_some()))
            .collect();
        for scene in &mut scenes {
            scene.schedule(timeline.begin, &mut rng);
        }
        let crowd_next = timeline.begin;
        Self { plan, company, crowd, cast, scenes, changes, crowd_next, sequence: 0, seal: Seal::new(plan.seed), rng }
    }

    /// What the identity system holds at this point of the story.
    #[must_use]
    pub fn company(&self) -> &Company {
        &self.company
    }

    #[must_use]
    pub fn seal(&self) -> Seal {
        self.seal
    }

    /// The misuse that is played, and from when on.
    #[must_use]
    pub fn misuse(&self) -> Vec<Misuse> {
        let kinds = IncidentKind::ALL.iter().filter(|kind| kind.is_misuse());
        kinds
            .map(|&kind| Misuse { kind, entity: self.misused(kind), begins_at: self.plan.timeline.begins_at(kind) })
            .collect()
    }

    fn misused(&self, kind: IncidentKind) -> String {
        let actor = &self.cast.of(kind)[0];
        match kind {
            IncidentKind::GuessingAttack => network_of(actor),
            _ => self.company.keys[actor.key].key_id.clone(),
        }
    }

    /// Keys and networks to which failures happen, and the tenants whose they are.
    #[must_use]
    pub fn failing(&self) -> BTreeSet<String> {
        let kinds = IncidentKind::ALL.iter().filter(|kind| kind.fails());
        let names = kinds.flat_map(|&kind| self.cast.of(kind)).flat_map(|actor| {
            let key = &self.company.keys[actor.key];
            [key.key_id.clone(), key.tenant_id.clone(), network_of(actor)]
        });
        names.collect()
    }

    /// The ordinary past of everybody who is at work, of those whose keys are misused, and of those who are only busy.
    #[must_use]
    pub fn past(&self) -> Past {
        let usual = |kind: IncidentKind| kind.plot().share * kind.plot().before;
        let shares = |kind: IncidentKind| self.cast.of(kind).iter().map(move |actor| (actor.clone(), usual(kind)));
        let known = IncidentKind::ALL.iter().filter(|kind| kind.plot().before > 0.0);
        let crowd = self.crowd.shares().map(|(actor, share)| (actor.clone(), share));
        Past {
            names: Names::of(&self.company),
            actors: crowd.chain(known.filter(|kind| !kind.fails()).flat_map(|&kind| shares(kind))).collect(),
            dormant: self.cast.of(IncidentKind::DormantKeyWakes).to_vec(),
            begin: self.plan.timeline.begin,
            rate: self.plan.rate,
            seed: self.plan.seed,
        }
    }

    /// The time of the next request.
    fn next_at(&self) -> Instant {
        self.scenes.iter().map(|scene| scene.next).min().unwrap_or(Instant::MAX).min(self.crowd_next)
    }

    fn everyday_request(&mut self) -> (Request, Truth) {
        let at = self.crowd_next;
        let request = self.crowd.request(at - at.rem_euclid(1_000), &mut self.rng);
        let timeline = &self.plan.timeline;
        let scripted: f64 = self.scenes.iter().map(|scene| scene.rate_at(at)).sum();
        let busy = day_rhythm(as_f64_of(at - timeline.begin) / as_f64_of(timeline.length));
        // The crowd makes what the script leaves of the rate, and at least a little.
        let rate = (self.plan.rate - scripted).max(self.plan.rate / 4.0) * busy;
        self.crowd_next = later(at, next_gap(rate, &mut self.rng));
        let cause = (request.outcome.status() == 403).then_some(RootCause::UpstreamDenied);
        (request, Truth { incident: None, cause })
    }

    fn scripted_request(&mut self, place: usize) -> (Request, Truth) {
        let scene = &mut self.scenes[place];
        let (kind, at) = (scene.kind, scene.next);
        let actors = self.cast.of(kind);
        let actor = &actors[self.rng.random_range(0..actors.len())];
        let mut request = actor.ordinary_request(at - at.rem_euclid(1_000), &mut self.rng);
        let elapsed = at - scene.fails_from;
        let cause = if elapsed < 0 {
            None
        } else {
            if !kind.gateways().contains(&request.gateway) {
                request.gateway = kind.gateways()[0];
            }
            let moment = Moment { elapsed, number: scene.number };
            scene.number += 1;
            kind.befall(&mut request, moment, self.company.tenants.len(), &mut self.rng)
        };
        scene.schedule(at, &mut self.rng);
        (request, Truth { incident: Some(kind), cause })
    }
}

impl Iterator for Story {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let at = self.next_at();
        if let Some((change_at, change)) = self.changes.pop_if(|(change_at, _)| *change_at <= at) {
            self.company.apply(&change, change_at);
            return Some(Step::IdentityChanged { at: change_at });
        }
        let timeline = self.plan.timeline;
        if !timeline.endless && at >= timeline.begin + timeline.length {
            return None;
        }
        let scene = self.scenes.iter().position(|scene| scene.next == at);
        let (mut request, truth) = match scene {
            Some(place) => self.scripted_request(place),
            None => self.everyday_request(),
        };
        request.id = self.seal.close(truth, self.sequence);
        self.sequence += 1;
        Some(Step::Request(request, truth))
    }
}

impl Scene {
    fn of(kind: IncidentKind, plan: &Plan, changes_identity: bool) -> Self {
        let (begins_at, ends_at) = (plan.timeline.begins_at(kind), plan.timeline.ends_at(kind));
        let fails_from = begins_at + if changes_identity { plan.timeline.settle() } else { 0 };
        let lasts = as_f64_of((ends_at.min(plan.timeline.at(1.0)) - fails_from).max(SECOND)) / as_f64_of(SECOND);
        let rate = (kind.plot().share * plan.rate).max(REQUESTS_MIN / lasts);
        Self { kind, begins_at, fails_from, ends_at, rate, next: Instant::MAX, number: 0 }
    }

    fn rate_at(&self, at: Instant) -> f64 {
        if at >= self.ends_at {
            0.0
        } else if at >= self.fails_from {
            self.rate
        } else if at < self.begins_at {
            self.rate * self.kind.plot().before
        } else {
            0.0
        }
    }

    /// Finds the time of the request after one at `at`.
    fn schedule(&mut self, at: Instant, rng: &mut StdRng) {
        let rate = self.rate_at(at);
        let mut next = if rate > 0.0 { later(at, next_gap(rate, rng)) } else { self.fails_from };
        if at < self.begins_at && next >= self.begins_at {
            next = later(self.fails_from, next_gap(self.rate, rng));
        }
        self.next = if next < self.ends_at { next } else { Instant::MAX };
    }
}

fn network_of(actor: &Actor) -> String {
    let [a, b, c] = actor.network;
    format!("{a}.{b}.{c}.0/24")
}

/// Failures that an incident has at least, on average, however low the rate.
const REQUESTS_MIN: f64 = 30.0;
/// Share of the run at which the deleted backup user's key is revoked as well.
const BACKUP_KEY_REVOKED: f64 = 0.42;
