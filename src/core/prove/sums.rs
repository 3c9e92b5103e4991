//! Lists of sums: the text that is signed. `sha256sum -c` reads it, and passes over its comment lines.
//!
//! ```text
//! # claviger-digest: 1
//! # tenant: acme
//! 0f3c…  records/2026/11/24/000000000001-000000000456.ndjson
//! ```
//!
//! A text has one form: what is read and written again gives the same bytes, or it is [`Malformed`].

use super::{Hash, hex, unhex};

/// A file by its path below the folder in which the list is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub hash: Hash,
    pub path: String,
}

/// Facts by name, in order, and files with their sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedText {
    pub facts: Vec<(String, String)>,
    pub files: Vec<Sum>,
}

/// Why a text is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("line {0} is neither a fact nor a sum")]
    Line(usize),
    #[error("`{0}` leaves the folder")]
    Path(String),
    #[error("fact `{0}` is missing or wrong")]
    Fact(&'static str),
    #[error("the text has another form than the one it is written in")]
    Form,
}

impl SignedText {
    pub fn fact(&mut self, name: &str, value: impl ToString) {
        self.facts.push((name.to_owned(), value.to_string()));
    }

    /// The value of the first fact of this name.
    pub(super) fn find(&self, name: &'static str) -> Result<&str, Malformed> {
        self.all(name).next().ok_or(Malformed::Fact(name))
    }

    /// The values of all facts of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.facts.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// # Errors
    /// When it is not exactly what [`SignedText::to_string`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Form)?;
        let mut parsed = Self::default();
        for (number, line) in text.lines().enumerate() {
            if let Some(fact) = line.strip_prefix("# ") {
                let (name, value) = fact.split_once(": ").ok_or(Malformed::Line(number + 1))?;
                parsed.fact(name, value);
            } else {
                let (sum, path) = line.split_once("  ").ok_or(Malformed::Line(number + 1))?;
                let hash = unhex(sum).ok_or(Malformed::Line(number + 1))?;
                if !stays_inside(path) {
                    return Err(Malformed::Path(path.to_owned()));
                }
                parsed.files.push(Sum { hash, path: path.to_owned() });
            }
        }
        if parsed.to_string().as_bytes() == bytes { Ok(parsed) } else { Err(Malformed::Form) }
    }
}

impl std::fmt::Display for SignedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.facts {
            writeln!(f, "# {name}: {value}")?;
        }
        for Sum { hash, path } in &self.files {
            writeln!(f, "{}  {path}", hex(hash))?;
        }
        Ok(())
    }
}

/// A name as part of a path or a fact: letters, digits, `.`, `_` and `-` stand, all else is `=` and two hexadecimal digits a byte
/// (object stores have ideas of their own about `%`).
/// A name of dots only, or an empty one, cannot climb out of its folder: `.` is encoded, nothing becomes `-`.
#[must_use]
pub fn encoded(name: &str) -> String {
    if name.is_empty() {
        return "-".to_owned();
    }
    let dots = name.bytes().all(|byte| byte == b'.');
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            // A lone dash stands for no name at all.
            b'-' if name.len() == 1 => text.push_str("=2D"),
            b'.' if dots => text.push_str("=2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => text.push(char::from(byte)),
            _ => text.push_str(&format!("={byte:02X}")),
        }
    }
    text
}

/// The name that was [`encoded`].
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    if text == "-" {
        return Some(String::new());
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte == b'=' {
            let pair = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Relative, downwards, and without characters that `sha256sum` would escape.
fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with('/')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && !path.contains(['\\', '\n', '\r', '\0'])
}
