use std::sync::Arc;
use std::time::Instant;
use claviger_core::{decode::*, frame::*, identity::*, offsets::*, refine::*, secret::*, classify::*, minutes::*};
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let pepper = Pepper::new(b"0123456789abcdef0123").unwrap();
    let t = Instant::now();
    let mut b = DirectoryBuilder::new(&pepper);
    let snap = std::fs::read(format!("{dir}/identity/snapshot.json")).unwrap();
    b.open(Snapshot::from_json(&snap).unwrap());
    for (table, name) in [(Table::Keys, "keys"), (Table::Principals, "principals"), (Table::Tenants, "tenants")] {
        let text = std::fs::read(format!("{dir}/identity/{name}.ndjson")).unwrap();
        for (n, line) in text.split(|b| *b == b'\n').enumerate() {
            if !line.is_empty() { b.push_json(table, Place { file: name, line: n as u64 + 1 }, line); }
        }
    }
    let directory = Arc::new(b.finish().directory);
    println!("identity {:?} {}", t.elapsed(), directory.version());
    let data = std::fs::read(format!("{dir}/access.ndjson")).unwrap();
    let mut batches = Vec::new();
    let mut start = 0; let mut raw = None; let mut n = 0i64;
    let stream = Stream::new("file", "access", 0);
    while start < data.len() {
        let end = memchr::memchr(b'\n', &data[start..]).map_or(data.len(), |e| start + e);
        let r: &mut RawBatch = raw.get_or_insert_with(|| { let mut r = RawBatch::new(1_795_600_000_000_000); r.open_span(stream.clone(), Offset(n)); r });
        r.push(0, n, &data[start..end]); n += 1;
        if r.len() == 32768 { batches.push(raw.take().unwrap()); }
        start = end + 1;
    }
    if let Some(r) = raw { batches.push(r); }
    let mb = data.len() as f64 / 1e6;
    for _ in 0..3 {
        let mut decoder = Decoder::new(DecodeOptions::new(pepper.clone()));
        let mut habits = Memory::default();
        let (mut d, mut i, mut c, mut m) = (0.0, 0.0, 0.0, 0.0);
        let mut counts = std::collections::BTreeMap::new();
        let (mut ev, mut rj) = (0, 0);
        for raw in &batches {
            let t = Instant::now();
            let out = decoder.decode(raw, directory.schemes()); d += t.elapsed().as_secs_f64();
            rj += out.rejects.num_rows();
            let t = Instant::now();
            let idd = identify(out.decoded, &directory); i += t.elapsed().as_secs_f64();
            let t = Instant::now();
            let cl = classify(idd, &ClassifyOptions::default(), &mut habits); c += t.elapsed().as_secs_f64();
            let t = Instant::now();
            let mi = minutes(cl.events()); m += t.elapsed().as_secs_f64();
            std::hint::black_box(&mi);
            ev += cl.events().len();
            let causes = cl.events().dict(claviger_core::event::Column::Cause);
            for row in 0..cl.events().len() { *counts.entry(causes.get(row).to_owned()).or_insert(0) += 1; }
        }
        let total = d + i + c + m;
        println!("decode {d:.3}s {:.0} MB/s | identify {i:.3} | classify {c:.3} | minutes {m:.3} | all {total:.3}s {:.0} MB/s; events {ev} rejects {rj}", mb / d, mb / total);
        println!("{counts:?}");
    }
    let _ = (Counts::default(),);
}
