//! Will the present rate exceed a budget before the day ends?
//!
//! For tenants with a budget: money spent since midnight UTC, plus the rate of the last 60 minutes for the rest of the
//! day. Told once a day when that exceeds the budget and a quarter of it is spent, and once more when it is spent. This
//! is arithmetic and no test of chance, so its score is the deterministic one.
//!
//! 272 bytes, for tenants with a budget only.

use super::told::{DAY_US, HOUR_US};
use super::{Detector, Entity, Finding, Minute, Severity};
use crate::minutes::{MINUTE_US, Sum};
use crate::stats::real;

#[derive(Clone, Debug, PartialEq)]
pub struct State {
    day_us: i64,
    spent: i64,
    /// Money of each of the last 60 minutes, a ring, and the minute it reaches to.
    ring: [i32; 60],
    last_us: i64,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Projected,
    Spent,
}

impl Default for State {
    fn default() -> Self {
        Self { day_us: 0, spent: 0, ring: [0; 60], last_us: 0, told: Told::Nothing }
    }
}

impl State {
    pub fn observe(&mut self, minute: &Minute, budget: i64) -> Option<Finding> {
        let (now_us, cost) = (minute.minute_us, minute.total[Sum::CostMicros]);
        let day_us = now_us - now_us.rem_euclid(DAY_US);
        if day_us != self.day_us {
            (self.day_us, self.spent, self.told) = (day_us, 0, Told::Nothing);
        }
        self.turn(now_us);
        self.spent = self.spent.saturating_add(cost);
        self.ring[slot(now_us)] = i32::try_from(cost).unwrap_or(i32::MAX);

        let last_hour: i64 = self.ring.iter().map(|&cost| i64::from(cost)).sum();
        let left = real(day_us + DAY_US - minute.to_us()) / real(HOUR_US);
        let projected = real(self.spent) + real(last_hour) * left;
        let (budget, spent) = (real(budget), real(self.spent));
        let now = match () {
            () if spent >= budget => Told::Spent,
            () if projected > budget && spent >= budget / 4.0 => Told::Projected,
            () => Told::Nothing,
        };
        if now <= self.told {
            return None;
        }
        self.told = now;
        Some(finding(&minute.entity, now, (self.day_us, minute.to_us()), (budget, spent, projected)))
    }

    /// Empties the minutes between the last one and `now_us`.
    fn turn(&mut self, now_us: i64) {
        let idle = (now_us - self.last_us).div_euclid(MINUTE_US).clamp(0, 60);
        (0..idle).for_each(|back| self.ring[slot(now_us - back * MINUTE_US)] = 0);
        self.last_us = now_us;
    }
}

fn slot(instant_us: i64) -> usize {
    usize::try_from(instant_us.div_euclid(MINUTE_US).rem_euclid(60)).unwrap_or(0)
}

fn finding(entity: &Entity, told: Told, span: (i64, i64), money: (f64, f64, f64)) -> Finding {
    let (budget, spent, projected) = money;
    let summary = match told {
        Told::Spent => format!("{entity} has spent {:.2}, all of its day's budget of {:.2}", spent / 1e6, budget / 1e6),
        Told::Nothing | Told::Projected => format!(
            "{entity} has spent {:.2} and at the rate of the last hour will have spent {:.2} by midnight UTC; the budget \
             is {:.2}",
            spent / 1e6,
            projected / 1e6,
            budget / 1e6
        ),
    };
    Finding {
        detector: Detector::BudgetBurn,
        entity: entity.clone(),
        // The second claim of a day is about another span, and so has an id of its own.
        from_us: if told == Told::Spent { span.1 - MINUTE_US } else { span.0 },
        to_us: span.1,
        severity: if told == Told::Spent { Severity::High } else { Severity::Medium },
        score: Finding::DETERMINISTIC,
        expected: budget,
        seen: if told == Told::Spent { spent } else { projected },
        unit: "millionths of the billing currency",
        cause: None,
        drivers: Vec::new(),
        summary,
        quiet: format!("a budget above {:.2} a day", projected.max(spent) / 1e6),
    }
}
