-- title: Near misses
-- question: Which callers send a key that is almost right, and what is the slip?
-- group: failures
-- parameter: from   time              -24h "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: near_miss        text    -        "the slip: trimmed_space, quoted, doubled_scheme, case, truncated, one_edit or masked"
-- column: key_id           text    -        "the key that was meant"
-- column: tenant_id        text    -        "tenant of that key"
-- column: principal_id     text    -        "principal behind that key"
-- column: credential_place text    -        "where the credential stood"
-- column: requests         integer requests "requests with the slip"
-- column: networks         integer networks "networks they came from"
-- column: agents           texts   -        "user agents that sent them"
-- column: first_seen_at    time    -        "first one"
-- column: last_seen_at     time    -        "last one"
-- column: request_id       text    -        "one of them, to diagnose"
-- chart: bars x=near_miss y=requests series=tenant_id
select
    near_miss,
    key_id,
    tenant_id,
    principal_id,
    credential_place,
    count(*)                                           as requests,
    count(distinct client_network)                     as networks,
    array_agg(distinct user_agent order by user_agent) as agents,
    min(event_at)                                      as first_seen_at,
    max(event_at)                                      as last_seen_at,
    min(request_id)                                    as request_id
from events
where date between $from_date and $to_date
  and event_at >= $from
  and event_at < $to
  and near_miss is not null
  and ($tenant is null or tenant_id = $tenant)
group by near_miss, key_id, tenant_id, principal_id, credential_place
order by requests desc, near_miss, key_id, credential_place
limit $limit
