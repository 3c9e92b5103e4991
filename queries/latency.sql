-- title: Latency by gateway
-- question: How slow are requests, and is it the gateway or the application?
-- group: platform
-- parameter: from    time                -24h    "start of the period"
-- parameter: to      time                now     "end of the period"
-- parameter: by      enum(gateway|route) gateway "one row for each gateway, or for each of its routes"
-- parameter: gateway text                null    "only this gateway"
-- parameter: tenant  tenant              null    "only this tenant"
-- parameter: limit   integer(1..10000)   100     "rows at most"
-- column: gateway      text    -        "the gateway"
-- column: route        text    -        "method and route, if asked for"
-- column: requests     integer requests "requests whose duration the log holds"
-- column: p50          number  ms       "half of the requests took no longer"
-- column: p95          number  ms       "95 % took no longer"
-- column: p99          number  ms       "99 % took no longer"
-- column: gateway_p95  number  ms       "95 % spent no longer in the gateway"
-- column: upstream_p95 number  ms       "95 % spent no longer in the application"
-- column: refused      number  %        "of the requests that were refused"
-- column: errors       number  %        "of the requests that were answered with 500 to 599"
-- chart: bars x=gateway y=p95
with requests as (
    select
        gateway,
        case when $by = 'route' then concat(method, ' ', coalesce(route, path)) end as route,
        latency_us,
        gateway_latency_us,
        upstream_latency_us,
        denied_by,
        status
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and latency_us is not null
      and ($gateway is null or gateway = $gateway)
      and ($tenant is null or tenant_id = $tenant)
)
select
    gateway,
    route,
    count(*)                                                           as requests,
    round(approx_percentile_cont(latency_us, 0.50) / 1e3, 1)           as p50,
    round(approx_percentile_cont(latency_us, 0.95) / 1e3, 1)           as p95,
    round(approx_percentile_cont(latency_us, 0.99) / 1e3, 1)           as p99,
    round(approx_percentile_cont(gateway_latency_us, 0.95) / 1e3, 1)   as gateway_p95,
    round(approx_percentile_cont(upstream_latency_us, 0.95) / 1e3, 1)  as upstream_p95,
    round(100.0 * count(denied_by) / count(*), 2)                      as refused,
    round(100.0 * count(*) filter (where status >= 500) / count(*), 2) as errors
from requests
group by gateway, route
order by p95 desc, gateway, route
limit $limit
