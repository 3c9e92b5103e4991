//! What the lake holds of the last hour, shown to the board before rows begin to pass: a restart keeps the picture.

use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::overview::{Part, TenantPart};

use super::board::LiveBoard;
use super::past::cause;
use super::rows::{at, rows};
use crate::query::{Queries, QueryError};

/// As long as the picture that streams begin with, and the minute that is cut at its start.
const PAST_US: i64 = 62 * 60_000_000;
/// Refused keys that are remembered.
const KEYS_MAX: usize = 50_000;

/// Shows `board` what the lake holds. Before the source begins: what comes then is not in the lake.
///
/// # Errors
/// When the lake does not answer; the board then knows what passes from now on.
pub async fn remember(board: &LiveBoard, queries: &Queries) -> Result<(), QueryError> {
    let now_us = Utc::now().timestamp_micros();
    let since_us = (now_us - PAST_US).div_euclid(60_000_000) * 60_000_000;
    let range = [at("from", since_us)];
    let counts = rows(
        queries,
        "select date_bin(interval '10 seconds', event_at) as bucket, tenant_id, cause, denied_by, count(*) as requests \
         from events where event_at >= $from group by 1, 2, 3, 4",
        &range,
        &TenantScope::All,
    )
    .await?;
    let keys = rows(
        queries,
        &format!(
            "select tenant_id, cause, entity, max(minute) as latest from entity_minutes \
             where entity_kind = 'key' and cause is not null and minute >= $from group by 1, 2, 3 limit {KEYS_MAX}"
        ),
        &range,
        &TenantScope::All,
    )
    .await?;
    for batch in counts {
        let (bucket, requests) = (batch.longs("bucket")?, batch.longs("requests")?);
        let (tenant, causes, denied_by) = (batch.texts("tenant_id")?, batch.texts("cause")?, batch.texts("denied_by")?);
        let parts = (0..batch.len()).map(|row| Part {
            at_us: bucket.get(row).unwrap_or(0),
            tenant: TenantPart::of(tenant.get(row)),
            cause: cause(causes.get(row)),
            denied_by: denied_by.get(row),
            count: requests.count(row),
        });
        board.change(|board| board.remember(now_us, parts, now_us));
    }
    for batch in keys {
        let (tenant, causes, key) = (batch.texts("tenant_id")?, batch.texts("cause")?, batch.texts("entity")?);
        let latest = batch.longs("latest")?;
        board.change(|board| {
            for row in 0..batch.len() {
                if let (Some(cause), Some(at_us)) = (cause(causes.get(row)), latest.get(row)) {
                    board.remember_key(tenant.get(row), cause, key.get(row), at_us);
                }
            }
        });
    }
    // Only now is all of it there.
    board.change(|board| board.remember(since_us, std::iter::empty(), now_us));
    Ok(())
}
