-- title: Identity changes with their effect
-- question: Which changes of keys, users and tenants made calls fail?
-- group: histories
-- parameter: from   time                             -24h "start of the period"
-- parameter: to     time                             now  "end of the period"
-- parameter: window duration                         1h   "time before and after a change that is compared, as far as it lies in days of the period"
-- parameter: kind   enum(key|principal|tenant|grant) null "only changes of this kind"
-- parameter: limit  integer(1..10000)                200  "rows at most"
-- column: at             time    -        "when the change took place, as far as is known"
-- column: noticed_as_of  time    -        "snapshot by which it was noticed"
-- column: kind           text    -        "key, principal, tenant or grant"
-- column: id             text    -        "of what changed"
-- column: field          text    -        "field that changed; `row` for what came or went as a whole"
-- column: before         text    -        "value before; null for none"
-- column: after          text    -        "value after; null for none"
-- column: source         text    -        "identity source"
-- column: refused_before integer requests "refused requests of its keys in the window before"
-- column: refused_after  integer requests "refused requests of its keys in the window after"
-- column: served_before  integer requests "requests of its keys that were served in the window before"
-- column: served_after   integer requests "requests of its keys that were served in the window after"
-- column: keys           integer keys     "keys that called in either window"
-- chart: bars x=id y=refused_after series=field
with changes as (
    select at, noticed_as_of, kind, id, field, before, after, source
    from identity_history
    where at >= $from
      and at < $to
      and ($kind is null or kind = $kind)
),
minutes as (
    select minute, entity as key_id, principal_id, tenant_id, refused, served
    from entity_minutes
    where date between $from_date and $to_date
      and entity_kind = 'key'
),
calls as (
    select 'key' as kind, key_id as id, minute, key_id, refused, served from minutes
    union all
    select 'principal' as kind, principal_id as id, minute, key_id, refused, served from minutes
    union all
    select 'tenant' as kind, tenant_id as id, minute, key_id, refused, served from minutes
)
select
    changes.at,
    changes.noticed_as_of,
    changes.kind,
    changes.id,
    changes.field,
    changes.before,
    changes.after,
    changes.source,
    coalesce(sum(calls.refused) filter (where calls.minute < changes.at), 0)  as refused_before,
    coalesce(sum(calls.refused) filter (where calls.minute >= changes.at), 0) as refused_after,
    coalesce(sum(calls.served) filter (where calls.minute < changes.at), 0)   as served_before,
    coalesce(sum(calls.served) filter (where calls.minute >= changes.at), 0)  as served_after,
    count(distinct calls.key_id)                                              as keys
from changes
left join calls
  on calls.kind = changes.kind
 and calls.id = changes.id
 and calls.minute >= changes.at - $window
 and calls.minute < changes.at + $window
group by
    changes.at,
    changes.noticed_as_of,
    changes.kind,
    changes.id,
    changes.field,
    changes.before,
    changes.after,
    changes.source
order by refused_after desc, changes.at desc, changes.kind, changes.id, changes.field
limit $limit
