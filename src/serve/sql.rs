//! `/v1/sql`: one SELECT, answered as a table.

use std::collections::BTreeMap;

use axum::response::Response;
use claviger_core::audit::statement as on_record;
use datafusion::common::ScalarValue;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ask::ask;
use super::authorized::{Authorized, Sealed, right};
use super::extract::{Asked, Body};
use super::problem::{Kind, Problem};
use super::table::Wanted;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(get, post))
}

/// A statement with the values of its parameters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "sql": "select cause, count(*) as requests from events where tenant_id = $tenant group by 1 order by 2 desc",
    "parameters": {"tenant": "acme"}
}))]
struct Statement {
    /// One SELECT. `$name` stands for a parameter.
    sql: String,
    /// Texts, numbers, booleans or null, by name. Times are RFC 3339 texts.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Value>)]
    parameters: BTreeMap<String, Value>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Link {
    /// One SELECT.
    q: String,
    /// `json`, `table`, `ndjson`, `csv`, `arrow` or `parquet`: overrules `Accept`.
    #[serde(rename = "format")]
    #[param(required = false)]
    _format: Option<String>,
}

/// Run a SELECT statement
#[utoipa::path(
    post, path = "/v1/sql", operation_id = "run_sql", tag = "sql", request_body = Statement,
    responses((status = 200, description = "The rows, in the format that `Accept` asks for", body = Vec<BTreeMap<String, Value>>))
)]
async fn post(
    allowed: Authorized<right::Query>,
    Wanted(format): Wanted,
    Body(statement): Body<Statement>,
) -> Result<Response, Problem> {
    let parameters = statement.parameters.into_iter().map(|(name, value)| {
        let value = scalar(&name, value)?;
        Ok((name, value))
    });
    let parameters = parameters.collect::<Result<Vec<_>, Problem>>()?;
    allowed.told.what(format!("POST /v1/sql {}", on_record(&statement.sql)));
    ask(&allowed.api, &allowed.caller, &statement.sql, &parameters).await?.answer(format).await
}

/// Run a SELECT statement that stands in a link
#[utoipa::path(
    get, path = "/v1/sql", operation_id = "run_sql_link", tag = "sql", params(Link),
    responses((status = 200, description = "The rows, in the format that `Accept` asks for", body = Vec<BTreeMap<String, Value>>))
)]
async fn get(
    allowed: Authorized<right::Query>,
    Wanted(format): Wanted,
    Asked(link): Asked<Link>,
) -> Result<Response, Problem> {
    allowed.told.what(format!("GET /v1/sql {}", on_record(&link.q)));
    ask(&allowed.api, &allowed.caller, &link.q, &[]).await?.answer(format).await
}

/// A JSON value as the engine binds it.
fn scalar(name: &str, value: Value) -> Result<ScalarValue, Problem> {
    let unusable = || {
        let detail = format!("the parameter `{name}` is a list or an object");
        Problem::new(Kind::BadRequest, detail, "give a text, a number, true, false or null")
    };
    Ok(match value {
        Value::Null => ScalarValue::Utf8(None),
        Value::Bool(value) => ScalarValue::Boolean(Some(value)),
        Value::String(text) => ScalarValue::Utf8(Some(text)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => ScalarValue::Int64(Some(whole)),
            None => ScalarValue::Float64(number.as_f64()),
        },
        Value::Array(_) | Value::Object(_) => return Err(unusable()),
    })
}
