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
    let (used, requests) = futures::try_join!(asked.used(), asked.newest())?;
    let [routes, networks, agents, causes] = used;
    Ok(TablesAnswer {
        routes: routes.into_iter().map(RouteRow::from).collect(),
        networks: networks.into_iter().map(NetworkRow::from).collect(),
        agents: agents.into_iter().map(AgentRow::from).collect(),
        causes: causes.into_iter().filter(|used| used.value.is_some()).map(CauseRow::from).collect(),
        siblings,
        requests,
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

    /// The routes, networks, agents and causes that came most often, each from one look at the rows.
    async fn used(&self) -> Result<[Vec<Used>; 4], QueryError> {
        let sql = format!(
            "select dimension, value, requests, refused, first_at, last_at from ( \
                 select *, row_number() over (partition by dimension order by requests desc) as place from ( \
                     select case when grouping(route) = 0 then 0 when grouping(network) = 0 then 1 \
                                 when grouping(agent) = 0 then 2 else 3 end as dimension, \
                            coalesce(route, network, agent, cause) as value, \
                            count(*) as requests, count(failed) as refused, \
                            min(event_at) as first_at, max(event_at) as last_at \
                     from (select nullif(concat_ws(' ', cast(method as varchar), cast(route as varchar)), '') as route, \
                                  cast(client_network as varchar) as network, cast(user_agent as varchar) as agent, \
                                  cast(cause as varchar) as cause, cast(cause as varchar) as failed, event_at \
                           from events where {}) as own \
                     group by grouping sets ((route), (network), (agent), (cause))) as counted) as placed \
             where place <= {VALUES_MAX} order by requests desc",
            self.rule()
        );
        let mut found: [Vec<Used>; 4] = Default::default();
        for batch in rows(self.queries, &sql, &self.parameters(), self.tenants).await? {
            let (value, requests, refused) = (batch.texts("value")?, batch.longs("requests")?, batch.longs("refused")?);
            let (first, last) = (batch.longs("first_at")?, batch.longs("last_at")?);
            let dimension = batch.longs("dimension")?;
            for row in 0..batch.len() {
                let of = dimension.get(row).and_then(|dimension| usize::try_from(dimension).ok());
                let Some(list) = of.and_then(|of| found.get_mut(of)) else { continue };
                list.push(Used {
                    value: some(value.get(row)),
                    requests: requests.count(row),
                    refused: refused.count(row),
                    first_us: first.get(row).unwrap_or(0),
                    last_us: last.get(row).unwrap_or(0),
                });
            }
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
