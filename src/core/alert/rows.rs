//! Findings and incident events as rows of the lake's tables `findings` and `incidents`.
//!
//! A row of `incidents` stands alone: where it tells of a finding it repeats it, so that the state of all incidents is a
//! fold over this one table.

mod read;

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::claim::Claim;
use super::event::{Happening, IncidentEvent};
use crate::cause::RootCause;
use crate::event::{ColumnKind, DictColumn, LongColumn, TextColumn, TimeColumn};

pub use read::{read_finding_ids, read_incident_rows};

/// The columns of a claim, in both tables; null in rows that tell of none.
fn claim_fields(is_nullable: bool) -> Vec<Field> {
    let dict = || ColumnKind::Dict.arrow_type();
    let time = || ColumnKind::Time.arrow_type();
    vec![
        Field::new("finding_id", DataType::Utf8, is_nullable),
        Field::new("detector", dict(), is_nullable),
        Field::new("family", dict(), is_nullable),
        Field::new("entity_kind", dict(), is_nullable),
        Field::new("entity", dict(), true),
        Field::new("tenant_id", dict(), true),
        Field::new("from_at", time(), is_nullable),
        Field::new("to_at", time(), is_nullable),
        Field::new("severity", dict(), true),
        Field::new("score", DataType::Float64, true),
        Field::new("expected", DataType::Float64, true),
        Field::new("seen", DataType::Float64, true),
        Field::new("unit", dict(), true),
        Field::new("cause", dict(), true),
        Field::new("drivers", DataType::Utf8, true),
        Field::new("summary", DataType::Utf8, true),
        Field::new("quiet", DataType::Utf8, true),
    ]
}

/// Columns of the table `findings`.
pub static FINDING_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(claim_fields(false))));

/// Columns of the table `incidents`.
pub static INCIDENT_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![
        Field::new("sequence", DataType::Int64, false),
        Field::new("at", ColumnKind::Time.arrow_type(), false),
        Field::new("incident_id", DataType::Utf8, false),
        Field::new("event", ColumnKind::Dict.arrow_type(), false),
        Field::new("actor", ColumnKind::Dict.arrow_type(), true),
        Field::new("note", DataType::Utf8, true),
        Field::new("until_at", ColumnKind::Time.arrow_type(), true),
        Field::new("quiet_us", DataType::Int64, true),
        Field::new("notice", DataType::Int64, true),
        Field::new("action", ColumnKind::Dict.arrow_type(), true),
        Field::new("destination", ColumnKind::Dict.arrow_type(), true),
    ];
    fields.extend(claim_fields(true));
    Arc::new(Schema::new(fields))
});

/// What a column of `findings` means, with its unit; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_finding_column(name: &str) -> &'static str {
    match name {
        "finding_id" => "hash of detector, entity, cause and start of the span: the same in every replay",
        "detector" => "the detector that claims it",
        "family" => "detectors of one family see the same trouble from several sides",
        "entity_kind" => "what the claim is about: key, source (a client network), tenant or route",
        "entity" => "key id, network, tenant id, or method and route",
        "tenant_id" => "tenant of the entity; null where it has none or several",
        "from_at" => "start of the span that was judged, UTC",
        "to_at" => "end of the span, UTC; not part of it",
        "severity" => "info, low, medium, high or critical",
        "score" => "-log10 of the probability to see this or worse by chance; 300 when no chance is involved",
        "expected" => "what the model expected, in the unit",
        "seen" => "what was seen, in the unit",
        "unit" => "unit of expected and seen",
        "cause" => "root cause that the requests ended with, where one cause is what the claim is about",
        "drivers" => "what the claim rests on, weightiest first: JSON list of dimension, value and share",
        "summary" => "one sentence: what happened to whom",
        "quiet" => "one sentence: what would have kept the detector quiet",
        _ => "",
    }
}

/// What a column of `incidents` means, with its unit; empty for a name that is none of them.
#[must_use]
pub fn meaning_of_incident_column(name: &str) -> &'static str {
    match name {
        "sequence" => "order of the events; counts up over restarts",
        "at" => "when it held, UTC: event time for what findings say, wall time for people and deliveries",
        "incident_id" => "hash of what makes it one incident and of the finding that opened it",
        "event" => {
            "what happened: opened, grouped, reopened, suppressed, muted, acknowledged, unacknowledged, noted, silenced, feedback, resolved, noticed, delivered, failed, dead or escalated"
        }
        "actor" => "the person who did it; null for Claviger itself",
        "note" => {
            "what the person wrote; the rule that suppressed or muted; the reason of a failure; benign or real for feedback"
        }
        "until_at" => "end of a silence; for a resolved incident, when its trouble was last seen",
        "quiet_us" => "how long the trouble had been quiet when the incident was resolved, microseconds of event time",
        "notice" => "number of the notice within its incident",
        "action" => "what a notice asks of its receiver: trigger, acknowledge or resolve",
        "destination" => {
            "where the notice goes; several separated by spaces; after an arrow the one that is told as well"
        }
        name => meaning_of_finding_column(name),
    }
}

/// Rows of `findings`.
#[must_use]
pub fn finding_rows(claims: &[Claim]) -> RecordBatch {
    let columns = claim_columns(claims.iter().map(Some), |claim| claim.severity.name());
    RecordBatch::try_new(Arc::clone(&FINDING_SCHEMA), columns).expect("builders make the types that the schema names")
}

/// Rows of `incidents`.
#[must_use]
pub fn incident_rows(events: &[IncidentEvent]) -> RecordBatch {
    let flat: Vec<Flat<'_>> = events.iter().map(Flat::of).collect();
    let (mut sequence, mut at, mut id, mut event) =
        (LongColumn::default(), TimeColumn::default(), TextColumn::default(), DictColumn::default());
    let (mut actor, mut note, mut until_at) = (DictColumn::default(), TextColumn::default(), TimeColumn::default());
    let (mut quiet_us, mut notice) = (LongColumn::default(), LongColumn::default());
    let (mut action, mut destination) = (DictColumn::default(), DictColumn::default());
    for (row, flat) in events.iter().zip(&flat) {
        sequence.push(Some(row.sequence));
        at.push(Some(row.at_us));
        id.push(row.incident.as_str());
        event.push(row.what.name());
        actor.push(flat.actor);
        note.push(&flat.note);
        until_at.push(flat.until_us);
        quiet_us.push(flat.quiet_us);
        notice.push(flat.notice.map(i64::from));
        action.push(flat.action);
        destination.push(&flat.destination);
    }
    let mut columns = vec![
        sequence.finish(),
        at.finish(),
        id.finish(),
        event.finish(),
        actor.finish(),
        note.finish(),
        until_at.finish(),
        quiet_us.finish(),
        notice.finish(),
        action.finish(),
        destination.finish(),
    ];
    let mut severities = flat.iter().map(|flat| flat.severity);
    let claims = events.iter().map(|event| event.what.claim());
    columns.extend(claim_columns_with(claims, |claim| {
        let of_notice = severities.next().flatten();
        claim.map_or(of_notice.unwrap_or_default(), |claim| claim.severity.name())
    }));
    RecordBatch::try_new(Arc::clone(&INCIDENT_SCHEMA), columns).expect("builders make the types that the schema names")
}

/// An event's own columns.
#[derive(Default)]
struct Flat<'a> {
    actor: &'a str,
    note: String,
    until_us: Option<i64>,
    quiet_us: Option<i64>,
    notice: Option<u32>,
    action: &'static str,
    severity: Option<&'static str>,
    destination: String,
}

/// Between the names of two destinations; no name holds a space.
const SEPARATOR: &str = " ";
/// Between a destination and the one that is told as well.
const ARROW: &str = " > ";
const BENIGN: &str = "benign";
const REAL: &str = "real";

impl<'a> Flat<'a> {
    fn of(event: &'a IncidentEvent) -> Self {
        let told = |notice: u32, destination: &str, note: &str| Self {
            notice: Some(notice),
            destination: destination.to_owned(),
            note: note.to_owned(),
            ..Self::default()
        };
        match &event.what {
            Happening::Opened(_) | Happening::Grouped(_) | Happening::Reopened(_) => Self::default(),
            Happening::Suppressed { rule, .. } | Happening::Muted { rule } => {
                Self { note: rule.clone(), ..Self::default() }
            }
            Happening::Acknowledged { by, note }
            | Happening::Unacknowledged { by, note }
            | Happening::Noted { by, note } => Self { actor: by, note: note.clone(), ..Self::default() },
            Happening::Silenced { by, note, until_us } => {
                Self { actor: by, note: note.clone(), until_us: Some(*until_us), ..Self::default() }
            }
            Happening::Feedback { by, note, benign } => {
                let verdict = if *benign { BENIGN } else { REAL };
                Self { actor: by, note: format!("{verdict} {note}").trim_end().to_owned(), ..Self::default() }
            }
            Happening::Resolved { by, note, last_seen_us, quiet_us } => Self {
                actor: by,
                note: note.clone(),
                until_us: Some(*last_seen_us),
                quiet_us: Some(*quiet_us),
                ..Self::default()
            },
            Happening::Noticed { notice, action, severity, destinations } => Self {
                notice: Some(*notice),
                action: action.name(),
                severity: Some(severity.name()),
                destination: destinations.join(SEPARATOR),
                ..Self::default()
            },
            Happening::Delivered { notice, destination } => told(*notice, destination, ""),
            Happening::Failed { notice, destination, reason } | Happening::Dead { notice, destination, reason } => {
                told(*notice, destination, reason)
            }
            Happening::Escalated { notice, destination, to } => {
                told(*notice, &[destination.as_str(), to.as_str()].join(ARROW), "")
            }
        }
    }
}

fn claim_columns<'a>(
    claims: impl Iterator<Item = Option<&'a Claim>>,
    mut severity: impl FnMut(&Claim) -> &'static str,
) -> Vec<ArrayRef> {
    claim_columns_with(claims, |claim| claim.map_or("", &mut severity))
}

fn claim_columns_with<'a>(
    claims: impl Iterator<Item = Option<&'a Claim>>,
    mut severity: impl FnMut(Option<&Claim>) -> &'static str,
) -> Vec<ArrayRef> {
    let mut texts: [TextColumn; 4] = Default::default();
    let mut dicts: [DictColumn; 8] = Default::default();
    let mut times: [TimeColumn; 2] = Default::default();
    let mut numbers: [Vec<Option<f64>>; 3] = Default::default();
    for claim in claims {
        let text = |of: fn(&Claim) -> &str| claim.map_or("", of);
        let drivers = claim.map(|claim| serde_json::to_string(&claim.drivers).unwrap_or_default()).unwrap_or_default();
        for (column, value) in texts.iter_mut().zip([
            text(|claim| &claim.finding),
            &drivers,
            text(|claim| &claim.summary),
            text(|claim| &claim.quiet),
        ]) {
            column.push(value);
        }
        for (column, value) in dicts.iter_mut().zip([
            text(|claim| claim.detector.name()),
            text(|claim| claim.family().name()),
            text(|claim| claim.entity.kind.name()),
            text(|claim| &claim.entity.name),
            text(|claim| &claim.entity.tenant),
            severity(claim),
            text(|claim| &claim.unit),
            text(|claim| claim.cause.map_or("", RootCause::name)),
        ]) {
            column.push(value);
        }
        times[0].push(claim.map(|claim| claim.from_us));
        times[1].push(claim.map(|claim| claim.to_us));
        numbers[0].push(claim.map(|claim| claim.score));
        numbers[1].push(claim.map(|claim| claim.expected));
        numbers[2].push(claim.map(|claim| claim.seen));
    }
    let [mut id, mut drivers, mut summary, mut quiet] = texts;
    let [mut detector, mut family, mut kind, mut entity, mut tenant, mut severity, mut unit, mut cause] = dicts;
    let [mut from, mut to] = times;
    let [score, expected, seen] = numbers.map(|column| Arc::new(Float64Array::from(column)) as ArrayRef);
    vec![
        id.finish(),
        detector.finish(),
        family.finish(),
        kind.finish(),
        entity.finish(),
        tenant.finish(),
        from.finish(),
        to.finish(),
        severity.finish(),
        score,
        expected,
        seen,
        unit.finish(),
        cause.finish(),
        drivers.finish(),
        summary.finish(),
        quiet.finish(),
    ]
}
