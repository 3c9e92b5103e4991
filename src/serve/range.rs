//! Which time, and whose: what most endpoints are asked for, read once.

use claviger_core::access::TenantScope;
use claviger_core::config::Millis;
use claviger_core::overview::Buckets;
use claviger_core::time;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::{Kind, Problem};

const HOUR_US: i64 = 3_600_000_000;

/// A range of time and a tenant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RangeAsked {
    /// RFC 3339, or how long ago as `-6h`; an hour before `to` without it.
    pub(super) from: Option<String>,
    /// RFC 3339, or how long ago as `-5m`; now without it.
    pub(super) to: Option<String>,
    /// Only this tenant's rows.
    pub(super) tenant: Option<String>,
}

impl RangeAsked {
    /// The range in UTC microseconds, `[from, to)`.
    pub(super) fn span_us(&self, now_us: i64) -> Result<(i64, i64), Problem> {
        let to_us = self.to.as_deref().map_or(Ok(now_us), |text| instant("to", text, now_us))?;
        let hour_before = to_us.saturating_sub(HOUR_US);
        let from_us = self.from.as_deref().map_or(Ok(hour_before), |text| instant("from", text, now_us))?;
        Ok((from_us, to_us))
    }

    pub(super) fn buckets(&self, now_us: i64) -> Result<Buckets, Problem> {
        let (from_us, to_us) = self.span_us(now_us)?;
        Buckets::over(from_us, to_us).map_err(|error| {
            Problem::new(Kind::Refused, error.to_string(), "write `from` before `to`, as in `from=-6h`")
        })
    }

    /// The caller's rows, or those of one tenant among them.
    pub(super) fn tenants(&self, of_caller: &TenantScope) -> Result<TenantScope, Problem> {
        narrowed(of_caller, self.tenant.as_deref())
    }
}

/// The caller's rows, or those of one tenant among them.
pub(super) fn narrowed(of_caller: &TenantScope, tenant: Option<&str>) -> Result<TenantScope, Problem> {
    match tenant.filter(|tenant| !tenant.is_empty()) {
        None => Ok(of_caller.clone()),
        Some(tenant) if of_caller.covers(Some(tenant)) => Ok(TenantScope::One(tenant.to_owned())),
        Some(_) => {
            Err(Problem::new(Kind::Forbidden, "the caller sees one tenant, and this is another", "leave `tenant` out"))
        }
    }
}

/// An instant: RFC 3339, or how long before now.
pub(super) fn instant(parameter: &str, text: &str, now_us: i64) -> Result<i64, Problem> {
    let ago = text.strip_prefix('-').and_then(|span| span.parse().ok());
    let ago_us = ago.map(|Millis(millis)| i64::try_from(millis.saturating_mul(1_000)).unwrap_or(i64::MAX));
    ago_us.map(|ago_us| now_us.saturating_sub(ago_us)).or_else(|| time::rfc3339(text)).ok_or_else(|| {
        let detail = format!("`{parameter}` is not a time");
        Problem::new(Kind::Refused, detail, "write -6h, or 2026-11-23T03:00:00Z")
    })
}
