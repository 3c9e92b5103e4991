//! Is a key used from two places faster than anyone can travel?
//!
//! Great-circle distance over time above 900 km/h, for places more than 500 km and both their radii apart. Guards,
//! without which this would be the noisiest detector of all: networks of hosting, VPNs and proxies have no place here
//! (minutes leave them out), both uses were served, and the key keeps to one provider in 95 % of its ten-minute windows,
//! of which it has shown at least 36.
//!
//! One claim per key and day, low by itself: people travel, and their tunnels are on no list. 56 bytes a key. Needs a city database; blind for keys of services that run in several
//! places.

use super::told::{DAY_US, HOUR_US, Told, driver, start_of};
use super::{Context, Detector, Finding, Minute, Severity};
use crate::geo::Place;
use crate::minutes::{Distinct, EntityKind, MINUTE_US, Sum};
use crate::stats::real;

const SPEED_MAX_KMH: f64 = 900.0;
const DISTANCE_MIN_KM: f64 = 500.0;
const WINDOW_US: i64 = 10 * MINUTE_US;
const WINDOWS_MIN: f32 = 36.0;
const SEVERAL_MAX: f32 = 0.05;
/// A window's weight after each later one: half-life 350 windows of use.
const KEEP: f32 = 0.998;

#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    place: Option<Place>,
    place_us: i64,
    window_us: i64,
    /// The first provider, or network where none is known, of the window; 0 for none.
    home: u32,
    window_has_several: bool,
    windows: f32,
    several: f32,
    told: Told,
}

impl State {
    /// Whether a minute is worth a state: without a city database no key has a place.
    #[must_use]
    pub fn concerns(minute: &Minute) -> bool {
        minute.count(Distinct::Place) > 0
    }

    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if minute.entity.kind != EntityKind::Key || minute.total[Sum::Served] == 0 {
            return;
        }
        let keeps_to_one_home = self.windows >= WINDOWS_MIN && self.several <= SEVERAL_MAX * self.windows;
        self.count_homes(minute);
        // Where some were refused, the far one may have been.
        let all_served = minute.total[Sum::Refused] == 0;
        let stays = |packed| self.place.is_some_and(|place| place.packed() == packed);
        if minute.count(Distinct::Place) > 0 && minute.of(Distinct::Place).all(stays) {
            self.place_us = minute.minute_us;
            return;
        }
        let places: Vec<Place> = minute.of(Distinct::Place).filter_map(Place::unpacked).collect();
        let Some(&last) = places.last().filter(|_| all_served) else { return };
        let before = self.place.map(|place| (place, self.place_us));
        let jump = places
            .iter()
            .flat_map(|to| {
                before
                    .iter()
                    .copied()
                    .chain(places.iter().map(|from| (*from, minute.minute_us)))
                    .map(move |from| (from, *to))
            })
            .map(|((from, from_us), to)| (from, to, hours(from_us, minute.minute_us)))
            .filter(|(from, to, hours)| is_impossible(*from, *to, *hours))
            .max_by(|a, b| a.0.distance_km(a.1).total_cmp(&b.0.distance_km(b.1)));
        (self.place, self.place_us) = (Some(last), minute.minute_us);
        let Some((from, to, hours)) = jump.filter(|_| keeps_to_one_home) else { return };
        let day_us = start_of(minute.minute_us, DAY_US);
        if self.told.is_due(day_us, Severity::Low, 1.0) {
            found.push(claim(minute, context, from, to, hours));
        }
    }

    fn count_homes(&mut self, minute: &Minute) {
        let window_us = start_of(minute.minute_us, WINDOW_US);
        if window_us != self.window_us {
            if self.window_us != 0 {
                self.windows = self.windows * KEEP + 1.0;
                self.several = self.several * KEEP + f32::from(u8::from(self.window_has_several));
            }
            (self.window_us, self.home, self.window_has_several) = (window_us, 0, false);
        }
        for provider in minute.of(Distinct::Provider) {
            if self.home == 0 {
                self.home = provider;
            }
            self.window_has_several |= provider != self.home;
        }
    }
}

/// The longest that the way can have taken: from the beginning of the one minute to the end of the other.
fn hours(from_us: i64, to_us: i64) -> f64 {
    real(to_us - from_us + MINUTE_US) / real(HOUR_US)
}

fn is_impossible(from: Place, to: Place, hours: f64) -> bool {
    let radii = f64::from(from.radius_km()) + f64::from(to.radius_km());
    let distance = from.distance_km(to);
    distance > DISTANCE_MIN_KM + radii && distance - radii > SPEED_MAX_KMH * hours.max(0.0)
}

fn claim(minute: &Minute, context: &Context<'_>, from: Place, to: Place, hours: f64) -> Finding {
    let distance = from.distance_km(to);
    let mut drivers = vec![driver("place", to.to_string(), 1.0), driver("place_before", from.to_string(), 1.0)];
    let countries = minute.of(Distinct::Country).take(4);
    drivers.extend(countries.map(|hash| driver("country", context.names.resolve(hash), 1.0)));
    Finding {
        detector: Detector::ImpossibleTravel,
        entity: minute.entity.clone(),
        from_us: start_of(minute.minute_us, DAY_US),
        to_us: minute.to_us(),
        severity: Severity::Low,
        score: Finding::DETERMINISTIC,
        expected: SPEED_MAX_KMH,
        seen: (distance / hours).round(),
        unit: "km/h",
        cause: None,
        drivers,
        summary: format!(
            "{} was used {distance:.0} km apart within {:.0} min: two people, or a tunnel that no list names",
            minute.entity,
            hours * 60.0
        ),
        quiet: format!("less than {DISTANCE_MIN_KM:.0} km, or {:.1} hours for the way", distance / SPEED_MAX_KMH),
    }
}

#[cfg(test)]
mod tests {
    use super::{hours, is_impossible};
    use crate::geo::Place;
    use crate::minutes::MINUTE_US;

    #[test]
    fn a_flight_is_possible_and_a_jump_is_not() {
        let place = |latitude, longitude, radius| Place::new(latitude, longitude, radius).unwrap();
        let (berlin, new_york) = (place(52.5, 13.4, 20), place(40.7, -74.0, 20));
        assert!(!is_impossible(berlin, new_york, 8.0));
        assert!(is_impossible(berlin, new_york, 6.0));
        let (paris, vague) = (place(48.9, 2.4, 20), place(48.9, 2.4, 500));
        assert!(is_impossible(berlin, paris, 0.5));
        assert!(!is_impossible(berlin, vague, 0.1), "within the radii");
        assert!((hours(0, 59 * MINUTE_US) - 1.0).abs() < 1e-9);
    }
}
