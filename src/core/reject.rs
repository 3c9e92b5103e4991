//! Rejects: frames, or parts of frames, that no decoder could read. They are data: stored with their
//! coordinates, a reason, a keyed hash, and an excerpt that shows shape but no secret.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::event::{DictColumn, IntColumn, LongColumn, TextColumn, TimeColumn};
use crate::offsets::Stream;
use crate::secret::Pepper;

/// Why a frame could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// A message without payload (a Kafka tombstone) or with white space only.
    Empty,
    /// Longer than the limit for one frame.
    TooLarge,
    NotUtf8,
    /// Not JSON: truncated, control characters, trailing text.
    NotJson,
    TooDeep,
    TooManyKeys,
    DuplicateKey,
    /// JSON, but of no format that is known, or not of the format that was asked for.
    UnknownFormat,
    /// The event has no time, or one that cannot be.
    NoTime,
    /// The event has no HTTP status.
    NoStatus,
    /// A field of the wrong type or out of range.
    BadField,
    /// Compressed input that is damaged or unpacks beyond the limit.
    BadCompression,
}

impl RejectReason {
    pub const ALL: &'static [Self] = &[
        Self::Empty,
        Self::TooLarge,
        Self::NotUtf8,
        Self::NotJson,
        Self::TooDeep,
        Self::TooManyKeys,
        Self::DuplicateKey,
        Self::UnknownFormat,
        Self::NoTime,
        Self::NoStatus,
        Self::BadField,
        Self::BadCompression,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::TooDeep => "too_deep",
            Self::TooManyKeys => "too_many_keys",
            Self::DuplicateKey => "duplicate_key",
            Self::UnknownFormat => "unknown_format",
            Self::NoTime => "no_time",
            Self::NoStatus => "no_status",
            Self::BadField => "bad_field",
            Self::BadCompression => "bad_compression",
        }
    }
}

/// Columns of the `rejects` table.
pub static REJECT_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let dict = crate::event::ColumnKind::Dict.arrow_type();
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("topic", dict.clone(), false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("part", DataType::Int32, false),
        Field::new("ingested_at", time, false),
        Field::new("reason", dict.clone(), false),
        Field::new("detail", dict, true),
        Field::new("bytes", DataType::Int64, false),
        Field::new("hash", DataType::Utf8, false),
        Field::new("excerpt", DataType::Utf8, true),
    ]))
});

/// What a column of the `rejects` table means, with its unit; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_reject_column(name: &str) -> &'static str {
    match name {
        "topic" => "Kafka topic; of a replayed file its name, `#` and a hash of its first line",
        "partition" => "Kafka partition; 0 for files",
        "offset" => "Kafka offset, or line number from 0",
        "part" => "position of the document in its frame, from 0",
        "ingested_at" => "when the frame was read by Claviger, UTC",
        "reason" => "why it could not be read",
        "detail" => "the field or rule that failed; never input",
        "bytes" => "size of what was rejected, bytes",
        "hash" => "keyed hash of what was rejected: first 16 bytes of HMAC-SHA-256, hex",
        "excerpt" => "its beginning, with everything that could be a secret replaced by its length",
        _ => "",
    }
}

/// Collects rejects of one batch.
#[derive(Debug, Default)]
pub struct RejectBuilder {
    rows: usize,
    topic: DictColumn,
    partition: IntColumn,
    offset: LongColumn,
    part: IntColumn,
    ingested_at: TimeColumn,
    reason: DictColumn,
    detail: DictColumn,
    bytes: LongColumn,
    hash: TextColumn,
    excerpt: TextColumn,
}

/// Coordinates of what was rejected.
#[derive(Clone, Copy, Debug)]
pub struct RejectAt<'a> {
    pub stream: &'a Stream,
    pub offset: i64,
    pub part: i32,
    pub ingested_at: i64,
}

impl RejectBuilder {
    /// `detail` must be a fixed text or a field name: never input.
    pub fn push(&mut self, at: RejectAt<'_>, reason: RejectReason, detail: &str, frame: &[u8], pepper: &Pepper) {
        self.rows += 1;
        self.topic.push(&at.stream.topic);
        self.partition.push(Some(at.stream.partition));
        self.offset.push(Some(at.offset));
        self.part.push(Some(at.part));
        self.ingested_at.push(Some(at.ingested_at));
        self.reason.push(reason.name());
        self.detail.push(detail);
        self.bytes.push(Some(i64::try_from(frame.len()).unwrap_or(i64::MAX)));
        self.hash.push(pepper.hash(frame).hex().as_str());
        self.excerpt.push(&excerpt(frame));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        RecordBatch::try_new(
            Arc::clone(&REJECT_SCHEMA),
            vec![
                self.topic.finish(),
                self.partition.finish(),
                self.offset.finish(),
                self.part.finish(),
                self.ingested_at.finish(),
                self.reason.finish(),
                self.detail.finish(),
                self.bytes.finish(),
                self.hash.finish(),
                self.excerpt.finish(),
            ],
        )
        .expect("builders make the types that the schema names")
    }
}

/// Characters of the excerpt that is kept of a frame.
const EXCERPT_CHARS: usize = 160;

/// The start of a frame with every run of five or more characters replaced by its length, unless it is one of the
/// words that log lines are made of; only white space and what JSON is built of ends a run. Enough to see what kind of line it was, too little to hold a key.
#[must_use]
pub fn excerpt(frame: &[u8]) -> String {
    let head = &frame[..frame.len().min(4 * EXCERPT_CHARS)];
    let text = String::from_utf8_lossy(head);
    let mut out = String::with_capacity(EXCERPT_CHARS + 8);
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        let word = run.len() <= 16 && run.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let length = run.chars().count();
        if length < 5 || (word && is_plain_word(run)) {
            out.push_str(run);
        } else {
            out.push_str(&format!("‹{length}›"));
        }
        run.clear();
    };
    for c in text.chars() {
        if !c.is_whitespace() && !matches!(c, '{' | '}' | '[' | ']' | '"' | ':' | ',') {
            run.push(if c.is_control() { '␀' } else { c });
            continue;
        }
        flush(&mut run, &mut out);
        out.push(if c.is_control() { '␀' } else { c });
        if out.chars().count() >= EXCERPT_CHARS {
            break;
        }
    }
    flush(&mut run, &mut out);
    out.chars().take(EXCERPT_CHARS).collect()
}

/// Words that log lines are made of; anything else of that length could be a secret.
fn is_plain_word(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "request",
        "response",
        "headers",
        "status",
        "method",
        "latency",
        "client_ip",
        "start_time",
        "started_at",
        "server",
        "service",
        "service_id",
        "route",
        "route_id",
        "consumer",
        "upstream",
        "message",
        "query",
        "querystring",
        "latencies",
        "timestamp",
        "error",
        "records",
        "false",
        "level",
    ];
    WORDS.contains(&word)
}
