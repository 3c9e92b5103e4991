//! Times and durations as gateways write them, to UTC microseconds.

use chrono::{DateTime, Datelike as _};

/// Whether any instant of a span is in the last day of a month, somewhere on earth: clocks are 12 hours behind to 14
/// ahead of UTC. Microseconds.
#[must_use]
pub fn touches_months_end(from_us: i64, to_us: i64) -> bool {
    const HOUR_US: i64 = 3_600_000_000;
    let date = |at_us: i64| DateTime::from_timestamp_micros(at_us).map(|at| at.date_naive());
    let (Some(first), Some(last)) = (date(from_us - 12 * HOUR_US), date(to_us + 14 * HOUR_US)) else { return false };
    first.iter_days().take_while(|day| *day <= last).any(|day| day.succ_opt().is_some_and(|next| next.day() == 1))
}

/// The unit of a number in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// Decimal digits by which a number of this unit is moved to become microseconds.
    const fn shift(self) -> i32 {
        match self {
            Self::Seconds => 6,
            Self::Millis => 3,
            Self::Micros => 0,
            Self::Nanos => -3,
        }
    }
}

/// Microseconds in a decimal number of `unit`, digits beyond microseconds dropped. Also takes exponents. `None` for
/// what is no number, or does not fit.
#[must_use]
pub fn micros(text: &str, unit: Unit) -> Option<i64> {
    if let Some(value) = short_decimal(text.as_bytes(), unit.shift()) {
        return Some(value);
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut value: i64 = 0;
    let mut places = unit.shift();
    let mut fraction = false;
    let mut seen = false;
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' if fraction && places <= 0 => seen = true,
            b'0'..=b'9' => {
                value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                places -= i32::from(fraction);
                seen = true;
            }
            b'.' if !fraction => fraction = true,
            _ => return scientific(text, unit),
        }
    }
    if !seen {
        return None;
    }
    for _ in 0..places {
        value = value.checked_mul(10)?;
    }
    for _ in places..0 {
        value /= 10;
    }
    Some(if negative { -value } else { value })
}

/// Plain decimals of at most 15 digits, which cannot overflow: the form of nearly every number in a log.
fn short_decimal(text: &[u8], shift: i32) -> Option<i64> {
    const TENS: [i64; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
    if text.len() > 12 && shift > 3 || text.len() > 15 || shift < 0 {
        return None;
    }
    let mut value = 0i64;
    let mut whole = text.len();
    for (at, &byte) in text.iter().enumerate() {
        if byte == b'.' && whole == text.len() && at > 0 {
            whole = at;
            continue;
        }
        if !byte.is_ascii_digit() {
            return None;
        }
        // Digits finer than a microsecond are dropped.
        if whole == text.len() || i32::try_from(at - whole).is_ok_and(|place| place <= shift) {
            value = value * 10 + i64::from(byte - b'0');
        }
    }
    let fraction = text.len() - whole;
    if text.is_empty() || fraction == 1 {
        return None;
    }
    let places = i32::try_from(fraction.saturating_sub(1)).ok()?.min(shift);
    Some(value * TENS[usize::try_from(shift - places).ok()?])
}

fn scientific(text: &str, unit: Unit) -> Option<i64> {
    let value: f64 = text.parse().ok()?;
    let scaled = value * 10f64.powi(unit.shift());
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked in the same line")]
    (scaled.abs() < 9e18).then_some(scaled as i64)
}

/// An instant in whatever form: RFC 3339, or a number since 1970 whose size tells its unit.
#[must_use]
pub fn instant(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let whole = text.split('.').next().unwrap_or(text).len();
        let unit = match whole {
            0..=11 => Unit::Seconds,
            12..=14 => Unit::Millis,
            15..=17 => Unit::Micros,
            _ => Unit::Nanos,
        };
        return micros(text, unit);
    }
    rfc3339(text)
}

/// RFC 3339, also with a space for the `T` and with an offset without colon.
#[must_use]
pub fn rfc3339(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .map(|instant| instant.timestamp_micros())
}

/// `2026-11-24T09:02:00Z`, with microseconds only where there are some.
#[must_use]
pub fn format(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| format!("{micros}us"), |instant| instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

/// `2026-11-24T09:02:00.000000Z`: always as long, so that texts are ordered as their instants are.
#[must_use]
pub fn exact(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| format!("{micros}us"), |instant| instant.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// The UTC date, `2026-11-24`.
#[must_use]
pub fn date(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| "1970-01-01".to_owned(), |instant| instant.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_while_its_last_day_lasts_anywhere() {
        for (from, to, touches) in [
            ("2026-03-31T12:00:00Z", "2026-03-31T13:00:00Z", true),
            ("2026-03-30T11:00:00Z", "2026-03-30T12:00:00Z", true), // already the 31st in Kiritimati
            ("2026-03-30T08:00:00Z", "2026-03-30T09:00:00Z", false),
            ("2026-04-01T11:00:00Z", "2026-04-01T12:00:00Z", true), // still the 31st on Baker Island
            ("2026-04-01T12:00:00Z", "2026-04-01T13:00:00Z", false),
            ("2028-02-28T12:00:00Z", "2028-02-29T12:00:00Z", true),
        ] {
            let at = |text| rfc3339(text).expect("an instant");
            assert_eq!(touches_months_end(at(from), at(to)), touches, "{from}");
        }
    }

    #[test]
    fn numbers_keep_every_microsecond_and_drop_what_is_finer() {
        for (text, unit, expected) in [
            ("1794000000000", Unit::Millis, Some(1_794_000_000_000_000)),
            ("12.3456789", Unit::Millis, Some(12_345)),
            ("0.004", Unit::Seconds, Some(4_000)),
            ("1999", Unit::Nanos, Some(1)),
            ("-1", Unit::Millis, Some(-1_000)),
            ("1.5e2", Unit::Millis, Some(150_000)),
            ("99999999999999999999", Unit::Millis, None),
            ("1e400", Unit::Millis, None),
            ("", Unit::Millis, None),
            (".", Unit::Millis, None),
            ("1.2.3", Unit::Millis, None),
        ] {
            assert_eq!(micros(text, unit), expected, "{text} {unit:?}");
        }
    }

    #[test]
    fn an_instant_is_read_in_every_form_gateways_write() {
        let expected = 1_764_000_000_250_000;
        for text in [
            "1764000000.250",
            "1764000000250",
            "1764000000250000",
            "1764000000250000000",
            "2025-11-24T16:00:00.250Z",
            "2025-11-24T17:00:00.250+0100",
            "2025-11-24 17:00:00.250+01:00",
        ] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        assert_eq!(instant("yesterday"), None);
    }
}
