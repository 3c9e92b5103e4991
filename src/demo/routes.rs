//! What the company's two gateways serve, and what each route asks of a caller.

use serde::Serialize;

use super::company::{EU, KEY_LENGTH, US};

/// One route template, the same on both gateways.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Route {
    #[serde(skip)]
    pub id: RouteId,
    pub method: &'static str,
    pub path: &'static str,
    pub required_scopes: &'static [&'static str],
    /// Where a request names the tenant whose resources it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_from: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub models: &'static [&'static str],
    pub environment: &'static str,
    /// Usual size of an answer, bytes.
    #[serde(skip)]
    pub answer_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteId {
    ListOrders,
    GetOrder,
    CreateOrder,
    GetCustomer,
    UpdateCustomer,
    ListInvoices,
    DailyReport,
    PostEvents,
    PutBackup,
    GetExport,
    GetDocument,
    UpdateDocument,
    ServiceStatus,
    Chat,
    Embed,
}

impl RouteId {
    #[must_use]
    pub fn route(self) -> &'static Route {
        &ROUTES[self as usize]
    }

    #[must_use]
    pub const fn is_ai(self) -> bool {
        matches!(self, Self::Chat | Self::Embed)
    }

    /// May ask for something that was deleted meanwhile.
    #[must_use]
    pub const fn reads_an_object(self) -> bool {
        matches!(self, Self::GetOrder | Self::GetCustomer | Self::GetDocument)
    }

    /// May touch something that only its owner may change.
    #[must_use]
    pub const fn changes_an_object(self) -> bool {
        matches!(self, Self::UpdateCustomer | Self::UpdateDocument)
    }
}

const fn route(
    id: RouteId,
    method: &'static str,
    path: &'static str,
    required_scopes: &'static [&'static str],
    answer_bytes: u32,
) -> Route {
    Route { id, method, path, required_scopes, tenant_from: None, models: &[], environment: "prod", answer_bytes }
}

impl Route {
    const fn tenant_from(self, place: &'static str) -> Self {
        Self { tenant_from: Some(place), ..self }
    }

    const fn models(self, models: &'static [&'static str]) -> Self {
        Self { models, ..self }
    }
}

/// In the order of [`RouteId`].
pub const ROUTES: &[Route] = &[
    route(RouteId::ListOrders, "GET", "/v1/orders", &["orders:read"], 9_000),
    route(RouteId::GetOrder, "GET", "/v1/orders/{order_id}", &["orders:read"], 1_400),
    route(RouteId::CreateOrder, "POST", "/v1/orders", &["orders:write"], 420),
    route(RouteId::GetCustomer, "GET", "/v1/customers/{customer_id}", &["customers:read"], 1_900),
    route(RouteId::UpdateCustomer, "PUT", "/v1/customers/{customer_id}", &["customers:write"], 380),
    route(RouteId::ListInvoices, "GET", "/v1/tenants/{tenant_id}/invoices", &["invoices:read"], 7_500)
        .tenant_from("path:tenant_id"),
    route(RouteId::DailyReport, "GET", "/v1/reports/daily", &["reports:read"], 24_000)
        .tenant_from("header:x-tenant-id"),
    route(RouteId::PostEvents, "POST", "/v1/events", &["events:write"], 130),
    route(RouteId::PutBackup, "PUT", "/v1/backups/{backup_id}", &["backups:write"], 210),
    route(RouteId::GetExport, "GET", "/v1/exports/{export_id}", &["exports:read"], 90_000),
    route(RouteId::GetDocument, "GET", "/v1/documents/{document_id}", &["documents:read"], 5_200),
    route(RouteId::UpdateDocument, "PUT", "/v1/documents/{document_id}", &["documents:write"], 350),
    route(RouteId::ServiceStatus, "GET", "/v1/status", &[], 260),
    route(RouteId::Chat, "POST", "/v1/chat/completions", &["ai:invoke"], 2_600).models(MODELS),
    route(RouteId::Embed, "POST", "/v1/embeddings", &["ai:invoke"], 12_300).models(MODELS),
];

pub(super) const SCOPES_READ: &[&str] =
    &["orders:read", "customers:read", "invoices:read", "reports:read", "exports:read", "documents:read"];
pub(super) const SCOPES_WRITE: &[&str] =
    &["orders:write", "customers:write", "events:write", "backups:write", "documents:write"];

pub const MODELS: &[&str] = &["gpt-4o-mini", "gpt-4o", "text-embedding-3-small"];

/// The two gateways of the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gateway {
    ApisixEu,
    KongUs,
}

impl Gateway {
    pub const ALL: &'static [Self] = &[Self::ApisixEu, Self::KongUs];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApisixEu => "apisix-eu",
            Self::KongUs => "kong-us",
        }
    }

    /// The Kafka topic its access log goes to.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::ApisixEu => "gateway.apisix",
            Self::KongUs => "gateway.kong",
        }
    }

    #[must_use]
    pub const fn region(self) -> &'static str {
        match self {
            Self::ApisixEu => EU,
            Self::KongUs => US,
        }
    }

    /// The header in which ordinary clients send their key.
    #[must_use]
    pub const fn key_header(self) -> &'static str {
        match self {
            Self::ApisixEu => "x-api-key",
            Self::KongUs => "apikey",
        }
    }

    /// The row of the identity folder's `gateways` file.
    #[must_use]
    pub fn row(self) -> serde_json::Value {
        let (format, places): (_, &[&str]) = match self {
            Self::ApisixEu => ("apisix", &["header:x-api-key", "header:authorization"]),
            Self::KongUs => ("kong", &["header:apikey"]),
        };
        serde_json::json!({
            "gateway_id": self.name(),
            "format": format,
            "environment": "prod",
            "region": self.region(),
            "credential_places": places,
            "key_shape": {
                "prefixes": [super::company::LIVE_PREFIX, super::company::TEST_PREFIX, super::company::AI_PREFIX],
                "length": KEY_LENGTH,
                "alphabet": "hex",
            },
        })
    }
}
