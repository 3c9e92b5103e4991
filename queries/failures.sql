-- title: Failures by cause
-- question: What fails most, and for whom?
-- group: failures
-- parameter: from   time                                             -24h   "start of the period"
-- parameter: to     time                                             now    "end of the period"
-- parameter: by     enum(tenant|key|principal|route|gateway|network) tenant "whom to count for"
-- parameter: tenant tenant                                           null   "only this tenant"
-- parameter: cause  cause                                            null   "only this cause"
-- parameter: limit  integer(1..10000)                                100    "rows at most"
-- column: cause         text    -        "root cause"
-- column: cause_class   text    -        "group of the cause"
-- column: entity        text    -        "tenant, key, principal, route, gateway or network, as asked; null where the log does not say"
-- column: failures      integer requests "requests refused for this cause"
-- column: share         number  %        "of all refused requests that were counted"
-- column: keys          integer keys     "keys that were refused"
-- column: principals    integer users    "principals behind these keys"
-- column: first_seen_at time    -        "first of these refusals in the period"
-- column: last_seen_at  time    -        "last of them"
-- column: remedy        text    -        "what to do"
-- chart: bars x=cause y=failures series=entity
with refused as (
    select
        event_at,
        cause,
        cause_class,
        remedy,
        key_id,
        principal_id,
        -- Conditions of constants alone: the engine reads no column that is not asked for.
        case
            when $by = 'tenant'    then tenant_id
            when $by = 'key'       then key_id
            when $by = 'principal' then principal_id
            when $by = 'route'     then concat(method, ' ', coalesce(route, path))
            when $by = 'gateway'   then gateway
            else                        client_network
        end as entity
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and denied_by is not null
      and ($tenant is null or tenant_id = $tenant)
      and ($cause is null or cause = $cause)
)
select
    cause,
    cause_class,
    entity,
    count(*)                                           as failures,
    round(100.0 * count(*) / sum(count(*)) over (), 2) as share,
    count(distinct key_id)                             as keys,
    count(distinct principal_id)                       as principals,
    min(event_at)                                      as first_seen_at,
    max(event_at)                                      as last_seen_at,
    max(remedy)                                        as remedy
from refused
group by cause, cause_class, entity
order by failures desc, cause, entity
limit $limit
