-- title: History of a user
-- question: What happened to this user or service, and to the calls with its keys?
-- group: histories
-- parameter: principal principal         required "the user, service or federated identity"
-- parameter: from      time              -30d     "start of the period"
-- parameter: to        time              now      "end of the period"
-- parameter: bucket    duration          1h       "time over which requests are counted together"
-- parameter: limit     integer(1..10000) 500      "rows at most, newest first"
-- column: at       time    -        "when it happened, or the start of the bucket"
-- column: what     text    -        "change, served, refused or finding"
-- column: key_id   text    -        "the key that was used or found; null for what is about the user"
-- column: subject  text    -        "what changed; cause of the refusals; detector of the finding"
-- column: detail   text    -        "the change, the remedy, or what was found"
-- column: requests integer requests "requests in the bucket; null for what is no request"
-- column: networks integer networks "networks they came from"
-- chart: columns x=at y=requests series=what
with calls as (
    select date_bin($bucket, event_at) as at, denied_by, cause, remedy, key_id, client_network
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and principal_id = $principal
),
keys as (
    select distinct key_id from directory_keys where principal_id = $principal
    union
    select distinct key_id from calls where key_id is not null
),
changes as (
    select
        history.at,
        'change'                              as what,
        keys.key_id,
        concat(history.kind, ' ', history.id) as subject,
        concat(
            history.field, ': ', coalesce(history.before, '(none)'), ' → ', coalesce(history.after, '(none)')
        )                                     as detail,
        cast(null as bigint)                  as requests,
        cast(null as bigint)                  as networks
    from identity_history as history
    left join keys on history.kind = 'key' and keys.key_id = history.id
    where history.at >= $from
      and history.at < $to
      and (history.kind = 'principal' and history.id = $principal or keys.key_id is not null)
),
outcomes as (
    select
        at,
        case when denied_by is null then 'served' else 'refused' end as what,
        key_id,
        cause                                                        as subject,
        max(remedy)                                                  as detail,
        count(*)                                                     as requests,
        count(distinct client_network)                               as networks
    from calls
    group by at, denied_by is null, key_id, cause
),
claims as (
    select
        findings.from_at     as at,
        'finding'            as what,
        keys.key_id,
        findings.detector    as subject,
        findings.summary     as detail,
        cast(null as bigint) as requests,
        cast(null as bigint) as networks
    from findings
    join keys on findings.entity_kind = 'key' and keys.key_id = findings.entity
    where findings.date between $from_date and $to_date
      and findings.from_at >= $from
      and findings.from_at < $to
)
select at, what, key_id, subject, detail, requests, networks from changes
union all
select at, what, key_id, subject, detail, requests, networks from outcomes
union all
select at, what, key_id, subject, detail, requests, networks from claims
order by at desc, what, key_id, subject, detail
limit $limit
