//! Which format a client gets: the one it likes best of those that are offered (RFC 9110, 12.5.1).
//!
//! Links cannot say what they accept, and so `?format=csv` says it for them.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use url::form_urlencoded;

use crate::serve::problem::{Kind, Problem};

/// A format of tables. The first is what clients get that like all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An array of flat objects.
    Json,
    /// Columns with types, units and meanings, rows as lists, 64-bit integers as texts, and how the answer ended.
    Table,
    /// An object a line.
    Ndjson,
    Csv,
    /// Arrow's IPC stream.
    Arrow,
    Parquet,
}

impl Format {
    pub const ALL: [Self; 6] = [Self::Json, Self::Table, Self::Ndjson, Self::Csv, Self::Arrow, Self::Parquet];

    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Table => "application/vnd.claviger.table+json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media_type(),
        }
    }

    /// As `?format=` names it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Table => "table",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// For formats that people store rather than look at.
    pub(super) const fn file_ending(self) -> Option<&'static str> {
        match self {
            Self::Json | Self::Table | Self::Ndjson => None,
            Self::Csv => Some("csv"),
            Self::Arrow => Some("arrows"),
            Self::Parquet => Some("parquet"),
        }
    }
}

/// The format that a request wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted(pub Format);

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = head.uri.query().unwrap_or_default();
        let named = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == FORMAT_PARAMETER);
        if let Some((_, word)) = named {
            let known = Format::ALL.into_iter().find(|format| format.word() == word);
            return known.map(Self).ok_or_else(not_offered);
        }
        let accept: Vec<&str> =
            head.headers.get_all(header::ACCEPT).iter().map(|value| value.to_str().unwrap_or_default()).collect();
        preferred(&accept.join(",")).map(Self).ok_or_else(not_offered)
    }
}

fn not_offered() -> Problem {
    let offered = Format::ALL.map(Format::media_type).join(", ");
    Problem::new(Kind::NotAcceptable, "none of the accepted formats is offered", format!("accept one of {offered}"))
}

/// The name of the parameter that overrules `Accept`.
pub const FORMAT_PARAMETER: &str = "format";

/// The offered format with the highest quality; among equals the one that is named first.
fn preferred(accept: &str) -> Option<Format> {
    let ranges: Vec<Range<'_>> = accept.split(',').filter_map(Range::parse).collect();
    if ranges.is_empty() {
        return accept.trim().is_empty().then_some(Format::Json);
    }
    let mut best: Option<(u16, usize, Format)> = None;
    for format in Format::ALL {
        // The most specific range that names a format decides its quality.
        let matching = ranges.iter().enumerate().filter(|(_, range)| range.covers(format.media_type()));
        let Some((at, range)) = matching.min_by_key(|(at, range)| (range.wildcards(), *at)) else { continue };
        let better = best.is_none_or(|(quality, place, _)| (range.quality, place) > (quality, at));
        if range.quality > 0 && better {
            best = Some((range.quality, at, format));
        }
    }
    best.map(|(_, _, format)| format)
}

/// One of the things that a client accepts.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts.find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")));
        Some(Self { kind, subtype, quality: quality.map_or(1_000, thousandths) })
    }

    fn covers(&self, media_type: &str) -> bool {
        let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
        let like = |pattern: &str, text: &str| pattern == "*" || pattern.eq_ignore_ascii_case(text);
        like(self.kind, kind) && like(self.subtype, subtype)
    }

    fn wildcards(&self) -> u8 {
        u8::from(self.kind == "*") + u8::from(self.subtype == "*")
    }
}

/// `0.8` is 800; what is no quality is none.
fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, digits) {
        ("1", true) => 1_000,
        ("0", true) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}
