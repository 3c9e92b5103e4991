//! One frame at a time: framing, format, limits; what is read goes into columns, what is not into rejects.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;

use super::credentials::CredentialTable;
use super::fields::{Draft, Presented, Slot};
use super::presented::{self, CredentialKind};
use super::scrub::scrub;
use super::{DecodeOptions, Decoded, DecodedBatch, Format, uri};
use crate::event::{Column, EventBuilder, Events, Interner};
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
/// Earliest time an event may claim: 2000-01-01.
const EVENT_AT_MIN: i64 = 946_684_800_000_000;
/// How far ahead of us a gateway's clock may be.
const AHEAD_MAX_US: i64 = 24 * 3_600 * 1_000_000;
/// Longest message of a gateway that is kept, bytes.
const MESSAGE_BYTES_MAX: usize = 240;
/// Longest of any other text that is kept, bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// Shortest credential that is looked for in the other texts of its request: shorter ones are words as well.
const ECHO_BYTES_MIN: usize = 8;

/// Why a document is rejected: the reason, and a field name or fixed text.
type Refusal = (RejectReason, &'static str);

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

/// What rows go into, and what they need to get there.
#[derive(Default)]
struct Columns {
    received_at: i64,
    schemes: Schemes,
    events: EventBuilder,
    credentials: CredentialTable,
}

/// Where a document stands.
#[derive(Clone, Copy)]
struct At<'a> {
    stream: &'a Stream,
    offset: i64,
    part: i32,
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

impl Columns {
    fn push<'a>(
        &mut self,
        at: At<'a>,
        draft: &mut Draft<'a>,
        options: &DecodeOptions,
        places: &'a [String],
    ) -> Result<(), Refusal> {
        let event_at = draft.row.event_at.ok_or((RejectReason::NoTime, "missing"))?;
        if !(EVENT_AT_MIN..=self.received_at.saturating_add(AHEAD_MAX_US)).contains(&event_at) {
            return Err((RejectReason::NoTime, "before 2000, or more than a day ahead"));
        }
        let status = draft.row.status.ok_or((RejectReason::NoStatus, ""))?;
        let refused = (400..500).contains(&status);

        let target = if draft.uri.is_empty() { draft.url } else { draft.uri };
        let query = uri::query(target);
        let mut from_query: [Option<(u8, Cow<'_, str>)>; 2] = [None, None];
        let mut found = 0;
        if !query.is_empty() {
            for (name, value) in uri::pairs(query).filter(|(_, value)| !value.is_empty()) {
                if let Some(place) = options.credential_params.iter().position(|param| param.eq_ignore_ascii_case(name))
                {
                    if let Some(free) = from_query.get_mut(found) {
                        let place = options.credential_headers.len() + place;
                        *free = Some((u8::try_from(place).unwrap_or(u8::MAX), uri::percent_decoded(value)));
                        found += 1;
                    }
                } else if draft.row.tenant_asked.is_empty() && options.tenant_params.iter().any(|param| param == name) {
                    draft.row.tenant_asked = value;
                }
            }
        }
        let in_url = uri::userinfo(target);

        let mut keys: [(u8, CredentialKind, Cow<'_, str>); 7] =
            std::array::from_fn(|_| (0, CredentialKind::ApiKey, Cow::Borrowed("")));
        let mut count = 0;
        let queried = from_query.iter().flatten().map(|(place, value)| Presented { place: *place, value });
        for presented in draft.presented().iter().copied().chain(queried) {
            let place = places.get(usize::from(presented.place)).map_or("", String::as_str);
            let (kind, key) = presented::key_of(place, presented.value);
            if let Some(free) = keys.get_mut(count) {
                *free = (presented.place, kind, key);
                count += 1;
            }
        }
        if !in_url.is_empty() && count < keys.len() {
            let password = match in_url.split_once(':') {
                Some((user, "")) => user,
                Some((_, password)) => password,
                None => in_url,
            };
            keys[count] = (u8::MAX, CredentialKind::Basic, uri::percent_decoded(password));
            count += 1;
        }
        let keys = &keys[..count];

        // The first that the log shows; one that the gateway masked is better than none.
        let shown =
            keys.iter().filter(|(_, kind, _)| *kind != CredentialKind::Redacted).min_by_key(|(place, ..)| *place);
        let chosen = shown.or(keys.first());
        if let Some((place, kind, key)) = chosen {
            draft.row.credential_kind = kind.name();
            if draft.row.credential_place.is_empty() {
                draft.row.credential_place = places.get(usize::from(*place)).map_or("url", String::as_str);
            }
            let differing = keys.iter().enumerate().filter(|(index, (_, _, other))| {
                !other.is_empty() && !keys[..*index].iter().any(|(_, _, earlier)| earlier == other)
            });
            draft.row.credentials = Some(i16::try_from(differing.count().max(1)).unwrap_or(i16::MAX));
            if key.is_empty() {
                self.credentials.push_none();
            } else {
                self.credentials.push(*kind, key, refused, &options.pepper, self.schemes);
            }
        } else if draft.fingerprint.is_empty() {
            self.credentials.push_none();
        } else {
            draft.row.credential_kind = CredentialKind::ApiKey.name();
            draft.row.credentials = Some(1);
            self.credentials.push_fingerprint(draft.fingerprint);
        }

        if draft.anonymous {
            draft.row.consumer = "anonymous";
        }
        if draft.row.host.is_empty() {
            draft.row.host = uri::host(draft.url);
        }
        if !draft.request_body.is_empty() && draft.row.ai_model.is_empty() {
            draft.row.ai_model = text_member(draft.request_body, "model");
        }
        if !draft.response_body.is_empty() {
            read_response_body(draft, status);
        }
        read_counters(draft, status);
        let row = &draft.row;
        let own_prefixes = options.key_prefixes.as_slice();
        let plain = |text| without_echoes(text, keys);
        let [host, route, user_agent, client_address, consumer, gateway_code, tenant_asked] = [
            row.host.rsplit_once('@').map_or(row.host, |(_, host)| host),
            row.route,
            row.user_agent,
            row.client_address,
            row.consumer,
            row.gateway_code,
            row.tenant_asked,
        ]
        .map(plain);
        let message = plain(row.gateway_message);
        let gateway_message = kept(&message, own_prefixes, MESSAGE_BYTES_MAX);
        let [path, request_id, trace_id] = [uri::path(target), row.request_id, row.trace_id].map(plain);
        let [path, request_id, trace_id] =
            [&path, &request_id, &trace_id].map(|text| kept(text, own_prefixes, TEXT_BYTES_MAX));
        let row = crate::event::Row {
            topic: &at.stream.topic,
            partition: Some(at.stream.partition),
            offset: Some(at.offset),
            part: Some(at.part),
            ingested_at: Some(self.received_at),
            path: &path,
            request_id: &request_id,
            trace_id: &trace_id,
            host: &host,
            route: &route,
            user_agent: &user_agent,
            client_address: &client_address,
            consumer: &consumer,
            gateway_code: &gateway_code,
            gateway_message: &gateway_message,
            tenant_asked: &tenant_asked,
            ..draft.row.clone()
        };
        self.events.push(&row);
        Ok(())
    }
}

/// `text` without the credentials of its request: error messages quote them, callers put them into paths.
fn without_echoes<'t>(text: &'t str, keys: &[(u8, CredentialKind, Cow<'_, str>)]) -> Cow<'t, str> {
    let echoed = |key: &&str| key.len() >= ECHO_BYTES_MIN && text.len() >= key.len() && text.contains(*key);
    let mut echoes = keys.iter().map(|(_, _, key)| key.as_ref()).filter(echoed);
    match echoes.next() {
        None => Cow::Borrowed(text),
        Some(first) => Cow::Owned(echoes.fold(text.replace(first, "…"), |text, key| text.replace(key, "…"))),
    }
}

/// A spent counter says that a limiter refused. Which limit it was, the answer says where it is logged, except that
/// Kong's is the same for all windows.
fn read_counters(draft: &mut Draft<'_>, status: i16) {
    let row = &mut draft.row;
    if !matches!(status, 429 | 503) || !row.gateway_code.is_empty() {
        return;
    }
    if draft.quota_spent {
        row.gateway_code = "quota_spent";
    } else if draft.limit_spent && row.gateway_message.is_empty() {
        row.gateway_code = "rate_limit_spent";
    }
}

/// A refusal's reason and an answer's token counts, where bodies are logged.
fn read_response_body(draft: &mut Draft<'_>, status: i16) {
    let body = draft.response_body;
    let row = &mut draft.row;
    if status >= 400 && row.gateway_message.is_empty() {
        let named = ["message", "error_msg", "error_description", "error", "detail"]
            .into_iter()
            .map(|name| text_member(body, name));
        row.gateway_message = named
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or(if body.starts_with(['{', '[', '<']) { "" } else { body });
    }
    if status >= 400 && row.gateway_code.is_empty() {
        row.gateway_code = bounded(text_member(body, "code"), 64);
    }
    if row.input_tokens.is_none() {
        row.input_tokens = number_member(body, "prompt_tokens").or_else(|| number_member(body, "input_tokens"));
        row.output_tokens = number_member(body, "completion_tokens").or_else(|| number_member(body, "output_tokens"));
    }
}

/// The text after `"name":`, wherever it stands: bodies are logged cut short, so they are searched, not parsed.
fn text_member<'a>(body: &'a str, name: &str) -> &'a str {
    let Some(rest) = member(body, name).and_then(|rest| rest.strip_prefix('"')) else { return "" };
    let end = json::string_end(rest.as_bytes(), 0).map_or(rest.len(), |(end, _)| end);
    rest.get(..end).unwrap_or("")
}

fn number_member(body: &str, name: &str) -> Option<i64> {
    let rest = member(body, name)?;
    rest.get(..json::number_end(rest.as_bytes(), 0)?)?.parse().ok()
}

fn member<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = body;
    loop {
        let at = rest.find(name)?;
        let after = rest.get(at + name.len()..)?;
        let quoted = rest.get(..at).is_some_and(|before| before.ends_with('"'));
        if quoted && let Some(value) = after.strip_prefix('"').and_then(|after| after.trim_start().strip_prefix(':')) {
            return Some(value.trim_start());
        }
        rest = after;
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

/// What may be stored of a text: masked first and cut then, since a cut secret no longer looks like one.
fn kept<'t>(text: &'t str, own_prefixes: &[String], bytes_max: usize) -> Cow<'t, str> {
    match scrub(text, own_prefixes) {
        Cow::Borrowed(text) => Cow::Borrowed(bounded(text, bytes_max)),
        Cow::Owned(text) => Cow::Owned(bounded(&text, bytes_max).to_owned()),
    }
}

/// The start of `text`, cut at a character boundary.
fn bounded(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or("")
}

/// Each client address's network, worked out once an address.
fn networks(events: &Events) -> ArrayRef {
    let addresses = events.dict(Column::ClientAddress);
    let mut distinct = Interner::default();
    let codes: Vec<Option<u32>> =
        addresses.values().iter().map(|address| Some(distinct.intern(&network(address?)?))).collect();
    let keys: Int32Array =
        (0..events.len()).map(|row| addresses.code(row).and_then(|code| codes[code]).map(u32::cast_signed)).collect();
    Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(distinct.take())))
}

/// The /24 of an IPv4 address (also one mapped into IPv6), the /56 of an IPv6 one.
fn network(address: &str) -> Option<String> {
    if address.parse::<std::net::Ipv4Addr>().is_ok() {
        return address.rsplit_once('.').map(|(network, _)| format!("{network}.0/24"));
    }
    let bare = address.trim_start_matches('[').split(']').next().unwrap_or(address);
    let address: std::net::IpAddr = bare.parse().or_else(|_| bare.split(':').next().unwrap_or("").parse()).ok()?;
    let network = match address.to_canonical() {
        std::net::IpAddr::V4(v4) => ipnet::IpNet::from(ipnet::Ipv4Net::new(v4, 24).ok()?),
        std::net::IpAddr::V6(v6) => ipnet::IpNet::from(ipnet::Ipv6Net::new(v6, 56).ok()?),
    };
    Some(network.trunc().to_string())
}

/// Masks secrets in free text and bounds its length, once a distinct value.
fn scrub_columns(mut events: Events, own_prefixes: &[String]) -> Events {
    const FREE_TEXT: &[Column] = &[
        Column::Gateway,
        Column::Method,
        Column::Host,
        Column::Route,
        Column::Service,
        Column::ClientAddress,
        Column::UserAgent,
        Column::Region,
        Column::CredentialPlace,
        Column::Consumer,
        Column::GatewayCode,
        Column::GatewayMessage,
        Column::AiProvider,
        Column::AiModel,
        Column::TenantAsked,
    ];
    for &column in FREE_TEXT {
        let dict = events.dict(column);
        let clean = |text: &str| matches!(scrub(text, own_prefixes), Cow::Borrowed(_)) && text.len() <= TEXT_BYTES_MAX;
        if dict.values().iter().flatten().all(clean) {
            continue;
        }
        let values: StringArray =
            dict.values().iter().map(|text| text.map(|text| kept(text, own_prefixes, TEXT_BYTES_MAX))).collect();
        let replaced = DictionaryArray::<Int32Type>::new(dict.array().keys().clone(), Arc::new(values));
        debug_assert_eq!(replaced.len(), events.len());
        events = events.replacing(column, Arc::new(replaced));
    }
    events
}
