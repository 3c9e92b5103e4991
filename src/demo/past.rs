//! What the company did before the demo began, as rows of `entity_minutes`: made up, so that detection knows what is
//! normal for its keys from the first minute on.
//!
//! One day is drawn hour by hour and goes through the same reading and counting as live traffic; its rows then stand for
//! every day of the past, each hour in one row a key, with the sums of a whole hour. Left out are single objects: a row
//! keeps too few of them to say how many an hour takes. A key that the script will wake was used six weeks ago.

use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Int64Array, ListArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use claviger_core::frame::RawBatch;
use claviger_core::identity::Directory;
use claviger_core::minutes::{Distinct, EntityKind, MINUTE_SCHEMA, Sum, minutes};
use claviger_core::offsets::{Offset, Stream};
use claviger_core::refine::Refiner;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::company::{DAY, Instant, SECOND};
use super::lines::{Names, put_line};
use super::routes::Gateway;
use super::traffic::{Actor, as_f64_of, day_rhythm};

/// Whose past it is.
#[derive(Clone, Debug)]
pub struct Past {
    pub(super) names: Names,
    /// Who was at work, with their share of the requests.
    pub(super) actors: Vec<(Actor, f64)>,
    /// Who has been silent for long.
    pub(super) dormant: Vec<Actor>,
    pub(super) begin: Instant,
    /// Requests per second.
    pub(super) rate: f64,
    pub(super) seed: u64,
}

impl Past {
    /// The rows, earliest first. `refiner` and `directory` are what live traffic goes through.
    ///
    /// # Errors
    /// The rows are none of `entity_minutes`: a slip.
    pub fn rows(&self, refiner: &mut Refiner, directory: &Arc<Directory>) -> Result<RecordBatch, ArrowError> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ SEED_OF_THE_PAST);
        let mut draft = Draft { past: self, refiner, directory, offset: 0 };
        let asleep = draft.rows(&self.dormant.iter().map(|actor| (actor, REQUESTS_MIN)).collect::<Vec<_>>(), &mut rng);
        let asleep = keys_only(&asleep)?;
        let today = self.begin - self.begin.rem_euclid(DAY);
        let mut all = Vec::new();
        for day in (DORMANT_DAYS..DORMANT_DAYS + 14).rev() {
            for hour in 9..17 {
                all.push(at(&asleep, today - day * DAY + hour * HOUR, 1)?);
            }
        }
        let drawn: Vec<(&Actor, u32)> = self.actors.iter().map(|(actor, share)| (actor, requests_of(*share))).collect();
        let requests: u32 = drawn.iter().map(|(_, requests)| requests).sum();
        let hours: Vec<RecordBatch> = (0..24).map(|_| draft.rows(&drawn, &mut rng)).collect();
        let this_minute = self.begin - self.begin.rem_euclid(MINUTE);
        let rows_of = |from: Instant| usize::try_from(from.rem_euclid(DAY) / HOUR).ok().and_then(|at| hours.get(at));
        let mut from = today - DAYS * DAY;
        while from < this_minute {
            // The last half hour goes minute by minute, or detection would miss what is not in an hour's one row.
            let length = if from >= this_minute - LAST { MINUTE } else { HOUR };
            let busy = day_rhythm(as_f64_of(from.rem_euclid(DAY)) / as_f64_of(DAY)) * rng.random_range(0.9..1.1);
            let times = whole(self.rate * busy * as_f64_of(length / SECOND) / f64::from(requests.max(1)));
            all.extend(rows_of(from).map(|rows| at(rows, from, times)).transpose()?);
            let next = from + length;
            from = if from < this_minute - LAST { next.min(this_minute - LAST) } else { next };
        }
        concat_batches(&MINUTE_SCHEMA, &all)
    }
}

/// Draws an hour's rows.
struct Draft<'a> {
    past: &'a Past,
    refiner: &'a mut Refiner,
    directory: &'a Arc<Directory>,
    offset: i64,
}

impl Draft<'_> {
    fn rows(&mut self, drawn: &[(&Actor, u32)], rng: &mut StdRng) -> RecordBatch {
        let now = self.past.begin - self.past.begin.rem_euclid(1_000);
        let mut line = String::new();
        let mut batch = RawBatch::new(now);
        let spans = Gateway::ALL.iter().map(|gateway| {
            let stream = Stream::new("demo", gateway.topic(), 0);
            batch.open_span(stream, Offset(self.offset))
        });
        let spans: Vec<u32> = spans.collect();
        for (actor, requests) in drawn {
            for _ in 0..*requests {
                let request = actor.everyday_request(now, rng);
                line.clear();
                put_line(&mut line, &request, &self.past.names);
                batch.push(spans[request.gateway as usize], self.offset, line.as_bytes());
                self.offset += 1;
            }
        }
        without_objects(&minutes(&self.refiner.refine(&batch, self.directory).events))
    }
}

/// The same rows for another time, `times` as many of everything that is added up.
fn at(rows: &RecordBatch, minute: Instant, times: i64) -> Result<RecordBatch, ArrowError> {
    let mut columns = rows.columns().to_vec();
    columns[0] = Arc::new(TimestampMicrosecondArray::from(vec![minute; rows.num_rows()]).with_timezone("UTC"));
    for sum in Sum::ALL.iter().filter(|sum| !matches!(sum, Sum::FirstServed | Sum::FirstRefused)) {
        let place = rows.schema().index_of(sum.name())?;
        let scaled: Int64Array = columns[place].as_primitive::<Int64Type>().unary(|sum| sum.saturating_mul(times));
        columns[place] = Arc::new(scaled);
    }
    RecordBatch::try_new(rows.schema(), columns)
}

fn keys_only(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let kinds = arrow::compute::cast(rows.column(1), &DataType::Utf8)?;
    let keys: BooleanArray =
        kinds.as_string::<i32>().iter().map(|kind| Some(kind == Some(EntityKind::Key.name()))).collect();
    filter_record_batch(rows, &keys)
}

fn without_objects(rows: &RecordBatch) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    for sum in [Sum::Objects, Sum::ObjectSteps, Sum::ObjectsDenied] {
        let place = rows.schema().index_of(sum.name()).expect("every sum is a column");
        columns[place] = Arc::new(Int64Array::from(vec![0; rows.num_rows()]));
    }
    let last = columns.len() - 1;
    columns[last] = kept_values(columns[last].as_list::<i32>());
    RecordBatch::try_new(rows.schema(), columns).expect("columns of the same types and lengths")
}

fn kept_values(lists: &ListArray) -> ArrayRef {
    let is_kept = |value: &i64| Distinct::unpacked(*value).is_some_and(|(kind, _)| kind != Distinct::Object);
    let kept: Vec<Vec<i64>> = (0..lists.len())
        .map(|row| lists.value(row).as_primitive::<Int64Type>().values().iter().copied().filter(is_kept).collect())
        .collect();
    let lengths = OffsetBuffer::from_lengths(kept.iter().map(Vec::len));
    let DataType::List(item) = lists.data_type() else { unreachable!("distinct values are a list") };
    let values = Arc::new(Int64Array::from(kept.concat()));
    Arc::new(ListArray::new(Arc::clone(item), lengths, values, None))
}

/// Requests that are drawn for one hour of somebody with this share.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is 0 to 1")]
fn requests_of(share: f64) -> u32 {
    ((share * REQUESTS_PER_HOUR) as u32).max(REQUESTS_MIN)
}

#[expect(clippy::cast_possible_truncation, reason = "a ratio of rates")]
fn whole(times: f64) -> i64 {
    (times as i64).max(1)
}

/// Detectors learn what is normal in two weeks.
const DAYS: i64 = 16;
/// Days since a dormant key was used.
const DORMANT_DAYS: i64 = 43;
const HOUR: i64 = 3_600 * SECOND;
const MINUTE: i64 = 60 * SECOND;
const LAST: i64 = 30 * MINUTE;
/// Drawn requests of an hour, and how many everybody has of them at least.
const REQUESTS_PER_HOUR: f64 = 600.0;
const REQUESTS_MIN: u32 = 6;
const SEED_OF_THE_PAST: u64 = 0x9a57;
