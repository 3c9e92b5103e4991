//! Is a key used at hours in which it always slept?
//!
//! Only for keys with a night: 14 days with use, 200 requests, and a quarter of the 48 hours of the week nearly empty. In
//! an hour that is nearly empty, as are the hours before and after (which also tolerates the change to summer time), the
//! count is tested against the few requests that the season leaves it, as in [`request_spike`](super::request_spike),
//! with no least difference: five requests at three in the morning can be enough.
//!
//! 16 bytes.

use super::baseline::{Baseline, Test};
use super::request_spike::sole_drivers;
use super::season::Slot;
use super::told::{DAY_US, HOUR_US};
use super::{Context, Detector, Finding, Minute, Severity, Window};
use crate::time;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    last_day: i32,
    /// Days on which the key was used.
    days: u16,
    quiet_until_us: i64,
}

impl State {
    const DAYS_MIN: u16 = 14;
    const COUNTED_MIN: f64 = 200.0;
    const COUNT_MIN: f64 = 5.0;
    /// A slot with less of its share is empty.
    const EMPTY: f64 = 0.2;

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
        let (slot, season) = (Slot::at(minute.minute_us), baseline.season());
        let [before, after] = slot.neighbours();
        let asleep = [before, slot, after].into_iter().all(|slot| season.of(slot) < Self::EMPTY);
        if !asleep || season.below(Self::EMPTY) < Slot::COUNT / 4 || baseline.counted() < Self::COUNTED_MIN {
            return None;
        }
        let score = context.population.recalibrated(&minute.entity.tenant, hour.upper_score());
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
            expected: hour.expected,
            seen: hour.seen,
            unit: "served requests",
            cause: None,
            drivers: sole_drivers(minute, context),
            summary: format!(
                "{} was used {:.0} times in the hour from {}, an hour in which it always slept ({:.2} were expected)",
                minute.entity,
                hour.seen,
                time::format(hour.from_us),
                hour.expected
            ),
            quiet: "earlier use at this hour of the day, or within an hour of it".to_owned(),
        })
    }
}
