//! How many refusals a minute are usual at a time of the week.
//!
//! The median, over the last [`USUAL_DAYS`] days of the same kind (working day or weekend), of the same hour's mean. The
//! median, because one bad day must not become usual; days of the same kind, because two weeks hold only two Sundays at
//! three. It is for a sentence that people read; detectors have models of their own.

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// Days that are looked back.
pub const USUAL_DAYS: i64 = 14;
/// With fewer days, nothing is called usual.
const DAYS_MIN: usize = 3;

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// Refusals a minute; `None` while too few days were seen.
    pub per_minute: Option<f64>,
    /// Days with rows, of the last [`USUAL_DAYS`].
    pub days_seen: u32,
}

/// What was usual at `now`, from refusals by hour: where hours begin, and what was refused in them. `first_us` is when rows
/// begin: an hour without refusals counts as zero after it, and not at all before.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of refusals in an hour, for a mean")]
pub fn usual(hours: &[(i64, u64)], first_us: Option<i64>, now_us: i64) -> Usual {
    let Some(first_us) = first_us else { return Usual { per_minute: None, days_seen: 0 } };
    let this_hour_us = now_us.div_euclid(HOUR_US) * HOUR_US;
    let seen = (1..=USUAL_DAYS).map(|days| this_hour_us - days * DAY_US).filter(|hour_us| *hour_us >= first_us);
    let mut rates: Vec<f64> = Vec::new();
    let mut days_seen = 0;
    for hour_us in seen {
        days_seen += 1;
        if is_weekend(hour_us) == is_weekend(now_us) {
            let refused: u64 = hours.iter().filter(|(at_us, _)| *at_us == hour_us).map(|(_, refused)| refused).sum();
            rates.push(refused as f64 / 60.0);
        }
    }
    rates.sort_by(f64::total_cmp);
    let middle = rates.len() / 2;
    let per_minute = match rates.as_slice() {
        rates if rates.len() < DAYS_MIN => None,
        rates if rates.len().is_multiple_of(2) => Some(f64::midpoint(rates[middle - 1], rates[middle])),
        rates => Some(rates[middle]),
    };
    Usual { per_minute, days_seen }
}

/// Saturday or Sunday, UTC. The first of January 1970 was a Thursday.
fn is_weekend(at_us: i64) -> bool {
    matches!((at_us.div_euclid(DAY_US) + 3).rem_euclid(7), 5 | 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tuesday 2026-11-24 09:30 UTC.
    const NOW_US: i64 = 1_795_512_600 * 1_000_000;

    fn past(refused: impl Fn(i64) -> u64) -> Vec<(i64, u64)> {
        (1..=USUAL_DAYS).map(|days| (NOW_US / HOUR_US * HOUR_US - days * DAY_US, refused(days))).collect()
    }

    #[test]
    fn one_bad_day_is_not_usual_and_weekends_are_their_own() {
        // One, seven and fourteen days ago were working days; two and three days ago were Sunday and Saturday.
        let hours = past(|days| match days {
            2 | 3 | 9 | 10 => 6,
            7 => 600_000,
            _ => 600,
        });
        let usual = usual(&hours, Some(0), NOW_US);
        assert_eq!(usual, Usual { per_minute: Some(10.0), days_seen: 14 });
        let sunday = NOW_US - 2 * DAY_US;
        assert!(
            is_weekend(sunday) && is_weekend(sunday - DAY_US) && !is_weekend(NOW_US) && !is_weekend(sunday + DAY_US)
        );
    }

    #[test]
    fn silence_counts_as_zero_only_after_the_first_row() {
        assert_eq!(usual(&[], None, NOW_US), Usual { per_minute: None, days_seen: 0 });
        assert_eq!(usual(&[], Some(NOW_US - 2 * DAY_US), NOW_US), Usual { per_minute: None, days_seen: 1 });
        assert_eq!(usual(&[], Some(0), NOW_US), Usual { per_minute: Some(0.0), days_seen: 14 });
    }
}
