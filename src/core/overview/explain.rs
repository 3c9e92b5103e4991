//! What explains a range of time: of each dimension, the values whose share of the refusals moved most.
//!
//! A value's move is weighed by Dunning's log-likelihood ratio (Computational Linguistics 19(1), 1993): G² of the table
//! "has the value or not" by "before or now". It grows with the counts, so that 3 of 4 after 1 of 4 does not outrank 3 000
//! of 10 000 after 1 000, which a comparison of shares alone would have. Without a baseline nothing has moved, and the most
//! frequent values come first.

/// What refusals are broken down by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    Tenant,
    Principal,
    Key,
    Cause,
    Route,
    Gateway,
    Network,
    Region,
    Agent,
}

impl Dimension {
    pub const ALL: &'static [Self] = &[
        Self::Tenant,
        Self::Principal,
        Self::Key,
        Self::Cause,
        Self::Route,
        Self::Gateway,
        Self::Network,
        Self::Region,
        Self::Agent,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Principal => "principal",
            Self::Key => "key",
            Self::Cause => "cause",
            Self::Route => "route",
            Self::Gateway => "gateway",
            Self::Network => "network",
            Self::Region => "region",
            Self::Agent => "agent",
        }
    }
}

/// Refusals in the baseline and in the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub before: u64,
    pub now: u64,
}

/// A value of a dimension; `None` for refusals that have none.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub value: Option<String>,
    pub before: u64,
    pub now: u64,
    /// Shares of all refusals of its span, 0 to 1; 0 where there were none.
    pub share_before: f64,
    pub share_now: f64,
    /// G²: above 10.8 the move is chance once in a thousand times.
    pub weight: f64,
}

impl Move {
    /// The weight; of two values that moved alike, as the only two of a dimension do, the one that rose is ahead.
    fn rank(&self) -> f64 {
        if self.share_now >= self.share_before { self.weight } else { self.weight * (1.0 - 1e-9) }
    }
}

/// The moves of one dimension, most moved first.
#[derive(Clone, Debug, PartialEq)]
pub struct Moves {
    pub dimension: Dimension,
    pub values: Vec<Move>,
}

impl Moves {
    pub const VALUES_MAX: usize = 5;
}

/// Ranks dimensions by their value that moved most, and their values. What does not vary (one value has all, before and
/// now) explains nothing, and is left out.
#[must_use]
pub fn explain(totals: Totals, counts: impl IntoIterator<Item = (Dimension, Option<String>, Totals)>) -> Vec<Moves> {
    let mut dimensions: Vec<Moves> =
        Dimension::ALL.iter().map(|&dimension| Moves { dimension, values: Vec::new() }).collect();
    for (dimension, value, Totals { before, now }) in counts {
        let moved = Move {
            value,
            before,
            now,
            share_before: share(before, totals.before),
            share_now: share(now, totals.now),
            weight: weight(before, now, totals),
        };
        if let Some(moves) = dimensions.iter_mut().find(|moves| moves.dimension == dimension) {
            moves.values.push(moved);
        }
    }
    for moves in &mut dimensions {
        moves.values.sort_by(|one, other| {
            other.rank().total_cmp(&one.rank()).then(other.now.cmp(&one.now)).then_with(|| one.value.cmp(&other.value))
        });
        moves.values.truncate(Moves::VALUES_MAX);
    }
    dimensions.retain(|moves| match moves.values.as_slice() {
        [] => false,
        [only] => only.value.is_some() || only.now < totals.now,
        _ => true,
    });
    dimensions.sort_by(|one, other| {
        let best = |moves: &Moves| moves.values.first().map_or(0.0, |value| value.weight);
        best(other).total_cmp(&best(one)).then(one.dimension.cmp(&other.dimension))
    });
    dimensions
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// G² = 2 Σ k ln(k / expected) over the four cells.
#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn weight(before: u64, now: u64, totals: Totals) -> f64 {
    let whole = totals.before as f64 + totals.now as f64;
    if totals.before == 0 || totals.now == 0 {
        return 0.0;
    }
    let has = before as f64 + now as f64;
    let cell = |count: f64, row: f64, column: f64| {
        if count <= 0.0 || row <= 0.0 || column <= 0.0 { 0.0 } else { count * (count * whole / (row * column)).ln() }
    };
    let of_span = |part: u64, total: u64| {
        let (part, total) = (part as f64, total as f64);
        cell(part, has, total) + cell((total - part).max(0.0), whole - has, total)
    };
    (2.0 * (of_span(before, totals.before) + of_span(now, totals.now))).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(dimension: Dimension, value: &str, before: u64, now: u64) -> (Dimension, Option<String>, Totals) {
        (dimension, (!value.is_empty()).then(|| value.to_owned()), Totals { before, now })
    }

    fn order(moves: &[Moves]) -> Vec<(&str, &str)> {
        let first = |moves: &Moves| moves.values[0].value.clone().unwrap_or_default();
        let names: Vec<(&str, String)> = moves.iter().map(|moves| (moves.dimension.name(), first(moves))).collect();
        names.into_iter().map(|(name, value)| (name, &*value.leak())).collect()
    }

    #[test]
    fn the_value_that_moved_most_comes_first_whatever_is_frequent() {
        let totals = Totals { before: 1_000, now: 2_000 };
        let moves = explain(
            totals,
            [
                count(Dimension::Tenant, "steady", 900, 1_000),
                count(Dimension::Tenant, "acme", 100, 1_000),
                count(Dimension::Gateway, "edge-1", 500, 1_010),
                count(Dimension::Gateway, "edge-2", 500, 990),
                count(Dimension::Principal, "backup", 0, 950),
                count(Dimension::Principal, "", 1_000, 1_050),
            ],
        );
        assert_eq!(order(&moves), [("principal", "backup"), ("tenant", "acme"), ("gateway", "edge-1")]);
        let backup = &moves[0].values[0];
        assert_eq!((backup.share_before, backup.share_now), (0.0, 0.475));
        let gateway = &moves[2].values[0];
        assert!(backup.weight > 400.0 && gateway.weight < 1.0, "{} {}", backup.weight, gateway.weight);
    }

    #[test]
    fn three_of_four_is_no_match_for_thousands() {
        let small = weight(1, 3, Totals { before: 4, now: 4 });
        let large = weight(1_000, 3_000, Totals { before: 10_000, now: 10_000 });
        assert!(small < 10.8 && large > 1_000.0, "{small} {large}");
        // By hand: 2 (1 ln(1/2) + 3 ln(3/2) + 3 ln(3/2) + 1 ln(1/2)).
        assert!((small - 2.0 * (2.0 * 0.5_f64.ln() + 6.0 * 1.5_f64.ln())).abs() < 1e-9);
    }

    #[test]
    fn without_a_baseline_the_most_frequent_come_first_and_lists_are_short() {
        let totals = Totals { before: 0, now: 55 };
        let counts = (1..=10).map(|at| count(Dimension::Route, &format!("r{at:02}"), 0, at));
        let moves = explain(totals, counts);
        let values: Vec<_> = moves[0].values.iter().filter_map(|value| value.value.as_deref()).collect();
        assert_eq!(values, ["r10", "r09", "r08", "r07", "r06"]);
        assert!(moves[0].values.iter().all(|value| value.share_before == 0.0 && value.weight == 0.0));
    }

    #[test]
    fn a_dimension_that_says_nothing_is_left_out() {
        let totals = Totals { before: 5, now: 5 };
        let moves = explain(totals, [count(Dimension::Region, "", 5, 5), count(Dimension::Cause, "key_expired", 5, 5)]);
        assert_eq!(order(&moves), [("cause", "key_expired")]);
    }
}
