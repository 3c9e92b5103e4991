//! The benchmark's files through the product's own rooms: every line is read, and every key is known for what it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_core::detect::DetectOptions;
use claviger_core::event::Column;
use claviger_core::frame::RawBatch;
use claviger_core::identity::{Directory, DirectoryBuilder, Place, Snapshot, Table};
use claviger_core::keymisuse::score::{self, Measured};
use claviger_core::keymisuse::{AttackKind, Attacks, Benchmark, DAYS, DEFAULT_SEED, Grade, START, Size, run};
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::{RefineOptions, Refiner};

use crate::support::{decode_options, pepper};

fn directory(bench: &Benchmark) -> Arc<Directory> {
    let files = bench.identity();
    let text = |name: &str| &files.iter().find(|file| file.name == name).unwrap().text;
    let mut builder = DirectoryBuilder::new(&pepper());
    builder.open(Snapshot::from_json(text("snapshot.json").as_bytes()).unwrap());
    for table in Table::ALL {
        let file = format!("{}.ndjson", table.name());
        for (line, row) in (1..).zip(text(&file).lines()) {
            builder.push_json(*table, Place { file: table.name(), line }, row.as_bytes());
        }
    }
    let loaded = builder.finish();
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings.list());
    Arc::new(loaded.directory)
}

#[test]
fn lines_are_read_without_a_reject_and_attacks_end_with_the_causes_that_they_should() {
    let bench = Benchmark::new(5, Size::Ci);
    let directory = directory(&bench);
    let options = RefineOptions::new(decode_options());
    let mut refiner = Refiner::new(options);
    let mut lines = bench.lines(Attacks::Included);
    // Cause by request of a key, in the scored half.
    let mut causes: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    let (mut frames, mut events, mut named) = (0, 0, 0);
    loop {
        let mut raw = RawBatch::new(START + DAYS * 86_400_000_000);
        let span = raw.open_span(Stream::new("file", "bench", 0), Offset(0));
        let mut text = String::new();
        while raw.len() < 20_000 && lines.next_line(&mut text).is_some() {
            raw.push(span, i64::try_from(raw.len()).unwrap(), text.as_bytes());
            text.clear();
        }
        if raw.is_empty() {
            break;
        }
        frames += raw.len();
        let refined = refiner.refine(&raw, &directory);
        assert_eq!(refined.counts.rejects, 0);
        events += refined.events.len();
        let (keys, verdicts) = (refined.events.dict(Column::KeyId), refined.events.dict(Column::Cause));
        let at = refined.events.time(Column::EventAt);
        for row in 0..refined.events.len() {
            named += usize::from(!keys.get(row).is_empty());
            if !keys.get(row).is_empty() && !verdicts.get(row).is_empty() {
                let cause = (at.value(row), verdicts.get(row).to_owned());
                causes.entry(keys.get(row).to_owned()).or_default().push(cause);
            }
        }
    }
    assert_eq!(frames, events);
    assert!(named * 10 > events * 8, "only {named} of {events} requests have a known key");

    for incident in lines.truth() {
        let wanted = match (incident.kind, incident.grade) {
            (AttackKind::RevokedKey, Grade::Medium | Grade::Hard) => "key_revoked",
            (AttackKind::UnauthorisedEndpoints, _) => "scope_missing",
            // Signed in the key's name, so that the key is known although nothing of it is right.
            (AttackKind::BruteForce, _) => "",
            _ => continue,
        };
        let of_key = causes.get(&incident.keys[0]).map(Vec::as_slice).unwrap_or_default();
        let of_attack = of_key.iter().filter(|(at, _)| (incident.start_us..=incident.end_us).contains(at));
        let right = of_attack.clone().filter(|(_, cause)| cause == wanted || wanted.is_empty()).count();
        assert!(right as u64 * 10 >= incident.requests * 9, "{} {:?}: {right}", incident.id, incident.kind);
    }
}

#[test]
fn the_report_card_reaches_its_floors() {
    let bench = Benchmark::new(DEFAULT_SEED, Size::Ci);
    let options = RefineOptions::new(decode_options());
    let detect = DetectOptions::default();
    let run = run::run(&bench, Attacks::Included, options, detect, &pepper(), &mut |_| {}).unwrap();
    let score = score::score(&run.truth, &bench.benign(), &run.alerts, bench.key_days());
    let bytes = run.watch.key_bytes as f64 / run.watch.keys as f64;
    let measured = Measured { state_bytes_per_key: Some(bytes), ..Measured::default() };
    let below: Vec<&str> =
        score.metrics(&measured).into_iter().filter(|metric| !metric.meets_floor()).map(|metric| metric.name).collect();
    assert!(below.is_empty(), "below the floor: {below:?}\n{}", score::markdown(&score, &measured));
}
