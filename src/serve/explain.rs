//! `POST /v1/explain`: what explains a range of time, against the time before it.

use axum::Json;
use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::overview::{Dimension, Move, Moves, Totals, explain as weigh};
use datafusion::common::ScalarValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::problem;
use super::authorized::{Authorized, Sealed, right};
use super::extract::Body;
use super::problem::{Kind, Problem};
use super::range::{instant, narrowed};
use crate::overview::{at, rows, text};
use crate::query::{Queries, QueryError};

/// Values of a dimension that are weighed: those with most refusals, before or now.
const VALUES_MAX: usize = 1_000;
/// A range this long, with its baseline, is read; longer ones are for reports.
const SPAN_US_MAX: i64 = 32 * 86_400_000_000;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(explain))
}

#[derive(Debug, Deserialize, ToSchema)]
struct ExplainAsked {
    /// RFC 3339, or how long ago as `-15m`.
    from: String,
    /// Now without it.
    to: Option<String>,
    /// The time to compare with; as long before `from` without it.
    baseline_from: Option<String>,
    baseline_to: Option<String>,
    /// Only this tenant's refusals.
    tenant: Option<String>,
    /// Only refusals for this cause.
    cause: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ExplainAnswer {
    /// Refusals in the baseline and in the range.
    count_before: u64,
    count_now: u64,
    /// Most moved first; what does not vary is left out.
    dimensions: Vec<DimensionAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DimensionAnswer {
    dimension: &'static str,
    /// Most moved first.
    values: Vec<ValueAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ValueAnswer {
    /// Null for refusals without one.
    value: Option<String>,
    /// Of all refusals of the baseline, 0 to 1.
    share_before: f64,
    share_now: f64,
    count_before: u64,
    count_now: u64,
    /// Log-likelihood ratio G²: above 10.8 chance does it once in a thousand times.
    weight: f64,
}

/// What explains a range of time: by dimension, the values whose share of the refusals moved most
#[utoipa::path(
    post, path = "/v1/explain", tag = "overview", request_body = ExplainAsked,
    responses((status = OK, body = ExplainAnswer))
)]
async fn explain(
    caller: Authorized<right::Report>,
    Body(asked): Body<ExplainAsked>,
) -> Result<Json<ExplainAnswer>, Problem> {
    let tenants = narrowed(&caller.caller.tenants, asked.tenant.as_deref())?;
    let spans = Spans::of(&asked, Utc::now().timestamp_micros())?;
    let (totals, counts) =
        read(&caller.api.queries, &tenants, &spans, asked.cause.as_deref()).await.map_err(|error| problem(&error))?;
    let dimensions = weigh(totals, counts).into_iter().map(dimension_answer).collect();
    Ok(Json(ExplainAnswer { count_before: totals.before, count_now: totals.now, dimensions }))
}

/// The range and its baseline, UTC microseconds.
struct Spans {
    now: (i64, i64),
    before: (i64, i64),
}

impl Spans {
    fn of(asked: &ExplainAsked, now_us: i64) -> Result<Self, Problem> {
        let read =
            |name: &str, text: &Option<String>| text.as_deref().map(|text| instant(name, text, now_us)).transpose();
        let from_us = instant("from", &asked.from, now_us)?;
        let to_us = read("to", &asked.to)?.unwrap_or(now_us);
        let until_us = read("baseline_to", &asked.baseline_to)?.unwrap_or(from_us);
        let since_us = read("baseline_from", &asked.baseline_from)?
            .unwrap_or_else(|| until_us.saturating_sub(to_us.saturating_sub(from_us)));
        let spans = Self { now: (from_us, to_us), before: (since_us, until_us) };
        let lengths = [spans.now, spans.before].map(|(from_us, to_us)| to_us.saturating_sub(from_us));
        if lengths.iter().any(|length_us| *length_us <= 0) || until_us > from_us {
            let detail = "the range and its baseline begin before they end, and do not overlap";
            return Err(Problem::new(Kind::Refused, detail, "leave the baseline out to compare with the time before"));
        }
        if lengths.iter().fold(0i64, |sum, length_us| sum.saturating_add(*length_us)) > SPAN_US_MAX {
            let detail = "the range and its baseline are longer than a month together";
            return Err(Problem::new(Kind::Refused, detail, "ask for a shorter range"));
        }
        Ok(spans)
    }

    fn parameters(&self) -> Vec<(String, ScalarValue)> {
        let Self { now: (from, to), before: (since, until) } = *self;
        vec![at("from", from), at("to", to), at("since", since), at("until", until)]
    }
}

const fn expression(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Tenant => "cast(tenant_id as varchar)",
        Dimension::Principal => "cast(principal_id as varchar)",
        Dimension::Key => "cast(key_id as varchar)",
        Dimension::Cause => "cast(cause as varchar)",
        Dimension::Route => "nullif(concat_ws(' ', cast(method as varchar), cast(route as varchar)), '')",
        Dimension::Gateway => "cast(gateway as varchar)",
        Dimension::Network => "cast(client_network as varchar)",
        Dimension::Region => "cast(region as varchar)",
        Dimension::Agent => "cast(user_agent as varchar)",
    }
}

type Counts = Vec<(Dimension, Option<String>, Totals)>;

async fn read(
    queries: &Queries,
    tenants: &TenantScope,
    spans: &Spans,
    cause: Option<&str>,
) -> Result<(Totals, Counts), QueryError> {
    let mut parameters = spans.parameters();
    let of_cause = match cause {
        Some(cause) => {
            parameters.push(text("cause", cause));
            "cause = $cause"
        }
        None => "cause is not null",
    };
    let sql = question(of_cause);
    let (mut totals, mut counts) = (Totals::default(), Counts::new());
    for batch in rows(queries, &sql, &parameters, tenants).await? {
        let (set, value) = (batch.longs("set")?, batch.texts("value")?);
        let (before, now) = (batch.longs("refused_before")?, batch.longs("refused_now")?);
        for row in 0..batch.len() {
            let found = Totals { before: before.count(row), now: now.count(row) };
            let dimension = Dimension::ALL.iter().enumerate().find(|(at, _)| set.get(row) == Some(set_of(*at)));
            match dimension {
                Some((_, dimension)) => {
                    let value = Some(value.get(row)).filter(|value| !value.is_empty()).map(str::to_owned);
                    counts.push((*dimension, value, found));
                }
                None => totals = found,
            }
        }
    }
    Ok((totals, counts))
}

/// What `grouping` says of the rows that are grouped by one dimension alone: a bit for each that they are not grouped by,
/// the first dimension's the highest.
fn set_of(at: usize) -> i64 {
    let bits = Dimension::ALL.len();
    ((1 << bits) - 1) ^ (1 << (bits - 1 - at))
}

/// One look at the events, added up by each dimension and altogether.
fn question(of_cause: &str) -> String {
    let numbered = || Dimension::ALL.iter().enumerate();
    let values: Vec<String> = numbered().map(|(at, one)| format!("{} as v{at}", expression(*one))).collect();
    let names: Vec<String> = numbered().map(|(at, _)| format!("v{at}")).collect();
    let sets: Vec<String> = names.iter().map(|name| format!("({name})")).collect();
    let (values, names, sets) = (values.join(", "), names.join(", "), sets.join(", "));
    format!(
        "with refused as ( \
           select {values}, case when event_at < $until then 1 else 0 end as is_before from events \
           where {of_cause} and ((event_at >= $since and event_at < $until) or (event_at >= $from and event_at < $to)) \
         ), grouped as ( \
           select grouping({names}) as set, coalesce({names}) as value, \
             sum(is_before) as refused_before, count(*) - sum(is_before) as refused_now \
           from refused group by grouping sets ((), {sets}) \
         ), placed as ( \
           select *, row_number() over (partition by set order by greatest(refused_before, refused_now) desc) as place \
           from grouped \
         ) \
         select set, value, refused_before, refused_now from placed where place <= {VALUES_MAX}"
    )
}

fn dimension_answer(Moves { dimension, values }: Moves) -> DimensionAnswer {
    let value = |Move { value, before, now, share_before, share_now, weight }: Move| ValueAnswer {
        value,
        share_before,
        share_now,
        count_before: before,
        count_now: now,
        weight,
    };
    DimensionAnswer { dimension: dimension.name(), values: values.into_iter().map(value).collect() }
}
