-- title: Findings
-- question: What did the detectors find, and how sure are they?
-- group: alerts
-- parameter: from     time                                -24h "start of the period"
-- parameter: to       time                                now  "end of the period"
-- parameter: severity enum(info|low|medium|high|critical) low  "least severity"
-- parameter: detector text                                null "only this detector"
-- parameter: tenant   tenant                              null "only this tenant"
-- parameter: limit    integer(1..10000)                   200  "rows at most"
-- column: from_at     time   -         "start of the span that was judged"
-- column: to_at       time   -         "end of it"
-- column: severity    text   -         "info, low, medium, high or critical"
-- column: detector    text   -         "who claims it"
-- column: entity_kind text   -         "key, source, tenant or route"
-- column: entity      text   -         "which one"
-- column: tenant_id   text   -         "its tenant; null where it has none or several"
-- column: cause       text   -         "root cause, where the claim is about one"
-- column: score       number -log10(p) "how unlikely by chance; 300 where no chance is involved"
-- column: expected    number unit      "what was expected, in the unit of the row"
-- column: seen        number unit      "what was seen, in the unit of the row"
-- column: unit        text   -         "unit of expected and seen"
-- column: summary     text   -         "what happened to whom"
-- column: quiet       text   -         "what would have kept the detector quiet"
-- column: finding_id  text   -         "the same in every replay"
-- chart: columns x=from_at y=score series=detector
with ranked as (
    select
        *,
        case severity
            when 'critical' then 5
            when 'high'     then 4
            when 'medium'   then 3
            when 'low'      then 2
            when 'info'     then 1
        end as weight
    from findings
    where date between $from_date and $to_date
      and from_at >= $from
      and from_at < $to
      and ($detector is null or detector = $detector)
      and ($tenant is null or tenant_id = $tenant)
)
select
    from_at,
    to_at,
    severity,
    detector,
    entity_kind,
    entity,
    tenant_id,
    cause,
    round(score, 1)    as score,
    round(expected, 2) as expected,
    round(seen, 2)     as seen,
    unit,
    summary,
    quiet,
    finding_id
from ranked
where weight >= case $severity
    when 'critical' then 5
    when 'high'     then 4
    when 'medium'   then 3
    when 'low'      then 2
    else                 1
end
order by weight desc, from_at desc, finding_id
limit $limit
