//! `/v1/reports`: named questions with typed parameters, answered as tables.

use axum::Json;
use axum::response::Response;
use claviger_core::report::{Default as ParameterDefault, Kind as ParameterKind, Report};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask;
use super::authorized::{Authorized, Sealed, right};
use super::extract::{Asked, Named};
use super::problem::{Kind, Problem};
use super::table::{FORMAT_PARAMETER, Wanted, Words};
use crate::report::{self, Reports, ReportsError};

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// A report, as the catalog describes it.
#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
pub(super) struct Described {
    name: String,
    title: String,
    /// What a person would ask to get this answer.
    question: String,
    group: &'static str,
    parameters: Vec<Parameter>,
    columns: Vec<Column>,
    chart: Option<Chart>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportParameter)]
struct Parameter {
    name: String,
    r#type: &'static str,
    /// None where one must be given, or where nothing is as good.
    default: Option<String>,
    required: bool,
    /// The words that may be given, where they are few.
    values: Vec<String>,
    example: String,
    meaning: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportColumn)]
struct Column {
    name: String,
    r#type: &'static str,
    unit: Option<String>,
    meaning: String,
}

/// How it is best drawn: names of its columns.
#[derive(Serialize, ToSchema)]
#[schema(as = ReportChart)]
struct Chart {
    shape: &'static str,
    x: String,
    y: String,
    series: Option<String>,
}

/// All reports, by group.
pub(super) fn described(reports: &Reports) -> Vec<Described> {
    reports.listed().into_iter().map(Described::of).collect()
}

/// List the reports
#[utoipa::path(
    get, path = "/v1/reports", operation_id = "list_reports", tag = "reports",
    responses((status = 200, description = "By group", body = Vec<Described>))
)]
async fn list(allowed: Authorized<right::Report>) -> Json<Vec<Described>> {
    Json(described(&allowed.api.reports))
}

/// Run a report
///
/// Its parameters are given as they are called; `format` overrules `Accept`.
#[utoipa::path(
    get, path = "/v1/reports/{name}", operation_id = "run_report", tag = "reports",
    params(
        ("name" = String, Path),
        ("parameters" = BTreeMap<String, String>, Query, style = Form, explode, description = "The report's parameters")
    ),
    responses((status = 200, description = "The rows, in the format that `Accept` asks for", body = Vec<BTreeMap<String, Value>>))
)]
async fn get(
    allowed: Authorized<right::Report>,
    Named(name): Named<String>,
    Wanted(format): Wanted,
    Asked(given): Asked<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let Authorized { api, caller, .. } = allowed;
    let report = api.reports.find(&name).map_err(|error| problem(&error))?;
    let given: Vec<_> = given.into_iter().filter(|(name, _)| name != FORMAT_PARAMETER).collect();
    let now = chrono::Utc::now().timestamp_micros();
    let answer = report::run(&api.queries, report, &given, &caller.tenants, now).await;
    let answer = answer.map_err(|error| problem(&error))?;
    let words = answer.schema.fields().iter().map(|field| {
        let column = report.columns.iter().find(|column| column.name == *field.name());
        column.map_or_else(Words::default, |column| Words {
            unit: column.unit.clone(),
            meaning: Some(column.meaning.clone()),
        })
    });
    let words = words.collect();
    ask::table(&api, answer, words, &name).answer(format).await
}

fn problem(error: &ReportsError) -> Problem {
    match error {
        ReportsError::Query(error) => ask::problem(error),
        ReportsError::NoSuchReport { .. } => Problem::of_kind(Kind::NotFound, error),
        ReportsError::Report(_) => Problem::of(error),
        ReportsError::Unreadable { .. } => Problem::of_kind(Kind::Internal, error),
    }
}

impl Described {
    fn of(report: &Report) -> Self {
        let parameters = report.parameters.iter().map(|parameter| Parameter {
            name: parameter.name.clone(),
            r#type: parameter.kind.name(),
            default: match &parameter.default {
                ParameterDefault::Text(text) => Some(text.clone()),
                ParameterDefault::Required | ParameterDefault::Null => None,
            },
            required: parameter.default == ParameterDefault::Required,
            values: match &parameter.kind {
                ParameterKind::Enum(words) => words.clone(),
                _ => Vec::new(),
            },
            example: parameter.kind.example(),
            meaning: parameter.meaning.clone(),
        });
        let columns = report.columns.iter().map(|column| Column {
            name: column.name.clone(),
            r#type: column.kind.name(),
            unit: column.unit.clone(),
            meaning: column.meaning.clone(),
        });
        let chart = report.chart.as_ref().map(|chart| Chart {
            shape: chart.shape.name(),
            x: chart.x.clone(),
            y: chart.y.clone(),
            series: chart.series.clone(),
        });
        Self {
            name: report.name.clone(),
            title: report.title.clone(),
            question: report.question.clone(),
            group: report.group.name(),
            parameters: parameters.collect(),
            columns: columns.collect(),
            chart,
        }
    }
}
