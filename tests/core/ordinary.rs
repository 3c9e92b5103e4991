//! Three ordinary weeks: servers, office keys, a cron job and an app, with noise, seasons, heavy answers and a few
//! refusals. Nobody misuses anything, and hardly anything may be told.

use std::collections::{BTreeMap, BTreeSet};

use claviger_core::cause::RootCause;
use claviger_core::detect::{Detector, Entity, Finding, Minute, Severity, Watch};
use claviger_core::minutes::{Distinct, EntityKind, MINUTE_US, Sum, Sums};

use crate::minute_fixtures::{BEGINNING_US, options, rows};

const KEYS: u64 = 40;
const DAYS: i64 = 21;

/// SplitMix64.
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    #[expect(clippy::cast_possible_truncation, reason = "counts of a minute are small")]
    fn poisson(&mut self, mean: f64) -> i64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as i64;
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    fn pick(&mut self, of: u64) -> u64 {
        self.bits() % of
    }
}

/// A number that stands for a value of one key.
fn hash_of(key: u64, kind: Distinct, at: u64) -> u32 {
    u32::try_from(Noise(key << 40 | (kind as u64) << 32 | at).bits() >> 32).expect("32 bits") | 1
}

struct Key {
    number: u64,
    name: String,
    tenant: String,
    /// Requests an hour.
    level: f64,
    spread: f64,
    office: bool,
    cron: bool,
    networks: u64,
    /// State of the hour's noise, which neighbouring hours share.
    drift: f64,
}

impl Key {
    fn new(number: u64, noise: &mut Noise) -> Self {
        Self {
            number,
            name: format!("k{number}"),
            tenant: format!("t{}", number % 5),
            level: 0.2 * 2_000f64.powf(noise.unit()),
            spread: (0.08f64.ln() + noise.normal()).exp().clamp(0.002, 1.5).sqrt(),
            office: number % 4 == 1,
            cron: number % 8 == 3,
            networks: if number.is_multiple_of(5) { 4_000 } else { 1 + number % 4 },
            drift: 0.0,
        }
    }

    /// Expected in a minute of the hour that begins at `hour` since the beginning.
    fn mean(&self, hour: i64, minute: i64) -> f64 {
        let (day, hour) = (hour / 24, hour % 24);
        let weekend = day % 7 >= 5;
        if self.cron {
            return if hour == 2 && (2..5).contains(&minute) { 8.0 * self.level / 3.0 } else { 0.0 };
        }
        let season = match (self.office, weekend) {
            (true, true) => 0.0,
            (true, false) => f64::from(u8::from((8..18).contains(&hour))) * 2.0,
            (false, weekend) => {
                let wave = 1.0 + 0.5 * (std::f64::consts::TAU * ((hour - 14) as f64) / 24.0).cos();
                wave * if weekend { 0.6 } else { 1.0 }
            }
        };
        self.level * season / 60.0
    }

    fn minute(&self, minute_us: i64, count: i64, noise: &mut Noise) -> Minute {
        let entity = Entity { kind: EntityKind::Key, name: self.name.clone(), tenant: self.tenant.clone() };
        let mut minute = Minute::empty(minute_us, entity);
        let mut served = Sums::default();
        let mut refused = Sums::default();
        for _ in 0..count {
            if noise.unit() < 0.01 {
                (refused[Sum::Requests], refused[Sum::Refused]) =
                    (refused[Sum::Requests] + 1, refused[Sum::Refused] + 1);
                continue;
            }
            (served[Sum::Requests], served[Sum::Served]) = (served[Sum::Requests] + 1, served[Sum::Served] + 1);
            #[expect(clippy::cast_possible_truncation, reason = "a size of an answer")]
            let size = (2_000.0 * (1.2 * noise.normal()).exp()) as i64;
            served[Sum::ResponseBytes] += size;
            for (kind, of) in [(Distinct::Network, self.networks), (Distinct::Agent, 2), (Distinct::Route, 6)] {
                // Some values are met far more often than others.
                let at = noise.pick(of).min(noise.pick(of));
                let value = (kind, hash_of(self.number, kind, at));
                if let Err(place) = minute.distinct.binary_search(&value) {
                    minute.distinct.insert(place, value);
                }
            }
        }
        if served[Sum::Requests] > 0 {
            minute.causes.push((None, served));
        }
        if refused[Sum::Requests] > 0 {
            minute.causes.push((Some(RootCause::ScopeMissing), refused));
        }
        minute.causes.iter().for_each(|(_, sums)| minute.total += sums);
        minute
    }
}

/// Adds a key's minute to that of its tenant or gateway.
fn add(sum: &mut BTreeMap<Entity, Minute>, kind: EntityKind, name: &str, minute: &Minute) {
    let tenant = if kind == EntityKind::Tenant { name.to_owned() } else { String::new() };
    let entity = Entity { kind, name: name.to_owned(), tenant };
    let known = sum.entry(entity.clone()).or_insert_with(|| Minute::empty(minute.minute_us, entity));
    known.total += &minute.total;
    for (cause, sums) in &minute.causes {
        match known.causes.binary_search_by_key(cause, |(cause, _)| *cause) {
            Ok(at) => known.causes[at].1 += sums,
            Err(at) => known.causes.insert(at, (*cause, *sums)),
        }
    }
}

#[test]
fn three_ordinary_weeks_of_forty_keys_are_left_in_peace() {
    let mut noise = Noise(20_261);
    let mut keys: Vec<Key> = (0..KEYS).map(|number| Key::new(number, &mut noise)).collect();
    let mut watch = Watch::new(options());
    let mut found: Vec<Finding> = Vec::new();
    for hour in 0..DAYS * 24 {
        let mut batch = Vec::new();
        let factors: Vec<f64> = keys
            .iter_mut()
            .map(|key| {
                // Log-normal noise of the hour, and an autoregressive drift.
                key.drift = 0.9 * key.drift + 0.065 * noise.normal();
                (key.spread * noise.normal() - key.spread * key.spread / 2.0 + key.drift).exp()
            })
            .collect();
        for minute in 0..60 {
            let minute_us = BEGINNING_US + (hour * 60 + minute) * MINUTE_US;
            let mut sums = BTreeMap::new();
            for (key, factor) in keys.iter().zip(&factors) {
                let count = noise.poisson(factor * key.mean(hour, minute));
                if count > 0 {
                    let minute = key.minute(minute_us, count, &mut noise);
                    add(&mut sums, EntityKind::Tenant, &key.tenant, &minute);
                    add(&mut sums, EntityKind::Gateway, "gw-1", &minute);
                    batch.push(minute);
                }
            }
            batch.extend(sums.into_values());
        }
        watch.observe(&rows(&batch)).expect("rows of entity minutes");
        found.extend(watch.advance(BEGINNING_US + hour * 60 * MINUTE_US));
    }
    let told: Vec<&Finding> = found.iter().filter(|finding| finding.severity > Severity::Info).collect();
    let mut by_detector: BTreeMap<Detector, usize> = BTreeMap::new();
    told.iter().for_each(|finding| *by_detector.entry(finding.detector).or_default() += 1);
    let stats = watch.stats();
    println!(
        "{} claims above info in {} key-days ({} in all): {by_detector:?}; {} bytes an entity",
        told.len(),
        KEYS * 21,
        found.len(),
        stats.state_bytes / stats.entities
    );
    for finding in &told {
        println!("  {} {} {:.1}: {}", finding.severity.name(), finding.detector.name(), finding.score, finding.summary);
    }
    // What an early look told and the end of the minute repeats is one claim, under one id.
    let troubles: BTreeSet<_> = told.iter().map(|finding| finding.id()).collect();
    assert!(troubles.len() <= 4, "{by_detector:?}");
}
