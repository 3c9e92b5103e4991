//! How many requests a key sends in an hour: level, season, drift, dependence between hours, and dispersion.
//!
//! A count is gamma-Poisson around `level * season * growth * e^(noise + drift)`. The noise is an AR(1) process, so that
//! one busy hour follows another, which is what the tests of a detector usually assume away.

use super::calendar::{DAY, DAYS, HOLIDAY, HOUR, MONTH_END, START, is_weekend, local};
use super::draw::{Draw, cos_turns, exp, real};
use super::registry::City;
use super::world::Archetype;

/// Dependence of the log-rate from one hour to the next, and its standing deviation.
const AR: f64 = 0.9;
const AR_DEVIATION: f64 = 0.15;
/// Random walk of the log-rate, an hour.
const DRIFT_DEVIATION: f64 = 0.003;

/// The law of one key's counts.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    /// Mean requests an hour.
    pub level: f64,
    /// Variance beyond Poisson: `variance = mean + dispersion * mean^2`.
    pub dispersion: f64,
    /// Factor by hour: 24 of working days, 24 of weekends. Mean 1 over a week.
    season: [f64; 48],
    /// Factor reached at the end of the four weeks.
    growth: f64,
    /// A new normal from this instant on.
    step: Option<(i64, f64)>,
}

impl Volume {
    pub(crate) fn drawn(archetype: Archetype, level: f64, draw: &mut Draw) -> Self {
        let dispersion = draw.log_normal(super::draw::ln(0.08), 1.0).clamp(0.002, 1.5);
        let (amplitude, weekend) = (draw.between(0.0, 0.9), draw.between(0.3, 1.0));
        let season = match archetype {
            Archetype::Office => season(|hour| if (9..18).contains(&hour) { 1.0 } else { 0.003 }, 0.02),
            Archetype::Cron => [1.0; 48],
            Archetype::Server | Archetype::Mobile | Archetype::Partner | Archetype::Rare => {
                season(|hour| 1.0 + amplitude * cos_turns(real(hour + 10) / 24.0), weekend)
            }
        };
        let growth = if draw.chance(0.05) { 2.0 } else { 1.0 };
        let step_at = START + super::draw::micros(draw.between(7.0, 24.0) * 24.0) * HOUR;
        let factor = draw.between(1.6, 3.0);
        Self { level, dispersion, season, growth, step: draw.chance(0.02).then_some((step_at, factor)) }
    }

    /// A law without troubles, for calibration.
    pub(crate) fn steady(level: f64, dispersion: f64, amplitude: f64) -> Self {
        let season = season(|hour| 1.0 + amplitude * cos_turns(real(hour + 10) / 24.0), 1.0);
        Self { level, dispersion, season, growth: 1.0, step: None }
    }

    /// When the level steps to a new normal, and by which factor.
    pub(crate) const fn step(&self) -> Option<(i64, f64)> {
        self.step
    }

    /// Whether the key's owner sleeps in the hour from `at`.
    pub(crate) fn is_quiet(&self, city: &City, at: i64) -> bool {
        self.season[slot(city, false, at)] < 0.05
    }

    /// Mean of the hour from `at`, noise and drift left out.
    pub(crate) fn expected(&self, city: &City, holiday: bool, at: i64) -> f64 {
        let share =
            super::draw::real((at - START).max(0).unsigned_abs()) / super::draw::real((DAYS * DAY).unsigned_abs());
        let step = self.step.filter(|(from, _)| at >= *from).map_or(1.0, |(_, factor)| factor);
        self.level * self.season[slot(city, holiday, at)] * (1.0 + (self.growth - 1.0) * share) * step
    }

    /// Runs of a timetable are larger at the end of a month.
    pub(crate) fn month_end(city: &City, at: i64) -> f64 {
        if local(city, at).1 == MONTH_END { 3.0 } else { 1.0 }
    }
}

/// Which of the 48 factors holds; a holiday counts as a weekend.
fn slot(city: &City, holiday: bool, at: i64) -> usize {
    let (hour, day) = local(city, at);
    let free = is_weekend(day) || holiday && day == HOLIDAY;
    usize::try_from(hour).expect("an hour of the day") + if free { 24 } else { 0 }
}

fn season(of_hour: impl Fn(u64) -> f64, weekend: f64) -> [f64; 48] {
    let mut season = [0.0; 48];
    for (slot, factor) in season.iter_mut().enumerate() {
        *factor = of_hour(slot as u64 % 24) * if slot < 24 { 1.0 } else { weekend };
    }
    let week = season.iter().enumerate().map(|(slot, factor)| factor * if slot < 24 { 5.0 } else { 2.0 }).sum::<f64>();
    season.map(|factor| factor * 168.0 / week)
}

/// Where a key's noise stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noise {
    hourly: f64,
    drift: f64,
}

impl Noise {
    /// Goes on by an hour; the factor for it.
    pub(crate) fn next(&mut self, draw: &mut Draw) -> f64 {
        self.hourly = AR * self.hourly + AR_DEVIATION * (1.0 - AR * AR).sqrt() * draw.normal();
        self.drift += DRIFT_DEVIATION * draw.normal();
        exp(self.hourly + self.drift)
    }
}

/// Hourly counts of many keys without any requests behind them: for the calibration of count detectors.
#[derive(Clone, Debug)]
pub struct CountCells {
    draw: Draw,
    keys: Vec<(Volume, Noise)>,
    noisy: bool,
}

impl CountCells {
    /// `keys` keys with levels log-normal around 5 an hour. `dispersion` of all of them, or drawn as in the benchmark.
    /// `amplitude` of the daily season, 0 for none. `noisy` adds the dependence between hours and the drift.
    #[must_use]
    pub fn new(seed: u64, keys: usize, dispersion: Option<f64>, amplitude: f64, noisy: bool) -> Self {
        let mut draw = Draw::stream(seed, 77);
        let keys = (0..keys).map(|_| {
            let level = draw.log_normal(super::draw::ln(5.0), 1.5).clamp(0.05, 5_000.0);
            let drawn = draw.log_normal(super::draw::ln(0.08), 1.0).clamp(0.002, 1.5);
            (Volume::steady(level, dispersion.unwrap_or(drawn), amplitude), Noise::default())
        });
        let keys = keys.collect();
        Self { draw, keys, noisy }
    }

    /// The counts of all keys in hour `hour` since [`START`], in the order of the keys. Hours are asked for in order.
    pub fn hour(&mut self, hour: i64, counts: &mut Vec<u64>) {
        counts.clear();
        let utc = &super::registry::CITIES[super::registry::CITIES.iter().position(|c| c.utc_hours == 0).unwrap_or(0)];
        for (volume, noise) in &mut self.keys {
            let mut mean = volume.expected(utc, false, START + hour * HOUR);
            if self.noisy {
                mean *= noise.next(&mut self.draw);
            }
            counts.push(self.draw.negative_binomial(mean, volume.dispersion));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymisuse::registry::CITIES;

    #[test]
    fn a_week_has_the_mean_of_its_level() {
        let mut draw = Draw::seeded(3);
        for archetype in [Archetype::Server, Archetype::Office, Archetype::Cron] {
            let mut volume = Volume::drawn(archetype, 10.0, &mut draw);
            (volume.growth, volume.step) = (1.0, None);
            let hours = (7 * 24..14 * 24).map(|hour| volume.expected(&CITIES[16], false, START + hour * HOUR));
            assert!((hours.sum::<f64>() / 168.0 - 10.0).abs() < 1e-9, "{archetype:?}");
        }
    }

    #[test]
    fn cells_vary_more_than_poisson_and_depend_on_the_hour_before() {
        let mut cells = CountCells::new(5, 400, Some(0.3), 0.0, true);
        let (mut before, mut now) = (Vec::new(), Vec::new());
        let (mut sum, mut square, mut product, mut mean) = (0.0, 0.0, 0.0, 0.0);
        for hour in 0..200 {
            std::mem::swap(&mut before, &mut now);
            cells.hour(hour, &mut now);
            for (key, (volume, _)) in cells.keys.iter().enumerate().filter(|(_, (volume, _))| volume.level > 20.0) {
                let Some(&past) = before.get(key) else { continue };
                let (x, y) = (real(now[key]) / volume.level - 1.0, real(past) / volume.level - 1.0);
                (sum, square, product) = (sum + 1.0, square + x * x, product + x * y);
                mean += x;
            }
        }
        let (variance, covariance) = (square / sum - (mean / sum) * (mean / sum), product / sum);
        assert!(variance > 0.28 && variance < 0.5, "dispersion 0.3 and noise: {variance}");
        assert!(covariance > 0.01, "neighbouring hours are alike: {covariance}");
    }
}
