//! What a parameter may be, and text made into its value: once, and within bounds.

use std::fmt;

use super::bind::Value;
use super::header::Problem;
use crate::cause::RootCause;
use crate::time;

/// A typed input of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub kind: Kind,
    pub default: Default,
    pub meaning: String,
}

/// What a parameter holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// RFC 3339, `now`, or relative to now: `-6h`, `+30d`.
    Time,
    /// `90s`, `15m`, `6h`, `30d`, `4w`.
    Duration,
    Text,
    /// From the first to the last, both allowed.
    Integer(i64, i64),
    Number,
    Boolean,
    /// Id of a tenant, key or principal: a text that a form can complete.
    Tenant,
    Key,
    Principal,
    /// Code of a root cause.
    Cause,
    /// One of these words.
    Enum(Vec<String>),
}

/// What holds when nothing is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Default {
    /// Something must be given.
    Required,
    Null,
    Text(String),
}

/// The dates that all engines and formats agree on.
const TIME_MIN_US: i64 = 946_684_800_000_000; // 2000-01-01
const TIME_MAX_US: i64 = 4_102_444_800_000_000; // 2100-01-01

const DAY_US: i64 = 86_400_000_000;

/// Buckets and periods longer than this are not meant.
const DURATION_MAX_US: i64 = 400 * DAY_US;

const TEXT_CHARS_MAX: usize = 512;

/// Integers whose header names no range: no count, size or limit is negative.
const INTEGER_RANGE: (i64, i64) = (0, 1_000_000_000);

impl Kind {
    /// As in a header: `time`, `integer(1..500)`, `enum(key|route)`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let (word, inside) = match text.split_once('(') {
            Some((word, rest)) => (word, Some(rest.strip_suffix(')').ok_or("the type lacks its `)`")?)),
            None => (text, None),
        };
        match (word, inside) {
            ("time", None) => Ok(Self::Time),
            ("duration", None) => Ok(Self::Duration),
            ("text", None) => Ok(Self::Text),
            ("integer", None) => Ok(Self::Integer(INTEGER_RANGE.0, INTEGER_RANGE.1)),
            ("integer", Some(range)) => {
                let ends =
                    range.split_once("..").and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
                match ends {
                    Some((first, last)) if first <= last => Ok(Self::Integer(first, last)),
                    Some(_) | None => Err("the range is not written as `integer(1..500)`".into()),
                }
            }
            ("number", None) => Ok(Self::Number),
            ("boolean", None) => Ok(Self::Boolean),
            ("tenant", None) => Ok(Self::Tenant),
            ("key", None) => Ok(Self::Key),
            ("principal", None) => Ok(Self::Principal),
            ("cause", None) => Ok(Self::Cause),
            ("enum", Some(words)) if !words.split('|').any(str::is_empty) => {
                Ok(Self::Enum(words.split('|').map(str::to_owned).collect()))
            }
            _ => Err(format!(
                "`{text}` is no type; types are time, duration, text, integer(1..500), number, boolean, tenant, key, \
                 principal, cause and enum(one|other)"
            )),
        }
    }

    /// The word alone, without bounds and words to choose from.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Text => "text",
            Self::Integer(..) => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::Principal => "principal",
            Self::Cause => "cause",
            Self::Enum(_) => "enum",
        }
    }

    /// What a value must be, to follow "not".
    #[must_use]
    pub fn wanted(&self) -> String {
        match self {
            Self::Time => "a time from 2000 to 2100".to_owned(),
            Self::Duration => "a duration of at most 400 days".to_owned(),
            Self::Text | Self::Tenant | Self::Key | Self::Principal => {
                format!("a text of 1 to {TEXT_CHARS_MAX} printable characters")
            }
            Self::Integer(first, last) => format!("a whole number from {first} to {last}"),
            Self::Number => "a number".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Cause => "a root cause".to_owned(),
            Self::Enum(words) => format!("one of {}", words.join(", ")),
        }
    }

    #[must_use]
    pub fn example(&self) -> String {
        match self {
            Self::Time => "-6h or 2026-11-23T03:00:00Z".to_owned(),
            Self::Duration => "15m, 6h or 30d".to_owned(),
            Self::Text => "orders".to_owned(),
            Self::Integer(first, _) => first.to_string(),
            Self::Number => "0.5".to_owned(),
            Self::Boolean => "true".to_owned(),
            Self::Tenant => "acme".to_owned(),
            Self::Key => "key-17".to_owned(),
            Self::Principal => "svc-backup".to_owned(),
            Self::Cause => RootCause::UserDeleted.name().to_owned(),
            Self::Enum(words) => words.first().cloned().unwrap_or_default(),
        }
    }

    /// The value that `text` writes, at `now` (UTC microseconds).
    pub(super) fn value(&self, text: &str, now: i64) -> Option<Value> {
        match self {
            Self::Time => {
                instant(text, now).filter(|at| (TIME_MIN_US..TIME_MAX_US).contains(at)).map(|at| Value::Time(Some(at)))
            }
            Self::Duration => duration(text).filter(|&us| us > 0).map(|us| Value::Duration(Some(us))),
            Self::Text | Self::Tenant | Self::Key | Self::Principal => {
                let long = text.chars().nth(TEXT_CHARS_MAX).is_some();
                let plain = !text.is_empty() && !long && !text.chars().any(char::is_control);
                plain.then(|| Value::Text(Some(text.to_owned())))
            }
            Self::Integer(first, last) => {
                let number: i64 = text.parse().ok()?;
                (*first..=*last).contains(&number).then_some(Value::Integer(Some(number)))
            }
            Self::Number => text.parse().ok().filter(|number: &f64| number.is_finite()).map(|n| Value::Number(Some(n))),
            Self::Boolean => match text {
                "true" => Some(Value::Boolean(Some(true))),
                "false" => Some(Value::Boolean(Some(false))),
                _ => None,
            },
            Self::Cause => RootCause::from_name(text).map(|cause| Value::Text(Some(cause.name().to_owned()))),
            Self::Enum(words) => words.iter().any(|word| word == text).then(|| Value::Text(Some(text.to_owned()))),
        }
    }

    /// Typed, so that engines need not guess what is missing.
    pub(super) const fn null(&self) -> Value {
        match self {
            Self::Time => Value::Time(None),
            Self::Duration => Value::Duration(None),
            Self::Text | Self::Tenant | Self::Key | Self::Principal | Self::Cause | Self::Enum(_) => Value::Text(None),
            Self::Integer(..) => Value::Integer(None),
            Self::Number => Value::Number(None),
            Self::Boolean => Value::Boolean(None),
        }
    }
}

/// As in a header, with bounds and words.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(first, last) => write!(f, "integer({first}..{last})"),
            Self::Enum(words) => write!(f, "enum({})", words.join("|")),
            Self::Time
            | Self::Duration
            | Self::Text
            | Self::Number
            | Self::Boolean
            | Self::Tenant
            | Self::Key
            | Self::Principal
            | Self::Cause => f.write_str(self.name()),
        }
    }
}

/// An instant as people write it; a minute is exact enough for RFC 3339's seconds to be left out.
fn instant(text: &str, now: i64) -> Option<i64> {
    match text.as_bytes() {
        b"now" => Some(now),
        [b'-', ..] => now.checked_sub(duration(text.strip_prefix('-')?)?),
        [b'+', ..] => now.checked_add(duration(text.strip_prefix('+')?)?),
        _ => time::rfc3339(text).or_else(|| {
            let (minute, zone) = text.split_at_checked("2026-11-23T03:00".len())?;
            time::rfc3339(&format!("{minute}:00{zone}"))
        }),
    }
}

/// Microseconds of `90s`, `15m`, `6h`, `30d`, `4w`.
fn duration(text: &str) -> Option<i64> {
    let unit = match text.bytes().next_back()? {
        b's' => 1_000_000,
        b'm' => 60_000_000,
        b'h' => 3_600_000_000,
        b'd' => DAY_US,
        b'w' => 7 * DAY_US,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1)?;
    let count: i64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    count.checked_mul(unit).filter(|&us| us <= DURATION_MAX_US)
}
