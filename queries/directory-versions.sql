-- title: Identity snapshots in use
-- question: Which identity snapshots were requests judged by, and how old were they?
-- group: platform
-- parameter: from  time              -24h "start of the period"
-- parameter: to    time              now  "end of the period"
-- parameter: limit integer(1..10000) 50   "rows at most, newest first"
-- column: directory_version text    -        "version of the identity directory: when the snapshot was taken, and a hash"
-- column: requests          integer requests "requests that were judged by it"
-- column: refused           integer requests "those of them that were refused"
-- column: undecidable       integer requests "refusals that it could not explain"
-- column: changes           integer changes  "changes of keys, users and tenants that it brought"
-- column: first_used_at     time    -        "first request judged by it"
-- column: last_used_at      time    -        "last request judged by it"
-- chart: bars x=directory_version y=requests
with judged as (
    select
        directory_version,
        count(*)                                      as requests,
        count(denied_by)                              as refused,
        count(*) filter (where cause = 'undecidable') as undecidable,
        min(event_at)                                 as first_used_at,
        max(event_at)                                 as last_used_at
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and directory_version is not null
    group by directory_version
),
changes as (
    select directory_version, count(*) as changes
    from identity_history
    group by directory_version
)
select
    judged.directory_version,
    judged.requests,
    judged.refused,
    judged.undecidable,
    coalesce(changes.changes, 0) as changes,
    judged.first_used_at,
    judged.last_used_at
from judged
left join changes on changes.directory_version = judged.directory_version
order by judged.last_used_at desc, judged.directory_version
limit $limit
