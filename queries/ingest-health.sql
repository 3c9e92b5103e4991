-- title: Ingest health and lag
-- question: Is every partition read, how far behind is it, and was anything lost?
-- group: platform
-- parameter: from   time -1h "start of the period, by when frames were read"
-- parameter: to     time now "end of the period"
-- parameter: oldest time -7d "day of the oldest request that is counted"
-- column: topic         text    -      "Kafka topic, or the replayed file"
-- column: partition     integer number "Kafka partition; 0 for files"
-- column: events        integer events "requests that were read"
-- column: rejects       integer lines  "what could not be read"
-- column: rejected      number  %      "of all that was read"
-- column: lost          integer frames "offsets that were gone before they could be read, ever"
-- column: last_offset   integer offset "the highest offset that was read"
-- column: last_event_at time    -      "newest request"
-- column: last_read_at  time    -      "when a frame was read last"
-- column: median_lag    number  s      "from the request to when it was read"
-- column: p99_lag       number  s      "the same for the slowest 1 %"
-- chart: bars x=topic y=p99_lag
with read as (
    select
        topic,
        partition,
        "offset",
        event_at,
        ingested_at,
        date_part('epoch', ingested_at) - date_part('epoch', event_at) as lag
    from events
    -- A request is stored under its own day, which may be long before the day it is read.
    where date >= $oldest_date
      and ingested_at >= $from
      and ingested_at < $to
),
streams as (
    select
        topic,
        partition,
        count(*)                          as events,
        max("offset")                     as last_offset,
        max(event_at)                     as last_event_at,
        max(ingested_at)                  as last_read_at,
        approx_percentile_cont(lag, 0.50) as median_lag,
        approx_percentile_cont(lag, 0.99) as p99_lag
    from read
    group by topic, partition
),
rejected as (
    select topic, partition, count(*) as rejects, max("offset") as last_offset, max(ingested_at) as last_read_at
    from rejects
    where date between $from_date and $to_date
      and ingested_at >= $from
      and ingested_at < $to
    group by topic, partition
),
lost as (
    select topic, partition, sum("end" - "begin") as frames
    from gaps
    group by topic, partition
),
known as (
    select topic, partition from streams
    union
    select topic, partition from rejected
    union
    select topic, partition from lost
)
select
    known.topic,
    known.partition,
    coalesce(streams.events, 0)                           as events,
    coalesce(rejected.rejects, 0)                         as rejects,
    round(
        100.0 * coalesce(rejected.rejects, 0)
            / nullif(coalesce(streams.events, 0) + coalesce(rejected.rejects, 0), 0), 3
    )                                                     as rejected,
    coalesce(lost.frames, 0)                              as lost,
    greatest(streams.last_offset, rejected.last_offset)   as last_offset,
    streams.last_event_at,
    greatest(streams.last_read_at, rejected.last_read_at) as last_read_at,
    round(streams.median_lag, 1)                          as median_lag,
    round(streams.p99_lag, 1)                             as p99_lag
from known
left join streams on streams.topic = known.topic and streams.partition = known.partition
left join rejected on rejected.topic = known.topic and rejected.partition = known.partition
left join lost on lost.topic = known.topic and lost.partition = known.partition
order by p99_lag desc nulls last, known.topic, known.partition
