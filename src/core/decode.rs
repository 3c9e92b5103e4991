//! Frames to events: the first room that looks at bytes, and the last that sees a raw credential.
//!
//! A frame is one document, or several (a JSON array, lines, an object in a shipper's envelope); each document
//! becomes one event or one reject, never nothing. With `Format::detect` the format is found document by document,
//! beginning with the one that fitted last.
//!
//! Budget: 1 µs an event of 930 bytes on one core. Text is borrowed from the frame until it is in a column;
//! a credential is hashed once a batch, however often it occurs.

pub mod advice;
mod apisix;
mod assemble;
mod body;
mod candidates;
mod canonical;
mod credentials;
mod dialect;
mod document;
mod fields;
mod kong;
mod per_value;
mod presented;
pub(crate) mod scrub;
mod uri;

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::event::Events;
use crate::frame::RawBatch;
use crate::secret::{Credential, Pepper, Schemes};
use document::Reader;

/// A gateway's way to write its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Canonical,
    Apisix,
    Kong,
}

impl Format {
    pub const ALL: &'static [Self] = &[Self::Canonical, Self::Apisix, Self::Kong];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::Apisix => "apisix",
            Self::Kong => "kong",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    const fn dialect(self) -> &'static dialect::Dialect {
        match self {
            Self::Canonical => &canonical::DIALECT,
            Self::Apisix => &apisix::DIALECT,
            Self::Kong => &kong::DIALECT,
        }
    }

    /// The format of a document with these top-level keys.
    fn detect(keys: &[&str]) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| (format.dialect().recognises)(keys))
    }
}

/// What a decoder must know that is not in the frames.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    pub pepper: Pepper,
    /// `None` detects the format of each document.
    pub format: Option<Format>,
    /// Longer frames are rejected unread.
    pub frame_bytes_max: usize,
    /// Request headers that may hold a credential, in the order in which one is preferred.
    pub credential_headers: Vec<String>,
    /// Query parameters that may hold a credential, preferred after all headers.
    pub credential_params: Vec<String>,
    /// Headers and parameters that name the tenant whose resources are asked for.
    pub tenant_headers: Vec<String>,
    pub tenant_params: Vec<String>,
    /// Beginnings of this platform's keys, masked wherever they turn up.
    pub key_prefixes: Vec<String>,
}

impl DecodeOptions {
    /// The usual names of headers and parameters.
    #[must_use]
    pub fn new(pepper: Pepper) -> Self {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        Self {
            pepper,
            format: None,
            frame_bytes_max: 4 << 20,
            credential_headers: words(&[
                "x-api-key",
                "apikey",
                "api-key",
                "x-apikey",
                "x-auth-token",
                "x-access-token",
                "x-goog-api-key",
                "ocp-apim-subscription-key",
                "authorization",
                "proxy-authorization",
            ]),
            credential_params: words(&[
                "apikey",
                "api_key",
                "api-key",
                "x-api-key",
                "key",
                "access_token",
                "token",
                "auth",
            ]),
            tenant_headers: words(&["x-tenant-id", "x-tenant", "x-org-id", "x-organization-id"]),
            tenant_params: words(&["tenant", "tenant_id", "org", "org_id"]),
            key_prefixes: Vec::new(),
        }
    }
}

/// Reads frames of one source. Keeps what it learnt of their shape, so one decoder serves many batches.
#[derive(Debug)]
pub struct Decoder {
    reader: Reader,
}

/// What became of a batch of frames.
#[derive(Debug)]
pub struct DecodedBatch {
    pub decoded: Decoded,
    /// [`crate::reject::REJECT_SCHEMA`].
    pub rejects: RecordBatch,
}

impl Decoder {
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        Self { reader: Reader::new(options) }
    }

    /// `schemes` are the hashes that the identity directory needs besides ours.
    pub fn decode(&mut self, raw: &RawBatch, schemes: Schemes) -> DecodedBatch {
        self.reader.begin(raw.received_at, raw.len(), schemes);
        for frame in raw.frames() {
            self.reader.frame(&raw.spans()[frame.span as usize].stream, frame);
        }
        self.reader.finish()
    }
}

/// Events of one batch in the unified schema, and the distinct credentials they carried.
#[derive(Debug)]
pub struct Decoded {
    pub(crate) events: Events,
    pub(crate) credentials: Vec<Arc<Credential>>,
    /// Row to index into `credentials`; [`NO_CREDENTIAL`] where the request carried none.
    pub(crate) credential_of: Vec<u32>,
}

pub(crate) const NO_CREDENTIAL: u32 = u32::MAX;

impl Decoded {
    /// The same rows with columns that depend on no identity filled in.
    #[must_use]
    pub fn map_events(self, fill: impl FnOnce(Events) -> Events) -> Self {
        let rows = self.events.len();
        let events = fill(self.events);
        debug_assert_eq!(events.len(), rows, "rows keep their credentials");
        Self { events, ..self }
    }

    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    #[must_use]
    pub fn credentials(&self) -> &[Arc<Credential>] {
        &self.credentials
    }

    /// The credential that a row's request carried.
    #[must_use]
    pub fn credential(&self, row: usize) -> Option<&Credential> {
        self.credentials.get(self.credential_of[row] as usize).map(|credential| &**credential)
    }
}
