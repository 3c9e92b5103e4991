//! Sizes and times as an operator writes them: `4194304` or `"4MiB"`, `5000` or `"5s"`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A time span in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl std::str::FromStr for Millis {
    type Err = ();

    /// `5s`, `2h`, `1d`.
    fn from_str(text: &str) -> Result<Self, ()> {
        measure(text, TIME_UNITS).map(Self).ok_or(())
    }
}

const BYTE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

const TIME_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A whole number, white space or none, one of `units`. `None` for anything else, overflow included.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Reads a number as it is and a text through `units`.
struct Measure {
    units: &'static [(&'static str, u64)],
    expected: &'static str,
}

impl de::Visitor<'_> for Measure {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        measure(text, self.units).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let measure = Measure { units: BYTE_UNITS, expected: "a number of bytes or a text such as \"16MiB\"" };
        deserializer.deserialize_any(measure).map(Self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let measure = Measure { units: TIME_UNITS, expected: "a number of milliseconds or a text such as \"5s\"" };
        deserializer.deserialize_any(measure).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_their_units_and_nothing_else() {
        for (text, bytes) in [("16MiB", Some(16 << 20)), ("4 kb", Some(4_000)), ("7B", Some(7)), ("7", None)] {
            assert_eq!(measure(text, BYTE_UNITS), bytes, "{text}");
        }
        for (text, millis) in [("5s", Some(5_000)), ("26h", Some(93_600_000)), (" 10 m ", Some(600_000))] {
            assert_eq!(measure(text, TIME_UNITS), millis, "{text}");
        }
        for text in ["", "s", "-5s", "5 parsecs", "1.5s", "99999999999999999999s", "18446744073709551615d", "５s"] {
            assert_eq!(measure(text, TIME_UNITS), None, "{text}");
        }
    }
}
