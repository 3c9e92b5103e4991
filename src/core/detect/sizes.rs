//! How large is an entity's request, usually, and is it larger all of a sudden?
//!
//! Sums say little where a few requests an hour vary by factors: six times the tokens of ten requests are within what a
//! busy hour holds, ten times in a row among the largest are not. Each minute's mean size is ranked among those of the
//! past, kept as a histogram of octaves, and the rank becomes a normal score (van der Waerden 1952): standard normal
//! whatever the distribution of sizes is, ties in the middle. The scores of the open hour are added up; hours are alike
//! within (reports run at night), so that the sum of k has variance k + tau k^2, tau from past hours.
//!
//! Ordinary requests in between thin the sum out. Beside it, records are counted: minutes larger than all that is known, of
//! which the next one is one with chance 1/2(n + 1), and half as likely with every octave beyond (a Pareto tail of index 1).
//!
//! Octaves are counted up to 255, then all are halved: the last few hundred minutes are what counts. 48 bytes.
//! Cannot see: a growth within an octave, or one that comes with more requests of the same size.

use crate::stats::{normal_quantile, normal_score};

const OCTAVES: usize = 32;
/// Minutes that must be known before anything is judged.
const KNOWN_MIN: f64 = 100.0;
/// Minutes of the open hour: one large answer happens.
const MINUTES_MIN: u16 = 2;
/// Before any data: hours differ by so much, known as well as from so many.
const TAU_PRIOR: f64 = 0.02;
const TAU_PRIOR_WEIGHT: f64 = 8.0;
const TAU_KEEP: f32 = 0.998;
/// The price of two statistics: log10 of 2.
const TWO_LOOKS: f64 = 0.3;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sizes {
    octaves: [u8; OCTAVES],
    /// Sum of the open hour's normal scores, and its minutes.
    sum: f32,
    minutes: u16,
    /// Minutes of the open hour beyond all that is known, and the least octave of them: learned at its end.
    records: u8,
    record: u8,
    /// Sums of the moment estimator of tau.
    excess: f32,
    weight: f32,
}

impl Sizes {
    /// Takes in the mean size of a minute's requests; `learns` unless it is part of what was told.
    pub(super) fn add(&mut self, size: f64, learns: bool) {
        let octave = octave_of(size);
        if self.known() >= KNOWN_MIN {
            self.sum += single(self.score_of(octave));
            self.minutes = self.minutes.saturating_add(1);
            if octave > self.largest() {
                let lowest = u8::try_from(octave).unwrap_or(u8::MAX);
                self.record = if self.records == 0 { lowest } else { self.record.min(lowest) };
                self.records = self.records.saturating_add(1);
                return;
            }
        }
        if learns {
            self.learn(octave, 1);
        }
    }

    fn learn(&mut self, octave: usize, times: u8) {
        if self.octaves[octave].checked_add(times).is_none() {
            self.octaves.iter_mut().for_each(|count| *count /= 2);
        }
        self.octaves[octave] = self.octaves[octave].saturating_add(times);
    }

    /// Ends the hour; `learns` unless something was told of it.
    pub(super) fn close_hour(&mut self, learns: bool) {
        let minutes = f64::from(self.minutes);
        if learns && minutes >= 2.0 {
            // E[(sum/k)^2] = tau + 1/k; an hour of few minutes says little about tau.
            let mean = f64::from(self.sum) / minutes;
            let weight = minutes / (minutes + 10.0);
            self.excess = self.excess * TAU_KEEP + single(weight * (mean * mean - 1.0 / minutes));
            self.weight = self.weight * TAU_KEEP + single(weight);
        }
        if learns && self.records > 0 {
            self.learn(usize::from(self.record), self.records);
        }
        (self.sum, self.minutes, self.records) = (0.0, 0, 0);
    }

    /// -log10 of the chance that an hour's sizes are as large as those of the open hour.
    pub(super) fn score(&self) -> f64 {
        if self.minutes < MINUTES_MIN || self.sum <= 0.0 {
            return 0.0;
        }
        let minutes = f64::from(self.minutes);
        let together = normal_score(f64::from(self.sum) / (minutes + self.tau() * minutes * minutes).sqrt());
        together.max(self.score_of_records() - TWO_LOOKS)
    }

    /// Of the chance of so many records among the minutes: ways to choose them times that of each.
    fn score_of_records(&self) -> f64 {
        if u16::from(self.records) < MINUTES_MIN {
            return 0.0;
        }
        let chance = self.chance_beyond(usize::from(self.record));
        let ways: f64 = (0..self.records.min(20))
            .map(|chosen| f64::from(self.minutes.saturating_sub(u16::from(chosen)).max(1)) / f64::from(chosen + 1))
            .product();
        (-f64::from(self.records) * chance.log10() - ways.max(1.0).log10()).max(0.0)
    }

    /// The chance that a minute is as large as an octave beyond all that is known.
    fn chance_beyond(&self, octave: usize) -> f64 {
        let beyond = octave.saturating_sub(self.largest() + 1);
        0.5 / (self.known() + 1.0) * 0.5_f64.powf(f64::from(u8::try_from(beyond).unwrap_or(u8::MAX)))
    }

    fn largest(&self) -> usize {
        self.octaves.iter().rposition(|&count| count > 0).unwrap_or(0)
    }

    fn tau(&self) -> f64 {
        let known = f64::from(self.excess) + TAU_PRIOR * TAU_PRIOR_WEIGHT;
        (known / (f64::from(self.weight) + TAU_PRIOR_WEIGHT)).max(TAU_PRIOR / 2.0)
    }

    fn known(&self) -> f64 {
        f64::from(self.octaves.iter().map(|&count| u16::from(count)).sum::<u16>())
    }

    /// The normal score of a size's rank; half a minute lies below what was seen, and half beyond it.
    fn score_of(&self, octave: usize) -> f64 {
        if octave > self.largest() {
            return -normal_quantile(self.chance_beyond(octave));
        }
        let count = |octaves: &[u8]| f64::from(octaves.iter().map(|&count| u16::from(count)).sum::<u16>());
        let (below, same) = (count(&self.octaves[..octave]), f64::from(self.octaves[octave]));
        normal_quantile((below + 0.5 * same + 0.5) / (self.known() + 1.0))
    }
}

fn octave_of(size: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
    let octave = size.max(1.0).log2().clamp(0.0, 31.0) as usize;
    octave
}

#[expect(clippy::cast_possible_truncation, reason = "states are kept in single precision")]
const fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::Sizes;
    use crate::stats::noise::Noise;

    /// A log-normal size around 1,000.
    fn size(noise: &mut Noise, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| noise.unit()).sum();
        1_000.0 * (deviation * (sum - 6.0)).exp()
    }

    fn learned(noise: &mut Noise, deviation: f64) -> Sizes {
        let mut sizes = Sizes::default();
        for _ in 0..14 * 24 {
            (0..8).for_each(|_| sizes.add(size(noise, deviation), true));
            sizes.close_hour(true);
        }
        sizes
    }

    #[test]
    fn ten_requests_of_six_times_the_size_are_told_where_their_sum_is_ordinary() {
        let mut noise = Noise(5);
        for _ in 0..20 {
            let mut sizes = learned(&mut noise, 1.0);
            (0..10).for_each(|_| sizes.add(6.0 * size(&mut noise, 1.0), true));
            assert!(sizes.score() > 4.5, "{}", sizes.score());
        }
    }

    #[test]
    fn honest_hours_reach_a_score_as_rarely_as_it_says() {
        let mut noise = Noise(6);
        let mut sizes = learned(&mut noise, 1.4);
        let mut reached = 0;
        for hour in 0..100_000 {
            // Some hours are small, and one request in ten is an export.
            for _ in 0..2 + hour % 9 {
                let export = if noise.unit() < 0.1 { 60.0 } else { 1.0 };
                sizes.add(export * size(&mut noise, 0.5), true);
            }
            reached += u32::from(sizes.score() >= 3.0);
            sizes.close_hour(true);
        }
        assert!(reached <= 200, "{reached} of 100,000 hours reached one in a thousand");
    }

    #[test]
    fn two_answers_beyond_all_others_stand_out_of_ordinary_ones() {
        let mut noise = Noise(7);
        let mut sizes = learned(&mut noise, 1.0);
        (0..6).for_each(|_| sizes.add(size(&mut noise, 1.0), true));
        assert!(sizes.score() < 3.5, "{}", sizes.score());
        sizes.add(300_000.0, true);
        assert!(sizes.score() < 4.0, "one large answer happens: {}", sizes.score());
        sizes.add(400_000.0, true);
        assert!(sizes.score() > 5.0, "{}", sizes.score());
        sizes.close_hour(true);
        (0..3).for_each(|_| sizes.add(size(&mut noise, 1.0), true));
        sizes.add(350_000.0, true);
        sizes.add(350_000.0, true);
        assert!(sizes.score() < 5.0, "known by now: {}", sizes.score());
    }

    #[test]
    fn a_size_that_never_changes_is_no_surprise() {
        let mut sizes = Sizes::default();
        for _ in 0..1_000 {
            sizes.add(1_000.0, true);
        }
        assert!(sizes.score() < 0.5, "{}", sizes.score());
    }
}
