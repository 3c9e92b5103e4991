-- title: Sources that try unknown keys
-- question: Who guesses keys, how fast, and what would a limit have stopped?
-- group: access
-- parameter: from    time              -24h "start of the period"
-- parameter: to      time              now  "end of the period"
-- parameter: allowed integer(1..10000) 20   "guesses a minute that a limit would let through"
-- parameter: limit   integer(1..10000) 100  "rows at most"
-- column: network       text    -        "where they came from"
-- column: country       text    -        "country of the network, where a database says so"
-- column: provider      text    -        "who runs the network, where a database says so"
-- column: guesses       integer requests "refused requests with a key that nobody has"
-- column: credentials   integer keys     "different keys that were tried"
-- column: fastest       integer requests "guesses in the busiest minute"
-- column: stopped       integer requests "guesses beyond the allowed number a minute"
-- column: served        integer requests "requests of the same network that were served"
-- column: agents        integer agents   "different user agents"
-- column: first_seen_at time    -        "first guess"
-- column: last_seen_at  time    -        "last guess"
-- chart: bars x=network y=guesses
with guesses as (
    select
        client_network,
        client_country,
        client_provider,
        fingerprint,
        user_agent,
        event_at,
        date_trunc('minute', event_at) as minute
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and cause in ('unknown_key', 'malformed_credential')
      and client_network is not null
),
minutes as (
    select client_network, minute, count(*) as guesses
    from guesses
    group by client_network, minute
),
pace as (
    select
        client_network,
        max(guesses)                                                         as fastest,
        sum(case when guesses > $allowed then guesses - $allowed else 0 end) as stopped
    from minutes
    group by client_network
),
served as (
    select client_network, count(*) as served
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and denied_by is null
    group by client_network
)
select
    guesses.client_network              as network,
    max(guesses.client_country)         as country,
    max(guesses.client_provider)        as provider,
    count(*)                            as guesses,
    count(distinct guesses.fingerprint) as credentials,
    max(pace.fastest)                   as fastest,
    max(pace.stopped)                   as stopped,
    coalesce(max(served.served), 0)     as served,
    count(distinct guesses.user_agent)  as agents,
    min(guesses.event_at)               as first_seen_at,
    max(guesses.event_at)               as last_seen_at
from guesses
join pace on pace.client_network = guesses.client_network
left join served on served.client_network = guesses.client_network
group by guesses.client_network
order by guesses desc, network
limit $limit
