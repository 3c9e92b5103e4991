//! Is a key used at hours in which it always slept?
//!
//! Only for keys with a night: 14 days with use, 200 requests, and a quarter of the 48 hours of the week nearly empty. In
//! an hour that is nearly empty, as are the hours before and after (which also tolerates the change to summer time), the
//! count is tested against what all such hours of the key held so far: negative binomial with mean (c + 1/2)/(h + 1) for
//! c requests in h hours, and 1/r = 2 + 1/(c + 1/2), since what comes at night comes in bursts. No least difference: five
//! requests at three in the morning can be enough.
//!
//! 24 bytes.

use super::baseline::{Baseline, Test};
use super::request_spike::sole_drivers;
use super::season::Slot;
use super::told::{DAY_US, HOUR_US};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::stats::upper_score;
use crate::time;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    last_day: i32,
    /// Days on which the key was used.
    days: u16,
    /// Hours that were asleep, and requests in them.
    asleep_hours: u16,
    asleep_count: f32,
    quiet_until_us: i64,
}

impl State {
    const ASLEEP_MIN: u16 = 48;
    /// An hour teaches no more than this, or one night of misuse would be the habit of the next.
    const LEARN_MAX: f64 = 3.0;
    const DAYS_MIN: u16 = 14;
    const COUNTED_MIN: f64 = 200.0;
    const COUNT_MIN: f64 = 5.0;

    /// Learns from an hour that ended.
    pub fn close_hour(&mut self, hour: &Test, baseline: &Baseline) {
        if is_asleep(baseline, hour.from_us) {
            self.asleep_hours = self.asleep_hours.saturating_add(1);
            #[expect(clippy::cast_possible_truncation, reason = "a few requests")]
            let learned = hour.seen.min(Self::LEARN_MAX) as f32;
            self.asleep_count += learned;
        }
    }

    /// `hour`: the test of the hour that is open.
    pub fn observe(
        &mut self,
        minute: &Minute,
        hour: &Test,
        baseline: &Baseline,
        context: &Context<'_>,
    ) -> Option<Finding> {
        let day = i32::try_from(minute.minute_us.div_euclid(DAY_US)).unwrap_or(i32::MAX);
        if day != self.last_day {
            self.last_day = day;
            self.days = self.days.saturating_add(1);
        }
        if hour.seen < Self::COUNT_MIN || self.days <= Self::DAYS_MIN || minute.to_us() < self.quiet_until_us {
            return None;
        }
        if self.asleep_hours < Self::ASLEEP_MIN || !is_asleep(baseline, hour.from_us) {
            return None;
        }
        let (hours, count) = (f64::from(self.asleep_hours), f64::from(self.asleep_count) + 0.5);
        let expected = count / (hours + 1.0);
        let score = upper_score(hour.seen, expected, 1.0 / (2.0 + 1.0 / count));
        let score = context.population.recalibrated(&minute.entity.tenant, score);
        if score < context.levels.of(Window::Hour) {
            return None;
        }
        self.quiet_until_us = minute.minute_us - minute.minute_us.rem_euclid(HOUR_US) + 6 * HOUR_US;
        Some(Finding {
            detector: Detector::OffHours,
            entity: minute.entity.clone(),
            from_us: hour.from_us,
            to_us: minute.to_us(),
            severity: Severity::Medium,
            score,
            expected,
            seen: hour.seen,
            unit: "served requests",
            cause: None,
            drivers: sole_drivers(minute, context),
            summary: format!(
                "{} was used {:.0} times in the hour from {}, an hour in which it always slept ({:.2} were expected)",
                minute.entity,
                hour.seen,
                time::format(hour.from_us),
                expected
            ),
            quiet: "earlier use at this hour of the day, or within an hour of it".to_owned(),
        })
    }
}

/// A slot with less of its share is empty. A season starts flat: after ten nights without a request a quarter of that
/// is left.
const EMPTY: f64 = 0.35;

/// Whether the key has a night and the hour of `instant_us` lies within it.
fn is_asleep(baseline: &Baseline, instant_us: i64) -> bool {
    let (slot, season) = (Slot::at(instant_us), baseline.season());
    let [before, after] = slot.neighbours();
    [slot, before, after].into_iter().all(|slot| season.of(slot) < EMPTY)
        && baseline.counted() >= State::COUNTED_MIN
        && season.below(EMPTY) >= Slot::COUNT / 4
}
