-- title: Age of keys
-- question: Which keys are older than the rotation policy allows?
-- group: keys
-- parameter: days   integer(0..3650)  90   "age from which a key is shown"
-- parameter: from   time              -30d "start of the period whose traffic is shown"
-- parameter: to     time              now  "end of that period, and the day at which ages are taken"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id          text    -        "the key"
-- column: mask            text    -        "how the key looks: prefix and last four characters"
-- column: tenant_id       text    -        "tenant of the key"
-- column: principal_id    text    -        "principal behind the key"
-- column: contact         text    -        "whom to ask"
-- column: age             integer days     "since its secret was made or last exchanged"
-- column: created_at      time    -        "when the key was made"
-- column: last_rotated_at time    -        "when its secret was last exchanged; null for never"
-- column: expires_at      time    -        "when it ends by itself; null for never"
-- column: requests        integer requests "requests with the key in the period"
-- column: last_used_at    time    -        "last of them"
-- chart: bars x=key_id y=age
with newest as (
    select key_id, max(as_of) as as_of
    from directory_keys
    group by key_id
),
keys as (
    select
        key_id,
        mask,
        tenant_id,
        principal_id,
        contact,
        created_at,
        last_rotated_at,
        expires_at,
        cast(floor(
            (date_part('epoch', $to) - date_part('epoch', coalesce(last_rotated_at, created_at))) / 86400
        ) as bigint) as age
    from directory_keys
    join newest using (key_id, as_of)
    where gone_at is null
      and status = 'active'
      and ($tenant is null or tenant_id = $tenant)
),
traffic as (
    select entity as key_id, sum(requests) as requests, max(minute) as last_used_at
    from entity_minutes
    where date between $from_date and $to_date
      and minute >= $from
      and minute < $to
      and entity_kind = 'key'
      and ($tenant is null or tenant_id = $tenant)
    group by entity
)
select
    keys.key_id,
    keys.mask,
    keys.tenant_id,
    keys.principal_id,
    keys.contact,
    keys.age,
    keys.created_at,
    keys.last_rotated_at,
    keys.expires_at,
    coalesce(traffic.requests, 0) as requests,
    traffic.last_used_at
from keys
left join traffic on traffic.key_id = keys.key_id
where keys.age >= $days
order by keys.age desc, keys.key_id
limit $limit
