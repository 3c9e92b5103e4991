//! One tenant learns nothing of another's rows: neither by results nor by errors, plans, counts or buffers.

use arrow::array::RecordBatch;
use claviger::query::{QueryError, Question, Trust};
use claviger_core::access::TenantScope;
use claviger_core::fault::Fault as _;
use futures::TryStreamExt as _;

use super::everybodys;
use super::tenants::{CANARY, CANARY_NUMBER, ask, lines, own};

/// Each is an error on a row of somebody else, and none on the tenant's own.
const ORACLES: &[&str] = &[
    "select count(*) from events where 10 / latency_us >= 0",
    "select sum(10 / latency_us) from events",
    "select * from (select * from events where tenant_id = 'acme') where 10 / latency_us > 1",
    "select count(*) from events where 10 % request_bytes >= 0 and status > 0",
    "select max(cast(latency_us * 1 as smallint)) from events where latency_us < 20000 or cast(latency_us as smallint) > 0",
    "select count(*) from events where cast(substr(path, 6) as int) >= 0",
    "select count(*) from events where cast(replace(path, 'path-', '') as int) >= 0",
    "select count(*) from events where case when latency_us = 0 then 1 / latency_us else 1 end = 1",
    "select count(*) from entity_minutes where 1 / requests >= 0",
    "select count(*) from events a join events b on 10 / a.latency_us = 10 / b.latency_us",
    "select row_number() over (order by 10 / latency_us) from events",
    "select count(*) from events where latency_us in (select 10 / latency_us from events)",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_error_on_somebody_elses_row_never_surfaces() {
    let (_folder, queries) = everybodys().await;
    for sql in ORACLES {
        let own_rows = ask(&queries, &own(), sql).await;
        assert!(own_rows.is_ok(), "{sql}: {own_rows:?}");
    }
    // They are oracles indeed: whoever may see the rows runs into them.
    let seen = ask(&queries, &TenantScope::All, ORACLES[0]).await.unwrap_err();
    assert!(matches!(seen, QueryError::Failed { .. }), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_quote_no_value_of_any_row() {
    let (_folder, queries) = everybodys().await;
    for sql in [
        "select cast(path as int) from events",
        "select cast(path as timestamp) from events",
        "select 1 / (latency_us - latency_us) from events",
        "select to_date(path) from events",
        "select cast(latency_us * 1000 as smallint) from events",
    ] {
        for scope in [TenantScope::All, own()] {
            let error = ask(&queries, &scope, sql).await.unwrap_err();
            let told = format!("{error} {} {error:?}", error.hint());
            assert!(matches!(error, QueryError::Failed { .. }), "{sql}: {told}");
            assert!(!told.contains(CANARY) && !told.contains("path-"), "{sql}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_show_the_barrier_and_nothing_below_it() {
    let (_folder, queries) = everybodys().await;
    for sql in [
        "select * from events",
        "select count(*), min(path), max(latency_us) from events",
        "select * from events where date = '2026-11-24' and cause = 'x' order by event_at limit 5",
        "select * from events a join entity_minutes b on a.key_id = b.entity where a.status > 5",
        "select path from events union select entity from entity_minutes except select summary from findings",
        "select * from events where latency_us > (select avg(requests) from entity_minutes)",
        "select *, rank() over (partition by cause order by latency_us) from events",
    ] {
        for explain in ["explain", "explain verbose", "explain format tree", "explain format indent"] {
            let plan = lines(&ask(&queries, &own(), &format!("{explain} {sql}")).await.unwrap()).join("\n");
            for hidden in ["parquet", "DataSourceExec", "DeltaScan", "kanarien", "file_groups"] {
                assert!(!plan.contains(hidden), "{explain} {sql} shows {hidden}:\n{plan}");
            }
            // Neither how many rows there are, nor how large they are, by any estimate.
            for scan in plan.lines().filter(|line| line.contains("TenantScan") && line.contains("statistics=")) {
                assert!(scan.contains("Rows=Absent, Bytes=Absent"), "{explain} {sql} estimates: {scan}");
            }
        }
    }
    let all = lines(&ask(&queries, &TenantScope::All, "explain select * from events").await.unwrap()).join("\n");
    assert!(all.contains("parquet"), "whoever may see all is not behind a barrier:\n{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_extremes_come_from_own_rows_only() {
    let (_folder, queries) = everybodys().await;
    for table in ["events", "entity_minutes"] {
        let sql = format!("select count(*) as n, count(1), max(tenant_id), min(tenant_id) from {table}");
        let told = lines(&ask(&queries, &own(), &sql).await.unwrap()).join("\n");
        assert!(told.contains("| 20 ") && !told.contains(CANARY), "{told}");
    }
    let max =
        lines(&ask(&queries, &own(), "select max(latency_us), max(event_at), max(path) from events").await.unwrap());
    assert!(!max.join("\n").contains(&CANARY_NUMBER.to_string()), "{max:?}");
    assert!(ask(&queries, &own(), "select * from rejects").await.is_err());
    let names = lines(&ask(&queries, &own(), "select table_name from information_schema.columns").await.unwrap());
    assert!(!names.join("\n").contains("rejects"), "{names:?}");
}

/// A writer of Arrow streams stores whole buffers: dictionaries and view buffers too.
#[tokio::test(flavor = "multi_thread")]
async fn buffers_hold_no_foreign_value() {
    let (_folder, queries) = everybodys().await;
    for sql in [
        "select * from events",
        "select alternatives, evidence, date, tenant_id, path from events where latency_us > 2",
        "select * from entity_minutes",
        "select path from events order by latency_us limit 3",
    ] {
        let batches = ask(&queries, &own(), sql).await.unwrap();
        assert!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() > 0, "{sql}");
        let mut stored = Vec::new();
        let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut stored, batches[0].schema_ref()).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        drop(writer);
        let found = stored.windows(CANARY.len()).position(|window| window == CANARY.as_bytes());
        assert_eq!(found, None, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_reports_are_held_to_the_same_tenant() {
    let (_folder, queries) = everybodys().await;
    let sql = "select path from events cross join generate_series(1, 2)";
    let question = Question { sql, parameters: &[], tenants: &own(), trust: Trust::Own };
    let batches: Vec<_> = queries.run(question).await.unwrap().rows.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 40);
}
