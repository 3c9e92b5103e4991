-- title: Human keys that drive automated traffic
-- question: Which keys of people are used by machines, and should belong to a service account?
-- group: access
-- parameter: from   time              -7d  "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: signs  integer(1..4)     1    "least number of signs of a machine"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id       text    -        "the key"
-- column: principal_id text    -        "the person it belongs to"
-- column: tenant_id    text    -        "tenant of the key"
-- column: signs        integer signs    "how many hold: tools, hosting and on_schedule of at least 50 %, hours_of_day of at least 18"
-- column: requests     integer requests "requests with the key"
-- column: tools        number  %        "of them from tools and libraries, by their user agent"
-- column: hosting      number  %        "of them from data centres, where a database says so"
-- column: on_schedule  number  %        "of them in the busiest minute of the hour; 0 for keys seen in fewer than 6 hours"
-- column: hours_of_day integer hours    "different hours of the day in which the key was used"
-- column: networks     integer networks "networks it was used from"
-- column: main_agent   text    -        "user agent that sent most"
-- column: last_used_at time    -        "last request"
-- chart: bars x=key_id y=requests
with calls as (
    select
        key_id,
        principal_id,
        tenant_id,
        event_at,
        user_agent,
        client_relay,
        client_network,
        date_part('minute', event_at) as minute,
        regexp_like(
            lower(user_agent),
            '^(curl|wget|python|go-http|java|okhttp|axios|node|ruby|php|perl|apache-httpclient|aws-|grpc)|-sdk|bot'
        )                             as is_tool
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and principal_kind = 'human'
      and key_id is not null
      and ($tenant is null or tenant_id = $tenant)
),
minutes as (
    select key_id, minute, count(*) as requests
    from calls
    group by key_id, minute
),
busiest_minutes as (
    select key_id, max(requests) as requests
    from minutes
    group by key_id
),
agents as (
    select
        key_id,
        user_agent,
        row_number() over (partition by key_id order by count(*) desc, user_agent) as rank
    from calls
    group by key_id, user_agent
),
keys as (
    select
        key_id,
        max(principal_id)                                                   as principal_id,
        max(tenant_id)                                                      as tenant_id,
        count(*)                                                            as requests,
        100.0 * count(*) filter (where is_tool) / count(*)                  as tools,
        100.0 * count(*) filter (where client_relay = 'hosting') / count(*) as hosting,
        count(distinct date_part('hour', event_at))                         as hours_of_day,
        count(distinct date_trunc('hour', event_at))                        as hours,
        count(distinct client_network)                                      as networks,
        max(event_at)                                                       as last_used_at
    from calls
    group by key_id
),
habits as (
    select
        keys.*,
        case when keys.hours >= 6 then 100.0 * busiest_minutes.requests / keys.requests else 0 end as on_schedule
    from keys
    join busiest_minutes on busiest_minutes.key_id = keys.key_id
),
judged as (
    select
        *,
        case when tools >= 50 then 1 else 0 end
            + case when hosting >= 50 then 1 else 0 end
            + case when on_schedule >= 50 then 1 else 0 end
            + case when hours_of_day >= 18 then 1 else 0 end as signs
    from habits
)
select
    judged.key_id,
    judged.principal_id,
    judged.tenant_id,
    judged.signs,
    judged.requests,
    round(judged.tools, 1)       as tools,
    round(judged.hosting, 1)     as hosting,
    round(judged.on_schedule, 1) as on_schedule,
    judged.hours_of_day,
    judged.networks,
    agents.user_agent            as main_agent,
    judged.last_used_at
from judged
join agents on agents.key_id = judged.key_id and agents.rank = 1
where judged.signs >= $signs
order by judged.signs desc, judged.requests desc, judged.key_id
limit $limit
