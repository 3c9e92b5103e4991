//! One frame at a time: framing, format, limits; what is read goes into columns, what is not into rejects.

use std::borrow::Cow;

use super::assemble::Columns;
use super::fields::{Draft, Slot};
use super::per_value::{networks, scrub_columns};
use super::{DecodeOptions, Decoded, DecodedBatch, Format};
use crate::event::Column;
use crate::frame::Frame;
use crate::json::layout::Layout;
use crate::json::{self, Captured, JsonError, Kind, Skeletons};
use crate::offsets::Stream;
use crate::reject::{RejectAt, RejectBuilder, RejectReason};
use crate::secret::Schemes;

/// Documents that one frame may hold.
const PARTS_MAX: usize = 10_000;
/// Envelopes inside envelopes.
const NESTING_MAX: usize = 3;

/// Why a document is rejected: the reason, and a field name or fixed text.
pub(super) type Refusal = (RejectReason, &'static str);

pub(super) struct Reader {
    options: DecodeOptions,
    places: Vec<String>,
    formats: Vec<FormatReader>,
    /// Index into `formats` of the one that fitted last.
    last: usize,
    captured: Vec<Captured<Slot>>,
    unescaped: String,
    columns: Columns,
    rejects: RejectBuilder,
}

/// Names the formats only: what was read last is still in the buffers.
impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.formats.iter().map(|reader| reader.format)).finish()
    }
}

struct FormatReader {
    format: Format,
    layout: Layout<Slot>,
    skeletons: Skeletons<Slot>,
}

/// Where a document stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub stream: &'a Stream,
    pub offset: i64,
    pub part: i32,
}

impl Reader {
    pub(super) fn new(options: DecodeOptions) -> Self {
        let formats = Format::ALL.iter().filter(|&&format| options.format.is_none_or(|wanted| wanted == format));
        let formats = formats.map(|&format| FormatReader {
            format,
            layout: format.dialect().layout(&options.credential_headers, &options.tenant_headers),
            skeletons: Skeletons::default(),
        });
        let headers = options.credential_headers.iter().map(|name| format!("header:{name}"));
        let params = options.credential_params.iter().map(|name| format!("query:{name}"));
        Self {
            places: headers.chain(params).collect(),
            formats: formats.collect(),
            last: 0,
            captured: Vec::new(),
            unescaped: String::new(),
            columns: Columns::default(),
            rejects: RejectBuilder::default(),
            options,
        }
    }

    pub(super) fn begin(&mut self, received_at: i64, frames: usize, schemes: Schemes) {
        self.columns.events.reserve(frames);
        self.columns.received_at = received_at;
        self.columns.schemes = schemes;
    }

    /// Reads one frame into events and rejects, at least one in all.
    pub(super) fn frame(&mut self, stream: &Stream, frame: Frame<'_>) {
        let Frame { offset, bytes, unreadable, .. } = frame;
        let mut at = At { stream, offset, part: 0 };
        if let Some(reason) = unreadable {
            return self.reject(at, (reason, "not delivered by the source"), bytes);
        }
        if bytes.len() > self.options.frame_bytes_max {
            return self.reject(at, (RejectReason::TooLarge, ""), bytes);
        }
        let Ok(text) = simdutf8::basic::from_utf8(bytes) else {
            return self.reject(at, (RejectReason::NotUtf8, ""), bytes);
        };
        let text = text.trim_start_matches('\u{feff}').trim_ascii();
        if text.is_empty() {
            return self.reject(at, (RejectReason::Empty, ""), bytes);
        }
        self.document(&mut at, text, 0);
    }

    /// Reads a document, or the documents in it. `at.part` counts what came out.
    fn document(&mut self, at: &mut At<'_>, text: &str, nesting: usize) {
        match self.read(*at, text) {
            Ok(()) => at.part += 1,
            Err(refusal) => self.unwrap_document(at, text, nesting, refusal),
        }
    }

    /// A document that is no event may hold some: elements, lines, or a message.
    fn unwrap_document(&mut self, at: &mut At<'_>, text: &str, nesting: usize, refusal: Refusal) {
        if nesting < NESTING_MAX {
            if text.starts_with('[')
                && let Some(elements) = json::elements(text)
                && elements.len() <= PARTS_MAX
            {
                if elements.is_empty() {
                    return self.reject_part(at, (RejectReason::Empty, ""), text);
                }
                for (from, to) in elements {
                    self.document(at, text.get(from..to).unwrap_or("").trim_ascii(), nesting + 1);
                }
                return;
            }
            let looks_like_lines = text.starts_with(['{', '[']) && text.contains('\n');
            if refusal.0 == RejectReason::NotJson && looks_like_lines && text.lines().count() <= PARTS_MAX {
                for line in text.lines().map(str::trim_ascii).filter(|line| !line.is_empty()) {
                    self.document(at, line, nesting + 1);
                }
                return;
            }
            if refusal.0 == RejectReason::UnknownFormat
                && let Some(message) = envelope_message(text)
            {
                return self.document(at, message.trim_ascii(), nesting + 1);
            }
        }
        self.reject_part(at, refusal, text);
    }

    fn reject_part(&mut self, at: &mut At<'_>, refusal: Refusal, text: &str) {
        self.reject(*at, refusal, text.as_bytes());
        at.part += 1;
    }

    /// Reads a document that is one event.
    fn read(&mut self, at: At<'_>, text: &str) -> Result<(), Refusal> {
        let plain = !text.bytes().fold(false, |found, byte| found | (byte < 0x20));
        if plain {
            let others = (0..self.formats.len()).filter(|&index| index != self.last);
            for index in std::iter::once(self.last).chain(others) {
                self.captured.clear();
                if self.formats[index].skeletons.capture(text.as_bytes(), &mut self.captured) {
                    self.last = index;
                    return self.assemble(at, text);
                }
            }
        }
        self.read_strictly(at, text, plain)
    }

    /// The whole grammar; learns the document's skeleton.
    fn read_strictly(&mut self, at: At<'_>, text: &str, plain: bool) -> Result<(), Refusal> {
        self.captured.clear();
        let keys: Vec<&str> = json::members(text).into_iter().map(|(key, _)| key).collect();
        let known = match self.options.format {
            Some(_) => Some(0),
            None => {
                Format::detect(&keys).and_then(|found| self.formats.iter().position(|reader| reader.format == found))
            }
        };
        let Some(index) = known else {
            // Say first what is wrong with it as JSON: "unknown format" would send people looking for a gateway.
            json::walk(text, &Layout::<Slot>::new(), &mut self.captured).map_err(refusal_of)?;
            return Err((RejectReason::UnknownFormat, ""));
        };
        let reader = &mut self.formats[index];
        let skeleton = json::walk(text, &reader.layout, &mut self.captured).map_err(refusal_of)?;
        if self.options.format.is_some() && !(reader.format.dialect().recognises)(&keys) {
            return Err((RejectReason::UnknownFormat, "not of the format that was asked for"));
        }
        if plain {
            reader.skeletons.learn(text.as_bytes(), &skeleton);
        }
        self.last = index;
        self.assemble(at, text)
    }

    /// Turns captured values into a row.
    fn assemble(&mut self, at: At<'_>, text: &str) -> Result<(), Refusal> {
        let Self { options, places, formats, last, captured, unescaped, columns, .. } = self;
        unescape_captured(captured, text, unescaped);
        let format = formats[*last].format;
        let mut draft = Draft::default();
        for value in captured.iter() {
            let source = if value.kind == Kind::Escaped { unescaped.as_str() } else { text };
            let found = source.get(value.start as usize..value.end as usize).unwrap_or("");
            draft.take(value.slot, value.kind, found).map_err(|field| (RejectReason::BadField, field))?;
        }
        (format.dialect().finish)(&mut draft);
        draft.row.format = format.name();
        columns.push(at, &mut draft, options, places)
    }

    fn reject(&mut self, at: At<'_>, (reason, detail): Refusal, bytes: &[u8]) {
        let at =
            RejectAt { stream: at.stream, offset: at.offset, part: at.part, ingested_at: self.columns.received_at };
        self.rejects.push(at, reason, detail, bytes, &self.options.pepper);
    }

    pub(super) fn finish(&mut self) -> DecodedBatch {
        let events = self.columns.events.finish();
        let (credentials, credential_of, credential_columns) = self.columns.credentials.finish();
        let events = events
            .replacing(Column::Fingerprint, credential_columns.fingerprint)
            .replacing(Column::CredentialMask, credential_columns.mask)
            .replacing(Column::CredentialPrefix, credential_columns.prefix);
        let networks = networks(&events);
        let events = events.replacing(Column::ClientNetwork, networks);
        let events = scrub_columns(events, &self.options.key_prefixes);
        DecodedBatch { decoded: Decoded { events, credentials, credential_of }, rejects: self.rejects.finish() }
    }
}

/// Replaces the spans of escaped values by spans of their text in `unescaped`.
fn unescape_captured(captured: &mut [Captured<Slot>], text: &str, unescaped: &mut String) {
    unescaped.clear();
    for value in captured.iter_mut().filter(|value| value.kind == Kind::Escaped) {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = narrow(unescaped.len());
        json::unescape(text.get(value.start as usize..value.end as usize).unwrap_or(""), unescaped);
        (value.start, value.end) = (start, narrow(unescaped.len()));
    }
}

/// What a log shipper wrapped: the value of `message` or the like, when it is JSON, as such or as text.
fn envelope_message(text: &str) -> Option<Cow<'_, str>> {
    let members = json::members(text);
    ["message", "log", "event", "body"].into_iter().find_map(|name| {
        let (_, raw) = members.iter().find(|(key, _)| *key == name)?;
        let message = match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => {
                let mut message = String::with_capacity(quoted.len());
                json::unescape(quoted, &mut message);
                Cow::Owned(message)
            }
            None => Cow::Borrowed(*raw),
        };
        message.trim_ascii_start().starts_with(['{', '[']).then_some(message)
    })
}

fn refusal_of(error: JsonError) -> Refusal {
    match error {
        JsonError::Syntax => (RejectReason::NotJson, ""),
        JsonError::TooDeep => (RejectReason::TooDeep, ""),
        JsonError::TooManyKeys => (RejectReason::TooManyKeys, ""),
        JsonError::DuplicateKey => (RejectReason::DuplicateKey, ""),
    }
}
