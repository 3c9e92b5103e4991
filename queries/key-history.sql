-- title: History of a key
-- question: What happened to this key, and what did its calls meet with?
-- group: histories
-- parameter: key    key               required "the key"
-- parameter: from   time              -30d     "start of the period"
-- parameter: to     time              now      "end of the period"
-- parameter: bucket duration          1h       "time over which requests are counted together"
-- parameter: limit  integer(1..10000) 500      "rows at most, newest first"
-- column: at       time    -        "when it happened, or the start of the bucket"
-- column: what     text    -        "change, served, refused or finding"
-- column: subject  text    -        "key, principal or tenant that changed; cause of the refusals; detector of the finding"
-- column: detail   text    -        "what changed, the remedy, or what was found"
-- column: requests integer requests "requests in the bucket; null for what is no request"
-- column: networks integer networks "networks they came from"
-- chart: columns x=at y=requests series=what
with calls as (
    select date_bin($bucket, event_at) as at, denied_by, cause, remedy, principal_id, tenant_id, client_network
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and key_id = $key
),
owners as (
    select 'key' as kind, $key as id
    union
    select 'principal' as kind, principal_id as id from calls where principal_id is not null
    union
    select 'tenant' as kind, tenant_id as id from calls where tenant_id is not null
),
changes as (
    select
        history.at,
        'change'                              as what,
        concat(history.kind, ' ', history.id) as subject,
        concat(
            history.field, ': ', coalesce(history.before, '(none)'), ' → ', coalesce(history.after, '(none)')
        )                                     as detail,
        cast(null as bigint)                  as requests,
        cast(null as bigint)                  as networks
    from identity_history as history
    join owners on owners.kind = history.kind and owners.id = history.id
    where history.at >= $from
      and history.at < $to
),
outcomes as (
    select
        at,
        case when denied_by is null then 'served' else 'refused' end as what,
        cause                                                        as subject,
        max(remedy)                                                  as detail,
        count(*)                                                     as requests,
        count(distinct client_network)                               as networks
    from calls
    group by at, denied_by is null, cause
),
claims as (
    select
        from_at              as at,
        'finding'            as what,
        detector             as subject,
        summary              as detail,
        cast(null as bigint) as requests,
        cast(null as bigint) as networks
    from findings
    where date between $from_date and $to_date
      and from_at >= $from
      and from_at < $to
      and entity_kind = 'key'
      and entity = $key
)
select at, what, subject, detail, requests, networks from changes
union all
select at, what, subject, detail, requests, networks from outcomes
union all
select at, what, subject, detail, requests, networks from claims
order by at desc, what, subject, detail
limit $limit
