//! Made-up refined batches: one row an offset, every seventh a reject, spread over tenants and dates.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, TimestampMicrosecondArray, new_null_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use claviger_core::event::{
    Column, ColumnKind, DictColumn, EventBuilder, Events, ListColumn, LongColumn, Row, Stage, TextColumn, TimeColumn,
};
use claviger_core::lake::TableName;
use claviger_core::minutes::MINUTE_SCHEMA;
use claviger_core::offsets::{OffsetSpan, Stream};
use claviger_core::refine::{Counts, Refined};
use claviger_core::reject::{RejectAt, RejectBuilder, RejectReason};
use claviger_core::secret::Pepper;

const START: i64 = 1_795_500_000_000_000;
const HOUR: i64 = 3_600_000_000;

pub(crate) fn stream() -> Stream {
    Stream::new("cluster", "access", 0)
}

/// The offsets `begin..end`, as `refine` would hand them over.
pub(crate) fn batch(begin: i64, end: i64) -> Refined {
    let mut builder = EventBuilder::default();
    let mut rejects = RejectBuilder::default();
    let pepper = Pepper::new(b"a pepper for tests only").unwrap();
    let stream = stream();
    let mut tenants = Vec::new();
    for offset in begin..end {
        if offset % 7 == 0 {
            let at = RejectAt { stream: &stream, offset, part: 0, ingested_at: START };
            rejects.push(at, RejectReason::NotJson, "line 1", b"{not json", &pepper);
            continue;
        }
        builder.push(&Row {
            topic: &stream.topic,
            partition: Some(stream.partition),
            offset: Some(offset),
            part: Some(0),
            format: "canonical",
            // Neither in the order of tenants nor of time.
            event_at: Some(START + (offset * 7 % 90) * HOUR),
            ingested_at: Some(START),
            request_id: &format!("request-{offset}"),
            path: "/v1/things",
            status: Some(401),
            latency_us: Some(offset * 3),
            fingerprint: "00112233445566778899aabbccddeeff",
            ..Row::default()
        });
        tenants.push(format!("tenant-{}", offset % 3));
    }
    let events = complete(builder.finish(), &tenants);
    let minutes = minutes(events.len());
    let counts = Counts { frame_bytes: 300 * (end - begin).unsigned_abs(), ..Counts::default() };
    Refined { spans: vec![OffsetSpan::new(stream, begin, end)], events, rejects: rejects.finish(), minutes, counts }
}

/// A span in which nothing can be read.
pub(crate) fn nothing(begin: i64, end: i64) -> Refined {
    Refined { spans: vec![OffsetSpan::new(stream(), begin, end)], ..batch(0, 0) }
}

/// The columns of the later rooms.
pub(crate) fn complete(events: Events, tenants: &[String]) -> Events {
    let later = Column::ALL.iter().filter(|column| column.stage() > Stage::Decoded);
    let columns = later.map(|column| later_column(*column, tenants)).collect();
    events.with(columns)
}

fn later_column(column: Column, tenants: &[String]) -> ArrayRef {
    match column.kind() {
        ColumnKind::Long => {
            let mut values = LongColumn::default();
            tenants.iter().for_each(|_| values.push(None));
            values.finish()
        }
        ColumnKind::List => {
            let mut lists = ListColumn::default();
            let texts: &[&str] = if column == Column::Evidence { &["status=401", "key=none"] } else { &[] };
            tenants.iter().for_each(|_| lists.push(texts.iter().copied()));
            lists.finish()
        }
        _ => {
            let mut texts = DictColumn::default();
            for tenant in tenants {
                texts.push(match column {
                    Column::TenantId => tenant,
                    Column::Cause => "unknown_key",
                    _ => "",
                });
            }
            texts.finish()
        }
    }
}

/// One minute that counts `events` requests; none for none.
pub(crate) fn minutes(events: usize) -> RecordBatch {
    if events == 0 {
        return RecordBatch::new_empty(Arc::clone(&MINUTE_SCHEMA));
    }
    let text = |text: &str| {
        let mut column = DictColumn::default();
        column.push(text);
        column.finish()
    };
    let columns = MINUTE_SCHEMA.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "minute" => Arc::new(TimestampMicrosecondArray::from(vec![START]).with_timezone("UTC")),
            "entity_kind" => text("key"),
            "entity" => text("00112233445566778899aabbccddeeff"),
            "requests" => Arc::new(Int64Array::from(vec![events as i64])),
            _ if field.data_type() == &DataType::Int64 => Arc::new(Int64Array::from(vec![0])),
            _ if field.is_nullable() => new_null_array(field.data_type(), 1),
            _ => one_empty_list(field.data_type()),
        }
    });
    RecordBatch::try_new(Arc::clone(&MINUTE_SCHEMA), columns.collect()).unwrap()
}

fn one_empty_list(list: &DataType) -> ArrayRef {
    let DataType::List(item) = list else { panic!("{list} is no list") };
    let values = new_null_array(item.data_type(), 0);
    Arc::new(ListArray::new(Arc::clone(item), OffsetBuffer::from_lengths([0]), values, None))
}

/// Identity history of one directory version.
pub(crate) fn history(version: &str, subjects: usize) -> RecordBatch {
    let (mut at, mut noticed) = (TimeColumn::default(), TimeColumn::default());
    let [mut versions, mut kinds, mut fields, mut sources] = std::array::from_fn(|_| DictColumn::default());
    let [mut ids, mut before, mut after] = std::array::from_fn(|_| TextColumn::default());
    for subject in 0..subjects {
        versions.push(version);
        kinds.push("key");
        ids.push(&format!("key-{subject}"));
        fields.push("status");
        before.push("active");
        after.push("revoked");
        at.push(Some(START));
        sources.push("test");
        noticed.push(Some(START));
    }
    let columns = vec![
        versions.finish(),
        kinds.finish(),
        ids.finish(),
        fields.finish(),
        before.finish(),
        after.finish(),
        at.finish(),
        sources.finish(),
        noticed.finish(),
    ];
    RecordBatch::try_new(TableName::IdentityHistory.schema(), columns).unwrap()
}
