//! What the made-up platform serves and who asks: routes, roles, user agents, models, and paths that scanners try.

/// A route template of both gateways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub method: &'static str,
    /// The path up to its parameter, or all of it.
    pub before: &'static str,
    pub parameter: Parameter,
    pub after: &'static str,
    pub scopes: &'static [&'static str],
    /// Median size of an answer, bytes.
    pub answer_bytes: u32,
    pub service: &'static str,
}

/// What stands in a path's variable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    None,
    /// The number of an object.
    Object,
    /// The tenant whose resources are asked for.
    Tenant,
}

impl Route {
    /// As the identity folder writes it.
    pub(crate) fn template(&self) -> String {
        let parameter = match self.parameter {
            Parameter::None => "",
            Parameter::Object => "{object_id}",
            Parameter::Tenant => "{tenant_id}",
        };
        format!("{}{parameter}{}", self.before, self.after)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum RouteId {
    ListOrders,
    GetOrder,
    CreateOrder,
    ListCustomers,
    GetCustomer,
    UpdateCustomer,
    GetDocument,
    UpdateDocument,
    ListInvoices,
    DailyReport,
    PostEvents,
    GetExport,
    Chat,
    Embed,
    Login,
    Status,
    AdminUsers,
    AdminKeys,
    AdminRoles,
    AdminAudit,
    AdminBilling,
}

impl RouteId {
    pub(crate) const ALL: &'static [Self] = &[
        Self::ListOrders,
        Self::GetOrder,
        Self::CreateOrder,
        Self::ListCustomers,
        Self::GetCustomer,
        Self::UpdateCustomer,
        Self::GetDocument,
        Self::UpdateDocument,
        Self::ListInvoices,
        Self::DailyReport,
        Self::PostEvents,
        Self::GetExport,
        Self::Chat,
        Self::Embed,
        Self::Login,
        Self::Status,
        Self::AdminUsers,
        Self::AdminKeys,
        Self::AdminRoles,
        Self::AdminAudit,
        Self::AdminBilling,
    ];

    pub(crate) const fn route(self) -> &'static Route {
        &ROUTES[self as usize]
    }

    /// What the gateways call the route.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ListOrders => "list-orders",
            Self::GetOrder => "get-order",
            Self::CreateOrder => "create-order",
            Self::ListCustomers => "list-customers",
            Self::GetCustomer => "get-customer",
            Self::UpdateCustomer => "update-customer",
            Self::GetDocument => "get-document",
            Self::UpdateDocument => "update-document",
            Self::ListInvoices => "list-invoices",
            Self::DailyReport => "daily-report",
            Self::PostEvents => "post-events",
            Self::GetExport => "get-export",
            Self::Chat => "chat",
            Self::Embed => "embed",
            Self::Login => "login",
            Self::Status => "status",
            Self::AdminUsers => "admin-users",
            Self::AdminKeys => "admin-keys",
            Self::AdminRoles => "admin-roles",
            Self::AdminAudit => "admin-audit",
            Self::AdminBilling => "admin-billing",
        }
    }

    pub(crate) const fn is_ai(self) -> bool {
        matches!(self, Self::Chat | Self::Embed)
    }
}

const fn plain(
    method: &'static str,
    before: &'static str,
    scopes: &'static [&'static str],
    answer_bytes: u32,
    service: &'static str,
) -> Route {
    Route { method, before, parameter: Parameter::None, after: "", scopes, answer_bytes, service }
}

impl Route {
    const fn object(self) -> Self {
        Self { parameter: Parameter::Object, ..self }
    }

    const fn tenant(self, after: &'static str) -> Self {
        Self { parameter: Parameter::Tenant, after, ..self }
    }
}

/// In the order of [`RouteId`].
const ROUTES: &[Route] = &[
    plain("GET", "/v1/orders", &["orders:read"], 9_000, "orders"),
    plain("GET", "/v1/orders/", &["orders:read"], 1_400, "orders").object(),
    plain("POST", "/v1/orders", &["orders:write"], 420, "orders"),
    plain("GET", "/v1/customers", &["customers:read"], 11_000, "customers"),
    plain("GET", "/v1/customers/", &["customers:read"], 1_900, "customers").object(),
    plain("PUT", "/v1/customers/", &["customers:write"], 380, "customers").object(),
    plain("GET", "/v1/documents/", &["documents:read"], 5_200, "documents").object(),
    plain("PUT", "/v1/documents/", &["documents:write"], 350, "documents").object(),
    plain("GET", "/v1/tenants/", &["invoices:read"], 7_500, "finance").tenant("/invoices"),
    plain("GET", "/v1/reports/daily", &["reports:read"], 24_000, "finance"),
    plain("POST", "/v1/events", &["events:write"], 130, "events"),
    plain("GET", "/v1/exports/", &["exports:read"], 90_000, "exports").object(),
    plain("POST", "/v1/chat/completions", &["ai:invoke"], 2_600, "ai"),
    plain("POST", "/v1/embeddings", &["ai:invoke"], 12_300, "ai"),
    plain("POST", "/v1/token", &[], 900, "login"),
    plain("GET", "/v1/status", &[], 260, "status"),
    plain("GET", "/v1/admin/users", &["admin:users"], 6_000, "admin"),
    plain("GET", "/v1/admin/keys", &["admin:keys"], 4_000, "admin"),
    plain("PUT", "/v1/admin/roles", &["admin:roles"], 300, "admin"),
    plain("GET", "/v1/admin/audit", &["admin:audit"], 18_000, "admin"),
    plain("GET", "/v1/admin/billing", &["admin:billing"], 3_000, "admin"),
];

pub(crate) const ADMIN_ROUTES: &[RouteId] =
    &[RouteId::AdminUsers, RouteId::AdminKeys, RouteId::AdminRoles, RouteId::AdminAudit, RouteId::AdminBilling];

/// Routes whose answers are lists: what somebody copies who wants everything.
pub(crate) const BULK_ROUTES: &[RouteId] = &[RouteId::ListOrders, RouteId::ListCustomers, RouteId::GetExport];

/// What a key may do, and the routes that its owner calls, the frequent ones several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Reader,
    Service,
    Collector,
    Ai,
    Admin,
}

impl Role {
    pub(crate) const ALL: &'static [Self] = &[Self::Reader, Self::Service, Self::Collector, Self::Ai, Self::Admin];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Service => "service",
            Self::Collector => "collector",
            Self::Ai => "ai-service",
            Self::Admin => "admin",
        }
    }

    pub(crate) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Reader => READ,
            Self::Service => READ_WRITE,
            Self::Collector => &["events:write", "documents:read", "documents:write", "orders:read"],
            Self::Ai => &["ai:invoke", "documents:read"],
            Self::Admin => ADMINISTER,
        }
    }

    pub(crate) const fn routes(self) -> &'static [RouteId] {
        use RouteId as R;
        match self {
            Self::Reader => &[
                R::GetDocument,
                R::GetDocument,
                R::GetDocument,
                R::ListOrders,
                R::GetOrder,
                R::GetOrder,
                R::GetCustomer,
                R::DailyReport,
            ],
            Self::Service => &[
                R::GetOrder,
                R::GetOrder,
                R::GetOrder,
                R::ListOrders,
                R::CreateOrder,
                R::CreateOrder,
                R::ListCustomers,
                R::GetCustomer,
                R::GetCustomer,
                R::UpdateCustomer,
                R::ListInvoices,
                R::GetExport,
            ],
            Self::Collector => {
                &[R::PostEvents, R::PostEvents, R::PostEvents, R::GetDocument, R::UpdateDocument, R::GetOrder]
            }
            Self::Ai => &[R::Chat, R::Chat, R::Chat, R::Chat, R::Embed, R::GetDocument],
            Self::Admin => &[
                R::AdminUsers,
                R::AdminKeys,
                R::AdminRoles,
                R::AdminAudit,
                R::AdminBilling,
                R::GetDocument,
                R::GetOrder,
            ],
        }
    }
}

const READ: &[&str] =
    &["orders:read", "customers:read", "invoices:read", "reports:read", "exports:read", "documents:read"];
const ADMINISTER: &[&str] =
    &["admin:users", "admin:keys", "admin:roles", "admin:audit", "admin:billing", "documents:read", "orders:read"];
const READ_WRITE: &[&str] = &[
    "orders:read",
    "customers:read",
    "invoices:read",
    "reports:read",
    "exports:read",
    "documents:read",
    "orders:write",
    "customers:write",
    "events:write",
    "documents:write",
];

/// Programs that call; all of them are used by somebody every day.
pub(crate) const USER_AGENTS: &[&str] = &[
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "axios/1.7.9",
    "okhttp/4.12.0",
    "curl/8.11.0",
    "python-httpx/0.28.1",
    "Java/21.0.5",
    "node-fetch/3.3.2",
    "GuzzleHttp/7",
    "Faraday v2.12.0",
    "reqwest/0.12.9",
    "Apache-HttpClient/5.4.1",
];

/// Programs of people with phones, and browsers.
pub(crate) const APP_AGENTS: &[&str] = &[
    "okhttp/4.12.0",
    "ShopApp/5.14 (iPhone; iOS 18.1)",
    "ShopApp/5.13 (iPhone; iOS 17.6)",
    "ShopApp/5.14 (Android 15)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
];

pub(crate) const CRAWLER_AGENT: &str = "Mozilla/5.0 (compatible; ToySearchBot/2.1; +https://search.example/bot)";
pub(crate) const MONITOR_AGENT: &str = "uptime-monitor/1.9";

/// Models with their context limits in tokens.
pub(crate) const MODELS: &[(&str, u32)] = &[("gpt-4o-mini", 16_384), ("gpt-4o", 16_384)];
pub(crate) const EMBEDDING_MODEL: &str = "text-embedding-3-small";

/// Pages that crawlers fetch; the last ones are gone.
pub(crate) const PUBLIC_PAGES: &[&str] =
    &["/robots.txt", "/docs", "/docs/quickstart", "/docs/errors", "/pricing", "/docs/v0/old", "/blog/2019"];

const SCAN_FOLDERS: &[&str] = &[
    "/",
    "/admin/",
    "/api/",
    "/v2/",
    "/internal/",
    "/backup/",
    "/old/",
    "/test/",
    "/.git/",
    "/config/",
    "/console/",
    "/debug/",
    "/private/",
    "/tmp/",
    "/uploads/",
    "/v1/internal/",
];
const SCAN_NAMES: &[&str] = &[
    "env",
    "config.json",
    "users",
    "backup.zip",
    "phpinfo.php",
    "swagger.json",
    "actuator",
    "health",
    "metrics",
    "login",
    "keys",
    "dump.sql",
    "HEAD",
    "credentials",
    "server-status",
    "wp-login.php",
    "id_rsa",
    "docker-compose.yml",
    "graphql",
    "openapi.yaml",
    "settings.py",
    "secrets.yml",
    "db.sqlite3",
    "passwd",
    "token",
    "export.csv",
    "install.php",
    "setup",
    "trace",
    "logs",
    "info",
    "index.bak",
];

/// Paths that scanners try.
pub(crate) const SCAN_PATHS: usize = SCAN_FOLDERS.len() * SCAN_NAMES.len();

/// Folder and name of a scanner's path.
pub(crate) const fn scan_path(number: usize) -> (&'static str, &'static str) {
    (SCAN_FOLDERS[number % SCAN_FOLDERS.len()], SCAN_NAMES[number / SCAN_FOLDERS.len() % SCAN_NAMES.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_stand_in_the_order_of_their_names() {
        assert_eq!(ROUTES.len(), RouteId::ALL.len());
        assert_eq!(RouteId::Login.route().template(), "/v1/token");
        assert_eq!(RouteId::AdminBilling.route().before, "/v1/admin/billing");
        assert_eq!(RouteId::ListInvoices.route().template(), "/v1/tenants/{tenant_id}/invoices");
        const { assert!(SCAN_PATHS >= 500) };
    }

    #[test]
    fn every_role_may_call_what_it_calls() {
        for role in Role::ALL {
            for route in role.routes() {
                let scopes = route.route().scopes;
                assert!(scopes.iter().all(|scope| role.scopes().contains(scope)), "{role:?} {route:?}");
            }
            let administers = |route: &RouteId| role.scopes().contains(&route.route().scopes[0]);
            assert!(*role == Role::Admin || !ADMIN_ROUTES.iter().any(administers), "{role:?}");
        }
    }
}
