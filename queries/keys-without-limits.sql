-- title: Keys without limits
-- question: Which keys could do the most harm, since nothing bounds them?
-- group: keys
-- parameter: from   time              -30d "start of the period whose traffic is shown"
-- parameter: to     time              now  "end of that period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: lacks  integer(1..5)     3    "least number of limits that a key lacks"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id       text    -        "an active key"
-- column: mask         text    -        "how the key looks: prefix and last four characters"
-- column: tenant_id    text    -        "tenant of the key"
-- column: principal_id text    -        "principal behind the key"
-- column: contact      text    -        "whom to ask"
-- column: lacking      integer limits   "how many of expiry, networks, regions, models and quota it lacks"
-- column: lacks        text    -        "which of them"
-- column: scopes       texts   -        "what it may do"
-- column: requests     integer requests "requests with the key in the period"
-- column: last_used_at time    -        "last of them"
-- chart: bars x=key_id y=requests
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
        scopes,
        case when expires_at is null then 1 else 0 end
            + case when allowed_networks is null then 1 else 0 end
            + case when allowed_regions is null then 1 else 0 end
            + case when models is null then 1 else 0 end
            + case when quotas is null then 1 else 0 end as lacking,
        concat_ws(
            ', ',
            case when expires_at is null then 'expiry' end,
            case when allowed_networks is null then 'networks' end,
            case when allowed_regions is null then 'regions' end,
            case when models is null then 'models' end,
            case when quotas is null then 'quota' end
        ) as lacks
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
    keys.lacking,
    keys.lacks,
    keys.scopes,
    coalesce(traffic.requests, 0) as requests,
    traffic.last_used_at
from keys
left join traffic on traffic.key_id = keys.key_id
where keys.lacking >= $lacks
order by keys.lacking desc, requests desc, keys.key_id
limit $limit
