//! The picture of a range of time from the lake.
//!
//! Counts come from `entity_minutes`, which has a row where `events` has thousands, and which holds the past for longer;
//! buckets of less than a minute, and who said no, come from `events`. Requests of no tenant are what gateways counted and
//! tenants did not.

use std::collections::HashMap;

use claviger_core::access::TenantScope;
use claviger_core::cause::RootCause;
use claviger_core::overview::{Assembly, Buckets, Overview, Part, TenantPart};

use super::rows::{at, rows};
use crate::query::{Queries, QueryError};

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 86_400_000_000;
/// Who said no is told of ranges up to this long: it takes a look at every event.
const FLOW_US: i64 = 2 * DAY_US;
/// Refused keys are counted for the causes and tenants that have most.
const KEY_ROWS_MAX: usize = 200;

pub(super) async fn overview(
    queries: &Queries,
    tenants: &TenantScope,
    buckets: Buckets,
    now_us: i64,
) -> Result<Overview, QueryError> {
    let mut assembly = Assembly::new(buckets);
    if buckets.width_us() < MINUTE_US {
        add_events(queries, tenants, buckets, &mut assembly).await?;
    } else {
        add_minutes(queries, tenants, buckets, &mut assembly).await?;
        if buckets.ends_us() - buckets.begins_us() <= FLOW_US {
            add_flow(queries, tenants, buckets, &mut assembly).await?;
        }
    }
    add_keys(queries, tenants, buckets, &mut assembly).await?;
    Ok(assembly.finish(now_us, buckets.ends_us().min(now_us)))
}

fn range(buckets: Buckets) -> [(String, datafusion::common::ScalarValue); 2] {
    [at("from", buckets.begins_us()), at("to", buckets.ends_us())]
}

fn bin(buckets: Buckets, column: &str) -> String {
    format!("date_bin(interval '{} seconds', {column})", buckets.width_us() / 1_000_000)
}

/// A cause as a row names it; one that a newer version named is one that this one cannot decide.
pub(super) fn cause(name: &str) -> Option<RootCause> {
    (!name.is_empty()).then(|| RootCause::from_name(name).unwrap_or(RootCause::Undecidable))
}

async fn add_events(
    queries: &Queries,
    tenants: &TenantScope,
    buckets: Buckets,
    assembly: &mut Assembly,
) -> Result<(), QueryError> {
    let sql = format!(
        "select {} as bucket, tenant_id, cause, denied_by, count(*) as requests from events \
         where event_at >= $from and event_at < $to group by 1, 2, 3, 4",
        bin(buckets, "event_at")
    );
    for batch in rows(queries, &sql, &range(buckets), tenants).await? {
        let (bucket, requests) = (batch.longs("bucket")?, batch.longs("requests")?);
        let (tenant, causes, denied_by) = (batch.texts("tenant_id")?, batch.texts("cause")?, batch.texts("denied_by")?);
        for row in 0..batch.len() {
            assembly.add(&Part {
                at_us: bucket.get(row).unwrap_or(i64::MIN),
                tenant: TenantPart::of(tenant.get(row)),
                cause: cause(causes.get(row)),
                denied_by: denied_by.get(row),
                count: requests.count(row),
            });
        }
    }
    Ok(())
}

async fn add_minutes(
    queries: &Queries,
    tenants: &TenantScope,
    buckets: Buckets,
    assembly: &mut Assembly,
) -> Result<(), QueryError> {
    let sql = format!(
        "select {} as bucket, entity_kind, tenant_id, cause, sum(requests) as requests from entity_minutes \
         where entity_kind in ('gateway', 'tenant') and minute >= $from and minute < $to group by 1, 2, 3, 4",
        bin(buckets, "minute")
    );
    let mut of_nobody: HashMap<(i64, Option<RootCause>), i64> = HashMap::new();
    for batch in rows(queries, &sql, &range(buckets), tenants).await? {
        let (bucket, requests) = (batch.longs("bucket")?, batch.longs("requests")?);
        let (kind, tenant, causes) = (batch.texts("entity_kind")?, batch.texts("tenant_id")?, batch.texts("cause")?);
        for row in 0..batch.len() {
            let (at_us, cause) = (bucket.get(row).unwrap_or(i64::MIN), cause(causes.get(row)));
            let rest = of_nobody.entry((at_us, cause)).or_default();
            if kind.get(row) == "gateway" {
                *rest += requests.get(row).unwrap_or(0);
            } else {
                *rest -= requests.get(row).unwrap_or(0);
                assembly.add_count(at_us, TenantPart::of(tenant.get(row)), cause, requests.count(row));
            }
        }
    }
    for ((at_us, cause), rest) in of_nobody {
        if let Ok(count @ 1..) = u64::try_from(rest) {
            assembly.add_count(at_us, TenantPart::Nobody, cause, count);
        }
    }
    Ok(())
}

async fn add_flow(
    queries: &Queries,
    tenants: &TenantScope,
    buckets: Buckets,
    assembly: &mut Assembly,
) -> Result<(), QueryError> {
    let sql = "select denied_by, tenant_id, cause, count(*) as requests from events \
               where cause is not null and event_at >= $from and event_at < $to group by 1, 2, 3";
    for batch in rows(queries, sql, &range(buckets), tenants).await? {
        let (tenant, causes, denied_by) = (batch.texts("tenant_id")?, batch.texts("cause")?, batch.texts("denied_by")?);
        let requests = batch.longs("requests")?;
        for row in 0..batch.len() {
            let tenant = TenantPart::of(tenant.get(row));
            assembly.add_flow(denied_by.get(row), tenant, cause(causes.get(row)), requests.count(row));
        }
    }
    Ok(())
}

async fn add_keys(
    queries: &Queries,
    tenants: &TenantScope,
    buckets: Buckets,
    assembly: &mut Assembly,
) -> Result<(), QueryError> {
    let sql = format!(
        "select cause, tenant_id, count(distinct entity) as refused_keys, sum(requests) as requests from entity_minutes \
         where entity_kind = 'key' and cause is not null and minute >= $from and minute < $to \
         group by 1, 2 order by requests desc limit {KEY_ROWS_MAX}"
    );
    for batch in rows(queries, &sql, &range(buckets), tenants).await? {
        let (causes, tenant, keys) = (batch.texts("cause")?, batch.texts("tenant_id")?, batch.longs("refused_keys")?);
        for row in 0..batch.len() {
            if let Some(cause) = cause(causes.get(row)) {
                assembly.keys(cause, TenantPart::of(tenant.get(row)), keys.count(row), false);
            }
        }
    }
    Ok(())
}

/// Frames that could not be read. Rejects have no tenant: the caller asks for those who may see every tenant.
pub(super) async fn rejects(queries: &Queries, since_us: i64, until_us: i64) -> Result<u64, QueryError> {
    let sql = "select count(*) as rejects from rejects where ingested_at >= $from and ingested_at < $to";
    let range = [at("from", since_us), at("to", until_us)];
    let batches = rows(queries, sql, &range, &TenantScope::All).await?;
    batches.first().map_or(Ok(0), |batch| Ok(batch.longs("rejects")?.count(0)))
}

/// When the last request of the last day arrived.
pub(super) async fn last_event(
    queries: &Queries,
    tenants: &TenantScope,
    now_us: i64,
) -> Result<Option<i64>, QueryError> {
    let sql = "select max(event_at) as latest from events where event_at >= $from";
    let batches = rows(queries, sql, &[at("from", now_us - DAY_US)], tenants).await?;
    batches.first().map_or(Ok(None), |batch| Ok(batch.longs("latest")?.get(0)))
}
