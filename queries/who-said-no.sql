-- title: Who said no
-- question: Who refuses requests: gateway, authorizer, application, limiter or firewall?
-- group: failures
-- parameter: from    time              -24h "start of the period"
-- parameter: to      time              now  "end of the period"
-- parameter: tenant  tenant            null "only this tenant"
-- parameter: gateway text              null "only this gateway"
-- parameter: limit   integer(1..10000) 100  "rows at most"
-- column: denied_by    text    -        "who said no"
-- column: cause_class  text    -        "group of the causes"
-- column: status       integer status   "HTTP status that the caller got"
-- column: gateway_code text    -        "the gateway's error code or flag"
-- column: failures     integer requests "refused requests"
-- column: share        number  %        "of all refused requests that were counted"
-- column: tenants      integer tenants  "tenants of the callers"
-- column: last_seen_at time    -        "last of these refusals"
-- chart: bars x=denied_by y=failures series=cause_class
select
    denied_by,
    cause_class,
    status,
    gateway_code,
    count(*)                                           as failures,
    round(100.0 * count(*) / sum(count(*)) over (), 2) as share,
    count(distinct tenant_id)                          as tenants,
    max(event_at)                                      as last_seen_at
from events
where date between $from_date and $to_date
  and event_at >= $from
  and event_at < $to
  and denied_by is not null
  and ($tenant is null or tenant_id = $tenant)
  and ($gateway is null or gateway = $gateway)
group by denied_by, cause_class, status, gateway_code
order by failures desc, denied_by, cause_class, status, gateway_code
limit $limit
