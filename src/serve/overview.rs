//! `GET /v1/overview`: what was refused in a range of time, for whom, why, and by whom.

mod markers;

use axum::Json;
use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::lake::TableName;
use claviger_core::overview::{Buckets, Flow, Overview, Series, Top, USUAL_DAYS, Whose};
use claviger_core::time;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::ask::problem;
use super::authorized::{Authorized, Sealed, right};
use super::extract::Asked;
use super::incidents::{IncidentSummary, active_summaries};
use super::problem::Problem;
use super::range::RangeAsked;
use markers::{MarkerAnswer, markers};

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(overview))
}

/// The picture of a range.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OverviewAnswer {
    from: String,
    to: String,
    /// Width of a bucket, seconds.
    bucket_s: i64,
    as_of: String,
    /// Where each bucket begins.
    buckets: Vec<String>,
    /// Buckets that end after this are still filling.
    complete_until: String,
    /// Requests by bucket.
    requests: Vec<u64>,
    /// Every class in every bucket, in stack order.
    series: Vec<SeriesAnswer>,
    /// Refusals a minute that are usual now; null while too few days were seen.
    usual_per_minute: Option<f64>,
    usual_days_seen: u32,
    usual_days_needed: i64,
    top: Vec<TopAnswer>,
    flow: Vec<FlowAnswer>,
    /// Active ones, the worst first.
    incidents: Vec<IncidentSummary>,
    markers: Vec<MarkerAnswer>,
    ingest: IngestAnswer,
}

/// Counts of a class by bucket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SeriesAnswer {
    class: &'static str,
    counts: Vec<u64>,
}

impl SeriesAnswer {
    pub(super) fn all(series: Vec<Series>) -> Vec<Self> {
        series.into_iter().map(|Series { class, counts }| Self { class: class.name(), counts }).collect()
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct TopAnswer {
    cause: &'static str,
    class: &'static str,
    /// Null for requests of no tenant, and where `others` is true.
    tenant: Option<String>,
    /// Several tenants together.
    others: bool,
    count: u64,
    /// Distinct keys of the directory that were refused.
    keys: u64,
    /// There were more than could be told apart.
    keys_at_least: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct FlowAnswer {
    /// Empty when it was served, and should not have been.
    denied_by: String,
    class: &'static str,
    tenant: Option<String>,
    others: bool,
    count: u64,
}

/// How ingest does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IngestAnswer {
    /// Between now and what has been read of every stream; null where nothing is read here.
    behind_ms: Option<i64>,
    /// Frames that could not be read in the range; null for who sees one tenant: frames have none.
    rejects: Option<u64>,
    last_event_at: Option<String>,
    snapshot_version: String,
    snapshot_age_s: i64,
}

/// What was refused in a range of time, for whom, why, and by whom
#[utoipa::path(
    get, path = "/v1/overview", tag = "overview", params(RangeAsked),
    responses((status = OK, body = OverviewAnswer))
)]
async fn overview(
    caller: Authorized<right::Report>,
    Asked(asked): Asked<RangeAsked>,
) -> Result<Json<OverviewAnswer>, Problem> {
    let now_us = Utc::now().timestamp_micros();
    let tenants = asked.tenants(&caller.caller.tenants)?;
    caller.told.tables(DRAWN_FROM);
    let (answer, _) = picture(&caller.api, &tenants, asked.buckets(now_us)?, now_us).await?;
    Ok(Json(answer))
}

/// Whatever the picture's parts were read from when they were read: the live board and the book of incidents are in memory.
pub(super) const DRAWN_FROM: [TableName; 2] = [TableName::Events, TableName::Incidents];

/// The picture, with the version of the live board that it shows.
pub(super) async fn picture(
    api: &Api,
    tenants: &TenantScope,
    buckets: Buckets,
    now_us: i64,
) -> Result<(OverviewAnswer, Option<u64>), Problem> {
    let overviews = &api.overviews;
    let (overview, version) = overviews.draw(tenants, buckets, now_us).await.map_err(|error| problem(&error))?;
    let usual = overviews.usual(tenants, now_us).await.map_err(|error| problem(&error))?;
    let told = api.incidents.read().await.map_err(|error| Problem::of(&error))?;
    let incidents = active_summaries(api, &told, tenants, now_us).await;
    let markers = markers(api, &told, tenants, buckets, now_us).await.map_err(|error| problem(&error))?;
    let ingest = ingest(api, tenants, buckets, now_us).await?;
    let Overview { as_of_us, complete_until_us, requests, series, top, flow, .. } = overview;
    let answer = OverviewAnswer {
        from: time::format(buckets.begins_us()),
        to: time::format(buckets.ends_us().min(now_us)),
        bucket_s: buckets.width_us() / 1_000_000,
        as_of: time::format(as_of_us),
        buckets: buckets.starts_us().map(time::format).collect(),
        complete_until: time::format(complete_until_us),
        requests,
        series: SeriesAnswer::all(series),
        usual_per_minute: usual.per_minute,
        usual_days_seen: usual.days_seen,
        usual_days_needed: USUAL_DAYS,
        top: top.into_iter().map(top_answer).collect(),
        flow: flow.into_iter().map(flow_answer).collect(),
        incidents,
        markers,
        ingest,
    };
    Ok((answer, version))
}

/// How ingest does, as a caller may know it.
pub(super) async fn ingest(
    api: &Api,
    tenants: &TenantScope,
    buckets: Buckets,
    now_us: i64,
) -> Result<IngestAnswer, Problem> {
    let overviews = &api.overviews;
    let rejects = match tenants {
        TenantScope::All => {
            let counted = overviews.rejects(buckets.begins_us(), buckets.ends_us()).await;
            Some(counted.map_err(|error| problem(&error))?)
        }
        TenantScope::One(_) => None,
    };
    let last_event_us = overviews.last_event_us(tenants, now_us).await.map_err(|error| problem(&error))?;
    let watermark_us = overviews.board().and_then(|board| board.watermark_us(now_us));
    let (snapshot_version, as_of_us) = {
        let directory = api.directory.borrow();
        (directory.version().to_owned(), directory.as_of())
    };
    Ok(IngestAnswer {
        behind_ms: watermark_us.map(|at_us| (now_us - at_us).max(0) / 1_000),
        rejects,
        last_event_at: last_event_us.map(time::format),
        snapshot_version,
        snapshot_age_s: (now_us - as_of_us).max(0) / 1_000_000,
    })
}

fn named(whose: Whose) -> (Option<String>, bool) {
    match whose {
        Whose::Tenant(name) => (Some(name), false),
        Whose::Nobody => (None, false),
        Whose::Others => (None, true),
    }
}

fn top_answer(Top { cause, whose, count, keys, keys_at_least }: Top) -> TopAnswer {
    let (tenant, others) = named(whose);
    TopAnswer { cause: cause.name(), class: cause.class().name(), tenant, others, count, keys, keys_at_least }
}

fn flow_answer(Flow { denied_by, class, whose, count }: Flow) -> FlowAnswer {
    let (tenant, others) = named(whose);
    FlowAnswer { denied_by, class: class.name(), tenant, others, count }
}
