//! `GET /v1/findings`: what detectors claimed, the newest first, as flat rows.

use axum::Json;
use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::alert::Claim;
use claviger_core::lake::TableName;
use claviger_core::time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::problem;
use super::authorized::{Authorized, Sealed, right};
use super::extract::Asked;
use super::problem::Problem;
use super::range::{RangeAsked, narrowed};
use crate::overview::{at, rows, text};
use crate::query::{Queries, QueryError};

const FINDINGS_MAX: usize = 1_000;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(findings))
}

/// A detector's claim.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FindingAnswer {
    finding_id: String,
    detector: String,
    family: String,
    entity_kind: String,
    entity: String,
    tenant_id: Option<String>,
    from_at: String,
    to_at: String,
    severity: String,
    /// -log10 of the probability to see this or worse by chance; 300 when no chance is involved.
    score: f64,
    expected: f64,
    seen: f64,
    unit: String,
    cause: Option<String>,
    summary: String,
    quiet: String,
}

impl FindingAnswer {
    pub(super) fn of(claim: &Claim) -> Self {
        let tenant = claim.tenant();
        Self {
            finding_id: claim.finding.clone(),
            detector: claim.detector.name().to_owned(),
            family: claim.family().name().to_owned(),
            entity_kind: claim.entity.kind.name().to_owned(),
            entity: claim.entity.name.clone(),
            tenant_id: (!tenant.is_empty()).then(|| tenant.to_owned()),
            from_at: time::format(claim.from_us),
            to_at: time::format(claim.to_us),
            severity: claim.severity.name().to_owned(),
            score: claim.score,
            expected: claim.expected,
            seen: claim.seen,
            unit: claim.unit.clone(),
            cause: claim.cause.map(|cause| cause.name().to_owned()),
            summary: claim.summary.clone(),
            quiet: claim.quiet.clone(),
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FindingsAsked {
    /// RFC 3339, or how long ago as `-6h`; a week before `to` without it.
    from: Option<String>,
    /// RFC 3339, or how long ago; now without it.
    to: Option<String>,
    /// Only this tenant's.
    tenant: Option<String>,
    /// Only those of an incident; the range then says nothing.
    incident: Option<String>,
    /// Only those of a detector.
    detector: Option<String>,
    /// Only those about this key, network, tenant, route or gateway.
    entity: Option<String>,
}

/// What detectors claimed, the newest first
#[utoipa::path(
    get, path = "/v1/findings", tag = "incidents", params(FindingsAsked),
    responses((status = OK, body = Vec<FindingAnswer>))
)]
async fn findings(
    caller: Authorized<right::Report>,
    Asked(asked): Asked<FindingsAsked>,
) -> Result<Json<Vec<FindingAnswer>>, Problem> {
    let tenants = narrowed(&caller.caller.tenants, asked.tenant.as_deref())?;
    if let Some(incident) = &asked.incident {
        caller.told.tables([TableName::Incidents]);
        let told = caller.api.incidents.read().await.map_err(|error| Problem::of(&error))?;
        let of_it = told.events.iter().rev().filter(|event| event.incident.as_str() == incident);
        let claims = of_it.filter_map(|event| event.what.claim()).filter(|claim| tenants.covers(Some(claim.tenant())));
        let found: Vec<FindingAnswer> = claims.take(FINDINGS_MAX).map(FindingAnswer::of).collect();
        caller.told.rows(found.len());
        return Ok(Json(found));
    }
    let now_us = Utc::now().timestamp_micros();
    let from = asked.from.or_else(|| asked.to.is_none().then(|| "-7d".to_owned()));
    let range = RangeAsked { from, to: asked.to, tenant: None };
    let span_us = range.span_us(now_us)?;
    let found = read(&caller.api.queries, &tenants, span_us, asked.detector.as_deref(), asked.entity.as_deref()).await;
    found.map(Json).map_err(|error| problem(&error))
}

/// Findings of a scope whose spans end within `[from, to)`.
pub(super) async fn read(
    queries: &Queries,
    tenants: &TenantScope,
    (from_us, to_us): (i64, i64),
    detector: Option<&str>,
    entity: Option<&str>,
) -> Result<Vec<FindingAnswer>, QueryError> {
    let mut parameters = vec![at("from", from_us), at("to", to_us)];
    let mut rules = String::new();
    for (name, value) in [("detector", detector), ("entity", entity)] {
        if let Some(value) = value {
            parameters.push(text(name, value));
            rules.push_str(&format!(" and {name} = ${name}"));
        }
    }
    let sql = format!(
        "select finding_id, detector, family, entity_kind, entity, tenant_id, from_at, to_at, severity, score, \
         expected, seen, unit, cause, summary, quiet from findings \
         where to_at > $from and from_at < $to{rules} order by to_at desc, finding_id limit {FINDINGS_MAX}"
    );
    let mut found = Vec::new();
    for batch in rows(queries, &sql, &parameters, tenants).await? {
        let texts = |name| batch.texts(name);
        let (id, detector, family) = (texts("finding_id")?, texts("detector")?, texts("family")?);
        let (kind, entity, tenant) = (texts("entity_kind")?, texts("entity")?, texts("tenant_id")?);
        let (severity, unit, cause) = (texts("severity")?, texts("unit")?, texts("cause")?);
        let (summary, quiet) = (texts("summary")?, texts("quiet")?);
        let (from, to) = (batch.longs("from_at")?, batch.longs("to_at")?);
        let (score, expected, seen) = (batch.reals("score")?, batch.reals("expected")?, batch.reals("seen")?);
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        found.extend((0..batch.len()).map(|row| FindingAnswer {
            finding_id: id.get(row).to_owned(),
            detector: detector.get(row).to_owned(),
            family: family.get(row).to_owned(),
            entity_kind: kind.get(row).to_owned(),
            entity: entity.get(row).to_owned(),
            tenant_id: some(tenant.get(row)),
            from_at: time::format(from.get(row).unwrap_or(0)),
            to_at: time::format(to.get(row).unwrap_or(0)),
            severity: severity.get(row).to_owned(),
            score: score.get(row).unwrap_or(0.0),
            expected: expected.get(row).unwrap_or(0.0),
            seen: seen.get(row).unwrap_or(0.0),
            unit: unit.get(row).to_owned(),
            cause: some(cause.get(row)),
            summary: summary.get(row).to_owned(),
            quiet: quiet.get(row).to_owned(),
        }));
    }
    Ok(found)
}
