//! What the keys of a tenant have in common: its pace right now, its season, and how wild its scores are.
//!
//! A tenant's minute is read before its keys' minutes, so that a rise of the whole tenant is known when a key is judged.
//! Scores are recalibrated by tenant ([`Tail`]), at the ends of hours.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::baseline::Test;
use super::context::tenant_hash;
use super::request_spike::{Peers, elapsed, peers_factor};
use super::season::Season;
use super::{Population, Window};
use crate::stats::Tail;

/// By tenant, and the correction that all mixes of routes share. About 500 bytes a tenant.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerBook {
    tenants: HashMap<u64, Tenant, FixedState>,
    /// Median of G/df over keys; 0 before the first.
    mix: f64,
}

#[derive(Clone, Debug, Default)]
struct Tenant {
    last_us: i64,
    pace: [Option<Test>; Window::COUNT],
    /// … in the hour that does not begin with the clock's.
    sliding: Option<Test>,
    season: Season,
    tail: Tail,
}

/// What is left of the tail's memory after an hour: half-life 14 days.
const TAIL_KEEP: f32 = 0.997_94;

impl Population {
    /// The tenant was seen up to `last_us`, with these counts in its open windows.
    pub(super) fn note_pace(&mut self, tenant: &str, last_us: i64, tests: &[Test]) {
        let entry = self.peers.tenants.entry(tenant_hash(tenant)).or_default();
        entry.last_us = entry.last_us.max(last_us);
        for test in tests {
            let place = if test.slides() && test.window == Window::Hour {
                &mut entry.sliding
            } else {
                &mut entry.pace[test.window as usize]
            };
            *place = Some(*test);
        }
    }

    pub(super) fn note_season(&mut self, tenant: &str, season: Season) {
        self.peers.tenants.entry(tenant_hash(tenant)).or_default().season = season;
    }

    /// The season that a new key of the tenant starts with.
    pub(super) fn season(&self, tenant: &str) -> Season {
        self.peers.tenants.get(&tenant_hash(tenant)).map_or_else(Season::default, |tenant| tenant.season)
    }

    /// End of the last minute in which the tenant was seen.
    pub(super) fn last_seen_us(&self, tenant: &str) -> i64 {
        self.peers.tenants.get(&tenant_hash(tenant)).map_or(0, |tenant| tenant.last_us)
    }

    /// How far the tenant is above its expectation without the key that `test` is about, in the same window.
    pub(super) fn pace_beside(&self, tenant: &str, test: &Test, at_us: i64) -> Peers {
        let tenant = self.peers.tenants.get(&tenant_hash(tenant));
        let paces = tenant.into_iter().flat_map(|tenant| [tenant.pace[test.window as usize], tenant.sliding]);
        let pace = paces.flatten().find(|pace| (pace.window, pace.from_us) == (test.window, test.from_us));
        match pace {
            Some(pace) => {
                let (all, own) = ((pace.seen, pace.expected), (test.seen, test.expected));
                peers_factor(all, own, elapsed(test, at_us))
            }
            None => Peers(1.0),
        }
    }

    /// Notes the scores of a tenant's tests of an hour, and `passed` tests that were plainly low.
    pub(super) fn note_scores(&mut self, tenant: &str, scores: &[f64], passed: usize) {
        let tail = &mut self.peers.tenants.entry(tenant_hash(tenant)).or_default().tail;
        scores.iter().for_each(|&score| tail.note(score));
        tail.passed(passed);
    }

    pub(super) fn decay_scores(&mut self) {
        self.peers.tenants.values_mut().for_each(|tenant| tenant.tail.decay(TAIL_KEEP));
    }

    /// The score that is left when the tenant's scores are as wild as they were; never more.
    #[must_use]
    pub fn recalibrated(&self, tenant: &str, score: f64) -> f64 {
        self.peers.tenants.get(&tenant_hash(tenant)).map_or(score, |tenant| tenant.tail.recalibrated(score))
    }

    /// Adds the G/df of keys that were compared at one time, in any order.
    pub(super) fn note_mixes(&mut self, ratios: &mut [f64]) {
        ratios.sort_by(f64::total_cmp);
        if let Some(&median) = ratios.get(ratios.len() / 2) {
            let weight = if self.peers.mix > 0.0 { 0.05 } else { 1.0 };
            self.peers.mix += weight * (median - self.peers.mix);
        }
    }

    /// What G of a mix of routes is divided by, at least 1.
    #[must_use]
    pub fn mix_correction(&self) -> f64 {
        self.peers.mix.max(1.0)
    }

    pub(super) fn peers_bytes(&self) -> usize {
        self.peers.tenants.allocation_size()
    }
}
