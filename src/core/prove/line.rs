//! Canonical JSON lines: one record has one spelling, on any machine and in any year.
//!
//! Keys ascend by their UTF-8 bytes, there is no space, no float and no null, and text is escaped only where JSON demands
//! it. That is RFC 8785 for the values we have, without its rules for floating-point numbers.

use std::fmt::Write as _;

use serde_json::Value;

/// A value that has no single spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number with a fraction has no canonical form")]
pub struct NotCanonical;

/// Writes one flat record. Keys must come in ascending order; absent values are left out.
#[derive(Debug)]
pub struct Line<'a> {
    text: &'a mut String,
    open: bool,
    #[cfg(debug_assertions)]
    last: String,
}

impl<'a> Line<'a> {
    /// Begins a record at the end of `text`.
    pub fn begin(text: &'a mut String) -> Self {
        text.push('{');
        Self {
            text,
            open: false,
            #[cfg(debug_assertions)]
            last: String::new(),
        }
    }

    /// Text, unless it is empty.
    pub fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            escape(value, self.text);
        }
    }

    pub fn integer(&mut self, key: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.key(key);
            integer(value, self.text);
        }
    }

    /// A list of texts, unless it is empty.
    pub fn texts<'t>(&mut self, key: &str, values: impl Iterator<Item = &'t str>) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        self.key(key);
        self.text.push('[');
        for (place, value) in values.enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            escape(value, self.text);
        }
        self.text.push(']');
    }

    /// Ends the record and its line.
    pub fn end(self) {
        self.text.push_str("}\n");
    }

    fn key(&mut self, key: &str) {
        #[cfg(debug_assertions)]
        {
            assert!(self.last.as_str() < key, "`{key}` after `{}`", self.last);
            key.clone_into(&mut self.last);
        }
        if std::mem::replace(&mut self.open, true) {
            self.text.push(',');
        }
        escape(key, self.text);
        self.text.push(':');
    }
}

/// A JSON value in its canonical form, without a line end. Nulls in objects are left out.
///
/// # Errors
/// When it holds a number with a fraction.
pub fn canonical(value: &Value) -> Result<String, NotCanonical> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

fn write(value: &Value, text: &mut String) -> Result<(), NotCanonical> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => integer(value, text),
            (None, Some(value)) => text.push_str(&value.to_string()),
            (None, None) => return Err(NotCanonical),
        },
        Value::String(value) => escape(value, text),
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(value, text)?;
            }
            text.push(']');
        }
        Value::Object(fields) => {
            // Sorted here: whether a map keeps its order is a feature that any dependency may switch on.
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_bytes());
            text.push('{');
            for (place, (key, value)) in fields.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                escape(key, text);
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn integer(value: i64, text: &mut String) {
    // Writing to a String cannot fail.
    let _infallible = write!(text, "{value}");
}

/// A JSON text: only quotes, backslashes and control characters are escaped.
fn escape(value: &str, text: &mut String) {
    text.push('"');
    for part in value.split_inclusive(|c: char| c < ' ' || c == '"' || c == '\\') {
        let Some(special) = part.chars().next_back().filter(|c| *c < ' ' || *c == '"' || *c == '\\') else {
            text.push_str(part);
            continue;
        };
        text.push_str(part.strip_suffix(special).unwrap_or_default());
        match special {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            control => {
                let _infallible = write!(text, "\\u{:04x}", u32::from(control));
            }
        }
    }
    text.push('"');
}

/// What orders a record line: its `seq`, and its `at` where it has one.
#[must_use]
pub fn place_of(line: &[u8]) -> Option<(u64, String)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    Some((value.get("seq")?.as_u64()?, value.get("at").and_then(Value::as_str).unwrap_or_default().to_owned()))
}
