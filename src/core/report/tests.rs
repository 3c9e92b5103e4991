//! Headers and values, told by examples that could go wrong.

use super::*;

const NOW_US: i64 = 1_795_500_000_000_000; // 2026-11-24T06:00:00Z

const HEADER: &str = r#"-- title: Failures by cause
-- question: What fails most, for whom?
-- group: failures
-- parameter: from   time            -24h  "start of the period"
-- parameter: to     time            now   "end of the period"
-- parameter: tenant tenant          null  "only this tenant"
-- parameter: limit  integer(1..500) 50    "rows at most"
-- column: cause    text    -        "root cause"
-- column: failures integer requests "refused requests"
-- chart: bars x=cause y=failures
select 1
"#;

fn report(text: &str) -> Result<Report, ReportError> {
    Report::parse("failures", "queries/failures.sql", text)
}

fn bound(given: &[(&str, &str)]) -> Result<Vec<Binding>, ReportError> {
    let given: Vec<_> = given.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    report(HEADER)?.bind(&given, NOW_US)
}

fn value(kind: &str, text: &str) -> Option<Value> {
    Kind::parse(kind).unwrap().value(text, NOW_US)
}

#[test]
fn a_header_says_all_there_is_to_know() {
    let report = report(HEADER).unwrap();
    assert_eq!((report.title.as_str(), report.group), ("Failures by cause", Group::Failures));
    assert_eq!(report.parameters.len(), 4);
    assert_eq!(report.parameters[3].kind, Kind::Integer(1, 500));
    assert_eq!(report.parameters[3].kind.to_string(), "integer(1..500)");
    assert_eq!(report.columns[1].unit.as_deref(), Some("requests"));
    assert_eq!(
        report.chart.unwrap(),
        Chart { shape: Shape::Bars, x: "cause".into(), y: "failures".into(), series: None }
    );
}

#[test]
fn what_is_wrong_in_a_header_is_said_with_its_line() {
    for (from, to, line, problem) in [
        ("-- title: Failures by cause\n", "", 9, "the header lacks its title"),
        ("-- title: Failures by cause", "-- title:", 1, "there is nothing after the colon"),
        ("-- group: failures", "-- group: fails", 3, "`fails` is no group"),
        ("-- group: failures", "-- group failures", 3, "lines of the form `-- word: …` only"),
        ("-- group: failures", "-- owner: me", 3, "`owner` is no word of a header"),
        ("time            -24h", "time            yesterday", 4, "the default `yesterday` is not a time"),
        ("tenant          null", "customer        null", 6, "`customer` is no type"),
        ("integer(1..500) 50", "integer(1..500) 501", 7, "the default `501` is not a whole number from 1 to 500"),
        ("integer(1..500)", "integer(9..1)", 7, "the range is not written as"),
        ("limit  integer", "from   integer", 7, "the parameter `from` is there already"),
        (r#" "only this tenant""#, "", 6, "a parameter is `name type default"),
        ("integer requests", "integer -", 9, "`failures` is a number without a unit"),
        ("failures integer", "Failures integer", 9, "`Failures` is no name for a column"),
        ("y=failures", "y=fails", 10, "the chart draws `fails`, which is no column"),
    ] {
        let text = HEADER.replacen(from, to, 1);
        assert_ne!(text, HEADER, "{from}");
        let Err(ReportError::Header { file, line: at, problem: said }) = report(&text) else {
            panic!("{to:?} is read without complaint")
        };
        assert_eq!((file.as_str(), at), ("queries/failures.sql", line), "{said}");
        assert!(said.contains(problem), "{said}");
    }
}

#[test]
fn times_are_absolute_or_relative_to_now_and_within_a_century() {
    let at = |text: &str| match value("time", text) {
        Some(Value::Time(Some(at))) => crate::time::format(at),
        other => format!("{other:?}"),
    };
    for (text, instant) in [
        ("now", "2026-11-24T06:00:00Z"),
        ("-6h", "2026-11-24T00:00:00Z"),
        ("+30d", "2026-12-24T06:00:00Z"),
        ("-1w", "2026-11-17T06:00:00Z"),
        ("2026-11-23T03:00:00+01:00", "2026-11-23T02:00:00Z"),
        ("2026-11-23T03:00Z", "2026-11-23T03:00:00Z"),
        ("2026-11-23T03:00:00.000001Z", "2026-11-23T03:00:00.000001Z"),
    ] {
        assert_eq!(at(text), instant, "{text}");
    }
    for text in [
        "",
        "-",
        "-h",
        "6h",
        "--6h",
        "-6x",
        "-999999999999999999d",
        "yesterday",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "2026-11-2é",
        "-6ü",
        "-401d",
    ] {
        assert_eq!(value("time", text), None, "{text}");
    }
}

#[test]
fn values_are_of_their_type_and_bounded() {
    assert_eq!(value("duration", "15m"), Some(Value::Duration(Some(900_000_000))));
    assert_eq!(value("integer(1..500)", "500"), Some(Value::Integer(Some(500))));
    assert_eq!(value("number", "1e-3"), Some(Value::Number(Some(0.001))));
    assert_eq!(value("boolean", "true"), Some(Value::Boolean(Some(true))));
    assert_eq!(value("cause", "user_deleted"), Some(Value::Text(Some("user_deleted".into()))));
    assert_eq!(value("enum(key|route)", "route"), Some(Value::Text(Some("route".into()))));
    let long = "x".repeat(513);
    for (kind, text) in [
        ("duration", "0s"),
        ("duration", "401d"),
        ("duration", "-1h"),
        ("integer(1..500)", "0"),
        ("integer(1..500)", "1.0"),
        ("integer", "99999999999999999999"),
        ("number", "NaN"),
        ("number", "inf"),
        ("boolean", "yes"),
        ("cause", "user_vanished"),
        ("enum(key|route)", "key|route"),
        ("tenant", "a\u{0}b"),
        ("tenant", "a\nb"),
        ("text", &long),
    ] {
        assert_eq!(value(kind, text), None, "{kind} {text}");
    }
}

#[test]
fn every_parameter_is_bound_with_what_was_given_or_its_default_and_times_with_their_dates() {
    let shown = |given: &[(&str, &str)]| {
        let bindings = bound(given).unwrap();
        bindings.into_iter().map(|Binding { name, value }| format!("{name}={value:?}")).collect::<Vec<_>>()
    };
    let defaults = shown(&[]);
    assert_eq!(defaults[1], r#"from_date=Text(Some("2026-11-23"))"#);
    assert_eq!(defaults[4..], ["tenant=Text(None)", "limit=Integer(Some(50))"]);
    let given = shown(&[("tenant", "acme' or 1=1 --"), ("limit", "")]);
    assert_eq!(given[4..], [r#"tenant=Text(Some("acme' or 1=1 --"))"#, "limit=Integer(Some(50))"]);
}

#[test]
fn a_default_counts_from_the_end_that_is_given() {
    let from = |given: &[(&str, &str)]| {
        let Value::Time(Some(at)) = bound(given).unwrap()[0].value else { panic!("`from` is no time") };
        crate::time::format(at)
    };
    assert_eq!(from(&[]), "2026-11-23T06:00:00Z");
    assert_eq!(from(&[("to", "2026-11-08T12:00:00Z")]), "2026-11-07T12:00:00Z");
    assert_eq!(from(&[("to", "-1h"), ("from", "-6h")]), "2026-11-24T00:00:00Z", "what is given counts from now");
}

#[test]
fn what_cannot_be_bound_is_refused_by_name() {
    let refused = |given: &[(&str, &str)]| bound(given).unwrap_err();
    assert!(refused(&[("tenants", "acme")]).hint().ends_with("from, to, tenant, limit"));
    assert_eq!(refused(&[("limit", "5"), ("limit", "6")]), ReportError::GivenTwice { parameter: "limit".into() });
    assert_eq!(refused(&[("from", "now")]), ReportError::EmptyPeriod);
    let time = refused(&[("from", "soon")]);
    assert_eq!(time.to_string(), "parameter `from`: not a time from 2000 to 2100");
    assert_eq!((time.parameter(), time.hint().as_str()), (Some("from"), "for example -6h or 2026-11-23T03:00:00Z"));
    let text = HEADER.replacen("null", "required", 1);
    let missing = report(&text).unwrap().bind(&[], NOW_US).unwrap_err();
    assert_eq!(missing.parameter(), Some("tenant"));
}
