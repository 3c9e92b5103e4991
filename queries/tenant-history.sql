-- title: History of a tenant
-- question: What happened to this tenant, its users and its keys, and what did its calls meet with?
-- group: histories
-- parameter: tenant tenant            required "the tenant"
-- parameter: from   time              -7d      "start of the period"
-- parameter: to     time              now      "end of the period"
-- parameter: bucket duration          6h       "time over which requests are counted together"
-- parameter: limit  integer(1..10000) 500      "rows at most, newest first"
-- column: at       time    -        "when it happened, or the start of the bucket"
-- column: what     text    -        "change, served, refused or finding"
-- column: subject  text    -        "what changed; cause of the refusals; detector of the finding"
-- column: detail   text    -        "the change, the remedy, or what was found"
-- column: requests integer requests "requests in the bucket; null for what is no request"
-- column: keys     integer keys     "keys they were made with"
-- chart: columns x=at y=requests series=what
with calls as (
    select date_bin($bucket, event_at) as at, denied_by, cause, remedy, key_id, principal_id
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and tenant_id = $tenant
),
parts as (
    select 'tenant' as kind, $tenant as id
    union
    select 'key' as kind, key_id as id from directory_keys where tenant_id = $tenant
    union
    select 'principal' as kind, principal_id as id from directory_keys
    where tenant_id = $tenant
      and principal_id is not null
    union
    select 'principal' as kind, principal_id as id from calls where principal_id is not null
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
        cast(null as bigint)                  as keys
    from identity_history as history
    join parts on parts.kind = history.kind and parts.id = history.id
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
        count(distinct key_id)                                       as keys
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
        cast(null as bigint) as keys
    from findings
    where date between $from_date and $to_date
      and from_at >= $from
      and from_at < $to
      and tenant_id = $tenant
)
select at, what, subject, detail, requests, keys from changes
union all
select at, what, subject, detail, requests, keys from outcomes
union all
select at, what, subject, detail, requests, keys from claims
order by at desc, what, subject, detail
limit $limit
