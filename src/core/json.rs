//! JSON access logs at memory speed, without trusting them.
//!
//! A gateway's lines repeat the same keys in the same order. So a line is first compared with the
//! *skeletons* of lines seen before (`skeleton.rs`): the text between two values is one comparison, and only
//! the values are looked at. A line that fits no skeleton goes through a strict parser (`walk.rs`), which
//! enforces the whole grammar and the limits, and teaches the skeleton. What the fast path accepts is therefore
//! exactly: same keys, same nesting, same types as a line that passed the strict parser, with strings and
//! numbers checked again.
//!
//! Both report captured values as spans of the input, so nothing is copied and nothing borrowed is kept.

pub(crate) mod layout;
mod skeleton;
mod walk;

pub(crate) use skeleton::Skeletons;
pub(crate) use walk::{elements, members, walk};

/// Limits on one JSON document.
pub(crate) const DEPTH_MAX: usize = 64;
pub(crate) const KEYS_MAX: usize = 1_000;

/// Type of a captured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text between quotes, without escapes.
    Plain,
    /// Text between quotes, with escapes.
    Escaped,
    Number,
    True,
    False,
    Null,
}

/// A captured value: what it is for, and where it stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Captured<S> {
    pub slot: S,
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

/// Why a document is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// Not JSON: truncated, stray characters, trailing text, control characters.
    Syntax,
    TooDeep,
    TooManyKeys,
    DuplicateKey,
}

/// Position of the quote that ends a string whose text starts at `from`, and whether escapes were passed.
/// `None` when the text ends first. Does not look for control characters.
#[inline]
pub(crate) fn string_end(text: &[u8], from: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (from, false);
    loop {
        at = find_quote_or_backslash(text, at)?;
        if text[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// Eight bytes at a time for the first 32, which is where most values end; `memchr` for long ones.
#[inline]
fn find_quote_or_backslash(text: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    for _ in 0..4 {
        let Some(chunk) = text.get(at..at + 8) else { break };
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let found = (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash) & HIGHS;
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    memchr::memchr2(b'"', b'\\', text.get(at..)?).map(|found| at + found)
}

/// End of the JSON number that starts at `from`; `None` when there is none.
#[inline]
pub(crate) fn number_end(text: &[u8], from: usize) -> Option<usize> {
    let digits = |mut at: usize| {
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let first = if text.get(from) == Some(&b'-') { from + 1 } else { from };
    let mut at = digits(first);
    if at == first || (text[first] == b'0' && at > first + 1) {
        return None;
    }
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == at + 1 {
            return None;
        }
        at = fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == at + 1 + sign {
            return None;
        }
        at = exponent;
    }
    Some(at)
}

/// Whether every escape in the text of a string is one that JSON knows.
pub(crate) fn escapes_are_valid(raw: &[u8]) -> bool {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &raw[at..]) {
        at += found + 1;
        match raw.get(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 1,
            Some(b'u') => {
                if !raw.get(at + 1..at + 5).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                    return false;
                }
                at += 5;
            }
            _ => return false,
        }
    }
    true
}

/// Appends the text of an escaped string to `out`. Lone surrogates become U+FFFD. The escapes are known to be
/// valid.
pub(crate) fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let unit = hex_unit(chars.as_str());
                chars.nth(3);
                let low = chars.as_str().strip_prefix("\\u").map(hex_unit).filter(|low| (0xdc00..0xe000).contains(low));
                match (unit, low) {
                    (0xd800..0xdc00, Some(low)) => {
                        chars.nth(5);
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    _ => out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

fn hex_unit(text: &str) -> u32 {
    text.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0xfffd)
}
