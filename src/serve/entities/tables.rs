//! Where, by what and how an entity was used, from its own events in a range.

use claviger_core::access::TenantScope;
use claviger_core::overview::Buckets;
use claviger_core::time;
use serde::Serialize;
use utoipa::ToSchema;

use super::Kind;
use super::facts::SiblingRow;
use crate::overview::{at, rows, text};
use crate::query::{Queries, QueryError};

const VALUES_MAX: usize = 100;
const REQUESTS_MAX: usize = 50;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TablesAnswer {
    routes: Vec<RouteRow>,
    networks: Vec<NetworkRow>,
    agents: Vec<AgentRow>,
    causes: Vec<CauseRow>,
    siblings: Vec<SiblingRow>,
    /// The newest.
    requests: Vec<RequestRow>,
}

macro_rules! used {
    ($($row:ident $value:ident;)*) => { $(
        #[derive(Debug, Serialize, ToSchema)]
        struct $row {
            $value: Option<String>,
            requests: u64,
            refused: u64,
            first_at: String,
            last_at: String,
        }

        impl From<Used> for $row {
            fn from(Used { value, requests, refused, first_us, last_us }: Used) -> Self {
                let (first_at, last_at) = (time::format(first_us), time::format(last_us));
                Self { $value: value, requests, refused, first_at, last_at }
            }
        }
    )* };
}

used! {
    RouteRow route;
    NetworkRow network;
    AgentRow user_agent;
    CauseRow cause;
}

struct Used {
    value: Option<String>,
    requests: u64,
    refused: u64,
    first_us: i64,
    last_us: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct RequestRow {
    event_at: String,
    request_id: Option<String>,
    route: Option<String>,
    status: Option<i64>,
    cause: Option<String>,
    key_id: Option<String>,
    client_network: Option<String>,
    user_agent: Option<String>,
}

pub(super) async fn read(
    queries: &Queries,
    tenants: &TenantScope,
    (kind, id): (Kind, &str),
    buckets: Buckets,
    siblings: Vec<SiblingRow>,
) -> Result<TablesAnswer, QueryError> {
    let asked = Asked { queries, tenants, kind, id, buckets };
    let route = "nullif(concat_ws(' ', cast(method as varchar), cast(route as varchar)), '')";
    let (routes, networks) = futures::try_join!(asked.used(route), asked.used("client_network"))?;
    let (agents, causes) = futures::try_join!(asked.used("user_agent"), asked.used("cause"))?;
    Ok(TablesAnswer {
        routes: routes.into_iter().map(RouteRow::from).collect(),
        networks: networks.into_iter().map(NetworkRow::from).collect(),
        agents: agents.into_iter().map(AgentRow::from).collect(),
        causes: causes.into_iter().filter(|used| used.value.is_some()).map(CauseRow::from).collect(),
        siblings,
        requests: asked.newest().await?,
    })
}

struct Asked<'a> {
    queries: &'a Queries,
    tenants: &'a TenantScope,
    kind: Kind,
    id: &'a str,
    buckets: Buckets,
}

impl Asked<'_> {
    fn rule(&self) -> String {
        format!("{} and event_at >= $from and event_at < $to", self.kind.rule())
    }

    fn parameters(&self) -> [(String, datafusion::common::ScalarValue); 3] {
        [text("id", self.id), at("from", self.buckets.begins_us()), at("to", self.buckets.ends_us())]
    }

    /// The values of an expression that came most often.
    async fn used(&self, value: &str) -> Result<Vec<Used>, QueryError> {
        let sql = format!(
            "select {value} as value, count(*) as requests, sum(case when cause is null then 0 else 1 end) as refused, \
             min(event_at) as first_at, max(event_at) as last_at from events where {} \
             group by 1 order by requests desc limit {VALUES_MAX}",
            self.rule()
        );
        let mut found = Vec::new();
        for batch in rows(self.queries, &sql, &self.parameters(), self.tenants).await? {
            let (value, requests, refused) = (batch.texts("value")?, batch.longs("requests")?, batch.longs("refused")?);
            let (first, last) = (batch.longs("first_at")?, batch.longs("last_at")?);
            found.extend((0..batch.len()).map(|row| Used {
                value: some(value.get(row)),
                requests: requests.count(row),
                refused: refused.count(row),
                first_us: first.get(row).unwrap_or(0),
                last_us: last.get(row).unwrap_or(0),
            }));
        }
        Ok(found)
    }

    async fn newest(&self) -> Result<Vec<RequestRow>, QueryError> {
        let sql = format!(
            "select event_at, request_id, method, route, status, cause, key_id, client_network, user_agent \
             from events where {} order by event_at desc limit {REQUESTS_MAX}",
            self.rule()
        );
        let mut found = Vec::new();
        for batch in rows(self.queries, &sql, &self.parameters(), self.tenants).await? {
            let (event_at, status) = (batch.longs("event_at")?, batch.longs("status")?);
            let (request_id, method, route) =
                (batch.texts("request_id")?, batch.texts("method")?, batch.texts("route")?);
            let (cause, key, network) = (batch.texts("cause")?, batch.texts("key_id")?, batch.texts("client_network")?);
            let agent = batch.texts("user_agent")?;
            found.extend((0..batch.len()).map(|row| RequestRow {
                event_at: time::format(event_at.get(row).unwrap_or(0)),
                request_id: some(request_id.get(row)),
                route: some(format!("{} {}", method.get(row), route.get(row)).trim()),
                status: status.get(row),
                cause: some(cause.get(row)),
                key_id: some(key.get(row)),
                client_network: some(network.get(row)),
                user_agent: some(agent.get(row)),
            }));
        }
        Ok(found)
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
