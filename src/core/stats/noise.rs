//! Random counts for tests: a fixed seed gives the same numbers on every machine.

/// SplitMix64 (Steele et al. 2014).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1, neither included.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma with mean 1 and variance `phi` (Marsaglia & Tsang 2000).
    pub(crate) fn gamma(&mut self, phi: f64) -> f64 {
        if phi <= 0.0 {
            return 1.0;
        }
        let shape = 1.0 / phi;
        let boost = if shape < 1.0 { self.unit().powf(1.0 / shape) } else { 1.0 };
        let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return boost * d * v / shape;
            }
        }
    }

    /// Poisson: by inversion for small means, by transformed rejection (PTRS, Hoermann 1993) for others.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean < 10.0 {
            let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0.0);
            while product > limit {
                product *= self.unit();
                count += 1.0;
            }
            return count;
        }
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let (inverse, limit) = (1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0));
        loop {
            let u = self.unit() - 0.5;
            let v = self.unit();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= limit {
                return k;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let accept = (v * inverse / (a / (us * us) + b)).ln();
            if accept <= k * mean.ln() - mean - statrs::function::gamma::ln_gamma(k + 1.0) {
                return k;
            }
        }
    }

    /// Negative binomial with this mean and dispersion.
    #[expect(clippy::cast_possible_truncation, reason = "tests draw small counts")]
    pub(crate) fn count(&mut self, mean: f64, phi: f64) -> i64 {
        let mean = mean * self.gamma(phi);
        self.poisson(mean) as i64
    }
}
