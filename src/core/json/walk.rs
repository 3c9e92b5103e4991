//! The strict parser: the whole grammar of RFC 8259, with limits on depth and keys, and duplicate keys
//! refused. It reports wanted values, and the skeleton of what it read.

use std::borrow::Cow;

use super::layout::{Layout, Node};
use super::skeleton::Skeleton;
use super::{Captured, DEPTH_MAX, JsonError, KEYS_MAX, Kind, escapes_are_valid, number_end, string_end, unescape};

/// Parses one document, adds its wanted values to `out`, and returns its skeleton.
pub(crate) fn walk<S: Copy>(
    text: &str,
    layout: &Layout<S>,
    out: &mut Vec<Captured<S>>,
) -> Result<Skeleton<S>, JsonError> {
    let mut walker =
        Walker { bytes: text.as_bytes(), text, at: 0, keys: 0, layout, out, skeleton: Skeleton::default() };
    walker.space();
    walker.value(Node::ROOT, None, 0)?;
    walker.space();
    if walker.at != text.len() {
        return Err(JsonError::Syntax);
    }
    Ok(walker.skeleton)
}

/// Keys and raw values of an object document, in order; empty for anything else. The values are delimited, not
/// checked.
pub(crate) fn members(text: &str) -> Vec<(&str, &str)> {
    let mut members = Vec::new();
    let mut parts = Splitter::new(text, b'{');
    while let Some((from, to)) = parts.next_part() {
        members.extend(text.get(from..to).and_then(member));
        if members.len() >= KEYS_MAX {
            break;
        }
    }
    members
}

fn member(part: &str) -> Option<(&str, &str)> {
    let rest = part.trim_ascii_start().strip_prefix('"')?;
    let (key, rest) = rest.split_at_checked(string_end(rest.as_bytes(), 0)?.0)?;
    Some((key, rest.strip_prefix('"')?.trim_ascii_start().strip_prefix(':')?.trim_ascii()))
}

/// Byte ranges of the elements of an array document; `None` for anything else. The elements are delimited, not
/// checked.
pub(crate) fn elements(text: &str) -> Option<Vec<(usize, usize)>> {
    let mut parts = Splitter::new(text, b'[');
    let mut ranges = Vec::new();
    while let Some(range) = parts.next_part() {
        ranges.push(range);
    }
    (parts.closed && text.as_bytes()[parts.at..].trim_ascii().is_empty()).then_some(ranges)
}

/// Cuts the inside of one object or array at its top-level commas.
struct Splitter<'a> {
    bytes: &'a [u8],
    at: usize,
    close: u8,
    closed: bool,
}

impl<'a> Splitter<'a> {
    fn new(text: &'a str, open: u8) -> Self {
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
        let opens = bytes.get(at) == Some(&open);
        let close = if open == b'[' { b']' } else { b'}' };
        Self { bytes, at: if opens { at + 1 } else { bytes.len() }, close, closed: false }
    }

    fn next_part(&mut self) -> Option<(usize, usize)> {
        if self.closed {
            return None;
        }
        let from = self.at;
        let mut depth = 0usize;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => self.at = string_end(self.bytes, self.at + 1)?.0,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => {
                    if byte != self.close {
                        return None;
                    }
                    let part = (from, self.at);
                    self.closed = true;
                    self.at += 1;
                    return (!self.bytes[part.0..part.1].trim_ascii().is_empty()).then_some(part);
                }
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => {
                    self.at += 1;
                    return Some((from, self.at - 1));
                }
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}

fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    unescape(raw, &mut text);
    text
}

struct Walker<'a, S> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    keys: usize,
    layout: &'a Layout<S>,
    out: &'a mut Vec<Captured<S>>,
    skeleton: Skeleton<S>,
}

impl<'a, S: Copy> Walker<'a, S> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(eaten);
        eaten
    }

    fn value(&mut self, node: Node, slot: Option<S>, depth: usize) -> Result<(), JsonError> {
        if depth > DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        match self.bytes.get(self.at) {
            Some(b'{') => self.object(node, depth),
            Some(b'[') => self.array(node, slot, depth),
            Some(b'"') => {
                let (start, end, escaped) = self.string()?;
                self.skeleton.string(start, end, slot);
                self.capture(slot, if escaped { Kind::Escaped } else { Kind::Plain }, start, end);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                self.at = number_end(self.bytes, start).ok_or(JsonError::Syntax)?;
                self.skeleton.number(start, self.at, slot);
                self.capture(slot, Kind::Number, start, self.at);
                Ok(())
            }
            _ => {
                let rest = &self.bytes[self.at.min(self.bytes.len())..];
                let (word, kind) = [("true", Kind::True), ("false", Kind::False), ("null", Kind::Null)]
                    .into_iter()
                    .find(|(word, _)| rest.starts_with(word.as_bytes()))
                    .ok_or(JsonError::Syntax)?;
                let start = self.at;
                self.at += word.len();
                self.skeleton.word(slot, kind, self.at);
                self.capture(slot, kind, start, self.at);
                Ok(())
            }
        }
    }

    fn object(&mut self, node: Node, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Ok(());
        }
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        loop {
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(JsonError::Syntax);
            }
            let (start, end, escaped) = self.string()?;
            let raw = self.text.get(start..end).ok_or(JsonError::Syntax)?;
            let key = if escaped { Cow::Owned(unescaped(raw)) } else { Cow::Borrowed(raw) };
            self.keys += 1;
            if self.keys > KEYS_MAX {
                return Err(JsonError::TooManyKeys);
            }
            if seen.contains(&key) {
                return Err(JsonError::DuplicateKey);
            }
            let child = self.layout.child(node, &key);
            seen.push(key);
            self.space();
            if !self.eat(b':') {
                return Err(JsonError::Syntax);
            }
            self.space();
            self.value(child.node, child.slot, depth + 1)?;
            self.space();
            if self.eat(b'}') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(JsonError::Syntax);
            }
            self.space();
        }
    }

    /// Elements are wanted as what the array itself is wanted as: header values come as text or as a list.
    fn array(&mut self, node: Node, slot: Option<S>, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.value(node, slot, depth + 1)?;
            self.space();
            if self.eat(b']') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(JsonError::Syntax);
            }
            self.space();
        }
    }

    /// A string from its opening quote; the text between the quotes, without control characters.
    fn string(&mut self) -> Result<(usize, usize, bool), JsonError> {
        let start = self.at + 1;
        let (end, escaped) = string_end(self.bytes, start).ok_or(JsonError::Syntax)?;
        let raw = &self.bytes[start..end];
        if raw.iter().any(|&byte| byte < 0x20) || (escaped && !escapes_are_valid(raw)) {
            return Err(JsonError::Syntax);
        }
        self.at = end + 1;
        Ok((start, end, escaped))
    }

    fn capture(&mut self, slot: Option<S>, kind: Kind, start: usize, end: usize) {
        if let Some(slot) = slot {
            let narrow = |at: usize| u32::try_from(at).expect("frames are limited to far below 4 GiB");
            self.out.push(Captured { slot, kind, start: narrow(start), end: narrow(end) });
        }
    }
}
