//! What the core's tests share: a small made-up world of keys, and lines of traffic in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_core::decode::DecodeOptions;
use claviger_core::identity::{Directory, DirectoryBuilder, Place, Snapshot, Table};
use claviger_core::secret::Pepper;
use claviger_core::time;

use crate::decode::RECEIVED_AT;

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// When the traffic of the made-up world begins.
pub(crate) const OPENING: i64 = RECEIVED_AT - 4 * HOUR;

pub(crate) fn pepper() -> Pepper {
    Pepper::new(b"pepper for the tests").expect("long enough")
}

pub(crate) fn decode_options() -> DecodeOptions {
    DecodeOptions::new(pepper())
}

/// The secret of a key of the world.
pub(crate) fn secret(name: &str) -> String {
    let digest = pepper().hash(name.as_bytes());
    format!("ck_live_{}", digest.hex().as_str())
}

/// A directory of these rows, taken at `as_of` in the environment `prod`.
pub(crate) fn directory(as_of: i64, rows: &[(Table, serde_json::Value)]) -> Arc<Directory> {
    let mut builder = DirectoryBuilder::new(&pepper());
    builder.open(Snapshot { as_of, source: "tests".to_owned(), environment: "prod".to_owned() });
    for (line, (table, row)) in (1..).zip(rows) {
        builder.push_json(*table, Place { file: table.name(), line }, row.to_string().as_bytes());
    }
    let loaded = builder.finish();
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings.list());
    Arc::new(loaded.directory)
}

/// Files below `tests/fixtures/decode`, by path.
pub(crate) fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/decode");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(root).expect("fixtures").map(|entry| entry.expect("an entry").path()) {
        if folder.is_dir() {
            files.extend(std::fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("an entry").path()));
        }
    }
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a fixture"))).collect()
}

/// A line of our own format, `after` microseconds into the traffic.
pub(crate) fn line(after: i64, status: i16, credential: &str, more: &serde_json::Value) -> Vec<u8> {
    let mut line = serde_json::json!({
        "event_at": time::format(OPENING + after),
        "status": status,
        "gateway": "edge",
        "method": "GET",
        "path": "/v1/orders",
        "route": "orders",
        "client_address": "203.0.113.7",
        "user_agent": "curl/8.9",
    });
    if !credential.is_empty() {
        line["credential"] = credential.into();
    }
    for (name, value) in more.as_object().into_iter().flatten() {
        line[name] = value.clone();
    }
    line.to_string().into_bytes()
}
