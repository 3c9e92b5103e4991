//! What Grafana's PostgreSQL source asks: its query builder, and every panel and variable of our dashboards.

use std::sync::Arc;

use claviger::postgres::OpenDoor;
use serde_json::Value;

use super::{is_there, psql, serve, told};

/// As Grafana's PostgreSQL source asks, its macros expanded.
#[tokio::test(flavor = "multi_thread")]
async fn grafanas_panels_and_its_query_builder_are_answered() {
    if !is_there("psql") {
        return;
    }
    let (_folder, listener) = serve(Arc::new(OpenDoor)).await;
    for sql in [
        "SELECT floor(extract(epoch from event_at)/300)*300 AS \"time\", cause AS metric, count(*) AS value \
         FROM events WHERE event_at BETWEEN '2026-11-24T00:00:00Z' AND '2026-11-25T00:00:00Z' GROUP BY 1, 2 ORDER BY 1",
        "SELECT date_bin('5 minutes', event_at, timestamp '2000-01-01') AS time, count(*) FROM events GROUP BY 1 ORDER BY 1",
        "select quote_ident(table_name) as \"table\" from information_schema.tables \
         where quote_ident(table_schema) not in ('information_schema', 'pg_catalog') order by 1",
        "select quote_ident(column_name) as \"column\", data_type as \"type\" from information_schema.columns \
         where quote_ident(table_name) = 'events'",
        "SELECT current_setting('server_version_num')::int/100 as version",
    ] {
        let answer = told(&psql(&listener, "", &[sql]));
        let is_answered = !answer.contains("ERROR") && !answer.trim().is_empty();
        assert!(is_answered, "{sql}:\n{answer}");
    }
}

/// The file of each dashboard, and every SQL in it with Grafana's macros expanded as its source does it.
fn dashboards() -> Vec<(String, Vec<String>)> {
    let files = std::fs::read_dir("dashboards/grafana").unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let read = |path: std::path::PathBuf| {
        let dashboard: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array());
        let panels = targets.flatten().map(|target| &target["rawSql"]);
        let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
        let variables = variables.filter(|variable| variable["type"] == "query").map(|variable| &variable["query"]);
        let questions = panels.chain(variables).map(|sql| expanded(sql.as_str().expect("SQL")));
        (path.display().to_string(), questions.collect())
    };
    files.map(read).collect()
}

fn expanded(sql: &str) -> String {
    sql.replace("$__timeFrom()", "'2026-11-24T00:00:00Z'")
        .replace("$__timeTo()", "'2026-11-25T00:00:00Z'")
        .replace("${tenant}", "all")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_variable_of_our_dashboards_is_answered() {
    if !is_there("psql") {
        return;
    }
    let (_folder, listener) = serve(Arc::new(OpenDoor)).await;
    let dashboards = dashboards();
    assert!(dashboards.len() >= 3, "{dashboards:?}");
    for (file, questions) in dashboards {
        assert!(questions.len() >= 4, "{file}: {questions:?}");
        for sql in questions {
            assert!(!sql.contains('$'), "{file} asks with a macro that the test does not know: {sql}");
            let answer = told(&psql(&listener, "", &[&sql]));
            assert!(!answer.contains("ERROR"), "{file}: {sql}:\n{answer}");
        }
    }
}
