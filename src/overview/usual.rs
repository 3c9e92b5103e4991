//! What is usual, asked of the lake once an hour for each scope.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use claviger_core::access::TenantScope;
use claviger_core::cause::{CauseClass, RootCause};
use claviger_core::overview::{USUAL_DAYS, Usual, usual};

use super::past::cause;
use super::rows::{at, rows};
use crate::query::{Queries, QueryError};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// What is not known yet is asked for again sooner.
const RETRY_US: i64 = 60_000_000;
/// Scopes that are remembered.
const SCOPES_MAX: usize = 1_000;

/// Answers by scope, with when they were asked for.
#[derive(Debug, Default)]
pub(super) struct UsualCache(Mutex<HashMap<TenantScope, (i64, Usual)>>);

impl UsualCache {
    pub(super) async fn of(&self, queries: &Queries, tenants: &TenantScope, now_us: i64) -> Result<Usual, QueryError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tenants).copied();
        if let Some((asked_us, usual)) = known
            && asked_us.div_euclid(HOUR_US) == now_us.div_euclid(HOUR_US)
            && (usual.per_minute.is_some() || now_us - asked_us < RETRY_US)
        {
            return Ok(usual);
        }
        let found = read(queries, tenants, now_us).await?;
        let mut scopes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if scopes.len() >= SCOPES_MAX {
            scopes.clear();
        }
        scopes.insert(tenants.clone(), (now_us, found));
        Ok(found)
    }
}

async fn read(queries: &Queries, tenants: &TenantScope, now_us: i64) -> Result<Usual, QueryError> {
    let kind = match tenants {
        TenantScope::All => "gateway",
        TenantScope::One(_) => "tenant",
    };
    let sql = format!(
        "select date_trunc('hour', minute) as hour, cause, sum(requests) as requests from entity_minutes \
         where entity_kind = '{kind}' and minute >= $from and minute < $to group by 1, 2"
    );
    let until_us = now_us.div_euclid(HOUR_US) * HOUR_US;
    let range = [at("from", until_us - USUAL_DAYS * DAY_US), at("to", until_us)];
    let mut hours: HashMap<i64, u64> = HashMap::new();
    for batch in rows(queries, &sql, &range, tenants).await? {
        let (hour, causes, requests) = (batch.longs("hour")?, batch.texts("cause")?, batch.longs("requests")?);
        for row in 0..batch.len() {
            let Some(hour_us) = hour.get(row) else { continue };
            let refused = cause(causes.get(row)).map(RootCause::class).is_some_and(|class| class != CauseClass::Served);
            *hours.entry(hour_us).or_default() += if refused { requests.count(row) } else { 0 };
        }
    }
    let first_us = hours.keys().copied().min();
    let hours: Vec<(i64, u64)> = hours.into_iter().collect();
    Ok(usual(&hours, first_us, now_us))
}
