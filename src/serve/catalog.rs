//! `/v1/catalog`: what there is to ask for, in the words that every page shows. Holds no rows.

use axum::Json;
use claviger_core::access::TenantScope;
use claviger_core::catalog::{ColumnWords, DENIED_BY};
use claviger_core::cause::{CauseClass, RootCause};
use claviger_core::lake::TableName;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Sealed, right};
use super::reports;
use crate::query;

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(get))
}

/// What there is to ask for
#[utoipa::path(
    get, path = "/v1/catalog", operation_id = "get_catalog", tag = "catalog",
    responses((status = 200, description = "Tables, columns, causes, reports and limits", body = Catalog))
)]
async fn get(allowed: Authorized<right::Report>) -> Json<Catalog> {
    let limits = allowed.api.queries.limits();
    Json(Catalog {
        tables: query::visible(&allowed.caller.tenants).map(Table::of).collect(),
        causes: RootCause::ALL.iter().map(|cause| Cause::of(*cause)).collect(),
        classes: CauseClass::ALL.iter().map(|class| Label { code: class.name(), label: class.label() }).collect(),
        reports: reports::described(&allowed.api.reports),
        denied_by: DENIED_BY.iter().map(|(code, label)| Label { code, label }).collect(),
        all_tenants: allowed.caller.tenants == TenantScope::All,
        limits: Limits {
            rows: limits.rows,
            seconds: limits.time.as_secs(),
            bytes: limits.bytes,
            memory_bytes: limits.memory_bytes as u64,
            queries_at_once: limits.concurrent,
            queries_waiting: limits.waiting,
        },
    })
}

#[derive(Serialize, ToSchema)]
struct Catalog {
    /// The tables that the caller may name in SQL.
    tables: Vec<Table>,
    causes: Vec<Cause>,
    classes: Vec<Label>,
    /// Who can have said no.
    denied_by: Vec<Label>,
    reports: Vec<reports::Described>,
    /// Whether the caller sees every tenant's rows.
    all_tenants: bool,
    /// Of one query.
    limits: Limits,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogTable)]
struct Table {
    name: &'static str,
    /// What a row is.
    meaning: &'static str,
    columns: Vec<Column>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogColumn)]
struct Column {
    name: String,
    /// In the words of Delta and Parquet.
    r#type: String,
    unit: Option<&'static str>,
    meaning: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Cause {
    /// As it is stored.
    code: &'static str,
    label: &'static str,
    class: &'static str,
    /// For operators; `{missing_field}` and `{lag}` stand for what the request's row says.
    sentence: &'static str,
    remedy: &'static str,
    /// Who must act.
    owner: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Label {
    code: &'static str,
    label: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Limits {
    rows: u64,
    seconds: u64,
    bytes: u64,
    memory_bytes: u64,
    queries_at_once: usize,
    queries_waiting: usize,
}

impl Table {
    fn of(table: TableName) -> Self {
        let columns = table.columns().into_iter().map(|ColumnWords { name, type_name, unit, meaning }| Column {
            name,
            r#type: type_name,
            unit,
            meaning,
        });
        Self { name: table.name(), meaning: table.meaning(), columns: columns.collect() }
    }
}

impl Cause {
    const fn of(cause: RootCause) -> Self {
        Self {
            code: cause.name(),
            label: cause.label(),
            class: cause.class().name(),
            sentence: cause.sentence(),
            remedy: cause.remedy(),
            owner: cause.owner().name(),
        }
    }
}
