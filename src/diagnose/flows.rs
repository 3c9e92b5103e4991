//! Flows of real traffic, counted in the lake: for what-if and forecast.

use claviger_core::access::TenantScope;
use claviger_core::flow::{Counted, Flow, flows};
use claviger_core::forecast::{Forecast, endings, forecast};
use claviger_core::identity::Directory;
use claviger_core::minutes::MINUTE_US;
use claviger_core::whatif::{Change, Impact, what_if};

use super::DiagnoseError;
use super::find::instant;
use super::rows::{Condition, Rows};
use super::traffic::{Columns, read_rows};
use crate::query::Queries;

/// Traffic that stands for what is usual.
const USUAL_DAYS: i64 = 7;
const DAY_US: i64 = 24 * 60 * MINUTE_US;
/// Lines of counted traffic that are read: beyond it the rarest are left out.
const LINES_MAX: usize = 200_000;

/// Who would break by `change`, by the traffic of the week up to `at`, or up to the newest request.
///
/// # Errors
/// When the lake cannot be read.
pub async fn impact(
    queries: &Queries,
    directory: &Directory,
    change: &Change,
    at: Option<i64>,
    tenants: &TenantScope,
) -> Result<Impact, DiagnoseError> {
    let rows = Rows { queries, tenants };
    let to = newest(&rows, at).await?;
    let from = to - USUAL_DAYS * DAY_US;
    let concerned = match change {
        Change::RevokeKey(id) => Condition::equals("key_id", id),
        Change::DisablePrincipal(id) => Condition::equals("principal_id", id),
        Change::SuspendTenant(id) => Condition::equals("tenant_id", id),
        Change::DropScope(_) => Condition::of("(key_id is not null or principal_id is not null)", Vec::new()),
    };
    let counted = count(&rows, concerned, from, to).await?;
    let first = counted.1.unwrap_or(from).max(from);
    Ok(what_if(change, &flows(counted.0, directory), directory, (first, to), tenants))
}

/// What stops within `days`, by the traffic of the week up to `at`, or up to the newest request.
///
/// # Errors
/// When the lake cannot be read.
pub async fn coming_stops(
    queries: &Queries,
    directory: &Directory,
    days: u32,
    at: Option<i64>,
    tenants: &TenantScope,
) -> Result<Forecast, DiagnoseError> {
    let rows = Rows { queries, tenants };
    let now = newest(&rows, at).await?;
    let from = now - USUAL_DAYS * DAY_US;
    let mut ending = endings(directory, now, days);
    ending.retain(|ending| {
        let key = directory.find_key(&ending.key_id).map(|key| directory.key_at(key, now));
        key.is_some_and(|key| tenants.covers(Some(key.tenant_id)))
    });
    let mut all: Vec<Flow> = Vec::new();
    let mut first = now;
    for some in ending.chunks(KEYS_AT_ONCE) {
        let keys: Vec<String> = some.iter().map(|ending| ending.key_id.clone()).collect();
        let (counted, first_at) = count(&rows, Condition::any_of("key_id", &keys), from, now).await?;
        all.extend(flows(counted, directory));
        first = first.min(first_at.unwrap_or(now));
    }
    let flow_days = (now - first.max(from)).max(DAY_US / 24) as f64 / DAY_US as f64;
    Ok(forecast(directory, &ending, &all, flow_days, now, days))
}

/// Keys that one query asks about.
const KEYS_AT_ONCE: usize = 500;

/// `at`, else the end of the newest minute that was counted.
async fn newest(rows: &Rows<'_>, at: Option<i64>) -> Result<i64, DiagnoseError> {
    if let Some(at) = at {
        return Ok(at);
    }
    let wanted = Condition::equals("entity_kind", "tenant");
    let found = rows.select("max(minute) as newest from entity_minutes", wanted, "").await?;
    Ok(instant(&found, 0).map_or(0, |minute| minute + MINUTE_US))
}

/// Counted lines, and when the first of their requests came.
async fn count(
    rows: &Rows<'_>,
    concerned: Condition,
    from: i64,
    to: i64,
) -> Result<(Vec<Counted>, Option<i64>), DiagnoseError> {
    let what = "key_id, principal_id, tenant_id, method, route, path, client_network, user_agent, \
                count(*) - count(denied_by) as served, count(denied_by) as refused, \
                max(event_at) as last_at, min(event_at) as first_at from events";
    let wanted = concerned.and(Condition::within("event_at", Some(from), Some(to)));
    let rest = format!("group by 1, 2, 3, 4, 5, 6, 7, 8 order by served desc limit {LINES_MAX}");
    let batches = rows.select(what, wanted, &rest).await?;
    let read = |columns: &Columns, row: usize| {
        let text = |column| columns.text(column, row);
        let line = Counted {
            key_id: text(0),
            principal_id: text(1),
            tenant_id: text(2),
            method: text(3),
            route: text(4),
            path: text(5),
            network: text(6),
            agent: text(7),
            served: columns.number(8, row),
            refused: columns.number(9, row),
            last_at: columns.instant(10, row).unwrap_or(0),
        };
        (line, columns.instant(11, row))
    };
    let (lines, firsts): (Vec<Counted>, Vec<Option<i64>>) = read_rows(&batches, read)?.into_iter().unzip();
    Ok((lines, firsts.into_iter().flatten().min()))
}
