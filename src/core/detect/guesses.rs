//! Guessed keys, counted as they come: a source that presents 20 keys of nobody's within an hour needs no test, and is
//! told of before its minute ends.
//!
//! The claim is that of `key_guessing`, under the id that the minutes give later.
//!
//! Bounded: 16 384 sources; beyond that all counts begin anew.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::key_guessing::CERTAIN;
use super::told::{DAY_US, HOUR_US, start_of};
use super::{Detector, Entity, Finding, Severity};
use crate::cause::RootCause;
use crate::event::{Column, Events};
use crate::minutes::EntityKind;
use crate::secret::stable_hash;
use crate::stats::Spread;

const SOURCES_MAX: usize = 1 << 14;

#[derive(Clone, Debug, Default)]
pub(super) struct Guesses {
    sources: HashMap<u32, Guesser, FixedState>,
}

#[derive(Clone, Debug, Default)]
struct Guesser {
    hour_us: i64,
    unknown: Spread,
    /// Start of the day in which it was told of.
    told_us: i64,
}

impl Guesses {
    /// Claims about a classified batch, in the order in which the sources came to be certain.
    pub(super) fn observe(&mut self, events: &Events) -> Vec<Finding> {
        let causes = events.dict(Column::Cause);
        let Some(unknown) = causes.values().iter().position(|cause| cause == Some(RootCause::UnknownKey.name())) else {
            return Vec::new();
        };
        let (networks, keys) = (events.dict(Column::ClientNetwork), events.dict(Column::Fingerprint));
        let event_at = events.time(Column::EventAt).values();
        let mut found = Vec::new();
        for row in (0..events.len()).filter(|&row| causes.code(row) == Some(unknown)) {
            let (network, key) = (networks.get(row), keys.get(row));
            if network.is_empty() || key.is_empty() {
                continue;
            }
            if self.sources.len() >= SOURCES_MAX {
                self.sources.clear();
            }
            let guesser = self.sources.entry(stable_hash(network.as_bytes())).or_default();
            if let Some(seen) = guesser.guess(stable_hash(key.as_bytes()), event_at[row]) {
                found.push(claim(network, event_at[row], seen));
            }
        }
        found
    }
}

impl Guesser {
    /// How many keys of nobody's it has tried within the hour, when that is enough for the first time in the day.
    fn guess(&mut self, key: u32, at_us: i64) -> Option<f64> {
        let (hour_us, day_us) = (start_of(at_us, HOUR_US), start_of(at_us, DAY_US));
        if hour_us > self.hour_us {
            self.hour_us = hour_us;
            self.unknown.clear();
        }
        self.unknown.insert(key);
        let seen = self.unknown.count();
        (seen >= CERTAIN && day_us > self.told_us).then(|| {
            self.told_us = day_us;
            seen.round()
        })
    }
}

fn claim(network: &str, at_us: i64, seen: f64) -> Finding {
    let entity = Entity { kind: EntityKind::Source, name: network.to_owned(), tenant: String::new() };
    Finding {
        detector: Detector::KeyGuessing,
        from_us: start_of(at_us, DAY_US),
        to_us: at_us + 1,
        severity: Severity::High,
        score: Finding::DETERMINISTIC,
        expected: 1.0,
        seen,
        unit: "unknown keys",
        cause: Some(RootCause::UnknownKey),
        drivers: Vec::new(),
        summary: format!("{entity} presented {seen} keys that nobody knows within the hour"),
        quiet: format!("fewer than {CERTAIN} keys an hour that nobody knows"),
        entity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 20_000 * DAY_US;

    #[test]
    fn twenty_keys_of_nobodys_within_an_hour_are_told_of_once_a_day() {
        let mut guesser = Guesser::default();
        let told: Vec<u32> = (1..100).filter(|&key| guesser.guess(key * 7_919, DAY).is_some()).collect();
        // Beyond sixteen the count is an estimate.
        assert!(told.len() == 1 && (18..=22).contains(&told[0]), "{told:?}");
        assert!(guesser.guess(1, DAY + HOUR_US).is_none());
    }

    #[test]
    fn one_key_again_and_again_and_few_an_hour_are_no_guessing() {
        let mut guesser = Guesser::default();
        assert!((0..1_000).all(|_| guesser.guess(5, DAY).is_none()));
        assert!((0..200).all(|key| guesser.guess(key * 7_919 + 1, DAY + i64::from(key / 15) * HOUR_US).is_none()));
    }
}
