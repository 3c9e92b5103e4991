-- title: First seen and trend of each cause
-- question: Which causes are new, and which rise or fall?
-- group: failures
-- parameter: from   time   -24h "start of the period"
-- parameter: to     time   now  "end of the period"
-- parameter: before time   -48h "start of the time before the period that it is compared with"
-- parameter: since  time   -7d  "how far to look back for the first time"
-- parameter: tenant tenant null "only this tenant"
-- column: cause           text    -        "root cause"
-- column: cause_class     text    -        "group of the cause"
-- column: first_seen_at   time    -        "first refusal since the look back began"
-- column: last_seen_at    time    -        "last refusal"
-- column: is_new          boolean -        "not seen before the period, as far as was looked back"
-- column: failures        integer requests "refusals in the period"
-- column: failures_before integer requests "refusals in the time before"
-- column: change          number  %        "of the refusals before; null when there were none"
-- column: tenants         integer tenants  "tenants that were refused in the period"
-- column: keys            integer keys     "keys that were refused in the period"
-- chart: bars x=cause y=failures
with refused as (
    select
        cause,
        cause_class,
        event_at,
        event_at >= $from                        as is_now,
        event_at >= $before and event_at < $from as is_before,
        tenant_id,
        key_id
    from events
    where date between $since_date and $to_date
      and event_at >= $since
      and event_at < $to
      and denied_by is not null
      and ($tenant is null or tenant_id = $tenant)
),
causes as (
    select
        cause,
        cause_class,
        min(event_at)                                   as first_seen_at,
        max(event_at)                                   as last_seen_at,
        count(*) filter (where is_now)                  as failures,
        count(*) filter (where is_before)               as failures_before,
        count(distinct tenant_id) filter (where is_now) as tenants,
        count(distinct key_id) filter (where is_now)    as keys
    from refused
    group by cause, cause_class
)
select
    cause,
    cause_class,
    first_seen_at,
    last_seen_at,
    first_seen_at >= $from                                                      as is_new,
    failures,
    failures_before,
    round(100.0 * (failures - failures_before) / nullif(failures_before, 0), 1) as change,
    tenants,
    keys
from causes
order by is_new desc, failures desc, cause
