//! Rows in, answers out. The snapshots are written as an operator would write them.

mod asof;
mod hostile;
mod identified;
mod listing;
mod lookup;
mod succession;

use super::{Directory, DirectoryBuilder, FindingCode, Findings, Loaded, Place, Snapshot, Table};
use crate::secret::{Credential, Pepper, Schemes, Slips};

/// A clear key in a test, long enough to have parts.
const KEY: &str = "ck_live_0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "ck_live_fedcba9876543210fedcba9876543210";

/// Part of an ASCII text.
fn part(text: &str, range: impl std::slice::SliceIndex<str, Output = str>) -> &str {
    text.get(range).unwrap()
}

fn pepper() -> Pepper {
    Pepper::new(b"a pepper for tests only").unwrap()
}

fn at(text: &str) -> i64 {
    crate::time::rfc3339(text).unwrap()
}

fn snapshot(as_of: &str, environment: &str) -> Snapshot {
    Snapshot { as_of: at(as_of), source: "test".to_owned(), environment: environment.to_owned() }
}

/// Files by name, as one snapshot.
fn load_as(snapshot: Snapshot, files: &[(Table, &str)]) -> Loaded {
    let mut builder = DirectoryBuilder::new(&pepper());
    fill(&mut builder, snapshot, files);
    builder.finish()
}

fn fill(builder: &mut DirectoryBuilder, snapshot: Snapshot, files: &[(Table, &str)]) {
    builder.open(snapshot);
    for (table, text) in files {
        let file = format!("{}.ndjson", table.name());
        for (line, row) in (1..).zip(text.lines()) {
            builder.push_json(*table, Place { file: &file, line }, row.as_bytes());
        }
    }
}

fn load(files: &[(Table, &str)]) -> Loaded {
    load_as(snapshot("2026-11-24T05:00:00Z", "prod"), files)
}

fn directory(files: &[(Table, &str)]) -> Directory {
    load(files).directory
}

fn codes(findings: &Findings) -> Vec<FindingCode> {
    findings.list().iter().map(|finding| finding.code).collect()
}

/// A credential as a refused request would carry it.
fn refused(text: &str) -> Credential {
    let schemes = Schemes { sha256: true, murmur3: true };
    let mut credential = Credential::of(text, &pepper(), schemes);
    credential.slips = Some(Box::new(Slips::of(text, &pepper(), schemes)));
    credential
}
