//! Requests and refusals of an entity in time.
//!
//! Rows of `entity_minutes` about networks and routes belong to no tenant, so for who sees one tenant they are counted in
//! its own events.

use claviger_core::access::TenantScope;
use claviger_core::cause::RootCause;
use claviger_core::overview::{Assembly, Buckets, Overview, TenantPart};

use super::{Kind, sees_all};
use crate::overview::{at, rows, text};
use crate::query::{Queries, QueryError};

pub(super) async fn read(
    queries: &Queries,
    tenants: &TenantScope,
    kind: Kind,
    id: &str,
    buckets: Buckets,
    now_us: i64,
) -> Result<Overview, QueryError> {
    let width_s = buckets.width_us() / 1_000_000;
    let has_minutes = match kind {
        Kind::Key | Kind::Principal | Kind::Tenant => true,
        Kind::Network | Kind::Route => sees_all(tenants),
    };
    let mut parameters = vec![text("id", id), at("from", buckets.begins_us()), at("to", buckets.ends_us())];
    let sql = if has_minutes && width_s >= 60 {
        let rule = match kind {
            Kind::Principal => "entity_kind = 'key' and principal_id = $id",
            Kind::Key | Kind::Tenant | Kind::Network | Kind::Route => {
                parameters.push(text("kind", kind.counted().name()));
                "entity_kind = $kind and entity = $id"
            }
        };
        format!(
            "select date_bin(interval '{width_s} seconds', minute) as bucket, cause, sum(requests) as requests \
             from entity_minutes where {rule} and minute >= $from and minute < $to group by 1, 2"
        )
    } else {
        format!(
            "select date_bin(interval '{width_s} seconds', event_at) as bucket, cause, count(*) as requests \
             from events where {} and event_at >= $from and event_at < $to group by 1, 2",
            kind.rule()
        )
    };
    let mut assembly = Assembly::new(buckets);
    for batch in rows(queries, &sql, &parameters, tenants).await? {
        let (bucket, causes, requests) = (batch.longs("bucket")?, batch.texts("cause")?, batch.longs("requests")?);
        for row in 0..batch.len() {
            let name = causes.get(row);
            let cause = (!name.is_empty()).then(|| RootCause::from_name(name).unwrap_or(RootCause::Undecidable));
            assembly.add_count(bucket.get(row).unwrap_or(i64::MIN), TenantPart::Nobody, cause, requests.count(row));
        }
    }
    Ok(assembly.finish(now_us, buckets.ends_us().min(now_us)))
}
