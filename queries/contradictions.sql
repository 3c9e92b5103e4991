-- title: Contradictions per gateway
-- question: Where do gateways and the identity directory disagree?
-- group: failures
-- parameter: from    time              -24h "start of the period"
-- parameter: to      time              now  "end of the period"
-- parameter: gateway text              null "only this gateway"
-- parameter: tenant  tenant            null "only this tenant"
-- parameter: limit   integer(1..10000) 100  "rows at most"
-- column: gateway       text    -        "the gateway"
-- column: contradiction text    -        "how the witnesses disagree"
-- column: cause         text    -        "the verdict that was reached all the same"
-- column: confidence    text    -        "how sure it is: certain, likely or possible"
-- column: gateway_code  text    -        "what the gateway said"
-- column: requests      integer requests "requests with this contradiction"
-- column: share         number  %        "of all refused and wrongly served requests of the gateway"
-- column: keys          integer keys     "keys among them"
-- column: last_seen_at  time    -        "last one"
-- column: request_id    text    -        "one of them, to diagnose"
-- chart: bars x=gateway y=requests series=contradiction
with judged as (
    select gateway, contradiction, cause, confidence, gateway_code, key_id, event_at, request_id
    from events
    where date between $from_date and $to_date
      and event_at >= $from
      and event_at < $to
      and cause is not null
      and ($gateway is null or gateway = $gateway)
      and ($tenant is null or tenant_id = $tenant)
),
gateways as (
    select gateway, count(*) as requests
    from judged
    group by gateway
)
select
    judged.gateway,
    judged.contradiction,
    judged.cause,
    judged.confidence,
    judged.gateway_code,
    count(*)                                            as requests,
    round(100.0 * count(*) / max(gateways.requests), 2) as share,
    count(distinct judged.key_id)                       as keys,
    max(judged.event_at)                                as last_seen_at,
    min(judged.request_id)                              as request_id
from judged
join gateways on gateways.gateway is not distinct from judged.gateway
where judged.contradiction is not null
group by judged.gateway, judged.contradiction, judged.cause, judged.confidence, judged.gateway_code
order by requests desc, judged.gateway, judged.contradiction, judged.cause, judged.gateway_code
limit $limit
