-- title: Expiring keys with traffic
-- question: Which live flows will stop when keys expire, and when?
-- group: keys
-- parameter: until  time              +30d "end of the look ahead"
-- parameter: from   time              -7d  "start of the period whose traffic is weighed"
-- parameter: to     time              now  "end of that period; keys that expired before are left out"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id         text    -            "the key"
-- column: mask           text    -            "how the key looks: prefix and last four characters"
-- column: tenant_id      text    -            "tenant of the key"
-- column: principal_id   text    -            "principal behind the key"
-- column: contact        text    -            "whom to ask"
-- column: expires_at     time    -            "when the key ends by itself"
-- column: days_left      number  days         "until then"
-- column: replaced_by    text    -            "key that is to take its place; null where there is none yet"
-- column: served         integer requests     "requests that were served with the key"
-- column: served_per_day number  requests/day "the same per day"
-- column: routes         integer routes       "different methods and paths that would stop"
-- column: networks       integer networks     "networks that call with it"
-- column: last_used_at   time    -            "last request"
-- chart: bars x=key_id y=served_per_day
with newest as (
    select key_id, max(as_of) as as_of
    from directory_keys
    group by key_id
),
expiring as (
    select key_id, mask, tenant_id, principal_id, contact, expires_at, replaced_by
    from directory_keys
    join newest using (key_id, as_of)
    where gone_at is null
      and status = 'active'
      and ($tenant is null or tenant_id = $tenant)
      and expires_at >= $to
      and expires_at < $until
),
traffic as (
    select
        events.key_id,
        count(*)                                                   as served,
        count(distinct concat(method, ' ', coalesce(route, path))) as routes,
        count(distinct client_network)                             as networks,
        max(event_at)                                              as last_used_at
    from events
    join expiring on expiring.key_id = events.key_id
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and denied_by is null
      and ($tenant is null or events.tenant_id = $tenant)
    group by events.key_id
)
select
    expiring.key_id,
    expiring.mask,
    expiring.tenant_id,
    expiring.principal_id,
    expiring.contact,
    expiring.expires_at,
    round((date_part('epoch', expiring.expires_at) - date_part('epoch', $to)) / 86400, 1) as days_left,
    expiring.replaced_by,
    coalesce(traffic.served, 0)                                                           as served,
    round(
        coalesce(traffic.served, 0) * 86400.0 / (date_part('epoch', $to) - date_part('epoch', $from)), 1
    )                                                                                     as served_per_day,
    coalesce(traffic.routes, 0)                                                           as routes,
    coalesce(traffic.networks, 0)                                                         as networks,
    traffic.last_used_at
from expiring
left join traffic on traffic.key_id = expiring.key_id
order by served desc, expiring.expires_at, expiring.key_id
limit $limit
