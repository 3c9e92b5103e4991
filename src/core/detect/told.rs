//! What was told already: a detector speaks once about a span, and again only when it got worse.

use super::{Driver, Severity};
use crate::minutes::MINUTE_US;

pub(super) const HOUR_US: i64 = 60 * MINUTE_US;
pub(super) const DAY_US: i64 = 24 * HOUR_US;

/// Start of the span that holds an instant.
pub(super) const fn start_of(at_us: i64, span_us: i64) -> i64 {
    at_us - at_us.rem_euclid(span_us)
}

/// The UTC day of an instant, days since 1970.
pub(super) fn day_of(at_us: i64) -> u16 {
    u16::try_from(at_us.div_euclid(DAY_US)).unwrap_or(0)
}

/// A number with what it counts, such as `1 request`.
pub(super) fn counted(count: f64, one: &str) -> String {
    let plural = if count == 1.0 { "" } else { "s" };
    format!("{count} {one}{plural}")
}

pub(super) fn driver(dimension: &'static str, value: String, share: f64) -> Driver {
    Driver { dimension, value, share }
}

/// The last claim about an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Told {
    from_us: i64,
    severity: Option<Severity>,
    amount: f32,
}

impl Told {
    /// Growth that is worth another word.
    const GROWTH: f64 = 10.0;

    /// Whether a claim about the span from `from_us` says something new; it is then remembered.
    pub(super) fn is_due(&mut self, from_us: i64, severity: Severity, amount: f64) -> bool {
        let repeats = self.from_us == from_us
            && self.severity.is_some_and(|told| severity <= told)
            && amount < f64::from(self.amount) * Self::GROWTH;
        if repeats {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared by factors of ten")]
        let amount = amount as f32;
        *self = Self { from_us, severity: Some(severity), amount };
        true
    }

    /// Whether a claim as bad as `severity` was made since `since_us`.
    pub(super) fn covers(&self, since_us: i64, severity: Severity) -> bool {
        self.from_us >= since_us && self.severity.is_some_and(|told| severity <= told)
    }
}

#[cfg(test)]
mod tests {
    use super::{Severity, Told};

    #[test]
    fn a_claim_is_repeated_when_it_is_worse_tenfold_or_about_another_span() {
        let mut told = Told::default();
        assert!(told.is_due(0, Severity::Low, 1.0));
        assert!(!told.is_due(0, Severity::Low, 9.0));
        assert!(told.is_due(0, Severity::Low, 10.0));
        assert!(told.is_due(0, Severity::High, 11.0));
        assert!(!told.is_due(0, Severity::Medium, 12.0));
        assert!(told.is_due(60, Severity::Medium, 1.0));
    }
}
