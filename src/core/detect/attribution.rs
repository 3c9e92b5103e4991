//! Which value, pair or triple of values explains a rise? A search over counts by several dimensions at once.
//!
//! A leaf is one combination of values (tenant, route, cause, network…) with what was seen and what was expected. For a
//! set of leaves with A seen and F expected, the likelihood ratio of "this set is raised, the rest is as expected" is
//! A ln(A/F) - (A - F): the expectation-based scan statistic (Neill, International Journal of Forecasting 2009). Leaves
//! that are not raised dilute it and raised leaves left out are missed by it, so the very set that is raised has the
//! largest. From it goes ln(number of sets of as many dimensions), the price of having looked at all of them.
//!
//! Decision: it stands instead of explanatory power times the ripple test of Squeeze, because it needs sums only, no
//! thresholds, and is not fooled by the noise of small leaves; explanatory power (Adtributor) is reported beside it.
//! Values that are not raised on their own are never part of a pair: of the raised ones 64 are kept.
//!
//! Cannot see: a cause that takes two values of one dimension (they come out as two explanations).

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::stats::upper_score;

/// Values of `dimensions` columns, row by row, with what was seen and expected of each row.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    dimensions: usize,
    values: Vec<u32>,
    seen: Vec<f64>,
    expected: Vec<f64>,
}

/// A set of leaves that explains the rise.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Dimension and value, by dimension.
    pub values: Vec<(usize, u32)>,
    pub seen: f64,
    pub expected: f64,
    /// Its part of the rise.
    pub power: f64,
    /// ln likelihood ratio, less the price of the search.
    pub gain: f64,
}

const DIMENSIONS_MAX: usize = 8;
const DEPTH_MAX: usize = 3;
const KEPT_MAX: usize = 64;
/// -log10 of the chance that a single value is raised by luck; over many leaves their own variation averages out.
const SCORE_MIN: f64 = 3.0;
const SHAPE: f64 = 1_000.0;
/// ln of how much likelier an explanation has to be than none, the search paid for: twenty times.
const GAIN_MIN: f64 = 3.0;
const EXPLANATIONS_MAX: usize = 3;

/// Up to three columns and their values; unused places are `u32::MAX`.
type Place = [(u8, u32); DEPTH_MAX];

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    seen: f64,
    expected: f64,
}

impl Leaves {
    /// No leaves of at most eight dimensions; more are not looked at.
    #[must_use]
    pub fn new(dimensions: usize) -> Self {
        Self { dimensions: dimensions.min(DIMENSIONS_MAX), ..Self::default() }
    }

    /// Adds a leaf. One that has not as many values as there are dimensions is left out.
    pub fn push(&mut self, values: &[u32], seen: f64, expected: f64) {
        if values.len() == self.dimensions {
            self.values.extend_from_slice(values);
            self.seen.push(seen);
            self.expected.push(expected.max(0.0));
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn rows(&self) -> impl Iterator<Item = (&[u32], Tally)> + '_ {
        let tallies = self.seen.iter().zip(&self.expected).map(|(&seen, &expected)| Tally { seen, expected });
        self.values.chunks_exact(self.dimensions.max(1)).zip(tallies)
    }
}

/// The best explanations of a rise, the best first; none when nothing rose.
#[must_use]
pub fn attribute(leaves: &Leaves) -> Vec<Explanation> {
    let total = leaves.rows().fold(Tally::default(), |sum, (_, leaf)| sum.and(leaf));
    if total.seen <= total.expected {
        return Vec::new();
    }
    let singles = tally(leaves, 1, |_, _| true);
    let mut raised: Vec<(Place, Tally)> = singles.iter().map(|(place, tally)| (*place, *tally)).collect();
    raised.retain(|(_, tally)| upper_score(tally.seen, tally.expected.max(0.5), SHAPE) >= SCORE_MIN);
    raised.sort_by(|(place, tally), (other_place, other)| {
        other.gain().total_cmp(&tally.gain()).then_with(|| place.cmp(other_place))
    });
    raised.truncate(KEPT_MAX);

    let mut found = priced(raised.clone(), singles.len(), total);
    for depth in 2..=DEPTH_MAX.min(leaves.dimensions) {
        let kept = |dimension: u8, value: u32| raised.iter().any(|(place, _)| place[0] == (dimension, value));
        let sets = tally(leaves, depth, kept);
        let possible = possible_sets(leaves, &singles, depth);
        found.extend(priced(sets.into_iter().collect(), possible, total));
    }
    found.sort_by(|one, other| other.gain.total_cmp(&one.gain).then_with(|| one.values.cmp(&other.values)));
    found.truncate(EXPLANATIONS_MAX);
    found
}

/// Sums over all sets of `depth` values that are kept.
fn tally(leaves: &Leaves, depth: usize, kept: impl Fn(u8, u32) -> bool) -> HashMap<Place, Tally, FixedState> {
    let mut sums: HashMap<Place, Tally, FixedState> = HashMap::default();
    let mut known: HashMap<(u8, u32), bool, FixedState> = HashMap::default();
    for (values, leaf) in leaves.rows() {
        let mut here = [UNUSED; DIMENSIONS_MAX];
        let mut count = 0;
        for (dimension, &value) in (0u8..).zip(values) {
            if *known.entry((dimension, value)).or_insert_with(|| kept(dimension, value)) {
                here[count] = (dimension, value);
                count += 1;
            }
        }
        let here = &here[..count];
        for (first, &one) in here.iter().enumerate() {
            if depth == 1 {
                add(&mut sums, [one, UNUSED, UNUSED], leaf);
                continue;
            }
            for (second, &two) in here.iter().enumerate().skip(first + 1) {
                if depth == 2 {
                    add(&mut sums, [one, two, UNUSED], leaf);
                    continue;
                }
                here.iter().skip(second + 1).for_each(|&three| add(&mut sums, [one, two, three], leaf));
            }
        }
    }
    sums
}

const UNUSED: (u8, u32) = (u8::MAX, u32::MAX);

fn add(sums: &mut HashMap<Place, Tally, FixedState>, place: Place, leaf: Tally) {
    let sum = sums.entry(place).or_default();
    *sum = sum.and(leaf);
}

/// How many sets of up to `depth` values there could be: what the search has to be paid for.
fn possible_sets(leaves: &Leaves, singles: &HashMap<Place, Tally, FixedState>, depth: usize) -> usize {
    let mut of_dimension = vec![0usize; leaves.dimensions];
    for place in singles.keys() {
        of_dimension[usize::from(place[0].0)] += 1;
    }
    // The elementary symmetric polynomial of the dimensions' sizes.
    let mut sets = vec![0usize; depth + 1];
    sets[0] = 1;
    for size in of_dimension {
        for at in (1..=depth).rev() {
            sets[at] = sets[at].saturating_add(sets[at - 1].saturating_mul(size));
        }
    }
    sets.iter().skip(1).fold(0, |sum, &sets| sum.saturating_add(sets))
}

#[expect(clippy::cast_precision_loss, reason = "a count of sets, for its logarithm")]
fn priced(sets: Vec<(Place, Tally)>, possible: usize, total: Tally) -> Vec<Explanation> {
    let price = (possible.max(1) as f64).ln();
    let explanation = |(place, tally): (Place, Tally)| Explanation {
        values: place.iter().filter(|part| **part != UNUSED).map(|&(at, value)| (usize::from(at), value)).collect(),
        seen: tally.seen,
        expected: tally.expected,
        power: (tally.seen - tally.expected) / (total.seen - total.expected),
        gain: tally.gain() - price,
    };
    sets.into_iter().map(explanation).filter(|explanation| explanation.gain > GAIN_MIN).collect()
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self { seen: self.seen + other.seen, expected: self.expected + other.expected }
    }

    /// ln likelihood ratio of a rise; 0 without one. What was never expected counts as half a request.
    fn gain(self) -> f64 {
        let expected = self.expected.max(0.5);
        if self.seen <= expected { 0.0 } else { self.seen * (self.seen / expected).ln() - (self.seen - expected) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::noise::Noise;

    const SIZES: [u64; 5] = [40, 60, 12, 30, 4];

    /// Refusals by five dimensions, 2 % of the requests, and a fault that refuses most of what has `fault`'s values.
    fn world(noise: &mut Noise, fault: &[(usize, u32)], leaves_count: usize, refused: f64) -> Leaves {
        let mut leaves = Leaves::new(SIZES.len());
        for _ in 0..leaves_count {
            // Popular values are met more often.
            let values = SIZES.map(|size| {
                let part = noise.unit() * noise.unit();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 60")]
                let value = (part * size as f64) as u32;
                value
            });
            let requests = 2.0 + 200.0 * noise.unit().powi(4);
            let expected = 0.02 * requests;
            let hit = fault.iter().all(|&(dimension, value)| values[dimension] == value);
            let mean = if hit { expected + refused * requests } else { expected };
            let seen = noise.count(mean, 0.05);
            leaves.push(&values, crate::stats::real(seen), expected);
        }
        leaves
    }

    /// Share of the requests that have all of `values`.
    fn share(values: &[(usize, u32)]) -> f64 {
        let below = |part: f64| if part > 0.0 { part * (1.0 - part.ln()) } else { 0.0 };
        let of_value = |&(dimension, value): &(usize, u32)| {
            let size = SIZES[dimension] as f64;
            below(f64::from(value + 1) / size) - below(f64::from(value) / size)
        };
        values.iter().map(of_value).product()
    }

    /// Random values of `depth` dimensions that at least one request in two hundred has.
    fn fault(depth: usize, noise: &mut Noise) -> Vec<(usize, u32)> {
        loop {
            let first = noise.bits() % 5;
            let values = (0..depth as u64).map(|at| {
                let dimension = ((first + at) % 5) as usize;
                (dimension, u32::try_from(noise.bits() % SIZES[dimension]).unwrap())
            });
            let values: Vec<(usize, u32)> = values.collect();
            if share(&values) >= 0.005 {
                return values;
            }
        }
    }

    fn exact(depth: usize, worlds: u32, refused: f64) -> f64 {
        let mut noise = Noise(depth as u64);
        let mut right = 0;
        for _ in 0..worlds {
            let fault = fault(depth, &mut noise);
            let mut wanted = fault.clone();
            wanted.sort_unstable();
            let found = attribute(&world(&mut noise, &fault, 20_000, refused));
            right += u32::from(found.first().is_some_and(|best| best.values == wanted));
        }
        f64::from(right) / f64::from(worlds)
    }

    #[test]
    fn the_values_that_fail_are_named_exactly() {
        for (depth, refused, goal) in [(1, 0.6, 0.95), (2, 0.6, 0.85), (3, 0.6, 0.70)] {
            let right = exact(depth, 60, refused);
            println!("{depth} dimensions: the first explanation is exact in {:.0} % of 60 worlds", 100.0 * right);
            assert!(right >= goal, "{depth} dimensions: {right}");
        }
    }

    #[test]
    fn a_world_without_a_fault_needs_no_explanation() {
        let mut noise = Noise(77);
        let explained = (0..20).filter(|_| !attribute(&world(&mut noise, &[], 5_000, 0.0)).is_empty()).count();
        assert!(explained <= 2, "{explained} of 20 quiet worlds were explained");
    }

    #[test]
    fn leaves_of_another_shape_are_left_out() {
        let mut leaves = Leaves::new(2);
        leaves.push(&[1], 9.0, 1.0);
        leaves.push(&[1, 2, 3], 9.0, 1.0);
        assert!(leaves.is_empty() && attribute(&leaves).is_empty());
        leaves.push(&[1, 2], 400.0, 1.0);
        assert_eq!(leaves.len(), 1);
        assert_eq!(attribute(&leaves).first().map(|best| best.values.len()), Some(1), "one value says it all");
    }
}
