-- title: Progress of rotations
-- question: Who still uses a key that has been replaced?
-- group: keys
-- parameter: from   time              -7d  "start of the period whose traffic is compared"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id           text    -        "the key that is replaced"
-- column: replaced_by      text    -        "the key that takes its place"
-- column: tenant_id        text    -        "tenant of the keys"
-- column: principal_id     text    -        "principal behind the old key"
-- column: grace_until      time    -        "until when the old key works; null for no grace"
-- column: requests_old     integer requests "requests with the old key"
-- column: refused_old      integer requests "those of them that were refused"
-- column: requests_new     integer requests "requests with the new key"
-- column: cut_over         number  %        "share of the new key; null when neither was used"
-- column: networks_old     texts   -        "networks that still send the old key"
-- column: last_used_old_at time    -        "last request with the old key"
-- chart: bars x=key_id y=cut_over
with newest as (
    select key_id, max(as_of) as as_of
    from directory_keys
    group by key_id
),
rotations as (
    select listed.key_id, listed.replaced_by, listed.tenant_id, listed.principal_id, listed.grace_until
    from directory_keys as listed
    join newest on newest.key_id = listed.key_id and newest.as_of = listed.as_of
    where listed.replaced_by is not null
      and listed.replaced_by <> listed.key_id
      and ($tenant is null or listed.tenant_id = $tenant)
),
keys as (
    select key_id from rotations
    union
    select replaced_by as key_id from rotations
),
traffic as (
    select
        events.key_id,
        count(*)                                                   as requests,
        count(denied_by)                                           as refused,
        array_agg(distinct client_network order by client_network) as networks,
        max(event_at)                                              as last_used_at
    from events
    join keys on keys.key_id = events.key_id
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and ($tenant is null or tenant_id = $tenant)
    group by events.key_id
)
select
    rotations.key_id,
    rotations.replaced_by,
    rotations.tenant_id,
    rotations.principal_id,
    rotations.grace_until,
    coalesce(old.requests, 0) as requests_old,
    coalesce(old.refused, 0)  as refused_old,
    coalesce(new.requests, 0) as requests_new,
    round(
        100.0 * coalesce(new.requests, 0) / nullif(coalesce(old.requests, 0) + coalesce(new.requests, 0), 0), 1
    )                         as cut_over,
    old.networks              as networks_old,
    old.last_used_at          as last_used_old_at
from rotations
left join traffic as old on old.key_id = rotations.key_id
left join traffic as new on new.key_id = rotations.replaced_by
order by requests_old desc, rotations.key_id
limit $limit
