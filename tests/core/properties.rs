//! What holds for any input: nothing is lost, nothing panics, and how frames are cut into batches, in which order
//! they come and what a decoder has seen before changes no row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use base64::Engine as _;
use claviger_core::decode::{DecodedBatch, Decoder};
use claviger_core::event::{Column, Events};
use claviger_core::frame::RawBatch;
use claviger_core::identity::{Directory, Table};
use claviger_core::lake::merged_minute_runs;
use claviger_core::minutes::{DISTINCT_MAX, Distinct, EntityKind, Partials, Sum, minutes};
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::{RefineOptions, Refined, Refiner};
use claviger_core::secret::Schemes;
use claviger_core::time;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use crate::decode::{RECEIVED_AT, batch_of, decoder, sparse};
use crate::support::{HOUR, MINUTE, OPENING, decode_options, directory, fixtures, line, secret};

/// Fixtures short enough to be read a thousand times.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let short = fixtures().into_iter().map(|(_, frame)| frame).filter(|frame| frame.len() < 8_000);
    short.collect()
});

fn decode_with(decoder: &mut Decoder, frames: &[Vec<u8>]) -> DecodedBatch {
    decoder.decode(&batch_of(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>()), Schemes::default())
}

/// A decoder that has read every fixture twice.
fn trained() -> Decoder {
    let mut decoder = decoder();
    for _ in 0..2 {
        decode_with(&mut decoder, &SEEDS);
    }
    decoder
}

/// Offset and part of every row.
fn places(batch: &RecordBatch) -> Vec<(i64, i32)> {
    let column = |name| batch.column_by_name(name).expect("a coordinate");
    let (offsets, parts) = (column("offset").as_primitive::<Int64Type>(), column("part").as_primitive::<Int32Type>());
    offsets.values().iter().copied().zip(parts.values().iter().copied()).collect()
}

/// Every frame has a row, and no two rows have the same place.
fn assert_conserved(frames: usize, events: &Events, rejects: &RecordBatch) -> Result<(), TestCaseError> {
    let all: Vec<_> = places(events.batch()).into_iter().chain(places(rejects)).collect();
    let distinct: BTreeSet<_> = all.iter().copied().collect();
    prop_assert_eq!(distinct.len(), all.len(), "two rows at one place");
    let offsets: BTreeSet<i64> = all.iter().map(|(offset, _)| *offset).collect();
    prop_assert_eq!(offsets, (0..i64::try_from(frames).expect("few")).collect::<BTreeSet<_>>());
    Ok(())
}

/// Events and rejects as texts.
fn rows(read: &DecodedBatch) -> (String, String) {
    (sparse(read.decoded.events().batch(), &[]), sparse(&read.rejects, &[]))
}

/// A fixture, damaged.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let seed = || any::<Index>().prop_map(|index| index.get(&SEEDS).clone());
    let structural = select(&b"\"\\{}[],:0-e.tn \n\x00\xff"[..]);
    let at = any::<Index>();
    prop_oneof![
        1 => seed(),
        3 => (seed(), prop::collection::vec((at, any::<u8>()), 1..4)).prop_map(|(mut frame, flips)| {
            for (at, byte) in flips {
                if !frame.is_empty() {
                    let at = at.index(frame.len());
                    frame[at] = byte;
                }
            }
            frame
        }),
        3 => (seed(), prop::collection::vec((any::<Index>(), structural), 1..4)).prop_map(|(mut frame, added)| {
            for (at, byte) in added {
                frame.insert(at.index(frame.len() + 1), byte);
            }
            frame
        }),
        2 => (seed(), any::<Index>()).prop_map(|(mut frame, at)| {
            frame.truncate(at.index(frame.len() + 1));
            frame
        }),
        2 => (seed(), any::<Index>(), 1..30usize).prop_map(|(mut frame, at, count)| {
            let from = at.index(frame.len() + 1);
            frame.drain(from..(from + count).min(frame.len()));
            frame
        }),
        1 => (seed(), seed(), select(vec!["", "\n", ",", " "])).prop_map(|(a, b, between)| [a, between.into(), b].concat()),
        1 => (seed(), any::<Index>(), seed()).prop_map(|(mut frame, at, other)| {
            let at = at.index(frame.len() + 1);
            frame.splice(at..at, other);
            frame
        }),
    ]
}

/// Any JSON, with the words of gateways among its keys.
fn any_json() -> impl Strategy<Value = Vec<u8>> {
    let key = || {
        prop_oneof![
            select(vec![
                "request",
                "response",
                "status",
                "headers",
                "start_time",
                "message",
                "log",
                "event_at",
                "uri",
                "latencies",
                "body"
            ])
            .prop_map(str::to_owned),
            ".{0,8}",
        ]
    };
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        ".{0,20}".prop_map(serde_json::Value::from),
        (0..1_000i64).prop_map(|status| json!(status)),
        Just(json!(time::format(OPENING))),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key(), inner, 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
    .prop_map(|value| value.to_string().into_bytes())
}

/// A failure prints its input; what is found becomes an example of its own.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        2 => any_json(),
        5 => mutated(),
    ]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_frame_of_any_bytes_becomes_rows_with_places_of_their_own(frames in prop::collection::vec(any_frame(), 1..12)) {
        let read = decode_with(&mut decoder(), &frames);
        assert_conserved(frames.len(), read.decoded.events(), &read.rejects)?;
    }

    #[test]
    fn what_a_decoder_has_seen_before_changes_no_row(frames in prop::collection::vec(any_frame(), 1..8)) {
        let fresh = rows(&decode_with(&mut decoder(), &frames));
        let mut trained = trained();
        prop_assert_eq!(&rows(&decode_with(&mut trained, &frames)), &fresh);
        prop_assert_eq!(&rows(&decode_with(&mut trained, &frames)), &fresh, "by the skeletons of these very lines");
    }

    #[test]
    fn how_frames_are_cut_into_batches_changes_no_row(
        frames in prop::collection::vec(any_frame(), 1..12),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let whole = rows(&decode_with(&mut decoder(), &frames));
        let mut one = decoder();
        let mut cut = (String::new(), String::new());
        for batch in split(&in_order(&frames), &cuts) {
            let (events, rejects) = rows(&one.decode(&batch, Schemes::default()));
            cut.0.push_str(&events);
            cut.1.push_str(&rejects);
        }
        prop_assert_eq!(unnumbered(&cut.0), unnumbered(&whole.0));
        prop_assert_eq!(unnumbered(&cut.1), unnumbered(&whole.1));
    }
}

/// Rows are numbered within their batch.
fn unnumbered(rows: &str) -> Vec<&str> {
    rows.lines().filter(|line| !line.starts_with("- row")).collect()
}

fn in_order(frames: &[Vec<u8>]) -> Vec<(i64, &[u8])> {
    (0..).zip(frames.iter().map(Vec::as_slice)).collect()
}

/// The frames in batches that end at the cuts.
fn split(frames: &[(i64, &[u8])], cuts: &[Index]) -> Vec<RawBatch> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(frames.len() + 1)).collect();
    ends.push(frames.len());
    ends.sort_unstable();
    let mut from = 0;
    ends.into_iter()
        .map(|end| {
            let mut batch = RawBatch::new(RECEIVED_AT);
            let span = batch.open_span(Stream::new("test", "gateway", 0), Offset(0));
            for (offset, frame) in &frames[from..end] {
                batch.push(span, *offset, frame);
            }
            from = end;
            batch
        })
        .collect()
}

/// Keys of the world below, and two that are none.
const KEYS: &[&str] = &["good", "expiring", "revoked", "deleted", "suspended", "bound", "moved", "unknown", "slip", ""];

/// A world in which everything changes during the traffic: keys and people end, a route is withdrawn, and the
/// snapshot itself grows old.
static WORLD: LazyLock<Arc<Directory>> = LazyLock::new(|| {
    let key = |name: &str, more: serde_json::Value| {
        let mut row = json!({
            "key_id": name, "key": secret(name), "environment": "prod", "principal_id": format!("p-{name}"),
            "tenant_id": "acme", "scopes": ["read"], "status": "active", "created_at": "2026-01-01T00:00:00Z",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            row[name] = value.clone();
        }
        (Table::Keys, row)
    };
    let person = |name: &str, status: &str, since: Option<i64>| {
        let mut row =
            json!({"principal_id": format!("p-{name}"), "kind": "service", "tenant_id": "acme", "status": status});
        if let Some(since) = since {
            row["status_since"] = time::format(since).into();
        }
        (Table::Principals, row)
    };
    let at = |minutes: i64| time::format(OPENING + minutes * MINUTE);
    let version = |from: Option<i64>, to: Option<i64>, owner: &str| {
        let mut dates = json!({"principal_id": format!("p-{owner}")});
        if let Some(from) = from {
            dates["valid_from"] = at(from).into();
        }
        if let Some(to) = to {
            dates["valid_to"] = at(to).into();
        }
        key("moved", dates)
    };
    directory(
        OPENING - 23 * HOUR,
        &[
            key("good", json!({})),
            key("expiring", json!({"expires_at": at(20)})),
            key("revoked", json!({"status": "revoked", "revoked_at": at(35)})),
            key("deleted", json!({})),
            key("suspended", json!({"tenant_id": "globex"})),
            key("bound", json!({"allowed_ips": ["203.0.113.0/24"], "models": ["small"]})),
            version(Some(-2_000), Some(45), "good"),
            version(Some(45), None, "deleted"),
            person("good", "active", None),
            person("expiring", "active", None),
            person("revoked", "active", None),
            person("deleted", "deleted", Some(OPENING + 50 * MINUTE)),
            person("suspended", "active", None),
            person("bound", "active", None),
            (Table::Tenants, json!({"tenant_id": "acme", "status": "active"})),
            (
                Table::Tenants,
                json!({"tenant_id": "globex", "status": "suspended", "status_reason": "billing", "status_since": at(70)}),
            ),
            (Table::Routes, json!({"method": "GET", "path": "/v1/orders", "required_scopes": ["read"]})),
            (
                Table::Routes,
                json!({"method": "GET", "path": "/v1/old", "required_scopes": ["read"], "sunset_at": at(30)}),
            ),
            (Table::Routes, json!({"method": "GET", "path": "/v1/admin", "required_scopes": ["admin"]})),
            (Table::Gateways, json!({"gateway_id": "edge", "format": "canonical", "environment": "prod"})),
        ],
    )
});

fn credential(name: &str) -> String {
    match name {
        "" => String::new(),
        "slip" => format!("{} ", secret("good")),
        name => secret(name),
    }
}

/// A request in the world.
fn request() -> impl Strategy<Value = Vec<u8>> {
    (
        0..90 * 60i64,
        select(KEYS),
        select(vec![200i16, 200, 401, 401, 403, 429, 404, 502]),
        select(vec!["/v1/orders", "/v1/old", "/v1/admin", "/nowhere"]),
        select(vec!["203.0.113.7", "198.51.100.9"]),
        select(vec!["", "acme", "globex"]),
        select(vec!["", "Invalid API key", "rate limit exceeded", "key is expired"]),
        any::<bool>(),
    )
        .prop_map(|(seconds, key, status, path, address, tenant, message, asked)| {
            let mut more = json!({
                "path": path, "route": path, "client_address": address, "tenant_asked": tenant,
                "gateway_message": message, "request_bytes": seconds, "response_bytes": 7,
            });
            if asked || status == 200 {
                more["upstream_status"] = status.into();
            }
            line(seconds * 1_000_000, status, &credential(key), &more)
        })
}

fn refiner() -> Refiner {
    Refiner::new(RefineOptions::new(decode_options()))
}

/// The event of each offset. What a client is used to is learnt as rows come, so the verdict on a refusal without a
/// credential depends on what came before it, and is left out.
fn events_by_offset(refined: &[Refined]) -> BTreeMap<i64, String> {
    const VERDICT: &[&str] =
        &["cause", "cause_class", "confidence", "alternatives", "contradiction", "evidence", "remedy"];
    let mut found = BTreeMap::new();
    for batch in refined {
        let (events, kinds, denied) =
            (batch.events.batch(), batch.events.dict(Column::CredentialKind), batch.events.dict(Column::DeniedBy));
        for (row, (offset, _)) in places(events).into_iter().enumerate() {
            let habitual = kinds.get(row).is_empty() && !denied.get(row).is_empty();
            found.insert(offset, sparse(&events.slice(row, 1), if habitual { VERDICT } else { &[] }));
        }
    }
    found
}

/// Sums by entity kind and by cause, over all rows: what readers of partials add up.
fn sums(minutes: &[RecordBatch]) -> BTreeMap<(i64, String, String, String), Vec<i64>> {
    let mut sums: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for batch in minutes {
        let text = |name: &str, row: usize| {
            let column = batch.column_by_name(name).expect("a column").as_dictionary::<Int32Type>();
            column.key(row).map_or(String::new(), |code| column.values().as_string::<i32>().value(code).to_owned())
        };
        let minute = batch.column_by_name("minute").expect("a column").as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let cause = text("cause", row);
            let habitual = ["credential_stripped", "missing_credential", "upstream_denied", "undecidable"]
                .contains(&cause.as_str());
            let cause = if habitual { "by habit, or not".to_owned() } else { cause };
            let key = (minute.value(row), text("entity_kind", row), text("entity", row), cause);
            let row_sums = ADDED
                .iter()
                .map(|name| batch.column_by_name(name).expect("a sum").as_primitive::<Int64Type>().value(row));
            let sum = sums.entry(key).or_insert_with(|| vec![0; ADDED.len()]);
            sum.iter_mut().zip(row_sums).for_each(|(sum, more)| *sum += more);
        }
    }
    sums
}

/// Sums, and distinct values.
type Told = (Vec<i64>, BTreeSet<(Distinct, u32)>);

/// Everything that partials say of an entity, minute and cause together.
fn told(minutes: &[RecordBatch]) -> BTreeMap<String, Told> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for batch in minutes {
        for row in Partials::of(batch).expect("minutes").iter() {
            let names = format!(
                "{} {:?} {} {} {} {:?}",
                row.minute_us, row.kind, row.entity, row.tenant, row.principal, row.cause
            );
            let (sums, distinct) = told.entry(names).or_insert_with(|| (vec![0; Sum::COUNT], BTreeSet::new()));
            sums.iter_mut().zip(Sum::ALL).for_each(|(sum, &which)| *sum += row.sums[which]);
            distinct.extend(row.distinct());
        }
    }
    told
}

/// Columns that add up however batches are cut. (`first_served` and `first_refused` count first contacts within a
/// partial, and so at most once a batch.)
const ADDED: &[&str] =
    &["requests", "served", "refused", "client_errors", "server_errors", "request_bytes", "response_bytes"];

fn refine_all(batches: &[RawBatch]) -> Vec<Refined> {
    let mut refiner = refiner();
    batches.iter().map(|batch| refiner.refine(batch, &WORLD)).collect()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn neither_order_nor_batch_size_changes_a_verdict(
        (frames, shuffled) in prop::collection::vec(request(), 1..40)
            .prop_flat_map(|frames| {
                let numbered: Vec<(i64, Vec<u8>)> = (0..).zip(frames.clone()).collect();
                (Just(frames), Just(numbered).prop_shuffle())
            }),
        cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let whole = refine_all(&split(&in_order(&frames), &[]));
        let shuffled: Vec<(i64, &[u8])> = shuffled.iter().map(|(offset, frame)| (*offset, frame.as_slice())).collect();
        let cut = refine_all(&split(&shuffled, &cuts));
        let (expected, found) = (events_by_offset(&whole), events_by_offset(&cut));
        prop_assert_eq!(expected.len(), frames.len());
        for (offset, expected) in &expected {
            prop_assert_eq!(found.get(offset), Some(expected), "{}", String::from_utf8_lossy(&frames[usize::try_from(*offset).expect("small")]));
        }
        let minutes = |refined: &[Refined]| sums(&refined.iter().map(|batch| batch.minutes.clone()).collect::<Vec<_>>());
        prop_assert_eq!(minutes(&cut), minutes(&whole));
    }

    #[test]
    fn merged_partials_tell_what_the_partials_told_in_fewer_rows(
        frames in prop::collection::vec(request(), 1..40),
        cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let partials: Vec<RecordBatch> =
            refine_all(&split(&in_order(&frames), &cuts)).into_iter().map(|batch| batch.minutes).collect();
        let merged: Vec<RecordBatch> =
            merged_minute_runs(&partials).expect("minutes").into_iter().map(|run| run.rows).collect();
        prop_assert_eq!(told(&merged), told(&partials));
        let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        // Forty requests hold fewer distinct values than a row may.
        prop_assert!(rows(&merged) <= told(&merged).len() + usize::from(frames.len() > DISTINCT_MAX) * rows(&partials));
    }

    #[test]
    fn partials_add_up_to_the_events_they_were_made_from(frames in prop::collection::vec(request(), 1..40)) {
        let refined = refine_all(&split(&in_order(&frames), &[]));
        let events = &refined[0].events;
        let partials = sums(&[minutes(events)]);
        for &kind in EntityKind::COUNTED {
            let entity = |row: usize| match kind {
                EntityKind::Key => events.dict(Column::KeyId).get(row).to_owned(),
                EntityKind::Source => events.dict(Column::ClientNetwork).get(row).to_owned(),
                EntityKind::Tenant => events.dict(Column::TenantId).get(row).to_owned(),
                EntityKind::Gateway => events.dict(Column::Gateway).get(row).to_owned(),
                EntityKind::Principal => unreachable!("has no rows"),
                EntityKind::Route => format!("{} {}", events.dict(Column::Method).get(row), events.dict(Column::Route).get(row)),
            };
            let mut counted: BTreeMap<String, i64> = BTreeMap::new();
            let mut bytes: BTreeMap<String, i64> = BTreeMap::new();
            for row in (0..events.len()).filter(|&row| !entity(row).is_empty()) {
                *counted.entry(entity(row)).or_default() += 1;
                let size = events.long(Column::RequestBytes);
                *bytes.entry(entity(row)).or_default() += if size.is_valid(row) { size.value(row) } else { 0 };
            }
            let of_kind = |sum: usize| {
                let mut totals: BTreeMap<String, i64> = BTreeMap::new();
                for ((_, _, entity, _), sums) in partials.iter().filter(|((_, of, ..), _)| of == kind.name()) {
                    *totals.entry(entity.clone()).or_default() += sums[sum];
                }
                totals
            };
            prop_assert_eq!(of_kind(0), counted, "{:?}", kind);
            prop_assert_eq!(of_kind(5), bytes, "{:?}", kind);
        }
        for sums in partials.values() {
            prop_assert_eq!(sums[0], sums[1..5].iter().sum::<i64>(), "every request has one outcome");
        }
    }
}

#[test]
fn a_verdict_is_of_its_own_time_when_the_snapshot_ages_or_a_route_ends_within_a_batch() {
    let refused = |minutes: i64, key: &str, path: &str| {
        line(minutes * MINUTE, 403, &credential(key), &json!({"path": path, "gateway_message": "no"}))
    };
    // The snapshot is 24 hours old one hour into the traffic; the old route ends after half an hour.
    let frames = [
        refused(50, "unknown", "/v1/orders"),
        refused(70, "unknown", "/v1/orders"),
        refused(20, "good", "/v1/old"),
        refused(40, "good", "/v1/old"),
    ];
    for batches in
        [split(&in_order(&frames), &[]), frames.chunks(1).flat_map(|one| split(&in_order(one), &[])).collect()]
    {
        let refined = refine_all(&batches);
        let said = |column: Column| -> Vec<String> {
            let of_batch = |batch: &Refined| {
                (0..batch.events.len()).map(|row| batch.events.dict(column).get(row).to_owned()).collect::<Vec<_>>()
            };
            refined.iter().flat_map(of_batch).collect()
        };
        assert_eq!(said(Column::Cause), ["unknown_key", "unknown_key", "undecidable", "version_retired"]);
        assert_eq!(said(Column::Confidence), ["certain", "likely", "possible", "certain"]);
    }
}

#[test]
fn the_same_text_as_key_password_and_hash_is_three_credentials_in_any_order() {
    let hash = "0123456789abcdef0123456789abcdef";
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("alice:{hash}"));
    let more = [
        json!({"credential": hash}),
        json!({"headers": {"authorization": format!("Basic {basic}")}}),
        json!({"fingerprint": hash}),
    ];
    let frames: Vec<Vec<u8>> = more.iter().map(|more| line(0, 401, "", more)).collect();
    let read = |order: [usize; 3]| {
        let frames: Vec<&[u8]> = order.iter().map(|&index| frames[index].as_slice()).collect();
        let read = decoder().decode(&batch_of(&frames), Schemes::default());
        let events = read.decoded.events();
        let mut rows: Vec<_> = order
            .into_iter()
            .enumerate()
            .map(|(row, index)| {
                let shown =
                    [Column::Fingerprint, Column::CredentialMask].map(|column| events.dict(column).get(row).to_owned());
                (index, shown)
            })
            .collect();
        rows.sort();
        rows
    };
    let rows = read([0, 1, 2]);
    assert_eq!((rows[0].1[1].as_str(), rows[1].1[1].as_str(), rows[2].1[0].as_str()), ("…cdef", "…", hash));
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(read(order), rows, "{order:?}");
    }
}

#[test]
fn an_array_that_ends_like_an_object_is_a_reject_and_not_its_events() {
    let event = String::from_utf8(line(0, 200, "", &json!({}))).expect("text");
    for (frame, events) in [(format!("[{event},{event}]"), 2), (format!("[{event},{event}}}"), 0)] {
        let read = decode_with(&mut decoder(), &[frame.into_bytes()]);
        assert_eq!((read.decoded.events().len(), read.rejects.num_rows()), (events, usize::from(events == 0)));
    }
}
