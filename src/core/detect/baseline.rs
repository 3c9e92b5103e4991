//! What an entity's own past says about a count: level, season, and how much it varies over each window.
//!
//! Expected in an hour: mu = L P[slot]. L = (decayed counts)/(decayed season), half-life 7 days: the maximum-likelihood
//! level of Poisson counts, so that empty nights weigh nothing. Each window (1 min, 10 min, 1 h, 24 h) has its own
//! dispersion phi (variance mu + phi mu^2), shrunk to 0.05 with the weight of 8 windows, decay 0.998 an hour.
//! A count is tested as negative binomial with 1/r = phi + phi/visits + 1/counted: the last terms are what is not yet
//! known of season and level, so that a young entity is slow to alarm by itself.
//!
//! After the first week updates are winsorised at five standard deviations, so that an attack does not teach. Hours are closed by
//! [`Baseline::close_hour`], also empty ones; minutes and ten minutes close themselves at the next count.
//!
//! 336 bytes.

use super::Window;
use super::season::{Season, Slot};
use super::told::{DAY_US, HOUR_US};
use crate::minutes::MINUTE_US;
use crate::stats::{lower_score, real, upper_score};
use crate::time;

/// What is left of the level's memory after an hour: half-life 7 days.
const LEVEL_KEEP: f64 = 0.995_882_6;
const PHI_KEEP: f32 = 0.998;
/// While the season is being learned, what it does not yet explain is soon forgotten.
const PHI_YOUNG_KEEP: f32 = 0.992;
const PHI_YOUNG_HOURS: u32 = 14 * 24;
const PHI_PRIOR: f64 = 0.05;
const PHI_PRIOR_WEIGHT: f64 = 8.0;
const PHI_MIN: f64 = 0.002;
/// An entity younger than this is only learned from.
const YOUNG_HOURS: u32 = 48;
const WEEK_US: i64 = 7 * DAY_US;
/// The first hours say nothing about dispersion, or the level would have to be guessed.
const RAW_HOURS: u32 = 24;
/// Dispersion of the minute from which on requests come in runs, a few minutes of an hour: jobs by a timetable.
const RUNS_PHI: f64 = 8.0;
/// Work of a job at the end of a month, times that of other days.
const MONTHS_END: f64 = 3.0;
/// The first week is taken as it comes: what happens once a night could not be told from an attack, and would never be
/// learned.
const WINSORISED_HOURS: u32 = 7 * 24;

/// Sums of the moment estimator of phi.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Dispersion {
    excess: f32,
    weight: f32,
}

impl Dispersion {
    fn phi(self, window: Window) -> f64 {
        let known = f64::from(self.excess) + PHI_PRIOR * PHI_PRIOR_WEIGHT;
        (known / (f64::from(self.weight) + PHI_PRIOR_WEIGHT)).clamp(PHI_MIN, window.phi_max())
    }

    /// One standard error above the estimate: few wild windows say little about how wild it gets. The moment estimator
    /// over gamma noise has variance phi^2 (2 + 6 phi)/n.
    fn phi_at_most(self, window: Window) -> f64 {
        let phi = self.phi(window);
        let error = ((2.0 + 6.0 * phi) / (f64::from(self.weight) + PHI_PRIOR_WEIGHT)).sqrt();
        (phi * (1.0 + error)).min(window.phi_max())
    }

    /// Adds `times` windows of count `x` where mu was expected, each with weight (mu/(1 + mu))^2: about the reciprocal of
    /// the estimate's variance. A larger weight for small mu lets the empty hours of what runs once a night outvote the run.
    fn learn(&mut self, x: f64, mu: f64, times: f64) {
        if mu > 0.0 && times > 0.0 {
            let weight = times * (mu / (1.0 + mu)).powi(2);
            self.excess += single(weight * ((x - mu).powi(2) - mu) / (mu * mu));
            self.weight += single(weight);
        }
    }

    fn decay(&mut self, keep: f32) {
        self.excess *= keep;
        self.weight *= keep;
    }
}

impl Window {
    const fn phi_max(self) -> f64 {
        // A cron job puts all of an hour into one minute: phi 59 a minute is an ordinary life.
        match self {
            Self::Minute => 180.0,
            Self::TenMinutes => 18.0,
            Self::Hour | Self::Day => 3.0,
        }
    }
}

/// A count in the window that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Open {
    /// Start of the window in minutes since 1970.
    from: i32,
    count: u32,
}

/// A count against what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    pub window: Window,
    /// Start and end of the window, UTC microseconds.
    pub from_us: i64,
    pub to_us: i64,
    pub seen: f64,
    pub expected: f64,
    /// Dispersion of the entity over this window.
    pub phi: f64,
    /// Shape of the predictive distribution.
    pub r: f64,
}

impl Test {
    #[must_use]
    pub fn upper_score(&self) -> f64 {
        upper_score(self.seen, self.expected, self.r)
    }

    /// Whether the window begins when its predecessor is not over.
    #[must_use]
    pub const fn slides(&self) -> bool {
        self.from_us.rem_euclid(self.window.us()) != 0
    }

    /// A cheap look: more than `deviations` above the expected.
    #[must_use]
    pub fn is_high(&self, deviations: f64) -> bool {
        let over = self.seen - self.expected;
        over > 0.0 && over * over > deviations * deviations * self.variance()
    }

    fn variance(&self) -> f64 {
        self.expected + self.expected * self.expected / self.r
    }

    /// The least count that would have reached `score`, within one in a thousand.
    #[must_use]
    pub fn threshold(&self, score: f64) -> f64 {
        // Whole numbers, so that the middle of two that are not neighbours lies between them.
        let (mut below, mut above) = (self.expected.floor(), (self.expected.max(1.0) * 2.0).ceil());
        while upper_score(above, self.expected, self.r) < score && above < 1e15 {
            (below, above) = (above, above * 2.0);
        }
        while above - below > (above * 1e-3).max(1.0) {
            let middle = f64::midpoint(below, above).floor();
            if upper_score(middle, self.expected, self.r) < score { below = middle } else { above = middle }
        }
        above
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    season: Season,
    counted: f32,
    weight: f32,
    hours: u32,
    minute: Open,
    ten: Open,
    hour: Open,
    /// Counts of the ten minutes of an hour, a ring; those of the last hour but the open one are up to date.
    tens: [u32; 6],
    /// Counts of the 24 hours before the open one, a ring by hour of the day.
    ring: [u32; 24],
    dispersion: [Dispersion; Window::COUNT],
}

impl Default for Baseline {
    fn default() -> Self {
        Self::borrowing(Season::default())
    }
}

impl Baseline {
    /// A new entity that starts with the season of its tenant.
    #[must_use]
    pub fn borrowing(season: Season) -> Self {
        Self {
            season,
            counted: 0.0,
            weight: 0.0,
            hours: 0,
            minute: Open::default(),
            ten: Open::default(),
            hour: Open::default(),
            tens: [0; 6],
            ring: [0; 24],
            dispersion: [Dispersion::default(); Window::COUNT],
        }
    }

    #[must_use]
    pub const fn season(&self) -> &Season {
        &self.season
    }

    /// Hours that were closed.
    #[must_use]
    pub const fn hours(&self) -> u32 {
        self.hours
    }

    #[must_use]
    pub const fn is_young(&self) -> bool {
        self.hours < YOUNG_HOURS
    }

    /// Whether the last 24 hours are all of a grown entity.
    #[must_use]
    pub const fn knows_days(&self) -> bool {
        self.hours >= YOUNG_HOURS + 24
    }

    /// Counts an hour, over all slots.
    #[must_use]
    pub fn level(&self) -> f64 {
        if self.weight > 0.0 { f64::from(self.counted) / f64::from(self.weight) } else { 0.0 }
    }

    /// Decayed count that the level rests on.
    #[must_use]
    pub fn counted(&self) -> f64 {
        f64::from(self.counted)
    }

    /// Expected in the hour of `instant_us`.
    #[must_use]
    pub fn hourly(&self, instant_us: i64) -> f64 {
        self.level() * self.season.of(Slot::at(instant_us))
    }

    /// Expected between two instants, hour by hour; a span of more than a week is as many of its last week.
    #[must_use]
    pub fn between(&self, from_us: i64, to_us: i64) -> f64 {
        let span_us = to_us.saturating_sub(from_us);
        if span_us > WEEK_US {
            return self.between(to_us - WEEK_US, to_us) * real(span_us) / real(WEEK_US);
        }
        hours(from_us, to_us, |slot| self.season.of(slot)) * self.level()
    }

    /// -log10 of the chance that nothing comes where `expected` requests are, at this dispersion and what is not yet known
    /// of the level.
    #[must_use]
    pub fn silence_score(&self, expected: f64, phi: f64) -> f64 {
        lower_score(0.0, expected, 1.0 / (phi * 1.1 + 1.0 / self.counted().max(0.5)))
    }

    /// Adds the count of a minute; minutes come in order. Returns the tests of the windows that are open.
    pub fn add(&mut self, minute_us: i64, count: i64) -> [Test; 3] {
        let count = u32::try_from(count).unwrap_or(0);
        let hourly = self.hourly(minute_us);
        let at = minutes_of(minute_us);
        let hour_from = at - at.rem_euclid(60);
        self.close_open(Window::Minute, at, hour_from, hourly);
        self.close_open(Window::TenMinutes, at - at.rem_euclid(10), hour_from, hourly);
        if self.hour.from != hour_from {
            self.hour = Open { from: hour_from, count: 0 };
        }
        for open in [&mut self.minute, &mut self.ten, &mut self.hour] {
            open.count = open.count.saturating_add(count);
        }
        [
            self.test(Window::Minute, self.minute, hourly / 60.0),
            self.test(Window::TenMinutes, self.ten, hourly / 6.0),
            self.test(Window::Hour, self.hour, hourly),
        ]
    }

    /// Ends the open minute or ten minutes when another begins at `next`; windows without a count in between are
    /// counted back to `hour_from`, since others belong to hours of their own.
    fn close_open(&mut self, window: Window, next: i32, hour_from: i32, hourly: f64) {
        let length = window.minutes();
        let open = if window == Window::Minute { &mut self.minute } else { &mut self.ten };
        if open.from == next {
            return;
        }
        let before = std::mem::replace(open, Open { from: next, count: 0 });
        if window == Window::TenMinutes {
            self.keep_ten(before, next);
        }
        if self.hours < RAW_HOURS {
            return;
        }
        let mu = hourly * f64::from(length) / 60.0;
        let in_hour = before.from >= hour_from;
        let idle_from = if in_hour { before.from + length } else { hour_from };
        // While the hour as a whole is ordinary, its minutes are too: a cron job is allowed to burst.
        let seen = f64::from(before.count);
        let ordinary = f64::from(self.hour.count) <= self.winsorised(f64::from(self.hour.count), hourly, Window::Hour);
        let seen = if ordinary { seen } else { self.winsorised(seen, mu, window) };
        let dispersion = &mut self.dispersion[window as usize];
        if in_hour {
            dispersion.learn(seen, mu, 1.0);
        }
        dispersion.learn(0.0, mu, f64::from((next - idle_from) / length).max(0.0));
    }

    /// Keeps the count of ten minutes that are over, and none for those that passed until `next`.
    fn keep_ten(&mut self, closed: Open, next: i32) {
        let place = |from: i32| usize::try_from(from.rem_euclid(60) / 10).unwrap_or(0);
        self.tens[place(closed.from)] = closed.count;
        let passed = (next.saturating_sub(closed.from) / 10 - 1).clamp(0, 6);
        (1..=passed).for_each(|step| self.tens[place(closed.from + 10 * step)] = 0);
    }

    /// The test of the 60 minutes that end with the open ten: a rise does not wait for the clock to strike. Where requests
    /// come in runs it is that of the open hour, or a run at its beginning would be held against a sixth of it.
    #[must_use]
    pub fn trailing_hour(&self, minute_us: i64) -> Test {
        if self.comes_in_runs() {
            return self.hour(minute_us - minute_us.rem_euclid(HOUR_US));
        }
        let open = usize::try_from(self.ten.from.rem_euclid(60) / 10).unwrap_or(0);
        let before = self.tens.iter().enumerate().filter(|(at, _)| *at != open).map(|(_, &count)| count);
        let count = before.fold(self.ten.count, u32::saturating_add);
        let from = self.ten.from - 50;
        let from_us = i64::from(from) * MINUTE_US;
        self.test(Window::Hour, Open { from, count }, self.between(from_us, from_us + HOUR_US))
    }

    fn winsorised(&self, x: f64, mu: f64, window: Window) -> f64 {
        let phi = self.dispersion[window as usize].phi(window);
        if self.hours < WINSORISED_HOURS { x } else { x.min(mu + 5.0 * (mu + phi * mu * mu).sqrt() + 3.0) }
    }

    fn test(&self, window: Window, open: Open, expected: f64) -> Test {
        let from_us = i64::from(open.from) * MINUTE_US;
        let phi = self.dispersion[window as usize].phi(window);
        let visits = (f64::from(self.hours) * Slot::at(from_us).visits_an_hour()).min(20.0) + 2.0;
        // Over a day the errors of 24 slots average out, and the prior weighs enough by itself.
        let (known, slots) = match window {
            Window::Minute | Window::TenMinutes | Window::Hour => {
                (self.dispersion[window as usize].phi_at_most(window), 1.0)
            }
            Window::Day => (phi, 24.0),
        };
        let of_season = self.dispersion[Window::Hour as usize].phi(Window::Hour) / (visits * slots);
        let r = 1.0 / (known + of_season + 1.0 / self.counted().max(0.5));
        Test { window, from_us, to_us: from_us + window.us(), seen: f64::from(open.count), expected, phi, r }
    }

    /// The test against what the hours before and after would explain as well: clocks change twice a year, and what runs
    /// by them goes with them.
    #[must_use]
    pub fn allowing_for_clocks(&self, test: Test) -> Test {
        let own = |slot| self.season.of(slot).max(0.001);
        let most =
            |slot: Slot| slot.neighbours().into_iter().map(|slot| self.season.of(slot)).fold(own(slot), f64::max);
        let factor = hours(test.from_us, test.to_us, most) / hours(test.from_us, test.to_us, own);
        Test { expected: test.expected * factor, ..test }
    }

    /// Whether requests come in a few minutes of an hour, as those of jobs by a timetable do.
    fn comes_in_runs(&self) -> bool {
        self.dispersion[Window::Minute as usize].phi(Window::Minute) >= RUNS_PHI
    }

    /// The test against what jobs do at the end of a month: three times their work, if requests come in runs.
    #[must_use]
    pub fn allowing_for_months_end(&self, test: Test) -> Test {
        let closes_books = self.comes_in_runs() && time::touches_months_end(test.from_us, test.to_us);
        Test { expected: test.expected * if closes_books { MONTHS_END } else { 1.0 }, ..test }
    }

    /// What clocks and calendars explain.
    #[must_use]
    pub fn allowing_for_calendar(&self, test: Test) -> Test {
        self.allowing_for_months_end(self.allowing_for_clocks(test))
    }

    /// Whether the excess of the 24 hours up to `day.to_us` is not for the most part that of one hour.
    #[must_use]
    pub fn is_spread(&self, day: &Test) -> bool {
        let over = |ago: i64| {
            let from_us = day.to_us - ago * HOUR_US;
            f64::from(self.ring[usize::from(Slot::at(from_us).hour())]) - self.hourly(from_us)
        };
        let most = (1..=24).map(over).fold(0.0, f64::max);
        2.0 * most <= day.seen - day.expected
    }

    /// The test of the hour that began at `from_us`, as far as it has come.
    #[must_use]
    pub fn hour(&self, from_us: i64) -> Test {
        let from = minutes_of(from_us);
        let count = if self.hour.from == from { self.hour.count } else { 0 };
        self.test(Window::Hour, Open { from, count }, self.hourly(from_us))
    }

    /// Ends the hour that began at `from_us`: learns from it, and returns the test of the 24 hours up to its end.
    /// `frozen`: the hour is part of an incident and teaches nothing new.
    pub fn close_hour(&mut self, from_us: i64, frozen: bool) -> Test {
        let test = self.hour(from_us);
        let from = minutes_of(from_us);
        self.close_open(Window::Minute, from + 60, from, test.expected);
        self.close_open(Window::TenMinutes, from + 60, from, test.expected);
        let slot = Slot::at(from_us);
        let at = usize::from(slot.hour());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a u32")]
        let count = test.seen as u32;
        self.ring[at] = count;

        let end_us = from_us + HOUR_US;
        let day: f64 = self.ring.iter().map(|&count| f64::from(count)).sum();
        let expected = self.between(end_us - DAY_US, end_us);
        let day = Test {
            from_us: end_us - DAY_US,
            ..self.test(Window::Day, Open { from: minutes_of(end_us - DAY_US), count: clamp_u32(day) }, expected)
        };

        let mu = test.expected;
        let frozen = frozen && self.hours >= WINSORISED_HOURS;
        let seen = if frozen { mu } else { self.winsorised(test.seen, mu, Window::Hour) };
        let visits = f64::from(self.hours) * slot.visits_an_hour();
        if self.hours >= RAW_HOURS {
            self.dispersion[Window::Hour as usize].learn(seen, mu, 1.0);
            if self.hours >= YOUNG_HOURS {
                // The day is looked at every hour: each look is a 24th of an observation.
                let seen = if frozen { expected } else { self.winsorised(day.seen, expected, Window::Day) };
                self.dispersion[Window::Day as usize].learn(seen, expected, 1.0 / 24.0);
            }
            let level = self.level();
            if level > 0.0 {
                self.season.learn(slot, seen / level, visits, 2.0 + 2.0 / level.max(0.05));
            }
        }
        let keep = if self.hours < PHI_YOUNG_HOURS { PHI_YOUNG_KEEP } else { PHI_KEEP };
        for (dispersion, window) in self.dispersion.iter_mut().zip(Window::ALL) {
            dispersion.decay(if *window == Window::Day { PHI_KEEP } else { keep });
        }
        self.counted = single(f64::from(self.counted) * LEVEL_KEEP + seen);
        self.weight = single(f64::from(self.weight) * LEVEL_KEEP + self.season.of(slot).max(0.001));
        self.hours = self.hours.saturating_add(1);
        if self.hours.is_multiple_of(24) {
            // The level follows the season's scale: weight is a sum of factors.
            let scale = self.season.normalise();
            self.weight = single(f64::from(self.weight) / scale);
        }
        if self.hour.from == minutes_of(from_us) {
            self.hour.count = 0;
        }
        day
    }

    /// How much the entity varies: shown to people.
    #[must_use]
    pub fn phi(&self, window: Window) -> f64 {
        self.dispersion[window as usize].phi(window)
    }
}

impl Window {
    #[must_use]
    pub const fn us(self) -> i64 {
        match self {
            Self::Minute => MINUTE_US,
            Self::TenMinutes => 10 * MINUTE_US,
            Self::Hour => HOUR_US,
            Self::Day => DAY_US,
        }
    }

    const fn minutes(self) -> i32 {
        match self {
            Self::Minute => 1,
            Self::TenMinutes => 10,
            Self::Hour => 60,
            Self::Day => 1_440,
        }
    }

    /// `minute`, `10 minutes`…
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::TenMinutes => "10 minutes",
            Self::Hour => "hour",
            Self::Day => "24 hours",
        }
    }
}

/// The sum of a factor over the hours of a span, parts of hours as such.
fn hours(from_us: i64, to_us: i64, factor: impl Fn(Slot) -> f64) -> f64 {
    let (mut at, mut sum) = (from_us, 0.0);
    while at < to_us {
        let next = (at.div_euclid(HOUR_US) + 1).saturating_mul(HOUR_US).min(to_us);
        sum += factor(Slot::at(at)) * real(next - at) / real(HOUR_US);
        at = next;
    }
    sum
}

fn minutes_of(instant_us: i64) -> i32 {
    i32::try_from(instant_us.div_euclid(MINUTE_US)).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
const fn clamp_u32(count: f64) -> u32 {
    count.clamp(0.0, u32::MAX as f64) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "states are kept in single precision")]
const fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests;
