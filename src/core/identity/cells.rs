//! One cell of an identity row, whatever the file type: JSON gives values, CSV gives text for all of them.
//!
//! Reading never fails on an odd value: the cell keeps what it was, and the room that needs a time or a list
//! says where it found something else. Nothing here is `Debug`: a cell may hold a key in clear.

use std::borrow::Cow;
use std::fmt;

use chrono::NaiveDateTime;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::time;

/// Longest text that a cell may hold, bytes. Ids, names and addresses are far shorter.
pub(super) const TEXT_BYTES_MAX: usize = 1024;

#[derive(Clone, Default)]
pub(super) enum Cell<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Whole(i64),
    Real(f64),
    Flag(bool),
    List(Vec<Cell<'a>>),
    Map(Vec<(Cow<'a, str>, Cell<'a>)>),
}

/// The cell is not what its column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NotOne;

impl Cell<'_> {
    /// Text without surrounding space; numbers and flags as they are written. Absent reads as empty.
    pub(super) fn text(&self) -> Result<Cow<'_, str>, NotOne> {
        let text = match self {
            Self::Absent => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text.trim()),
            Self::Whole(number) => Cow::Owned(number.to_string()),
            Self::Real(number) => Cow::Owned(number.to_string()),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::List(_) | Self::Map(_) => return Err(NotOne),
        };
        let plain = text.len() <= TEXT_BYTES_MAX && !text.bytes().any(|byte| byte.is_ascii_control());
        if plain { Ok(text) } else { Err(NotOne) }
    }

    /// The text exactly as written: a clear key, whose spaces count.
    pub(super) fn raw(&self) -> Result<&str, NotOne> {
        match self {
            Self::Absent => Ok(""),
            Self::Text(text) if text.len() <= 16 * TEXT_BYTES_MAX => Ok(text),
            Self::Text(_) | Self::Whole(_) | Self::Real(_) | Self::Flag(_) | Self::List(_) | Self::Map(_) => {
                Err(NotOne)
            }
        }
    }

    /// Items of a JSON array, or of text separated by `;`. Empty items are left out.
    pub(super) fn list(&self) -> Result<Vec<Cow<'_, str>>, NotOne> {
        match self {
            Self::Absent => Ok(Vec::new()),
            Self::List(items) => {
                let texts = items.iter().map(Cell::text).collect::<Result<Vec<_>, _>>()?;
                Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
            }
            Self::Text(text) if text.trim_start().starts_with('[') => {
                let items: Cell<'_> = serde_json::from_str(text).map_err(|_| NotOne)?;
                let texts = items.list()?.into_iter().map(|text| Cow::Owned(text.into_owned()));
                Ok(texts.collect())
            }
            Self::Text(text) => {
                let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
                items
                    .map(|item| if item.len() <= TEXT_BYTES_MAX { Ok(Cow::Borrowed(item)) } else { Err(NotOne) })
                    .collect()
            }
            Self::Whole(_) | Self::Real(_) | Self::Flag(_) => Ok(vec![self.text()?]),
            Self::Map(_) => Err(NotOne),
        }
    }

    /// UTC microseconds of an RFC 3339 time. One without an offset, as Parquet files hold them, is UTC.
    pub(super) fn time(&self) -> Result<Option<i64>, NotOne> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        if matches!(self, Self::Whole(_) | Self::Real(_) | Self::Flag(_)) {
            return Err(NotOne);
        }
        parse_time(&text).map(Some).ok_or(NotOne)
    }

    pub(super) fn real(&self) -> Result<Option<f64>, NotOne> {
        match self {
            Self::Absent => Ok(None),
            #[expect(clippy::cast_precision_loss, reason = "an amount beyond 2^53 needs no last digit")]
            Self::Whole(number) => Ok(Some(*number as f64)),
            Self::Real(number) => Ok(Some(*number)),
            Self::Text(text) if text.trim().is_empty() => Ok(None),
            Self::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some(number)),
                Ok(_) | Err(_) => Err(NotOne),
            },
            Self::Flag(_) | Self::List(_) | Self::Map(_) => Err(NotOne),
        }
    }

    pub(super) fn whole(&self) -> Result<Option<i64>, NotOne> {
        match self {
            Self::Absent => Ok(None),
            Self::Whole(number) => Ok(Some(*number)),
            #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number within 2^53")]
            Self::Real(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => Ok(Some(*number as i64)),
            Self::Text(text) if text.trim().is_empty() => Ok(None),
            Self::Text(text) => text.trim().parse().map(Some).map_err(|_| NotOne),
            Self::Real(_) | Self::Flag(_) | Self::List(_) | Self::Map(_) => Err(NotOne),
        }
    }

    pub(super) fn flag(&self) -> Result<Option<bool>, NotOne> {
        match self {
            Self::Flag(flag) => Ok(Some(*flag)),
            Self::Absent => Ok(None),
            Self::Text(text) => match text.trim() {
                "" => Ok(None),
                "true" | "TRUE" | "True" | "yes" | "1" => Ok(Some(true)),
                "false" | "FALSE" | "False" | "no" | "0" => Ok(Some(false)),
                _ => Err(NotOne),
            },
            Self::Whole(_) | Self::Real(_) | Self::List(_) | Self::Map(_) => Err(NotOne),
        }
    }

    /// Members of a JSON object, of text that holds one, or of text like `name=value;name=value`.
    pub(super) fn map(&self) -> Result<Vec<Member<'_>>, NotOne> {
        match self {
            Self::Absent => Ok(Vec::new()),
            Self::Map(members) => Ok(members.clone()),
            Self::Text(text) if text.trim_start().starts_with('{') => match serde_json::from_str(text) {
                Ok(Cell::Map(members)) => Ok(members),
                Ok(_) | Err(_) => Err(NotOne),
            },
            Self::Text(text) => {
                let pairs = text.split(';').map(str::trim).filter(|pair| !pair.is_empty());
                let members = pairs.map(|pair| {
                    let (name, value) = pair.split_once('=').ok_or(NotOne)?;
                    Ok((Cow::Borrowed(name.trim()), Cell::Text(Cow::Borrowed(value.trim()))))
                });
                members.collect()
            }
            Self::Whole(_) | Self::Real(_) | Self::Flag(_) | Self::List(_) => Err(NotOne),
        }
    }
}

/// Name and value in a cell that holds an object.
pub(super) type Member<'a> = (Cow<'a, str>, Cell<'a>);

/// UTC microseconds; `None` for what is no time.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    time::rfc3339(text).or_else(|| {
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        Some(naive.and_utc().timestamp_micros())
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Owned(text)))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Cell::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cell::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| Cell::Text(Cow::Owned(number.to_string())), Cell::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Cell::Real(number))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cell::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Cell::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            members.push((name.0, map.next_value()?));
        }
        Ok(Cell::Map(members))
    }
}

/// The name of a column or member, borrowed where the input allows.
pub(super) struct Name<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
