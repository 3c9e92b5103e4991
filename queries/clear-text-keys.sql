-- title: Keys seen in clear text
-- question: Which keys stood in URLs, bodies or other places where logs and proxies keep them?
-- group: access
-- parameter: from   time              -7d  "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id           text    -        "the key, where the directory has it: rotate it"
-- column: mask             text    -        "how the key looks: prefix and last four characters"
-- column: tenant_id        text    -        "tenant of the key"
-- column: principal_id     text    -        "principal behind the key"
-- column: credential_place text    -        "where it stood"
-- column: gateway          text    -        "gateway whose log held it"
-- column: requests         integer requests "requests that showed it there"
-- column: served           integer requests "those of them that were served"
-- column: networks         integer networks "networks they came from"
-- column: first_seen_at    time    -        "first one"
-- column: last_seen_at     time    -        "last one"
-- chart: bars x=credential_place y=requests series=tenant_id
select
    key_id,
    credential_mask                           as mask,
    tenant_id,
    principal_id,
    credential_place,
    gateway,
    count(*)                                  as requests,
    count(*) filter (where denied_by is null) as served,
    count(distinct client_network)            as networks,
    min(event_at)                             as first_seen_at,
    max(event_at)                             as last_seen_at
from events
where date between $from_date and $to_date
  and event_at >= $from
  and event_at < $to
  and fingerprint is not null
  -- Headers are where keys belong; every other place is copied into logs, histories and referers.
  and credential_place not like 'header:%'
  and ($tenant is null or tenant_id = $tenant)
group by key_id, credential_mask, tenant_id, principal_id, credential_place, gateway
order by served desc, requests desc, key_id, mask, credential_place, gateway
limit $limit
