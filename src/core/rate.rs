//! How often somebody may ask: a token bucket for each name.
//!
//! Promises bounded memory: at most [`NAMES_MAX`] names are remembered, and a bucket that is full again is forgotten,
//! since a new one is the same. Time is given, in microseconds of any clock that only goes forward.

use std::collections::HashMap;

/// What a bucket refills with, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    pub per_second: f64,
    pub burst: f64,
}

/// Names whose buckets are kept; beyond, the fullest are forgotten first.
pub const NAMES_MAX: usize = 10_000;

/// How long until one more is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub us: u64,
}

#[derive(Debug)]
pub struct Buckets {
    allowance: Allowance,
    by_name: HashMap<String, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at_us: u64,
}

impl Buckets {
    #[must_use]
    pub fn new(allowance: Allowance) -> Self {
        Self { allowance, by_name: HashMap::new() }
    }

    /// Takes one from the bucket of `name`.
    ///
    /// # Errors
    /// It is empty, and will not be after [`Wait`].
    pub fn take(&mut self, name: &str, now_us: u64) -> Result<(), Wait> {
        let Allowance { per_second, burst } = self.allowance;
        let mut bucket = self.by_name.get(name).map_or(Bucket { left: burst, at_us: now_us }, |bucket| {
            let left = bucket.left + refilled(per_second, now_us.saturating_sub(bucket.at_us));
            Bucket { left: left.min(burst), at_us: now_us }
        });
        let taken = if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            Ok(())
        } else {
            Err(Wait { us: us_until((1.0 - bucket.left) / per_second) })
        };
        self.keep(name, bucket, now_us);
        taken
    }

    fn keep(&mut self, name: &str, bucket: Bucket, now_us: u64) {
        if let Some(kept) = self.by_name.get_mut(name) {
            *kept = bucket;
            return;
        }
        if self.by_name.len() >= NAMES_MAX {
            self.forget(now_us);
        }
        self.by_name.insert(name.to_owned(), bucket);
    }

    /// Makes room: first by what nobody would miss, else by half of all, those that took least.
    fn forget(&mut self, now_us: u64) {
        let Allowance { per_second, burst } = self.allowance;
        let level = |bucket: &Bucket| bucket.left + refilled(per_second, now_us.saturating_sub(bucket.at_us));
        self.by_name.retain(|_, bucket| level(bucket) < burst);
        if self.by_name.len() >= NAMES_MAX {
            let mut levels: Vec<f64> = self.by_name.values().map(level).collect();
            levels.sort_by(f64::total_cmp);
            let middle = levels.get(levels.len() / 2).copied().unwrap_or(burst);
            self.by_name.retain(|_, bucket| level(bucket) < middle);
        }
    }
}

fn refilled(per_second: f64, us: u64) -> f64 {
    per_second * std::time::Duration::from_micros(us).as_secs_f64()
}

/// A rate of zero never refills: an hour is as long as anybody waits.
fn us_until(seconds: f64) -> u64 {
    let hour = 3_600.0;
    let wait = std::time::Duration::from_secs_f64(if seconds.is_finite() { seconds.clamp(0.0, hour) } else { hour });
    u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(per_second: f64, burst: f64) -> Buckets {
        Buckets::new(Allowance { per_second, burst })
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut buckets = buckets(2.0, 3.0);
        assert!((0..3).all(|_| buckets.take("a", 0).is_ok()));
        assert_eq!(buckets.take("a", 0), Err(Wait { us: 500_000 }));
        assert_eq!(buckets.take("a", 250_000), Err(Wait { us: 250_000 }));
        assert!(buckets.take("a", 500_000).is_ok() && buckets.take("a", 500_000).is_err());
        assert!(buckets.take("b", 500_000).is_ok(), "others have their own");
    }

    #[test]
    fn a_rest_refills_no_more_than_the_burst() {
        let mut buckets = buckets(1.0, 2.0);
        let after_a_day = 86_400_000_000;
        assert!(buckets.take("a", 0).is_ok());
        let granted = (0..10).filter(|_| buckets.take("a", after_a_day).is_ok()).count();
        assert_eq!(granted, 2);
    }

    #[test]
    fn names_without_end_take_bounded_memory_and_free_nobody() {
        let mut buckets = buckets(0.001, 5.0);
        assert!((0..5).all(|_| buckets.take("greedy", 0).is_ok()));
        for number in 0..3 * NAMES_MAX {
            assert!(buckets.take(&format!("name-{number}"), 1).is_ok());
        }
        assert!(buckets.by_name.len() <= NAMES_MAX);
        assert!(buckets.take("greedy", 2).is_err(), "who took most is remembered longest");
    }

    #[test]
    fn a_rate_of_nothing_says_so_without_dividing_by_it() {
        let mut buckets = buckets(0.0, 0.0);
        assert_eq!(buckets.take("a", 0), Err(Wait { us: 3_600_000_000 }));
    }
}
