//! How the demo tells of incidents: a few lines when one opens, the misuse that was found at the end, and the same for
//! machines. Text in, text out.

use claviger_core::alert::{Incident, runbook};
use claviger_core::detect::Severity;
use serde_json::{Value, json};

use super::alarms::{Book, News, Outcome, Truly, severity_of};
use super::summary::{Paint, clipped, line};

/// What an onlooker reads of something new; empty for what is below [`Severity::Low`].
#[must_use]
pub fn news_lines(news: &News, book: &Book, paint: Paint) -> String {
    let (word, id) = match news {
        News::Opened(id) => ("opened", id),
        News::Worse(id) => ("is worse", id),
        News::Reopened(id) => ("is back", id),
        News::Resolved(id) => ("resolved", id),
    };
    let Some(incident) = book.incident(id).filter(|incident| severity_of(incident) >= Severity::Low) else {
        return String::new();
    };
    let severity = severity_of(incident);
    let shown = format!("INCIDENT {}", severity.name());
    let shown = if severity >= Severity::High { paint.bad(&shown) } else { paint.bold(&shown) };
    let mut out = String::new();
    let after = book.time_to_detect(incident).filter(|_| matches!(news, News::Opened(_)));
    let after = after.map_or_else(String::new, |us| format!(" · {} after the first misused request", seconds(us)));
    line(&mut out, &format!("{shown} {word} · {}{after}", incident.title()));
    if !matches!(news, News::Resolved(_)) {
        let summary = incident.weightiest().map_or("", |claim| claim.summary.as_str());
        line(&mut out, &format!("    {summary}"));
    }
    if matches!(news, News::Opened(_))
        && let Some(step) = runbook(incident).first()
    {
        line(&mut out, &format!("    {}", paint.dim(step)));
    }
    out
}

/// The misuse that was played, what was found of it, and what was told without reason.
#[must_use]
pub fn report(book: &Book, paint: Paint) -> String {
    let outcomes = book.outcomes();
    let mut out = String::new();
    if !outcomes.is_empty() {
        let head = format!("{:<56} {:<18} {:<9} {:>8}  {}", "misuse", "who", "severity", "after", "found by");
        line(&mut out, &paint.bold(&head));
        outcomes.iter().for_each(|outcome| line(&mut out, &row_of(outcome, paint)));
        out.push('\n');
    }
    let (due, found) = counts(&outcomes);
    let text = format!("{found} of {due} misuses found");
    let waiting = outcomes.len() - due;
    let waiting = if waiting > 0 {
        format!("; {waiting} had no full minute before the end, and windows are judged when they close")
    } else {
        String::new()
    };
    let shown = if found == due { paint.good(&text) } else { paint.bad(&text) };
    line(&mut out, &format!("{shown}{waiting}"));
    let wrong: Vec<String> = book.false_incidents().map(Incident::title).collect();
    let text = format!("{} false incidents of severity medium or worse", wrong.len());
    if wrong.is_empty() {
        line(&mut out, &paint.good(&text));
    } else {
        line(&mut out, &paint.bad(&format!("{text}: {}", wrong.join(", "))));
    }
    out
}

fn row_of(outcome: &Outcome<'_>, paint: Paint) -> String {
    let (title, who) = (clipped(outcome.misuse.kind.title(), 56), clipped(&outcome.misuse.entity, 18));
    let how = match (outcome.found, outcome.due) {
        (Some((incident, after)), _) => {
            let detectors: Vec<&str> = incident.evidence.keys().map(|detector| detector.name()).collect();
            let by = detectors.join(", ");
            paint.good(&format!("{:<9} {:>8}  {by}", severity_of(incident).name(), seconds(after)))
        }
        (None, true) => paint.bad("not found"),
        (None, false) => "its first minute had not ended".to_owned(),
    };
    format!("{title:<56} {who:<18} {how}")
}

/// Adds what detection told to the summary for machines.
pub fn add_json(summary: &mut Value, book: &Book) {
    let outcomes = book.outcomes();
    let (due, found) = counts(&outcomes);
    summary["incidents"] = book.opened().map(|(incident, _)| described(incident, book)).collect();
    summary["misuse"] = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "misuse": outcome.misuse.kind.title(),
                "entity": outcome.misuse.entity,
                "due": outcome.due,
                "incident": outcome.found.map(|(incident, _)| incident.id.as_str()),
                "found_after_seconds": outcome.found.map(|(_, after)| as_seconds(after)),
            })
        })
        .collect();
    summary["misuse_due"] = due.into();
    summary["misuse_found"] = found.into();
    summary["false_incidents"] = book.false_incidents().count().into();
}

fn described(incident: &Incident, book: &Book) -> Value {
    let claim = incident.weightiest();
    let scripted = match book.truth_of(incident) {
        Truly::Misuse(kind) => Some(kind.title()),
        Truly::Failure => Some("failure"),
        Truly::Nothing => None,
    };
    json!({
        "id": incident.id.as_str(),
        "title": incident.title(),
        "detector": claim.map(|claim| claim.detector.name()),
        "family": incident.group.family.name(),
        "severity": severity_of(incident).name(),
        "entity": claim.map(|claim| claim.entity.name.as_str()),
        "tenant": incident.group.tenant,
        "summary": claim.map(|claim| claim.summary.as_str()),
        "opened_after_seconds": book.time_to_detect(incident).map(as_seconds),
        "scripted": scripted,
    })
}

/// Misuses that were due, and those of them that were found.
fn counts(outcomes: &[Outcome<'_>]) -> (usize, usize) {
    let count = |test: fn(&Outcome<'_>) -> bool| outcomes.iter().filter(|outcome| test(outcome)).count();
    (count(|outcome| outcome.due), count(|outcome| outcome.found.is_some()))
}

fn seconds(us: i64) -> String {
    format!("{:.1} s", as_seconds(us))
}

#[expect(clippy::cast_precision_loss, reason = "spans of a run are far below 2^52 microseconds")]
fn as_seconds(us: i64) -> f64 {
    (us / 100_000) as f64 / 10.0 // tenths are what ticks of a second can tell
}
