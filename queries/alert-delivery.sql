-- title: Alert delivery
-- question: Do notices reach people, and how fast?
-- group: alerts
-- parameter: from  time              -7d "start of the period"
-- parameter: to    time              now "end of the period"
-- parameter: limit integer(1..10000) 100 "rows at most"
-- column: destination       text    -       "where notices go"
-- column: delivered         integer notices "notices that arrived"
-- column: failed            integer notices "notices whose first try failed"
-- column: dead              integer notices "notices that were given up"
-- column: escalated         integer notices "notices that another destination was told of as well"
-- column: median_delay      number  s       "from the decision to the arrival"
-- column: longest_delay     number  s       "the same for the slowest"
-- column: last_delivered_at time    -       "last arrival"
-- column: last_failed_at    time    -       "last failure"
-- column: reason            text    -       "of one of the failures"
-- chart: bars x=destination y=delivered
with happenings as (
    select at, incident_id, event, notice, destination, note
    from incidents
    where date between $from_date and $to_date
      and at >= $from
      and at < $to
      and notice is not null
),
decided as (
    select incident_id, notice, min(at) as decided_at
    from happenings
    where event = 'noticed'
    group by incident_id, notice
),
outcomes as (
    select
        -- Where another destination was told, both stand with an arrow between.
        split_part(happenings.destination, ' ', 1)                                 as destination,
        happenings.event,
        happenings.at,
        happenings.note,
        date_part('epoch', happenings.at) - date_part('epoch', decided.decided_at) as delay
    from happenings
    left join decided
      on decided.incident_id = happenings.incident_id
     and decided.notice = happenings.notice
    where happenings.event in ('delivered', 'failed', 'dead', 'escalated')
)
select
    destination,
    count(*) filter (where event = 'delivered')                as delivered,
    count(*) filter (where event = 'failed')                   as failed,
    count(*) filter (where event = 'dead')                     as dead,
    count(*) filter (where event = 'escalated')                as escalated,
    round(median(delay) filter (where event = 'delivered'), 2) as median_delay,
    round(max(delay) filter (where event = 'delivered'), 2)    as longest_delay,
    max(at) filter (where event = 'delivered')                 as last_delivered_at,
    max(at) filter (where event in ('failed', 'dead'))         as last_failed_at,
    max(note) filter (where event in ('failed', 'dead'))       as reason
from outcomes
group by destination
order by dead desc, failed desc, destination
limit $limit
