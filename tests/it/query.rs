//! The SQL sandbox against a real lake: what it refuses, what it stops, and what it never tells.

mod bombs;
mod hostile;
mod isolation;
pub(crate) mod tenants;

use std::time::Duration;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use claviger::query::{Limits, Queries, QueryError, Question, Trust};
use claviger_core::access::TenantScope;
use claviger_core::fault::Fault as _;
use datafusion::common::ScalarValue;
use futures::TryStreamExt as _;

use tenants::{OWN, ask, own};
use tokio::task::JoinSet;

async fn everybodys() -> (tempfile::TempDir, Queries) {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    (folder, tenants::queries(lake))
}

async fn number(queries: &Queries, scope: &TenantScope, sql: &str) -> i64 {
    let batches = ask(queries, scope, sql).await.unwrap();
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_all_rows_and_a_tenant_its_own() {
    let (_folder, queries) = everybodys().await;
    assert_eq!(number(&queries, &TenantScope::All, "select count(*) from events").await, 60);
    assert_eq!(number(&queries, &own(), "select count(*) from events").await, 20);
    assert_eq!(number(&queries, &own(), "select count(distinct tenant_id) from events").await, 1);
    let nobody = TenantScope::One("nobody".to_owned());
    assert_eq!(number(&queries, &nobody, "select count(*) from events").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_committed_meanwhile_are_seen_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let queries = tenants::queries(lake.clone());
    assert_eq!(number(&queries, &TenantScope::All, "select count(*) from gaps").await, 0);
    let gap = claviger_core::offsets::OffsetSpan::new(claviger_core::offsets::Stream::new("c", "t", 0), 0, 5);
    lake.declare_gap(&gap, "retention", 0).await.unwrap();
    let mut found = 0;
    for _ in 0..100 {
        found = number(&queries, &TenantScope::All, "select count(*) from gaps").await;
        if found == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(found, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_and_never_sql() {
    let (_folder, queries) = everybodys().await;
    let hostile = ScalarValue::from("x' or tenant_id is not null or path = '");
    let parameters = [("path".to_owned(), hostile)];
    let question = Question {
        sql: "select count(*) from events where path = $path",
        parameters: &parameters,
        tenants: &TenantScope::All,
        trust: Trust::Adhoc,
    };
    let rows: Vec<_> = queries.run(question).await.unwrap().rows.try_collect().await.unwrap();
    assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().value(0), 0);

    let missing = ask(&queries, &TenantScope::All, "select * from events where path = $path").await.unwrap_err();
    assert!(matches!(missing, QueryError::NotUnderstood { .. }), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_a_select_is_refused() {
    let (folder, queries) = everybodys().await;
    let out = folder.path().join("out.csv");
    let copy = format!("copy events to '{}'", out.display());
    let external = format!("create external table x stored as csv location '{}'", folder.path().display());
    for sql in [
        "delete from events",
        "insert into events select * from events",
        "update events set path = ''",
        "drop table events",
        "create table x as select 1",
        "create view x as select * from events",
        "truncate table events",
        "set datafusion.execution.batch_size = 1",
        "prepare x as select 1",
        "explain analyze select * from events",
        "explain copy events to '/tmp/x.csv'",
        "begin",
        "select 1; select 2",
        copy.as_str(),
        external.as_str(),
        "select * from '/etc/passwd'",
        "select * from generate_series(1, 10)",
        "with recursive t as (select 1 as n union all select n + 1 from t) select * from t",
    ] {
        for scope in [TenantScope::All, own()] {
            let error = ask(&queries, &scope, sql).await.err().unwrap_or_else(|| panic!("{sql} was run"));
            assert!(
                matches!(error, QueryError::Forbidden { .. } | QueryError::NotUnderstood { .. }),
                "{sql}: {error:?}"
            );
            assert!(!error.hint().is_empty());
        }
    }
    assert!(!out.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_nearly_right_is_hinted_at_and_a_hidden_one_is_not() {
    let (_folder, queries) = everybodys().await;
    let hint = async |scope: &TenantScope, sql: &str| ask(&queries, scope, sql).await.unwrap_err().hint();
    assert_eq!(hint(&own(), "select tenantid from events").await, "did you mean `tenant_id`?");
    assert_eq!(hint(&own(), "select * from evnts").await, "did you mean `events`?");
    assert_eq!(hint(&TenantScope::All, "select * from rejectz").await, "did you mean `rejects`?");
    let hidden = hint(&own(), "select * from rejects").await;
    assert!(hidden.starts_with("the tables are events, ") && !hidden.contains("rejects"), "{hidden}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_cut_at_the_limit_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let queries = Queries::new(lake, Limits { rows: 7, ..Limits::default() }).unwrap();
    let answered = async |sql: &str| {
        let question = Question { sql, parameters: &[], tenants: &own(), trust: Trust::Adhoc };
        let answer = queries.run(question).await.unwrap();
        let rows: Vec<_> = answer.rows.try_collect().await.unwrap();
        let rows: usize = rows.iter().map(arrow::array::RecordBatch::num_rows).sum();
        (rows, answer.cost.is_cut(), answer.cost.rows())
    };
    assert_eq!(answered("select * from events").await, (7, true, 7));
    assert_eq!(answered("select * from events order by path desc, latency_us").await, (7, true, 7));
    assert_eq!(answered("select * from events limit 7").await, (7, false, 7));
    assert_eq!(answered("select * from events limit 3").await, (3, false, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_when_all_places_are_taken_is_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = tenants::write(folder.path(), true).await;
    let limits = Limits { concurrent: 2, waiting: 1, wait: Duration::from_millis(200), ..Limits::default() };
    let queries = Queries::new(lake, limits).unwrap();
    // Answers that nobody reads hold their places: three columns of three joins are more than a channel takes.
    let endless = "select * from events a, events b, events c";
    let all = TenantScope::All;
    let question = |tenants| Question { sql: endless, parameters: &[], tenants, trust: Trust::Adhoc };
    let first = queries.run(question(&all)).await.unwrap();
    let second = queries.run(question(&all)).await.unwrap();
    let refused = ask(&queries, &all, "select 1").await.unwrap_err();
    assert!(matches!(refused, QueryError::Busy { running: 2, .. }), "{refused:?}");
    // Our own reports have places of their own.
    let own_report = Question { sql: "select 1", parameters: &[], tenants: &all, trust: Trust::Own };
    assert!(queries.run(own_report).await.is_ok());

    let mut waiting = JoinSet::new();
    waiting.spawn({
        let queries = queries.clone();
        async move { ask(&queries, &TenantScope::All, "select 1").await.map(drop) }
    });
    drop(first);
    waiting.join_next().await.unwrap().unwrap().unwrap();
    drop(second);
    crate::support::wait_for("place", || {
        futures::executor::block_on(ask(&queries, &TenantScope::One(OWN.to_owned()), "select 1")).ok()
    });
}
