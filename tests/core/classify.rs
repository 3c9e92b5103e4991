//! Real frames in, verdicts out: a folder a cause, read by the whole path (decode, identify, classify) in one made-up
//! company, `tests/fixtures/classify/world/`.
//!
//! A folder holds two files of frames, a line each and in the order of their arrival: `named.ndjson`, whose refusals
//! have the cause of the folder, and `neighbours.ndjson`, which come close and have another. The request id says the
//! case. `verdicts.snap` beside them is what both read as.

use std::path::Path;
use std::sync::Arc;

use claviger_core::cause::RootCause;
use claviger_core::event::{Column, Events};
use claviger_core::identity::{Directory, DirectoryBuilder, FindingCode, Place, Severity, Snapshot, Table};
use claviger_core::refine::{RefineOptions, Refiner};
use claviger_core::time;

use crate::decode::{batch_of, sparse};
use crate::support::{decode_options, pepper, repository};

/// What a verdict consists of, and whom it is about.
const SHOWN: &[Column] = &[
    Column::RequestId,
    Column::KeyId,
    Column::PrincipalId,
    Column::TenantId,
    Column::NearMiss,
    Column::DeniedBy,
    Column::Cause,
    Column::CauseClass,
    Column::Confidence,
    Column::Alternatives,
    Column::Contradiction,
    Column::Evidence,
    Column::MissingField,
    Column::Remedy,
    Column::RevocationLagUs,
];

pub(crate) fn world() -> Arc<Directory> {
    let folder = repository().join("tests/fixtures/classify/world");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the world");
    let snapshot: serde_json::Value = serde_json::from_str(&read("snapshot.json")).expect("JSON");
    let text = |name: &str| snapshot[name].as_str().expect("a text").to_owned();
    let mut builder = DirectoryBuilder::new(&pepper());
    let as_of = time::instant(&text("as_of")).expect("an instant");
    builder.open(Snapshot { as_of, source: text("source"), environment: text("environment") });
    for &table in Table::ALL {
        let rows = read(&format!("{}.ndjson", table.name()));
        for (line, row) in (1..).zip(rows.lines()) {
            builder.push_json(table, Place { file: table.name(), line }, row.as_bytes());
        }
    }
    let loaded = builder.finish();
    let mut errors = loaded.findings.list().iter().filter(|finding| finding.severity == Severity::Error);
    assert!(
        errors.all(|error| error.code == FindingCode::SharedSecret),
        "the fault of `mapping_conflict` is the only one"
    );
    Arc::new(loaded.directory)
}

/// The frames of a file as events, judged by one that has seen none before.
pub(crate) fn judged(file: &Path, world: &Arc<Directory>) -> Events {
    let frames = std::fs::read_to_string(file).expect("frames");
    let frames: Vec<&[u8]> = frames.lines().map(str::as_bytes).collect();
    let refined = Refiner::new(RefineOptions::new(decode_options())).refine(&batch_of(&frames), world);
    assert_eq!(refined.rejects.num_rows(), 0, "{}: every frame is an event", file.display());
    refined.events
}

/// The name of each case, and the cause it was found to have.
fn cases(events: &Events) -> impl Iterator<Item = (&str, &str)> {
    let (ids, causes) = (events.text(Column::RequestId), events.dict(Column::Cause));
    (0..events.len()).map(move |row| (ids.value(row), causes.get(row)))
}

fn shown(events: &Events) -> String {
    let hidden: Vec<&str> =
        Column::ALL.iter().filter(|column| !SHOWN.contains(column)).map(|column| column.name()).collect();
    sparse(events.batch(), &hidden)
}

#[test]
fn every_cause_is_named_where_it_holds_and_not_where_its_neighbours_do() {
    let (folders, world) = (repository().join("tests/fixtures/classify"), world());
    let mut wrong = Vec::new();
    for cause in RootCause::ALL {
        let folder = folders.join(cause.name());
        let [named, neighbours] = ["named.ndjson", "neighbours.ndjson"].map(|file| judged(&folder.join(file), &world));
        // What is served in order leads up to a case.
        let misses = cases(&named).filter(|(_, found)| !["", cause.name()].contains(found));
        let hits = cases(&neighbours).filter(|(_, found)| *found == cause.name());
        wrong.extend(misses.chain(hits).map(|(case, found)| format!("{}/{case}: {found}", cause.name())));
        if !cases(&named).any(|(_, found)| found == cause.name()) {
            wrong.push(format!("{}: never named", cause.name()));
        }

        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            let text = format!("named:\n{}neighbours:\n{}", shown(&named), shown(&neighbours));
            insta::assert_snapshot!("verdicts", text);
        });
    }
    assert_eq!(wrong, Vec::<String>::new());
}
