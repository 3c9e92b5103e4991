-- title: Idle keys
-- question: Which keys could be switched off, since nobody uses them?
-- group: keys
-- parameter: from   time              -30d "start of the period without use"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id           text    -    "an active key without a request in the period"
-- column: mask             text    -    "how the key looks: prefix and last four characters"
-- column: tenant_id        text    -    "tenant of the key"
-- column: principal_id     text    -    "principal behind the key"
-- column: principal_status text    -    "state of the principal"
-- column: contact          text    -    "whom to ask"
-- column: age              integer days "since the key was made"
-- column: created_at       time    -    "when it was made"
-- column: expires_at       time    -    "when it ends by itself; null for never"
-- column: scopes           texts   -    "what a thief could do with it"
-- chart: bars x=key_id y=age
with newest as (
    select key_id, max(as_of) as as_of
    from directory_keys
    group by key_id
),
used as (
    select distinct entity as key_id
    from entity_minutes
    where date between $from_date and $to_date
      and minute >= $from
      and minute < $to
      and entity_kind = 'key'
      and ($tenant is null or tenant_id = $tenant)
)
select
    listed.key_id,
    listed.mask,
    listed.tenant_id,
    listed.principal_id,
    listed.principal_status,
    listed.contact,
    cast(floor(
        (date_part('epoch', $to) - date_part('epoch', listed.created_at)) / 86400
    ) as bigint) as age,
    listed.created_at,
    listed.expires_at,
    listed.scopes
from directory_keys as listed
join newest on newest.key_id = listed.key_id and newest.as_of = listed.as_of
left join used on used.key_id = listed.key_id
where listed.gone_at is null
  and listed.status = 'active'
  and (listed.created_at is null or listed.created_at < $from)
  and (listed.expires_at is null or listed.expires_at >= $to)
  and ($tenant is null or listed.tenant_id = $tenant)
  and used.key_id is null
order by age desc nulls last, listed.key_id
limit $limit
