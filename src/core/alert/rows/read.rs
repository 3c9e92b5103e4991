//! Events back from rows, as any reader of the table hands them out.

use arrow::array::{Array as _, AsArray as _, PrimitiveArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float64Type, Int64Type};

use super::{ARROW, BENIGN, SEPARATOR};
use crate::alert::claim::Claim;
use crate::alert::event::{Happening, IncidentEvent, NoticeAction};
use crate::alert::incident::IncidentId;
use crate::cause::RootCause;
use crate::detect::{Detector, Entity, Severity};
use crate::minutes::EntityKind;

/// The events of a batch, and how many of its rows are none: written by another version, or damaged.
///
/// Text may come as plain, large, viewed or dictionary text; columns are found by name.
#[must_use]
pub fn read_incident_rows(batch: &RecordBatch) -> (Vec<IncidentEvent>, u64) {
    let columns = Columns(batch);
    let texts = TextColumns::of(&columns);
    let numbers = NumberColumns::of(&columns);
    let mut unread = 0;
    let mut events = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        match (Row { texts: &texts, numbers: &numbers, row }).event() {
            Some(event) => events.push(event),
            None => unread += 1,
        }
    }
    (events, unread)
}

/// Ends of windows and ids of the findings in a batch of `findings`.
#[must_use]
pub fn read_finding_ids(batch: &RecordBatch) -> Vec<(i64, String)> {
    let columns = Columns(batch);
    let (Some(to), Some(id)) = (columns.long("to_at"), columns.text("finding_id")) else { return Vec::new() };
    let ids = (0..batch.num_rows()).filter(|row| to.is_valid(*row) && id.is_valid(*row));
    ids.map(|row| (to.value(row), id.value(row).to_owned())).collect()
}

struct Columns<'a>(&'a RecordBatch);

impl Columns<'_> {
    fn text(&self, name: &str) -> Option<StringArray> {
        let text = cast(self.0.column_by_name(name)?, &DataType::Utf8).ok()?;
        text.as_string_opt::<i32>().cloned()
    }

    fn long(&self, name: &str) -> Option<PrimitiveArray<Int64Type>> {
        let long = cast(self.0.column_by_name(name)?, &DataType::Int64).ok()?;
        long.as_primitive_opt().cloned()
    }

    fn double(&self, name: &str) -> Option<PrimitiveArray<Float64Type>> {
        let double = cast(self.0.column_by_name(name)?, &DataType::Float64).ok()?;
        double.as_primitive_opt().cloned()
    }
}

macro_rules! columns {
    ($name:ident, $read:ident, $array:ty; $($column:ident)*) => {
        struct $name { $($column: Option<$array>),* }

        impl $name {
            fn of(columns: &Columns<'_>) -> Self {
                Self { $($column: columns.$read(stringify!($column))),* }
            }
        }
    };
}

columns! { TextColumns, text, StringArray;
incident_id event actor note action destination finding_id detector entity_kind entity tenant_id severity unit
cause drivers summary quiet }

struct NumberColumns {
    longs: LongColumns,
    doubles: DoubleColumns,
}

impl NumberColumns {
    fn of(columns: &Columns<'_>) -> Self {
        Self { longs: LongColumns::of(columns), doubles: DoubleColumns::of(columns) }
    }
}

columns! { LongColumns, long, PrimitiveArray<Int64Type>; sequence at until_at quiet_us notice from_at to_at }
columns! { DoubleColumns, double, PrimitiveArray<Float64Type>; score expected seen }

struct Row<'a> {
    texts: &'a TextColumns,
    numbers: &'a NumberColumns,
    row: usize,
}

fn value<T: ArrowPrimitiveType>(column: Option<&PrimitiveArray<T>>, row: usize) -> Option<T::Native> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

impl Row<'_> {
    fn text<'a>(&self, column: &'a Option<StringArray>) -> &'a str {
        column.as_ref().filter(|column| column.is_valid(self.row)).map_or("", |column| column.value(self.row))
    }

    fn long(&self, column: &Option<PrimitiveArray<Int64Type>>) -> Option<i64> {
        value(column.as_ref(), self.row)
    }

    fn double(&self, column: &Option<PrimitiveArray<Float64Type>>) -> Option<f64> {
        value(column.as_ref(), self.row)
    }

    fn event(&self) -> Option<IncidentEvent> {
        let longs = &self.numbers.longs;
        Some(IncidentEvent {
            sequence: self.long(&longs.sequence)?,
            at_us: self.long(&longs.at)?,
            incident: IncidentId::named(self.text(&self.texts.incident_id))?,
            what: self.happening()?,
        })
    }

    fn happening(&self) -> Option<Happening> {
        let longs = &self.numbers.longs;
        let (by, note) = (self.text(&self.texts.actor).to_owned(), self.text(&self.texts.note).to_owned());
        let destination = self.text(&self.texts.destination);
        let notice = self.long(&longs.notice).and_then(|notice| u32::try_from(notice).ok());
        Some(match self.text(&self.texts.event) {
            "opened" => Happening::Opened(self.claim()?),
            "grouped" => Happening::Grouped(self.claim()?),
            "reopened" => Happening::Reopened(self.claim()?),
            "suppressed" => Happening::Suppressed { claim: self.claim()?, rule: note },
            "muted" => Happening::Muted { rule: note },
            "acknowledged" => Happening::Acknowledged { by, note },
            "unacknowledged" => Happening::Unacknowledged { by, note },
            "noted" => Happening::Noted { by, note },
            "silenced" => Happening::Silenced { by, note, until_us: self.long(&longs.until_at)? },
            "feedback" => {
                let (verdict, note) = note.split_once(' ').unwrap_or((&note, ""));
                Happening::Feedback { by, note: note.to_owned(), benign: verdict == BENIGN }
            }
            "resolved" => Happening::Resolved {
                by,
                note,
                last_seen_us: self.long(&longs.until_at)?,
                quiet_us: self.long(&longs.quiet_us)?,
            },
            "noticed" => Happening::Noticed {
                notice: notice?,
                action: NoticeAction::named(self.text(&self.texts.action))?,
                severity: Severity::named(self.text(&self.texts.severity))?,
                destinations: destination.split(SEPARATOR).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            },
            "delivered" => Happening::Delivered { notice: notice?, destination: destination.to_owned() },
            "failed" => Happening::Failed { notice: notice?, destination: destination.to_owned(), reason: note },
            "dead" => Happening::Dead { notice: notice?, destination: destination.to_owned(), reason: note },
            "escalated" => {
                let (destination, to) = destination.split_once(ARROW)?;
                Happening::Escalated { notice: notice?, destination: destination.to_owned(), to: to.to_owned() }
            }
            _ => return None,
        })
    }

    fn claim(&self) -> Option<Claim> {
        let (texts, longs, doubles) = (self.texts, &self.numbers.longs, &self.numbers.doubles);
        let kind = self.text(&texts.entity_kind);
        Some(Claim {
            finding: self.text(&texts.finding_id).to_owned(),
            detector: Detector::named(self.text(&texts.detector))?,
            entity: Entity {
                kind: EntityKind::ALL.iter().copied().find(|known| known.name() == kind)?,
                name: self.text(&texts.entity).to_owned(),
                tenant: self.text(&texts.tenant_id).to_owned(),
            },
            from_us: self.long(&longs.from_at)?,
            to_us: self.long(&longs.to_at)?,
            severity: Severity::named(self.text(&texts.severity))?,
            score: self.double(&doubles.score)?,
            expected: self.double(&doubles.expected)?,
            seen: self.double(&doubles.seen)?,
            unit: self.text(&texts.unit).to_owned(),
            cause: RootCause::from_name(self.text(&texts.cause)),
            drivers: serde_json::from_str(self.text(&texts.drivers)).unwrap_or_default(),
            summary: self.text(&texts.summary).to_owned(),
            quiet: self.text(&texts.quiet).to_owned(),
        })
    }
}
