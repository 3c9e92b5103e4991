//! Random draws whose stream never changes: the same seed gives the same bytes on every machine and release.
//!
//! The generator is PCG (XSL RR 128/64), whose stream its crate promises to keep. The distributions are written out
//! here, and so are logarithm, exponential and cosine: the standard library takes them from the platform, which may
//! round the last bit otherwise, and one bit in one rate moves every line behind it.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

/// A stream of draws.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    generator: Pcg64,
    /// The second of a pair of normal draws.
    spare_normal: Option<f64>,
}

impl Draw {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { generator: Pcg64::seed_from_u64(seed), spare_normal: None }
    }

    /// A stream of its own for one purpose, so that more draws in one place move nothing elsewhere.
    pub(crate) fn stream(seed: u64, purpose: u64) -> Self {
        Self::seeded(mixed(seed ^ mixed(purpose)))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// In `[0, 1)`, with 53 bits.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// In `[low, high)`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `count`, which is not 0; even to within 2^-64 of `count`.
    #[allow(clippy::cast_possible_truncation, reason = "the upper half of the product is below `count`")]
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(count)) >> 64) as u64
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        index_of(self.below(length as u64))
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            list.swap(place, self.index(place + 1));
        }
    }

    /// Of mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.unit())
    }

    /// Mean 0, deviation 1. Marsaglia's polar method.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let scale = (-2.0 * ln(square) / square).sqrt();
                self.spare_normal = Some(y * scale);
                return x * scale;
            }
        }
    }

    /// `e^(ln_median + deviation * normal)`.
    pub(crate) fn log_normal(&mut self, ln_median: f64, deviation: f64) -> f64 {
        exp(ln_median + deviation * self.normal())
    }

    /// Of mean `shape` and scale 1. Marsaglia and Tsang, ACM TOMS 26 (2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = exp(ln(1.0 - self.unit()) / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let normal = self.normal();
            let root = 1.0 + c * normal;
            if root <= 0.0 {
                continue;
            }
            let cube = root * root * root;
            let unit = 1.0 - self.unit();
            if ln(unit) < 0.5 * normal * normal + d - d * cube + d * ln(cube) {
                return d * cube;
            }
        }
    }

    /// Knuth's product of uniforms, in pieces whose means do not underflow: about one draw a count.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        const PIECE: f64 = 32.0;
        let (mut left, mut count) = (mean, 0);
        while left > 0.0 {
            let floor = exp(-left.min(PIECE));
            left -= PIECE;
            let mut product = self.unit();
            while product > floor {
                count += 1;
                product *= self.unit();
            }
        }
        count
    }

    /// Gamma-Poisson: mean `mean`, variance `mean + dispersion * mean^2`.
    pub(crate) fn negative_binomial(&mut self, mean: f64, dispersion: f64) -> u64 {
        let rate = if dispersion > 0.0 { mean * dispersion * self.gamma(1.0 / dispersion) } else { mean };
        self.poisson(rate)
    }

    /// A gap with the tail of Lomax's law, `P(gap > g) = (1 + g / scale)^-shape`.
    pub(crate) fn lomax(&mut self, shape: f64, scale: f64) -> f64 {
        scale * (exp(self.exponential() / shape) - 1.0)
    }

    /// Below `count`, small numbers far more often: `P(x) ~ 1 / (x + 1)`.
    pub(crate) fn popular(&mut self, count: u64) -> u64 {
        whole(exp(self.unit() * ln(real(count) + 1.0)) - 1.0).min(count - 1)
    }
}

/// Spreads the bits of a number over all of it (SplitMix64's finaliser): a bijection.
pub(crate) const fn mixed(value: u64) -> u64 {
    let mut bits = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Natural logarithm, to the last bit or two, for positive normal numbers; others give an arbitrary finite value.
pub(crate) fn ln(x: f64) -> f64 {
    const HIDDEN: u64 = 1 << 52;
    let bits = x.to_bits();
    let mut exponent = real_of((bits >> 52) & 0x7ff) - 1023.0;
    let mut mantissa = f64::from_bits((bits & (HIDDEN - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * square + 1.0 / odd;
    }
    exponent * std::f64::consts::LN_2 + 2.0 * s * sum
}

/// The exponential function within a few bits of the last; 0 far below and the largest power of two far above.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 2046 after clamping")]
pub(crate) fn exp(x: f64) -> f64 {
    if x < -708.0 {
        return 0.0;
    }
    let power = (x * std::f64::consts::LOG2_E).round().min(1023.0);
    let rest = x - power * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for term in [13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        sum = 1.0 + sum * rest / term;
    }
    sum * f64::from_bits(((power + 1023.0).max(1.0) as u64) << 52)
}

/// Cosine of `turns` full turns.
pub(crate) fn cos_turns(turns: f64) -> f64 {
    let mut angle = (turns - turns.round()).abs();
    let sign = if angle > 0.25 { -1.0 } else { 1.0 };
    if angle > 0.25 {
        angle = 0.5 - angle;
    }
    let square = (angle * std::f64::consts::TAU) * (angle * std::f64::consts::TAU);
    let mut sum = 1.0;
    for n in [18.0, 16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        sum = 1.0 - sum * square / (n * (n - 1.0));
    }
    sign * sum
}

/// A count as a real number.
#[allow(clippy::cast_precision_loss, reason = "counts of a made-up world are far below 2^52")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_precision_loss, reason = "an exponent has eleven bits")]
const fn real_of(exponent: u64) -> f64 {
    exponent as f64
}

/// The whole part; 0 for what is negative or not a number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, as wanted")]
pub(crate) const fn whole(value: f64) -> u64 {
    value as u64
}

/// A span in microseconds.
#[allow(clippy::cast_possible_truncation, reason = "`as` saturates, as wanted")]
pub(crate) const fn micros(value: f64) -> i64 {
    value as i64
}

#[allow(clippy::cast_possible_truncation, reason = "indices come from lengths")]
pub(crate) const fn index_of(value: u64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_exponential_and_cosine_are_those_of_the_books() {
        for step in 1..4000 {
            let x = f64::from(step) * 0.137;
            assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "ln {x}");
            let y = f64::from(step - 2000) * 0.0931;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-13, "exp {y}: {} {}", exp(y), y.exp());
            assert!((cos_turns(y) - (y * std::f64::consts::TAU).cos()).abs() < 1e-12, "cos {y}");
        }
        assert_eq!((ln(1.0), exp(0.0), exp(-1e9)), (0.0, 1.0, 0.0));
    }

    #[test]
    fn draws_have_the_means_and_variances_of_their_laws() {
        let mut draw = Draw::seeded(7);
        let mut moments = |law: &mut dyn FnMut(&mut Draw) -> f64| {
            let values: Vec<f64> = (0..200_000).map(|_| law(&mut draw)).collect();
            let mean = values.iter().sum::<f64>() / 200_000.0;
            (mean, values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / 200_000.0)
        };
        let near = |(mean, variance): (f64, f64), wanted: (f64, f64)| {
            (mean - wanted.0).abs() < 0.02 * wanted.0.max(1.0) && (variance / wanted.1 - 1.0).abs() < 0.05
        };
        assert!(near(moments(&mut Draw::normal), (0.0, 1.0)));
        assert!(near(moments(&mut Draw::exponential), (1.0, 1.0)));
        assert!(near(moments(&mut |draw| draw.gamma(0.4)), (0.4, 0.4)));
        assert!(near(moments(&mut |draw| draw.gamma(12.5)), (12.5, 12.5)));
        assert!(near(moments(&mut |draw| real(draw.poisson(3.3))), (3.3, 3.3)));
        assert!(near(moments(&mut |draw| real(draw.poisson(130.0))), (130.0, 130.0)));
        assert!(near(moments(&mut |draw| real(draw.negative_binomial(10.0, 0.3))), (10.0, 40.0)));
    }

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut draw = Draw::stream(1, 2);
        let bits: Vec<u64> = (0..3).map(|_| draw.bits()).collect();
        assert_eq!(bits, [6_846_852_615_474_599_232, 2_605_548_758_195_946_667, 10_689_218_420_144_437_461]);
    }
}
