-- title: Top failing keys
-- question: Which keys fail most, whose are they, and why?
-- group: failures
-- parameter: from   time              -24h "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id       text    -        "the key"
-- column: mask         text    -        "how the key looks: prefix and last four characters"
-- column: principal_id text    -        "who owns it"
-- column: tenant_id    text    -        "tenant of the key"
-- column: environment  text    -        "environment of the key"
-- column: requests     integer requests "all requests with the key"
-- column: failures     integer requests "refused ones"
-- column: failing      number  %        "refused ones of all"
-- column: main_cause   text    -        "the cause of most refusals"
-- column: networks     integer networks "networks that failed requests came from"
-- column: last_seen_at time    -        "last refusal"
-- column: remedy       text    -        "what to do about the main cause"
-- chart: bars x=key_id y=failures series=main_cause
with requests as (
    select key_id, count(*) as requests
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and key_id is not null
      and ($tenant is null or tenant_id = $tenant)
    group by key_id
),
refused as (
    select
        key_id,
        -- A slip of the caller's shows another end than the key has.
        case when near_miss is null then credential_mask end as mask,
        principal_id,
        tenant_id,
        environment,
        client_network,
        event_at,
        cause,
        remedy
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and denied_by is not null
      and key_id is not null
      and ($tenant is null or tenant_id = $tenant)
),
causes as (
    select
        key_id,
        cause,
        max(remedy)                                                           as remedy,
        row_number() over (partition by key_id order by count(*) desc, cause) as rank
    from refused
    group by key_id, cause
),
keys as (
    select
        key_id,
        max(mask)                      as mask,
        max(principal_id)              as principal_id,
        max(tenant_id)                 as tenant_id,
        max(environment)               as environment,
        count(*)                       as failures,
        count(distinct client_network) as networks,
        max(event_at)                  as last_seen_at
    from refused
    group by key_id
)
select
    keys.key_id,
    keys.mask,
    keys.principal_id,
    keys.tenant_id,
    keys.environment,
    requests.requests,
    keys.failures,
    round(100.0 * keys.failures / requests.requests, 2) as failing,
    causes.cause                                        as main_cause,
    keys.networks,
    keys.last_seen_at,
    causes.remedy
from keys
join requests on requests.key_id = keys.key_id
join causes on causes.key_id = keys.key_id and causes.rank = 1
order by keys.failures desc, keys.key_id
limit $limit
