//! `claviger report`: a named query with its parameters, the list of them, and what one of them says.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use claviger_core::access::TenantScope;
use claviger_core::report::{Default, Group, Report};

use super::query::{self, Output};
use super::{Answer, Failure, print};
use crate::lake::Lake;
use crate::query::{Limits, Queries};
use crate::report::{self, Reports};

/// A named report on a lake
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger report --list
  claviger report failures --describe
  claviger report --lake ./lake failures --param by=tenant --param from=-7d
  claviger report --lake ./lake key-history --param key=key-17 --output csv --out key-17.csv

Times are RFC 3339 in UTC or relative to now, such as -6h; durations are such as 15m, 6h or 30d.")]
pub(super) struct ReportArguments {
    /// Folder or URL of the lake
    #[arg(long, value_name = "DIR", required_unless_present_any = ["list", "describe"])]
    lake: Option<String>,
    /// A parameter of the report; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, String)>,
    /// See only this tenant's rows, as a caller of that tenant would
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// How to write the result
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Where to write it instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder of your own reports, which add to and replace the ones that are built in
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
    /// Names all reports with the questions they answer
    #[arg(long, conflicts_with_all = ["name", "describe"])]
    list: bool,
    /// Says what the report answers, takes and shows, without running it
    #[arg(long)]
    describe: bool,
    /// The report
    #[arg(required_unless_present = "list")]
    name: Option<String>,
}

fn parse_parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn report(arguments: ReportArguments) -> Result<Answer, Failure> {
    let reports = Reports::load(arguments.reports.as_deref())?;
    let Some(name) = &arguments.name else {
        return print(&list(&reports)).map(|()| Answer::Yes);
    };
    let report = reports.find(name)?.clone();
    match &arguments.lake {
        Some(lake) if !arguments.describe => {
            let lake = lake.clone();
            super::wait_for(run(lake, report, arguments))?
        }
        Some(_) | None => print(&describe(&report)).map(|()| Answer::Yes),
    }
}

async fn run(lake: String, report: Report, arguments: ReportArguments) -> Result<Answer, Failure> {
    let lake = Lake::open_existing(&lake, Lake::DEFAULT_PIPELINE, &HashMap::new()).await?;
    let queries = Queries::new(lake, Limits::operator())?;
    let tenants = arguments.tenant.map_or(TenantScope::All, TenantScope::One);
    let now = chrono::Utc::now().timestamp_micros();
    let answer = report::run(&queries, &report, &arguments.parameters, &tenants, now).await?;
    query::seen(query::write(answer.rows, arguments.output, arguments.out.as_deref()).await)
}

fn list(reports: &Reports) -> String {
    let listed = reports.listed();
    let width = listed.iter().map(|report| report.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for group in Group::ALL {
        let mut of_group = listed.iter().filter(|report| report.group == *group).peekable();
        if of_group.peek().is_some() {
            text.push_str(&format!("{}\n", group.name()));
        }
        for report in of_group {
            text.push_str(&format!("  {:width$}  {}\n", report.name, report.question));
        }
    }
    text
}

fn describe(report: &Report) -> String {
    let mut text = format!("{}\n{}\n", report.title, report.question);
    let rows = report.parameters.iter().map(|parameter| {
        let default = match &parameter.default {
            Default::Required => "required".to_owned(),
            Default::Null => "optional".to_owned(),
            Default::Text(text) => format!("default {text}"),
        };
        [parameter.name.clone(), parameter.kind.to_string(), default, parameter.meaning.clone()]
    });
    section(&mut text, "Parameters", rows.collect());
    let rows = report.columns.iter().map(|column| {
        let unit = column.unit.clone().unwrap_or_default();
        [column.name.clone(), column.kind.name().to_owned(), unit, column.meaning.clone()]
    });
    section(&mut text, "Columns", rows.collect());
    text
}

fn section(text: &mut String, title: &str, rows: Vec<[String; 4]>) {
    if rows.is_empty() {
        return;
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let (first, second, third) = (width(0), width(1), width(2));
    // Writing to a `String` cannot fail.
    _ = writeln!(text, "\n{title}");
    for [name, kind, third_cell, meaning] in &rows {
        _ = writeln!(text, "  {name:first$}  {kind:second$}  {third_cell:third$}  {meaning}");
    }
}
