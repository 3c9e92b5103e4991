-- title: Rejects by reason
-- question: Which log lines could not be read, and why?
-- group: platform
-- parameter: from  time              -24h "start of the period, by when the lines were read"
-- parameter: to    time              now  "end of the period"
-- parameter: limit integer(1..10000) 100  "rows at most"
-- column: reason       text    -     "why they could not be read"
-- column: detail       text    -     "the field or rule that failed"
-- column: topic        text    -     "Kafka topic, or the replayed file"
-- column: rejects      integer lines "lines that were set aside"
-- column: share        number  %     "of all rejects in the period"
-- column: volume       number  KiB   "their size"
-- column: last_seen_at time    -     "when the last one was read"
-- column: example      text    -     "the beginning of one, secrets removed"
-- chart: bars x=reason y=rejects series=topic
select
    reason,
    detail,
    topic,
    count(*)                                           as rejects,
    round(100.0 * count(*) / sum(count(*)) over (), 2) as share,
    round(sum(bytes) / 1024.0, 1)                      as volume,
    max(ingested_at)                                   as last_seen_at,
    min(excerpt)                                       as example
from rejects
where date between $from_date and $to_date
  and ingested_at >= $from
  and ingested_at < $to
group by reason, detail, topic
order by rejects desc, reason, detail, topic
limit $limit
