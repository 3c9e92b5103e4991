//! Why one request, key, user or tenant is refused, and what mends it: the six steps, with their proof.
//!
//! ```text
//! stored row ─┐
//! directory ──┼─► rehear (classify) ─► Scene ─┬─► steps, verdict, contradiction, alternatives
//! traffic ────┘                               └─► timeline, remedy, callers, done-when
//! ```
//!
//! Promises: the verdict that was stored stands, unless it could not be decided then and can be now; every check names
//! the fact it rests on, since when that holds, and who says so; the text of a log is never taken for more than text.
//! Does not read anything: the shell brings the row and the traffic, and decides whose rows may be brought.

mod answer;
mod bundle;
mod case;
mod done;
mod judged;
mod page;
mod remedy;
mod scene;
mod sentence;
mod steps;
mod timeline;
mod told;

pub use answer::{
    Alternative, Caller, Check, CheckResult, Diagnosis, DoneWhen, Remedy, StateChange, Step, Subject, SubjectKind,
    Timeline, Verdict,
};
pub use bundle::bundle;
pub use case::{Around, CallerSeen, Case, Minute, Traffic, stand_in, stand_in_for};
pub use page::{markdown, page};

use serde_json::{Map, Value};

use crate::classify::rehear;
use crate::event::{Column, ColumnKind, Events};
use crate::identity::identify_stored;
use crate::time;
use scene::Scene;

/// Explains the case. Its row's batch must hold that one row.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Diagnosis {
    let batch = identify_stored(case.row.clone(), case.directory);
    let rehearing = rehear(&batch, 0, case.options);
    let scene = Scene::of(case, &batch, &rehearing);
    Diagnosis {
        subject: case.subject.clone(),
        at: scene.at,
        snapshot_version: case.directory.version().to_owned(),
        request: case.is_request.then(|| flat(&case.row)),
        verdict: sentence::verdict(&scene),
        steps: steps::steps(&scene),
        timeline: timeline::timeline(&scene),
        remedy: remedy::remedy(&scene),
        callers: timeline::callers(case.traffic),
        done_when: done::done_when(&scene),
        alternatives: sentence::alternatives(&scene),
        others: case.others.clone(),
    }
}

/// A row as one flat object, columns without value left out. Times are RFC 3339.
fn flat(row: &Events) -> Map<String, Value> {
    let mut object = Map::new();
    for &column in Column::ALL {
        let array = row.batch().column(column as usize);
        if arrow::array::Array::is_null(array, 0) {
            continue;
        }
        let value = match column.kind() {
            ColumnKind::Dict => Value::from(row.dict(column).get(0)),
            ColumnKind::Text => Value::from(row.text(column).value(0)),
            ColumnKind::Short => Value::from(row.short(column).value(0)),
            ColumnKind::Int => Value::from(row.int(column).value(0)),
            ColumnKind::Long => Value::from(row.long(column).value(0)),
            ColumnKind::Time => Value::from(time::format(row.time(column).value(0))),
            ColumnKind::List => Value::from(row.list(column, 0).map(str::to_owned).collect::<Vec<_>>()),
        };
        if !value.as_str().is_some_and(str::is_empty) && !value.as_array().is_some_and(Vec::is_empty) {
            object.insert(column.name().to_owned(), value);
        }
    }
    object
}
