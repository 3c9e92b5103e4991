-- title: Keys on resources of other tenants
-- question: Which keys ask for what belongs to another tenant, and do they get it?
-- group: access
-- parameter: from   time              -7d  "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only keys of this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id        text    -        "the key"
-- column: principal_id  text    -        "principal behind the key"
-- column: tenant_id     text    -        "tenant of the key"
-- column: tenant_asked  text    -        "tenant whose resources the requests named"
-- column: requests      integer requests "requests to that tenant"
-- column: served        integer requests "those of them that were served"
-- column: routes        integer routes   "different methods and paths"
-- column: networks      integer networks "networks they came from"
-- column: first_seen_at time    -        "first one"
-- column: last_seen_at  time    -        "last one"
-- chart: bars x=key_id y=requests series=tenant_asked
select
    key_id,
    principal_id,
    tenant_id,
    tenant_asked,
    count(*)                                                   as requests,
    count(*) filter (where denied_by is null)                  as served,
    count(distinct concat(method, ' ', coalesce(route, path))) as routes,
    count(distinct client_network)                             as networks,
    min(event_at)                                              as first_seen_at,
    max(event_at)                                              as last_seen_at
from events
where date between $from_date and $to_date
  and event_at >= $from
  and event_at < $to
  and tenant_asked <> tenant_id
  and ($tenant is null or tenant_id = $tenant)
group by key_id, principal_id, tenant_id, tenant_asked
order by served desc, requests desc, key_id, tenant_asked
limit $limit
