//! Reads the cells of one row, and notes what is wrong with them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::cells::{Cell, Member, NotOne};
use super::findings::{FindingCode, Findings, Place, shown};
use super::keys::RowHashes;
use super::timeline::{EVER, Moment, OPEN, Span};
use crate::secret::Fingerprint;

/// One row being read.
pub(super) struct Intake<'a> {
    pub(super) findings: &'a mut Findings,
    pub(super) place: Place<'a>,
    /// The row's id, for findings.
    pub(super) id: &'a str,
}

impl Intake<'_> {
    pub(super) fn note(&mut self, code: FindingCode, message: impl Into<String>) {
        self.findings.add(code, self.place, self.id, message);
    }

    fn take<T: Default>(&mut self, column: &str, read: Result<T, NotOne>, code: FindingCode, wanted: &str) -> T {
        read.unwrap_or_else(|NotOne| {
            self.note(code, format!("`{column}` is not {wanted}; it is left out"));
            T::default()
        })
    }

    pub(super) fn text<'c>(&mut self, column: &str, cell: &'c Cell<'_>) -> Cow<'c, str> {
        self.take(column, cell.text(), FindingCode::BadValue, "a text of up to 1024 bytes without control characters")
    }

    pub(super) fn time(&mut self, column: &str, cell: &Cell<'_>) -> Moment {
        self.take(column, cell.time(), FindingCode::BadTime, "an RFC 3339 time").into()
    }

    pub(super) fn list<'c>(&mut self, column: &str, cell: &'c Cell<'_>) -> Vec<Cow<'c, str>> {
        self.take(column, cell.list(), FindingCode::BadValue, "a list of texts")
    }

    pub(super) fn whole(&mut self, column: &str, cell: &Cell<'_>) -> Option<i64> {
        self.take(column, cell.whole(), FindingCode::BadValue, "a whole number")
    }

    pub(super) fn real(&mut self, column: &str, cell: &Cell<'_>) -> Option<f64> {
        self.take(column, cell.real(), FindingCode::BadValue, "a number")
    }

    pub(super) fn flag(&mut self, column: &str, cell: &Cell<'_>) -> Option<bool> {
        self.take(column, cell.flag(), FindingCode::BadValue, "true or false")
    }

    pub(super) fn map<'c>(&mut self, column: &str, cell: &'c Cell<'_>) -> Vec<Member<'c>> {
        cell.map().unwrap_or_else(|NotOne| {
            self.note(FindingCode::BadValue, format!("`{column}` is not an object; it is left out"));
            Vec::new()
        })
    }

    /// A word of a closed list; one that is not in it reads as the default.
    pub(super) fn state<S: Default>(&mut self, column: &str, cell: &Cell<'_>, parse: fn(&str) -> Option<S>) -> S {
        let text = self.text(column, cell);
        parse(&text).unwrap_or_else(|| {
            self.note(FindingCode::BadValue, format!("`{column}` is none of the words it may be"));
            S::default()
        })
    }

    /// `valid_from` and `valid_to`; a row with neither holds from `as_of`.
    pub(super) fn validity(&mut self, from: &Cell<'_>, to: &Cell<'_>, as_of: i64) -> Span {
        let (from, to) = self.span("valid_from", from, "valid_to", to);
        let dated = (from, to) != (EVER, OPEN);
        Span { from: if dated { from } else { as_of }, to, dated }
    }

    /// Two times that enclose something; open where they are absent.
    pub(super) fn span(&mut self, from_name: &str, from: &Cell<'_>, to_name: &str, to: &Cell<'_>) -> (i64, i64) {
        let from = self.time(from_name, from).get().unwrap_or(EVER);
        let to = self.time(to_name, to).get().unwrap_or(OPEN);
        if to < from {
            self.note(FindingCode::BadTime, format!("`{to_name}` lies before `{from_name}`"));
        }
        (from, to)
    }

    pub(super) fn fingerprints(&mut self, cell: &Cell<'_>) -> RowHashes {
        let mut hashes = RowHashes::default();
        for (scheme, value) in &self.map("fingerprints", cell) {
            let text = value.text().unwrap_or_default();
            let good = match &**scheme {
                "hmac-sha256" => set(&mut hashes.hmac, Fingerprint::from_hex(&text).map(|hash| hash.0)),
                "sha256" => set(&mut hashes.sha256, bytes_of_hex(&text)),
                "sha256-base64" => set(&mut hashes.sha256, bytes_of_base64(&text)),
                "murmur3-32" => set(&mut hashes.murmur32, bytes_of_hex(&text).map(u32::from_be_bytes)),
                "murmur3-64" => set(&mut hashes.murmur64, bytes_of_hex(&text).map(u64::from_be_bytes)),
                "murmur3-128" => set(&mut hashes.murmur128, bytes_of_hex(&text).map(u128::from_be_bytes)),
                other => {
                    let message = format!("`fingerprints` has an unknown scheme `{}`", shown(other));
                    self.note(FindingCode::UnknownScheme, message);
                    continue;
                }
            };
            if !good {
                self.note(FindingCode::BadFingerprint, format!("the `{scheme}` fingerprint has not the form of one"));
            }
        }
        hashes
    }
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let good = value.is_some();
    if good {
        *slot = value;
    }
    good
}

/// Exactly `N` bytes in hex, any case.
fn bytes_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// 32 bytes in either base64 alphabet, padded or not.
fn bytes_of_base64(text: &str) -> Option<[u8; 32]> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
    let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?;
    bytes.try_into().ok()
}
