//! The traffic around a diagnosis: counts by minute, callers, changes of identity, and what happened to everybody else.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use claviger_core::diagnose::{Around, CallerSeen, Minute, StateChange, Traffic};
use claviger_core::event::Column;
use claviger_core::identity::Directory;
use claviger_core::minutes::MINUTE_US;

use super::DiagnoseError;
use super::find::{About, Found};
use super::rows::{Condition, Rows};

/// Minutes before and after the request in which others are looked at.
const AROUND_MINUTES: i64 = 5;

pub(super) async fn traffic(
    rows: &Rows<'_>,
    found: &Found,
    directory: &Arc<Directory>,
) -> Result<Traffic, DiagnoseError> {
    // One after the other: a diagnosis takes one place among the questions that run, not four.
    let minutes = minutes(rows, found).await?;
    let callers = callers(rows, found).await?;
    let changes = changes(rows, found, directory).await?;
    let around = around(rows, found).await?;
    let (from, to) = found.window;
    Ok(Traffic { from, to, minutes, callers, changes, around })
}

/// The rows of `entity_minutes` that count somebody's requests; `None` where only events do.
pub(super) fn of_minutes(about: &About) -> Option<Condition> {
    match about {
        About::Key(id) => Some(Condition::equals("entity", id).and(kind("key"))),
        About::Principal(id) => Some(Condition::equals("principal_id", id).and(kind("key"))),
        About::Tenant(id) => Some(Condition::equals("entity", id).and(kind("tenant"))),
        About::Fingerprint(_) | About::Client { .. } => None,
    }
}

fn kind(kind: &str) -> Condition {
    Condition::equals("entity_kind", kind)
}

fn of_events(about: &About) -> Condition {
    match about {
        About::Key(id) => Condition::equals("key_id", id),
        About::Principal(id) => Condition::equals("principal_id", id),
        About::Tenant(id) => Condition::equals("tenant_id", id),
        About::Fingerprint(hex) => Condition::equals("fingerprint", hex),
        About::Client { network, agent } => {
            let agent = if agent.is_empty() { Condition::default() } else { Condition::equals("user_agent", agent) };
            Condition::equals("client_network", network).and(agent)
        }
    }
}

async fn minutes(rows: &Rows<'_>, found: &Found) -> Result<Vec<Minute>, DiagnoseError> {
    let (from, to) = (Some(found.window.0), Some(found.window.1));
    let batches = match of_minutes(&found.about) {
        Some(wanted) => {
            let what = "minute, sum(requests) as requests, sum(refused) as failures from entity_minutes";
            rows.select(what, wanted.and(Condition::within("minute", from, to)), "group by minute").await?
        }
        None => {
            let what = "date_trunc('minute', event_at) as minute, count(*) as requests, \
                        count(denied_by) as failures from events";
            let wanted = of_events(&found.about).and(Condition::within("event_at", from, to));
            rows.select(what, wanted, "group by 1").await?
        }
    };
    let read = |columns: &Columns, row: usize| Minute {
        at: columns.instant(0, row).unwrap_or(0),
        requests: columns.number(1, row),
        failures: columns.number(2, row),
    };
    let mut minutes = read_rows(&batches, read)?;
    minutes.sort_by_key(|minute| minute.at);
    Ok(minutes)
}

async fn callers(rows: &Rows<'_>, found: &Found) -> Result<Vec<CallerSeen>, DiagnoseError> {
    let what = "client_network, user_agent, method, coalesce(route, path) as route, min(path) as path, \
                count(*) as requests, count(denied_by) as refused, min(event_at) as first_at, \
                max(event_at) as last_at, max(case when denied_by is null then event_at end) as last_served_at, \
                max(case when denied_by is not null then event_at end) as last_refused_at from events";
    let wanted = of_events(&found.about).and(Condition::within("event_at", Some(found.window.0), Some(found.window.1)));
    let batches =
        rows.select(what, wanted, "group by 1, 2, 3, 4 order by requests desc, last_at desc limit 50").await?;
    read_rows(&batches, |columns, row| CallerSeen {
        network: columns.text(0, row),
        agent: columns.text(1, row),
        method: columns.text(2, row),
        route: columns.text(3, row),
        path: columns.text(4, row),
        requests: columns.number(5, row),
        refused: columns.number(6, row),
        first_at: columns.instant(7, row).unwrap_or(0),
        last_at: columns.instant(8, row).unwrap_or(0),
        last_served_at: columns.instant(9, row),
        last_refused_at: columns.instant(10, row),
    })
}

/// What changed about the key, its principal and its tenant, as the lake keeps it.
async fn changes(
    rows: &Rows<'_>,
    found: &Found,
    directory: &Arc<Directory>,
) -> Result<Vec<StateChange>, DiagnoseError> {
    let text = |column| found.row.dict(column).get(0).to_owned();
    let [mut key, mut principal, mut tenant] = [Column::KeyId, Column::PrincipalId, Column::TenantId].map(text);
    match &found.about {
        About::Key(id) => key.clone_from(id),
        About::Principal(id) => principal.clone_from(id),
        About::Tenant(id) => tenant.clone_from(id),
        About::Fingerprint(_) | About::Client { .. } => {}
    }
    let at = found.window.1;
    if let Some(known) = directory.find_key(&key).map(|key| directory.key_at(key, at)) {
        let fill = |own: &mut String, known: &str| {
            if own.is_empty() {
                known.clone_into(own);
            }
        };
        fill(&mut principal, known.principal_id);
        fill(&mut tenant, known.tenant_id);
    }
    let of = |kind: &str, id: &str| format!("{kind} {id}");
    let grants = format!("principal {principal}: ");
    let wanted = Condition::of(
        "(kind || ' ' || id in ($key, $principal, $tenant) or (kind = 'grant' and starts_with(id, $grants)))",
        vec![
            ("key", of("key", &key).into()),
            ("principal", of("principal", &principal).into()),
            ("tenant", of("tenant", &tenant).into()),
            ("grants", grants.into()),
        ],
    );
    let what = "kind, id, field, before, after, at, directory_version from identity_history";
    let batches = rows.select_unscoped(what, wanted, "order by at desc limit 50").await?;
    read_rows(&batches, |columns, row| {
        let [kind, id, field, before, after] = [0, 1, 2, 3, 4].map(|column| columns.text(column, row));
        let at = columns.instant(5, row).unwrap_or(0);
        StateChange::of_history((&kind, &id), &field, (&before, &after), at, &columns.text(6, row))
    })
}

/// How everybody fared in the minutes around the request.
async fn around(rows: &Rows<'_>, found: &Found) -> Result<Option<Around>, DiagnoseError> {
    if !found.is_request || !rows.sees_everybody() {
        return Ok(None);
    }
    let at = found.row.time(Column::EventAt).value(0);
    let span = AROUND_MINUTES * MINUTE_US;
    let cause = found.row.dict(Column::Cause).get(0);
    let wanted = kind("tenant")
        .and(Condition::within("minute", Some(at - span), Some(at + span)))
        .and(Condition::of("", vec![("alike", cause.into())]));
    let what = "count(distinct entity) as tenants, \
                count(distinct case when cause = $alike then entity end) as tenants_alike, \
                coalesce(sum(case when cause = $alike then requests end), 0) as refusals_alike, \
                coalesce(sum(case when cause = 'identity_provider_unavailable' then requests end), 0) as backend \
                from entity_minutes";
    let batches = rows.select(what, wanted, "").await?;
    let read = |columns: &Columns, row: usize| Around {
        minutes: AROUND_MINUTES,
        tenants: columns.number(0, row),
        tenants_alike: columns.number(1, row),
        refusals_alike: columns.number(2, row),
        backend_failures: columns.number(3, row),
    };
    Ok(read_rows(&batches, read)?.pop())
}

/// The columns of one batch as texts, numbers and instants, whatever the engine holds them as.
pub(super) struct Columns {
    texts: Vec<ArrayRef>,
    numbers: Vec<ArrayRef>,
    instants: Vec<ArrayRef>,
}

pub(super) fn read_rows<T>(
    batches: &[RecordBatch],
    read: impl Fn(&Columns, usize) -> T,
) -> Result<Vec<T>, DiagnoseError> {
    let mut found = Vec::new();
    for batch in batches {
        let columns = Columns::of(batch).map_err(|source| DiagnoseError::NotRows { source })?;
        found.extend((0..batch.num_rows()).map(|row| read(&columns, row)));
    }
    Ok(found)
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self, arrow::error::ArrowError> {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let as_type = |wanted: &DataType, is_that: fn(&DataType) -> bool| {
            let one = |column: &ArrayRef| {
                if is_that(column.data_type()) { cast(column, wanted) } else { Ok(Arc::clone(column)) }
            };
            batch.columns().iter().map(one).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            texts: as_type(&DataType::Utf8, |found| !found.is_numeric() && !found.is_temporal())?,
            numbers: as_type(&DataType::Int64, DataType::is_integer)?,
            instants: as_type(&instant, DataType::is_temporal)?,
        })
    }

    pub(super) fn text(&self, column: usize, row: usize) -> String {
        let values = self.texts[column].as_string_opt::<i32>();
        values.filter(|values| values.is_valid(row)).map_or_else(String::new, |values| values.value(row).to_owned())
    }

    pub(super) fn number(&self, column: usize, row: usize) -> i64 {
        let values = self.numbers[column].as_primitive_opt::<Int64Type>();
        values.filter(|values| values.is_valid(row)).map_or(0, |values| values.value(row))
    }

    pub(super) fn instant(&self, column: usize, row: usize) -> Option<i64> {
        let values = self.instants[column].as_primitive_opt::<TimestampMicrosecondType>()?;
        values.is_valid(row).then(|| values.value(row))
    }
}
