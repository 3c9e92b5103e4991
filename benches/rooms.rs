//! Events per second, room by room: `cargo bench -p claviger-core`. Compare with a saved baseline in one sitting and
//! quote the ratio.
//!
//! The frames are the fixtures' own, each with a request id, client and key of its own, as traffic has them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the ban is for the core; its benches read fixtures and watch the clock"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use claviger_core::classify::{ClassifyOptions, Memory, classify};
use claviger_core::decode::{DecodeOptions, Decoded, Decoder, Format};
use claviger_core::detect::{DetectOptions, Watch};
use claviger_core::frame::RawBatch;
use claviger_core::identity::{Directory, DirectoryBuilder, Place, Snapshot, Table, identify};
use claviger_core::minutes::{MINUTE_US, minutes};
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::{RefineOptions, Refiner};
use claviger_core::secret::Pepper;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Frames of a batch: what the pipeline reads at once.
const FRAMES: usize = 4_096;
/// Requests per key.
const REQUESTS_PER_KEY: usize = 10;
/// A day after every time in the fixtures.
const RECEIVED_AT: i64 = 1_795_600_000_000_000;

/// Fixtures of one ordinary event each, and the credential in them that is replaced.
const SAMPLES: &[(Format, &[&str])] = &[
    (Format::Canonical, &["success.json", "denied-401.json"]),
    (Format::Apisix, &["success-with-consumer.json", "denied-401-invalid-key.json"]),
    (Format::Kong, &["success.json", "denied-401-unknown-key.json"]),
];

fn pepper() -> Pepper {
    Pepper::new(b"pepper for the benches").expect("long enough")
}

fn key(number: usize) -> String {
    format!("ck_live_{:032x}", (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn fixture(format: Format, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/decode").join(format.name());
    std::fs::read_to_string(folder.join(name)).expect("a fixture")
}

/// The line with every issued key in it replaced.
fn with_key(line: &str, key: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("ck_live_") {
        out.push_str(before);
        out.push_str(key);
        rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    }
    out + rest
}

/// A batch in which one request in eight is refused.
fn batch(format: Format) -> RawBatch {
    let (_, names) = SAMPLES.iter().find(|(sample, _)| *sample == format).expect("every format has samples");
    let lines: Vec<String> = names.iter().map(|name| fixture(format, name)).collect();
    let mut raw = RawBatch::new(RECEIVED_AT);
    let span = raw.open_span(Stream::new("bench", "access", 0), Offset(0));
    for (offset, number) in (0..).zip(0..FRAMES) {
        let line = &lines[usize::from(number % 8 == 7)];
        let line = with_key(line, &key(number / REQUESTS_PER_KEY));
        let line = line.replace("203.0.113.", &format!("203.{}.113.", number % 50));
        raw.push(span, offset, line.trim_end().as_bytes());
    }
    raw
}

/// Nine keys in ten of the traffic are known; one in a hundred of those is revoked.
fn directory() -> Arc<Directory> {
    let mut builder = DirectoryBuilder::new(&pepper());
    builder.open(Snapshot { as_of: RECEIVED_AT, source: "bench".to_owned(), environment: "prod".to_owned() });
    for number in (0..FRAMES / REQUESTS_PER_KEY + 1).filter(|number| number % 10 != 9) {
        let status = if number % 100 == 0 { "revoked" } else { "active" };
        let row = format!(
            "{{\"key_id\":\"k{number}\",\"key\":\"{}\",\"principal_id\":\"p{number}\",\"tenant_id\":\"acme\",\"status\":\"{status}\"}}",
            key(number)
        );
        builder.push_json(Table::Keys, Place { file: "keys", line: number as u64 }, row.as_bytes());
        let row = format!("{{\"principal_id\":\"p{number}\",\"kind\":\"service\",\"tenant_id\":\"acme\"}}");
        builder.push_json(Table::Principals, Place { file: "principals", line: number as u64 }, row.as_bytes());
    }
    builder.push_json(Table::Tenants, Place { file: "tenants", line: 1 }, b"{\"tenant_id\":\"acme\"}");
    Arc::new(builder.finish().directory)
}

fn options() -> DecodeOptions {
    DecodeOptions::new(pepper())
}

fn decoded(raw: &RawBatch, directory: &Directory) -> Decoded {
    let read = Decoder::new(options()).decode(raw, directory.schemes());
    assert_eq!((read.decoded.events().len(), read.rejects.num_rows()), (FRAMES, 0), "the frames are events");
    read.decoded
}

fn decode(criterion: &mut Criterion) {
    let directory = directory();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for &format in Format::ALL {
        let raw = batch(format);
        decoded(&raw, &directory);
        let mut decoder = Decoder::new(options());
        group.bench_function(format.name(), |bencher| {
            bencher.iter(|| black_box(decoder.decode(&raw, directory.schemes())));
        });
    }
    group.finish();
}

fn later_rooms(criterion: &mut Criterion) {
    let (raw, directory) = (batch(Format::Apisix), directory());
    let mut group = criterion.benchmark_group("rooms");
    group.throughput(Throughput::Elements(FRAMES as u64));
    group.bench_function("identify", |bencher| {
        let input = || decoded(&raw, &directory);
        bencher.iter_batched(input, |decoded| identify(decoded, &directory), BatchSize::LargeInput);
    });
    let classify_options = ClassifyOptions::default();
    group.bench_function("classify", |bencher| {
        let input = || identify(decoded(&raw, &directory), &directory);
        let mut memory = Memory::default();
        bencher.iter_batched(input, |batch| classify(batch, &classify_options, &mut memory), BatchSize::LargeInput);
    });
    let classified =
        classify(identify(decoded(&raw, &directory), &directory), &classify_options, &mut Memory::default());
    group.bench_function("minutes", |bencher| {
        bencher.iter(|| black_box(minutes(classified.events())));
    });
    group.bench_function("observe", |bencher| {
        let partials = minutes(classified.events());
        let (mut watch, mut at) = grown_watch(&partials);
        let next = || {
            at += 1;
            (later(&partials, at), RECEIVED_AT + at * MINUTE_US)
        };
        let observe = |(rows, now): (RecordBatch, i64)| {
            watch.observe(&rows).expect("rows of entity minutes");
            black_box(watch.advance(now));
        };
        bencher.iter_batched(next, observe, BatchSize::PerIteration);
        let stats = watch.stats();
        eprintln!(
            "observe: {} rows a batch, {} entities, {} bytes each",
            partials.num_rows(),
            stats.entities,
            stats.state_bytes / stats.entities.max(1)
        );
    });
    group.bench_function("refine", |bencher| {
        let mut refiner = Refiner::new(RefineOptions::new(options()));
        bencher.iter(|| black_box(refiner.refine(&raw, &directory)));
    });
    group.finish();
}

/// The rows of a batch as if they had come `minutes` later.
fn later(partials: &RecordBatch, minutes: i64) -> RecordBatch {
    let mut columns = partials.columns().to_vec();
    let times = partials.column(0).as_primitive::<TimestampMicrosecondType>();
    columns[0] =
        Arc::new(times.unary::<_, TimestampMicrosecondType>(|at| at + minutes * MINUTE_US).with_timezone("UTC"));
    RecordBatch::try_new(partials.schema(), columns).expect("the same columns")
}

/// An engine that has seen the batch at every hour of three days, so that everything is tested, and the last minute.
fn grown_watch(partials: &RecordBatch) -> (Watch, i64) {
    let mut watch = Watch::new(DetectOptions::default());
    for hour in 0..72 {
        watch.observe(&later(partials, hour * 60)).expect("rows of entity minutes");
        watch.advance(RECEIVED_AT + hour * 60 * MINUTE_US);
    }
    (watch, 71 * 60)
}

criterion_group!(rooms, decode, later_rooms);
criterion_main!(rooms);
