//! What an hour of the week usually is to an entity, as a factor of its level.
//!
//! 48 slots: the hours of a weekday and of a weekend day, UTC. An entity borrows its tenant's season at first and
//! moves away from it as it shows its own. 96 bytes.

const HOUR_US: i64 = 3_600_000_000;

/// Hour of the day, weekdays before weekends: 0 to 47.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u8);

impl Slot {
    pub const COUNT: usize = 48;

    #[must_use]
    pub const fn at(instant_us: i64) -> Self {
        let hours = instant_us.div_euclid(HOUR_US);
        // 1970-01-01 was a Thursday: day 2 of 7 from Saturday on is Monday.
        let weekend = (hours.div_euclid(24) + 5).rem_euclid(7) < 2;
        let hour = hours.rem_euclid(24) + if weekend { 24 } else { 0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 47")]
        Self(hour as u8)
    }

    /// The hours before and after on the same kind of day.
    #[must_use]
    pub const fn neighbours(self) -> [Self; 2] {
        let (day, hour) = (self.0 / 24 * 24, self.0 % 24);
        [Self(day + (hour + 23) % 24), Self(day + (hour + 1) % 24)]
    }

    #[must_use]
    pub const fn hour(self) -> u8 {
        self.0 % 24
    }

    /// How often the slot comes, per hour of life.
    pub(super) fn visits_an_hour(self) -> f64 {
        let days_of_week = if self.0 < 24 { 5.0 } else { 2.0 };
        days_of_week / (7.0 * 24.0)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..48).map(Self)
    }
}

/// Factors in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Season([u16; Slot::COUNT]);

impl Default for Season {
    fn default() -> Self {
        Self([ONE; Slot::COUNT])
    }
}

const ONE: u16 = 1_000;

impl Season {
    #[must_use]
    pub fn of(&self, slot: Slot) -> f64 {
        f64::from(self.0[usize::from(slot.0)]) / f64::from(ONE)
    }

    /// Moves a slot towards the factor just seen: a running mean after `visits` of it (at most 20 count), started as
    /// if the borrowed season had been seen `prior` times.
    pub fn learn(&mut self, slot: Slot, factor: f64, visits: f64, prior: f64) {
        let known = self.of(slot);
        let next = known + (factor - known) / (visits.min(20.0) + prior + 1.0);
        self.0[usize::from(slot.0)] = thousandths(next);
    }

    /// Makes the mean over a week 1, and returns what the level has to be multiplied by for it.
    pub fn normalise(&mut self) -> f64 {
        let day = |from: usize| self.0[from..from + 24].iter().map(|&factor| f64::from(factor)).sum::<f64>();
        let mean = (5.0 * day(0) + 2.0 * day(24)) / (7.0 * 24.0 * f64::from(ONE));
        if !(0.02..=50.0).contains(&mean) {
            return 1.0;
        }
        self.0.iter_mut().for_each(|factor| *factor = thousandths(f64::from(*factor) / f64::from(ONE) / mean));
        mean
    }

    /// How many slots lie below `factor`.
    #[must_use]
    pub fn below(&self, factor: f64) -> usize {
        Slot::all().filter(|&slot| self.of(slot) < factor).count()
    }
}

fn thousandths(factor: f64) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
    let value = (factor * f64::from(ONE)).round().clamp(1.0, f64::from(u16::MAX)) as u16;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_week_have_their_slots() {
        for (text, slot) in [
            ("2026-11-23T00:59:00Z", 0),  // Monday
            ("2026-11-27T23:00:00Z", 23), // Friday
            ("2026-11-28T00:00:00Z", 24), // Saturday
            ("2026-11-29T23:59:59Z", 47), // Sunday
        ] {
            assert_eq!(Slot::at(crate::time::rfc3339(text).unwrap()), Slot(slot), "{text}");
        }
        assert_eq!(Slot(24).neighbours(), [Slot(47), Slot(25)]);
    }

    #[test]
    fn a_season_is_learned_and_keeps_a_mean_of_one() {
        let mut season = Season::default();
        for visits in 0..20 {
            Slot::all().for_each(|slot| {
                let factor = if slot.hour() < 12 { 3.0 } else { 0.0 };
                season.learn(slot, factor, f64::from(visits), 2.0);
            });
        }
        let scale = season.normalise();
        assert!((scale - 1.5).abs() < 0.1 && (season.of(Slot(3)) - 1.9).abs() < 0.1, "{scale} {season:?}");
        assert_eq!(season.below(0.2), 24);
    }
}
