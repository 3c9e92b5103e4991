-- title: Failures over time
-- question: When did failures begin, rise and end, by what?
-- group: failures
-- parameter: from   time                                       -24h  "start of the period"
-- parameter: to     time                                       now   "end of the period"
-- parameter: bucket duration                                   15m   "width of a bucket"
-- parameter: by     enum(class|cause|tenant|gateway|denied-by) class "what to tell apart"
-- parameter: tenant tenant                                     null  "only this tenant"
-- parameter: cause  cause                                      null  "only this cause"
-- parameter: limit  integer(1..50000)                          5000  "rows at most"
-- column: at       time    -        "start of the bucket; one without refusals has no row"
-- column: series   text    -        "class, cause, tenant, gateway or who said no, as asked; null where the log does not say"
-- column: failures integer requests "refused requests"
-- column: keys     integer keys     "keys that were refused"
-- chart: columns x=at y=failures series=series
with refused as (
    select
        date_bin($bucket, event_at) as at,
        key_id,
        -- Conditions of constants alone: the engine reads no column that is not asked for.
        case
            when $by = 'class'   then cause_class
            when $by = 'cause'   then cause
            when $by = 'tenant'  then tenant_id
            when $by = 'gateway' then gateway
            else                      denied_by
        end                         as series
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and denied_by is not null
      and ($tenant is null or tenant_id = $tenant)
      and ($cause is null or cause = $cause)
)
select
    at,
    series,
    count(*)               as failures,
    count(distinct key_id) as keys
from refused
group by at, series
order by at, failures desc, series
limit $limit
