-- title: Zombie access and revocation lag
-- question: Which requests were served although the key, its user or its account was not allowed any more?
-- group: access
-- parameter: from   time              -7d  "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id          text    -        "the key that should have been dead"
-- column: principal_id    text    -        "the principal behind it"
-- column: tenant_id       text    -        "its tenant"
-- column: cause           text    -        "zombie_access, or anonymous_fallback: refused, then served to nobody in particular"
-- column: served          integer requests "requests that were served"
-- column: routes          integer routes   "different methods and paths among them"
-- column: networks        integer networks "networks they came from"
-- column: gateways        texts   -        "gateways that served them"
-- column: revocation_lag  number  s        "from the change of state to the last request that was served"
-- column: median_lag      number  s        "the same for the median request"
-- column: first_served_at time    -        "first such request"
-- column: last_served_at  time    -        "last such request"
-- chart: bars x=key_id y=revocation_lag
select
    key_id,
    principal_id,
    tenant_id,
    cause,
    count(*)                                                       as served,
    count(distinct concat(method, ' ', path))                      as routes,
    count(distinct client_network)                                 as networks,
    array_agg(distinct gateway order by gateway)                   as gateways,
    round(max(revocation_lag_us) / 1e6, 1)                         as revocation_lag,
    round(approx_percentile_cont(revocation_lag_us, 0.5) / 1e6, 1) as median_lag,
    min(event_at)                                                  as first_served_at,
    max(event_at)                                                  as last_served_at
from events
where date between $from_date and $to_date
  and event_at >= $from
  and event_at < $to
  and cause_class = 'served'
  and ($tenant is null or tenant_id = $tenant)
group by key_id, principal_id, tenant_id, cause
order by revocation_lag desc nulls last, served desc, key_id
limit $limit
