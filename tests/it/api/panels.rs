//! The SQL of `dashboards/grafana`: every panel and every variable is a question that the sandbox accepts.

use std::fs::read_to_string;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Service;

#[tokio::test]
async fn every_panel_of_the_grafana_dashboards_has_sql_that_runs() {
    let service = Service::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/grafana");
    let mut asked = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let board: Value = serde_json::from_str(&read_to_string(&file).unwrap()).unwrap();
        for (title, sql) in questions(&board) {
            let answer = service.post("/v1/sql", &json!({"sql": expanded(&sql)})).await;
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert_eq!(status, StatusCode::OK, "{} of {}: {text}", title, file.display());
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked} panels were found");
}

/// Panels, those in rows among them, and variables that are asked for: title and SQL.
fn questions(board: &Value) -> Vec<(String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = list(&board["panels"]);
    let panels = rows.iter().flat_map(|panel| list(&panel["panels"])).chain(rows.iter().cloned());
    let of_panels = panels.flat_map(|panel| {
        let title = text(&panel["title"]);
        list(&panel["targets"]).into_iter().map(move |target| (title.clone(), text(&target["rawSql"])))
    });
    let variables = list(&board["templating"]["list"]).into_iter().filter(|variable| variable["type"] == "query");
    of_panels.chain(variables.map(|variable| (text(&variable["name"]), text(&variable["query"])))).collect()
}

/// Grafana's macros and variables, as a dashboard of some day of all tenants has them.
fn expanded(sql: &str) -> String {
    let sql = sql.replace("$__timeFrom()", "'2026-11-23T00:00:00Z'").replace("$__timeTo()", "'2026-11-25T00:00:00Z'");
    let sql = sql.replace("${tenant}", "all");
    assert!(!sql.contains("$__") && !sql.contains("${"), "a macro that this test does not know: {sql}");
    sql
}
