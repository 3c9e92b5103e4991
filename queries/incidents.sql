-- title: Incidents
-- question: What went wrong, how long did it take, and who dealt with it?
-- group: alerts
-- parameter: from   time                                      -7d  "start of the period in which they were opened"
-- parameter: to     time                                      now  "end of the period"
-- parameter: status enum(open|acknowledged|silenced|resolved) null "only incidents that stand so at the end of the period"
-- parameter: tenant tenant                                    null "only this tenant"
-- parameter: limit  integer(1..10000)                         100  "rows at most"
-- column: opened_at       time    -        "when it began, or began again for the last time"
-- column: incident_id     text    -        "its id"
-- column: status          text    -        "open, acknowledged, silenced or resolved"
-- column: severity        text    -        "the worst of its findings"
-- column: summary         text    -        "what happened to whom"
-- column: tenant_id       text    -        "tenant it is about; null where there is none or several"
-- column: cause           text    -        "root cause, where it is about one"
-- column: findings        integer findings "findings in it"
-- column: reopened        integer times    "how often it came back"
-- column: notices         integer notices  "notices that were sent to people"
-- column: acknowledged_by text    -        "who took it"
-- column: to_acknowledge  number  minutes  "from the opening until somebody took it"
-- column: resolved_at     time    -        "when it ended"
-- column: to_resolve      number  minutes  "from the opening until it ended"
-- column: feedback        text    -        "benign or real, as people judged it, and what they wrote"
-- chart: bars x=summary y=to_resolve
with happenings as (
    select
        *,
        case severity
            when 'critical' then 5
            when 'high'     then 4
            when 'medium'   then 3
            when 'low'      then 2
            when 'info'     then 1
        end as weight
    from incidents
    where date >= $from_date
      and at < $to
),
summed as (
    select
        incident_id,
        min(at) filter (where event = 'opened')                      as first_opened_at,
        max(at) filter (where event in ('opened', 'reopened'))       as opened_at,
        max(sequence) filter (where event in ('opened', 'reopened')) as opened,
        max(sequence) filter (where event = 'acknowledged')          as acknowledged,
        max(sequence) filter (where event = 'unacknowledged')        as given_back,
        min(at) filter (where event = 'acknowledged')                as acknowledged_at,
        max(actor) filter (where event = 'acknowledged')             as acknowledged_by,
        max(until_at) filter (where event = 'silenced')              as silenced_until,
        max(sequence) filter (where event = 'resolved')              as resolved,
        max(at) filter (where event = 'resolved')                    as resolved_at,
        max(weight)                                                  as weight,
        max(summary) filter (where event = 'opened')                 as summary,
        max(tenant_id) filter (where event = 'opened')               as tenant_id,
        max(cause) filter (where event = 'opened')                   as cause,
        count(distinct finding_id)                                   as findings,
        count(*) filter (where event = 'reopened')                   as reopened,
        count(*) filter (where event = 'noticed')                    as notices,
        max(note) filter (where event = 'feedback')                  as feedback
    from happenings
    group by incident_id
),
judged as (
    select
        *,
        case
            when resolved > opened     then 'resolved'
            when silenced_until > $to  then 'silenced'
            when acknowledged > opened
             and (given_back is null or acknowledged > given_back)
                                       then 'acknowledged'
            else                            'open'
        end as status
    from summed
    where first_opened_at >= $from
      and ($tenant is null or tenant_id = $tenant)
)
select
    opened_at,
    incident_id,
    status,
    case weight
        when 5 then 'critical'
        when 4 then 'high'
        when 3 then 'medium'
        when 2 then 'low'
        when 1 then 'info'
    end                                                                                        as severity,
    summary,
    tenant_id,
    cause,
    findings,
    reopened,
    notices,
    acknowledged_by,
    round((date_part('epoch', acknowledged_at) - date_part('epoch', first_opened_at)) / 60, 1) as to_acknowledge,
    case when status = 'resolved' then resolved_at end                                         as resolved_at,
    case
        when status = 'resolved'
        then round((date_part('epoch', resolved_at) - date_part('epoch', opened_at)) / 60, 1)
    end                                                                                        as to_resolve,
    feedback
from judged
where $status is null or status = $status
order by weight desc, opened_at desc, incident_id
limit $limit
