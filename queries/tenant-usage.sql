-- title: Usage by tenant
-- question: How much does each tenant use, and how much of it fails?
-- group: usage
-- parameter: from   time              -24h "start of the period"
-- parameter: to     time              now  "end of the period"
-- parameter: tenant tenant            null "only this tenant"
-- parameter: limit  integer(1..10000) 100  "rows at most"
-- column: tenant_id       text    -        "the tenant"
-- column: requests        integer requests "requests with its keys"
-- column: served          integer requests "those that were answered"
-- column: refused         integer requests "those that were refused for a reason that is about the caller"
-- column: client_errors   integer requests "other answers of 400 to 499"
-- column: server_errors   integer requests "other answers of 500 to 599"
-- column: failing         number  %        "all that were not answered"
-- column: request_volume  number  MiB      "size of the requests"
-- column: response_volume number  MiB      "size of the responses"
-- column: tokens          integer tokens   "AI tokens in and out"
-- column: last_used_at    time    -        "minute of the last request"
-- chart: bars x=tenant_id y=requests
select
    entity                                                          as tenant_id,
    sum(requests)                                                   as requests,
    sum(served)                                                     as served,
    sum(refused)                                                    as refused,
    sum(client_errors)                                              as client_errors,
    sum(server_errors)                                              as server_errors,
    round(100.0 * (sum(requests) - sum(served)) / sum(requests), 2) as failing,
    round(sum(request_bytes) / 1048576.0, 2)                        as request_volume,
    round(sum(response_bytes) / 1048576.0, 2)                       as response_volume,
    sum(input_tokens) + sum(output_tokens)                          as tokens,
    max(minute)                                                     as last_used_at
from entity_minutes
where date between $from_date and $to_date
  and minute >= $from
  and minute < $to
  and entity_kind = 'tenant'
  and ($tenant is null or tenant_id = $tenant)
group by entity
order by requests desc, tenant_id
limit $limit
