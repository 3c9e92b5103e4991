-- title: Key usage
-- question: Who used which key, when, from where, for what?
-- group: usage
-- parameter: from      time              -24h "start of the period"
-- parameter: to        time              now  "end of the period"
-- parameter: tenant    tenant            null "only this tenant"
-- parameter: key       key               null "only this key"
-- parameter: principal principal         null "only this principal"
-- parameter: limit     integer(1..50000) 500  "rows at most"
-- column: key_id          text    -        "the key"
-- column: principal_id    text    -        "principal behind the key"
-- column: principal_kind  text    -        "human, service or federated"
-- column: tenant_id       text    -        "tenant of the key"
-- column: client_network  text    -        "network of the caller"
-- column: client_country  text    -        "its country, where a database says so"
-- column: user_agent      text    -        "what the caller said it is"
-- column: method          text    -        "HTTP method"
-- column: route           text    -        "route, or the path where the gateway names none"
-- column: requests        integer requests "requests of this kind"
-- column: refused         integer requests "those of them that were refused"
-- column: response_volume number  KiB      "size of the responses"
-- column: first_used_at   time    -        "first one"
-- column: last_used_at    time    -        "last one"
-- chart: bars x=key_id y=requests series=route
select
    key_id,
    principal_id,
    principal_kind,
    tenant_id,
    client_network,
    client_country,
    user_agent,
    method,
    coalesce(route, path)                  as route,
    count(*)                               as requests,
    count(denied_by)                       as refused,
    round(sum(response_bytes) / 1024.0, 1) as response_volume,
    min(event_at)                          as first_used_at,
    max(event_at)                          as last_used_at
from events
where date between $from_date and $to_date
  and event_at >= $from
  and event_at < $to
  and key_id is not null
  and ($tenant is null or tenant_id = $tenant)
  and ($key is null or key_id = $key)
  and ($principal is null or principal_id = $principal)
group by
    key_id,
    principal_id,
    principal_kind,
    tenant_id,
    client_network,
    client_country,
    user_agent,
    method,
    coalesce(route, path)
order by requests desc, key_id, client_network, user_agent, method, route
limit $limit
