//! A range of time, cut into buckets that a chart can draw.

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// Widths that people read at a glance, each a multiple of the one before or of the minute.
const WIDTHS_US: [i64; 14] = [
    10 * SECOND_US,
    30 * SECOND_US,
    MINUTE_US,
    2 * MINUTE_US,
    5 * MINUTE_US,
    10 * MINUTE_US,
    15 * MINUTE_US,
    30 * MINUTE_US,
    HOUR_US,
    2 * HOUR_US,
    3 * HOUR_US,
    6 * HOUR_US,
    12 * HOUR_US,
    DAY_US,
];

/// Whole buckets that hold a range: they begin at multiples of their width, so that two pictures of one time agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    from_us: i64,
    width_us: i64,
    count: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    #[error("the range ends at or before its start")]
    Empty,
    #[error("the range is longer than {} years", Buckets::YEARS_MAX)]
    TooLong,
}

impl Buckets {
    /// More columns than this are not told apart.
    pub const MAX: usize = 120;
    const YEARS_MAX: i64 = 100;

    /// Buckets over `[from, to)`, of the least width that needs no more than [`Buckets::MAX`].
    ///
    /// # Errors
    /// A range that is empty, or absurdly long.
    pub fn over(from_us: i64, to_us: i64) -> Result<Self, BadRange> {
        if to_us <= from_us {
            return Err(BadRange::Empty);
        }
        let length_us = to_us.checked_sub(from_us).ok_or(BadRange::TooLong)?;
        if length_us > Self::YEARS_MAX * 366 * DAY_US {
            return Err(BadRange::TooLong);
        }
        // One less than the maximum: where the range begins within a bucket it takes one more.
        let few = |width_us: &i64| length_us / width_us < Self::MAX as i64;
        let width_us = WIDTHS_US.into_iter().find(few).unwrap_or_else(|| {
            let days = length_us / DAY_US / (Self::MAX as i64 - 1) + 1;
            days * DAY_US
        });
        Ok(Self::of_width(from_us, to_us, width_us))
    }

    /// Buckets of a given width over `[from, to)`; the caller bounds their number.
    pub(super) fn of_width(from_us: i64, to_us: i64, width_us: i64) -> Self {
        let first = from_us.div_euclid(width_us);
        let last = (to_us - 1).div_euclid(width_us);
        Self { from_us: first * width_us, width_us, count: usize::try_from(last - first + 1).unwrap_or(0) }
    }

    /// The last hour before and with `now`, a bucket a minute.
    #[must_use]
    pub fn last_hour(now_us: i64) -> Self {
        Self::of_width(now_us - 59 * MINUTE_US, now_us + 1, MINUTE_US)
    }

    #[must_use]
    pub const fn begins_us(&self) -> i64 {
        self.from_us
    }

    /// End of the last bucket, not part of it.
    #[must_use]
    pub const fn ends_us(&self) -> i64 {
        self.from_us + self.width_us * self.count as i64
    }

    #[must_use]
    pub const fn width_us(&self) -> i64 {
        self.width_us
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bucket that an instant lies in.
    #[must_use]
    pub fn at(&self, at_us: i64) -> Option<usize> {
        let bucket = at_us.checked_sub(self.from_us)?.div_euclid(self.width_us);
        usize::try_from(bucket).ok().filter(|bucket| *bucket < self.count)
    }

    /// Where each bucket begins.
    pub fn starts_us(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { from_us, width_us, count } = *self;
        (0..count as i64).map(move |bucket| from_us + bucket * width_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_gets_the_finest_width_of_at_most_120_buckets_wherever_it_begins() {
        for (length_us, width_us) in [
            (15 * MINUTE_US, 10 * SECOND_US),
            (HOUR_US, MINUTE_US),
            (6 * HOUR_US, 5 * MINUTE_US),
            (DAY_US, 15 * MINUTE_US),
            (7 * DAY_US, 2 * HOUR_US),
            (30 * DAY_US, 12 * HOUR_US),
            (365 * DAY_US, 4 * DAY_US),
        ] {
            for shift_us in [0, 1, 9 * SECOND_US, 59 * SECOND_US, 7 * HOUR_US + 1] {
                let from_us = 1_800_000_000 * SECOND_US + shift_us;
                let buckets = Buckets::over(from_us, from_us + length_us).unwrap();
                assert_eq!(buckets.width_us(), width_us, "{length_us} from {shift_us}");
                assert!(buckets.len() <= Buckets::MAX, "{} of {length_us}", buckets.len());
                assert!(buckets.begins_us() <= from_us && from_us + length_us <= buckets.ends_us());
                assert_eq!(buckets.at(from_us), Some(0));
                assert_eq!(buckets.at(from_us + length_us - 1), Some(buckets.len() - 1));
                assert_eq!(buckets.starts_us().count(), buckets.len());
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused_without_overflow() {
        assert_eq!(Buckets::over(5, 5), Err(BadRange::Empty));
        assert_eq!(Buckets::over(i64::MIN, i64::MAX), Err(BadRange::TooLong));
        assert_eq!(Buckets::over(0, 101 * 366 * DAY_US), Err(BadRange::TooLong));
        let hour = Buckets::over(0, HOUR_US).unwrap();
        assert_eq!((hour.at(-1), hour.at(i64::MIN), hour.at(HOUR_US)), (None, None, None));
    }

    #[test]
    fn the_last_hour_has_sixty_minutes_and_ends_with_the_one_that_is_filling() {
        let hour = Buckets::last_hour(1_800_000_000 * SECOND_US + 42);
        assert_eq!((hour.len(), hour.width_us()), (60, MINUTE_US));
        assert_eq!(hour.at(1_800_000_000 * SECOND_US + 42), Some(59));
    }
}
