//! Queries that would take the machine down: refused before they start, or stopped in time, with ingestion going on.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use claviger::query::{Limits, Queries, QueryError};
use claviger_core::access::TenantScope;
use claviger_core::offsets::{OffsetSpan, Stream};

use super::tenants::{self, ask, own};
use tokio::task::JoinSet;

const TIME: Duration = Duration::from_secs(2);
/// Time limit, grace, and a busy machine.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

async fn short_of_time() -> (tempfile::TempDir, claviger::lake::Lake, Queries) {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let limits = Limits { time: TIME, memory_bytes: 32 << 20, ..Limits::default() };
    let queries = Queries::new(lake.clone(), limits).unwrap();
    (folder, lake, queries)
}

fn nested(levels: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
}

fn refused() -> Vec<String> {
    let literals: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let doubled = |expr: &str, levels| {
        let mut sql = "select path as x from events".to_owned();
        for _ in 0..levels {
            sql = format!("select {expr} as x from ({sql}) t");
        }
        sql
    };
    let mut joined = "with t0 as (select * from events)".to_owned();
    for level in 1..30 {
        let before = level - 1;
        write!(joined, ", t{level} as (select a.* from t{before} a, t{before} b)").unwrap();
    }
    joined.push_str(" select count(*) from t29");
    vec![
        "select length(repeat('x', 1500000000))".to_owned(),
        "select repeat(path, 100000000) from events".to_owned(),
        "select lpad('x', 1500000000, 'y')".to_owned(),
        "select rpad(path, 1500000000, 'y') from events".to_owned(),
        "select array_repeat('x', 1500000000)".to_owned(),
        "select range(1, 10000000000)".to_owned(),
        "select generate_series(1, 10000000000)".to_owned(),
        "select unnest(generate_series(1, 10000000000))".to_owned(),
        "select string_to_array(path, '') from events".to_owned(),
        "select array_resize([1], 1500000000)".to_owned(),
        "select arrow_cast('x', 'FixedSizeBinary(2000000000)')".to_owned(),
        "select array_agg(path) over (order by event_at) from events".to_owned(),
        "with recursive t as (select 1 as n union all select n + 1 from t) select count(*) from t".to_owned(),
        format!("select * from events where status in ({})", literals.join(",")),
        format!("select {}", literals.join("+")),
        format!("select {}", nested(10_000, "(", "1", ")")),
        format!("select {}", nested(10_000, "abs(", "1", ")")),
        format!("select {}", nested(10_000, "not ", "true", "")),
        format!("select {}", nested(10_000, "- ", "1", "")),
        format!("select {}", nested(5_000, "(select ", "1", ")")),
        format!("select {}", nested(10_000, "case when true then ", "1", " end")),
        format!("select 1{}", " union all select 1".repeat(5_000)),
        format!("select 1 where true{}", " and true".repeat(20_000)),
        format!("select '{}'", "x".repeat(1 << 20)),
        format!("select * from events where path ~ '{}'", "(a|b)*".repeat(200)),
        format!("select replace(path, 'p', '{}') from events", "x".repeat(4_000)),
        doubled("x || x", 20),
        doubled("concat(x, x, x, x)", 10),
        doubled("replace(replace(x, 'a', 'aaaaaaaa'), 'a', 'aaaaaaaa')", 4),
        format!("{} where x = 'y'", doubled("case when x < 'a' then x else x end", 30)),
        joined,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_that_no_limit_would_stop_are_refused_before_they_start() {
    let (_folder, _lake, queries) = short_of_time().await;
    for sql in refused() {
        let shown: String = sql.chars().take(120).collect();
        let began = Instant::now();
        let error = ask(&queries, &own(), &sql).await.err().unwrap_or_else(|| panic!("{shown} was run"));
        let is_refusal = matches!(
            error,
            QueryError::TooMuch { .. } | QueryError::Forbidden { .. } | QueryError::NotUnderstood { .. }
        );
        assert!(is_refusal, "{shown}: {error:?}");
        assert!(began.elapsed() < TIME, "{shown}: {:?}", began.elapsed());
    }
}

/// Just within the limits of size: planned, run or refused, but never the end of the process by an exhausted stack.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_query_that_is_let_in_does_not_exhaust_the_stack() {
    let (_folder, _lake, queries) = short_of_time().await;
    for sql in [
        format!("select 1{}", " + 1".repeat(1_400)),
        format!("select count(*) from events where status > 0{}", " or status = 1".repeat(450)),
        format!("select {}", nested(38, "(", "1", ")")),
        format!("select {}", nested(38, "abs(", "1", ")")),
        format!("select 1{}", " union all select 1".repeat(380)),
        format!("select 1{}", " union select 1".repeat(380)),
        format!("select {}", nested(40, "not ", "true", "")),
        format!("select 1{}", "::int".repeat(1_000)),
        format!(
            "select * from events where status in ({})",
            (0..9_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",")
        ),
    ] {
        let began = Instant::now();
        let answer = ask(&queries, &own(), &sql).await;
        eprintln!(
            "{}: {:?} after {:?}",
            sql.chars().take(40).collect::<String>(),
            answer.map(|_| ()).err(),
            began.elapsed()
        );
        assert!(began.elapsed() < KILLED_WITHIN);
    }
}

/// Each would run for ages, or take all memory, if it were let.
const ENDLESS: &[&str] = &[
    "select sum(a.latency_us + g.latency_us) from events a, events b, events c, events d, events e, events f, events g",
    "select * from events a, events b, events c, events d, events e, events f order by a.path || b.path",
    "select count(distinct a.path || b.path || c.path || d.path) from events a, events b, events c, events d, events e, events f",
    "select array_agg(a.path || b.path) from events a, events b, events c, events d, events e",
    "select string_agg(a.path, ',') from events a, events b, events c, events d, events e",
    "select sum(levenshtein(a.path, b.path)) from events a, events b, events c, events d, events e, events f",
    "select sum(n) from (select row_number() over (order by a.path) as n from events a, events b, events c, events d, events e)",
];

#[tokio::test(flavor = "multi_thread")]
async fn bombs_that_are_started_end_in_time_while_ingestion_goes_on() {
    let (_folder, lake, _) = short_of_time().await;
    let mut ingesting = JoinSet::new();
    ingesting.spawn(async move {
        let stream = Stream::new("c", "t", 0);
        let mut slowest = Duration::ZERO;
        for commit in 0..8 {
            let began = Instant::now();
            lake.declare_gap(&OffsetSpan::new(stream.clone(), commit * 10, commit * 10 + 5), "test", 0).await.unwrap();
            slowest = slowest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        slowest
    });
    for sql in ENDLESS {
        // What was ended may still hold a place until its batch is done: each bomb finds the room empty.
        let (_folder, _lake, queries) = short_of_time().await;
        for scope in [TenantScope::All, own()] {
            let began = Instant::now();
            let error = ask(&queries, &scope, sql).await.err().unwrap_or_else(|| panic!("{sql} came to an end"));
            assert!(matches!(error, QueryError::TooSlow { .. } | QueryError::TooLarge { .. }), "{sql}: {error:?}");
            assert!(began.elapsed() < KILLED_WITHIN, "{sql}: {:?}", began.elapsed());
        }
    }
    let slowest = ingesting.join_next().await.unwrap().unwrap();
    assert!(slowest < KILLED_WITHIN, "a commit took {slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_spills_too_much_is_told_that_it_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let limits = Limits { memory_bytes: 16 << 20, spill_bytes: 64 << 10, ..Limits::default() };
    let queries = Queries::new(lake, limits).unwrap();
    let sql = "select a.path || b.path || c.path || d.path as p, count(*) from events a, events b, events c, events d \
               group by p order by p";
    let error = ask(&queries, &own(), sql).await.err();
    assert!(matches!(error, Some(QueryError::TooLarge { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_dropped_gives_its_place_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let queries = Queries::new(lake, Limits { concurrent: 1, waiting: 0, ..Limits::default() }).unwrap();
    for _ in 0..5 {
        let answer = crate::support::wait_for("place", || {
            futures::executor::block_on(queries.run(claviger::query::Question {
                sql: "select * from events a, events b, events c, events d, events e",
                parameters: &[],
                tenants: &own(),
                trust: claviger::query::Trust::Adhoc,
            }))
            .ok()
        });
        drop(answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_memory_is_short_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let queries = Queries::new(lake, Limits { process_bytes: 1 << 20, ..Limits::default() }).unwrap();
    let refused = ask(&queries, &own(), "select 1").await.unwrap_err();
    assert!(matches!(refused, QueryError::Overloaded), "{refused:?}");
}
