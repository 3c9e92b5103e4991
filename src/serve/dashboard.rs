//! The dashboard's files, embedded. Asks nobody who they are: the pages hold no data, what they show comes from the API.
//!
//! Every page is one document, which reads its address itself. It names its files under a word that changes with any of
//! them, so that browsers keep them for good and never mix two versions.

use std::borrow::Cow;
use std::fmt::Write as _;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "dashboards/web"]
struct Files;

const DOCUMENT: &str = "index.html";
const ASSETS: &str = "/assets/";
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// May be kept, and is asked for again: an unchanged file costs its headers.
const ASKED_AGAIN: &str = "no-cache";

/// The pages, as their addresses begin.
const PAGES: &[&str] = &["now", "diagnose", "incidents", "entity", "reports", "sql", "audit"];

pub(super) fn router() -> Router {
    let router = Router::new().route("/", get(page)).route("/assets/{*path}", get(asset));
    PAGES.iter().fold(router, |router, name| {
        router.route(&format!("/{name}"), get(page)).route(&format!("/{name}/{{*rest}}"), get(page))
    })
}

async fn page() -> Response {
    let Some(document) = Files::get(DOCUMENT) else {
        return Problem::not_found("this build has no dashboard", "the API is under `/v1/`").into_response();
    };
    let text = String::from_utf8_lossy(&document.data);
    let text = text.replace(&format!("\"{ASSETS}"), &format!("\"{ASSETS}{}/", version()));
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, ASKED_AGAIN)], text).into_response()
}

async fn asset(Path(path): Path<String>, asked: HeaderMap) -> Response {
    let versioned = path.split_once('/').filter(|(word, _)| is_version(word));
    let (name, kept) = match versioned {
        Some((word, name)) if word == version() => (name, FOR_GOOD),
        // A page of an earlier version that is still open.
        Some((_, name)) => (name, ASKED_AGAIN),
        None => (path.as_str(), ASKED_AGAIN),
    };
    match Files::get(name).filter(|_| name != DOCUMENT) {
        Some(file) => send(name, file, kept, &asked),
        None => Problem::not_found("the dashboard has no such file", "load the page again").into_response(),
    }
}

fn send(name: &str, file: EmbeddedFile, kept: &'static str, asked: &HeaderMap) -> Response {
    let tag = format!("W/\"{}\"", hex(&file.metadata.sha256_hash()));
    let known = asked
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.to_str().is_ok_and(|tags| tags.split(',').any(|known| known.trim() == tag)));
    let tag = HeaderValue::from_str(&tag).expect("hexadecimal digits");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(name))),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        (header::ETAG, tag),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    match file.data {
        Cow::Borrowed(bytes) => (headers, bytes).into_response(),
        Cow::Owned(bytes) => (headers, bytes).into_response(),
    }
}

/// Changes with any file.
fn version() -> String {
    let mut all = Sha256::new();
    for name in Files::iter() {
        all.update(name.as_bytes());
        all.update(Files::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
    }
    hex(&all.finalize()).chars().take(VERSION_CHARS).collect()
}

const VERSION_CHARS: usize = 16;

fn is_version(word: &str) -> bool {
    word.len() == VERSION_CHARS && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes everything");
        text
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "html" => "text/html; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
