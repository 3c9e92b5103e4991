-- title: Unused scopes
-- question: Which rights do keys hold and never use?
-- group: keys
-- parameter: from   time              -30d "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id       text    -        "a key that was served in the period"
-- column: tenant_id    text    -        "tenant of the key"
-- column: principal_id text    -        "principal behind the key"
-- column: granted      integer scopes   "scopes that a call with the key has"
-- column: unused       texts   -        "those that no served request needed"
-- column: used         texts   -        "those that one did: the least set that keeps its calls working"
-- column: requests     integer requests "served requests"
-- chart: bars x=key_id y=granted
with newest as (
    select key_id, max(as_of) as as_of
    from directory_keys
    group by key_id
),
granted as (
    select key_id, tenant_id, principal_id, unnest(scopes) as scope
    from directory_keys
    join newest using (key_id, as_of)
    where gone_at is null
      and status = 'active'
      and ($tenant is null or tenant_id = $tenant)
),
routes as (
    select method, pattern, unnest(required_scopes) as scope
    from directory_routes
    where as_of = (select max(as_of) from directory_routes)
),
calls as (
    select key_id, method, path
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and denied_by is null
      and key_id is not null
      and ($tenant is null or tenant_id = $tenant)
),
callers as (
    select key_id, count(*) as requests
    from calls
    group by key_id
),
paths as (
    select distinct method, path
    from calls
),
-- A path that fits two templates counts for both: better a right too many is kept than one that is in use is taken.
needs as (
    select distinct paths.method, paths.path, routes.scope
    from paths
    join routes
      on (routes.method is null or upper(routes.method) = paths.method)
     and regexp_like(paths.path, routes.pattern)
),
needed as (
    select distinct calls.key_id, needs.scope
    from calls
    join needs on needs.method = calls.method and needs.path = calls.path
),
judged as (
    select
        granted.key_id,
        granted.tenant_id,
        granted.principal_id,
        granted.scope,
        count(needed.scope) > 0 as is_used
    from granted
    left join needed
      on needed.key_id = granted.key_id
     and (
         needed.scope = granted.scope
         or (granted.scope like '%*' and starts_with(needed.scope, replace(granted.scope, '*', '')))
     )
    group by granted.key_id, granted.tenant_id, granted.principal_id, granted.scope
)
select
    judged.key_id,
    judged.tenant_id,
    judged.principal_id,
    count(*)                                                                        as granted,
    array_agg(judged.scope order by judged.scope) filter (where not judged.is_used) as unused,
    array_agg(judged.scope order by judged.scope) filter (where judged.is_used)     as used,
    max(callers.requests)                                                           as requests
from judged
join callers on callers.key_id = judged.key_id
group by judged.key_id, judged.tenant_id, judged.principal_id
having count(*) filter (where not judged.is_used) > 0
order by count(*) filter (where not judged.is_used) desc, judged.key_id
limit $limit
