-- title: AI tokens and cost
-- question: Which keys spend how much on which model?
-- group: usage
-- parameter: from   time              -7d  "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: key    key               null "only this key"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: key_id        text    -           "the key"
-- column: principal_id  text    -           "principal behind the key"
-- column: tenant_id     text    -           "tenant of the key"
-- column: ai_provider   text    -           "who runs the model"
-- column: ai_model      text    -           "the model"
-- column: requests      integer requests    "requests for the model"
-- column: refused       integer requests    "those of them that were refused"
-- column: input_tokens  integer tokens      "prompt tokens"
-- column: output_tokens integer tokens      "generated tokens"
-- column: cost          number  currency    "in the billing currency"
-- column: cost_per_1000 number  currency/1k "per thousand tokens, in and out; null without tokens"
-- column: share         number  %           "of the cost of all rows"
-- column: last_used_at  time    -           "last request"
-- chart: bars x=key_id y=cost series=ai_model
select
    key_id,
    principal_id,
    tenant_id,
    ai_provider,
    ai_model,
    count(*)                                      as requests,
    count(denied_by)                              as refused,
    coalesce(sum(input_tokens), 0)                as input_tokens,
    coalesce(sum(output_tokens), 0)               as output_tokens,
    round(coalesce(sum(cost_micros), 0) / 1e6, 4) as cost,
    round(
        coalesce(sum(cost_micros), 0) / 1e3
            / nullif(coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0), 0), 4
    )                                             as cost_per_1000,
    round(
        100.0 * coalesce(sum(cost_micros), 0) / nullif(sum(coalesce(sum(cost_micros), 0)) over (), 0), 2
    )                                             as share,
    max(event_at)                                 as last_used_at
from events
where date between $from_date and $to_date
  and event_at >= $from
  and event_at < $to
  and ai_model is not null
  and ($tenant is null or tenant_id = $tenant)
  and ($key is null or key_id = $key)
group by key_id, principal_id, tenant_id, ai_provider, ai_model
order by cost desc, requests desc, key_id, ai_model
limit $limit
