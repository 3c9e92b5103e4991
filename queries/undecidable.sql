-- title: Undecidable refusals by missing field
-- question: Which refusals cannot be explained, and which log field would explain them?
-- group: failures
-- parameter: from    time              -24h "start of the period"
-- parameter: to      time              now  "end of the period"
-- parameter: gateway text              null "only this gateway"
-- parameter: limit   integer(1..10000) 100  "rows at most"
-- column: missing_field text    -        "log or identity field that would have decided"
-- column: gateway       text    -        "gateway that lacks it"
-- column: format        text    -        "log format of the gateway"
-- column: status        integer status   "HTTP status that the callers got"
-- column: failures      integer requests "refusals without an explanation"
-- column: share         number  %        "of all refusals of the gateway"
-- column: tenants       integer tenants  "tenants of the callers, where known"
-- column: last_seen_at  time    -        "last one"
-- column: request_id    text    -        "one of them, to look at"
-- chart: bars x=missing_field y=failures series=gateway
with refused as (
    select gateway, format, status, missing_field, tenant_id, event_at, request_id
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and denied_by is not null
      and ($gateway is null or gateway = $gateway)
),
gateways as (
    select gateway, count(*) as failures
    from refused
    group by gateway
)
select
    refused.missing_field,
    refused.gateway,
    refused.format,
    refused.status,
    count(*)                                            as failures,
    round(100.0 * count(*) / max(gateways.failures), 2) as share,
    count(distinct refused.tenant_id)                   as tenants,
    max(refused.event_at)                               as last_seen_at,
    min(refused.request_id)                             as request_id
from refused
join gateways on gateways.gateway is not distinct from refused.gateway
where refused.missing_field is not null
group by refused.missing_field, refused.gateway, refused.format, refused.status
order by failures desc, refused.missing_field, refused.gateway, refused.format, refused.status
limit $limit
