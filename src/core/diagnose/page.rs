//! A diagnosis to be read: on a terminal of 80 columns at 3 a.m., and as Markdown for a ticket.
//!
//! The answer comes first, then the fix, then what proves them. Steps that passed are one line; those that did not show
//! their checks. Whatever came from a log is shown without control characters: a log line must not move the cursor.

mod markdown;
mod text;

use super::answer::{Check, CheckResult, Diagnosis, Step, Timeline};
use super::remedy::capital;
use crate::cause::{CauseClass, RootCause};
use crate::time;
pub use markdown::markdown;
use text::{Text, clean, spark};

/// Plain text, lines of at most [`text::COLUMNS`] columns where words allow.
#[must_use]
pub fn page(diagnosis: &Diagnosis) -> String {
    let mut text = Text::default();
    text.line(&headline(diagnosis));
    text.wrapped("", &diagnosis.verdict.sentence);
    text.line(&standing(diagnosis));
    if !diagnosis.others.is_empty() {
        let others =
            diagnosis.others.iter().map(|other| format!("{} {} ({})", other.kind.name(), other.id, other.label));
        text.wrapped("Also known by this id: ", &others.collect::<Vec<_>>().join("; "));
    }
    text.gap();
    fix(&mut text, diagnosis);
    if let Some(contradiction) = &diagnosis.verdict.contradiction {
        text.wrapped("!     ", contradiction);
    }
    text.gap();
    text.line("Steps");
    diagnosis.steps.iter().for_each(|step| show_step(&mut text, step));
    show_timeline(&mut text, &diagnosis.timeline);
    show_callers(&mut text, diagnosis);
    if !diagnosis.alternatives.is_empty() {
        text.gap();
        text.line("Also possible");
        for other in &diagnosis.alternatives {
            text.wrapped("  ", &format!("{}: {}", other.label, other.why));
        }
    }
    if !diagnosis.done_when.sql.is_empty() {
        text.gap();
        text.line(&format!("Done when {}", diagnosis.done_when.expected));
        text.wrapped("  ", &diagnosis.done_when.sql);
    }
    text.finish()
}

/// `Refused: User deleted`.
fn headline(diagnosis: &Diagnosis) -> String {
    let label = &diagnosis.verdict.label;
    let class = diagnosis.verdict.class.unwrap_or("");
    match diagnosis.verdict.cause {
        None => label.clone(),
        Some(_) if class == CauseClass::Served.name() => format!("Served but wrong: {label}"),
        Some(_) if diagnosis.request.is_some() => format!("Refused: {label}"),
        Some(_) => format!("Would be refused: {label}"),
    }
}

/// `Identity, certain. Request r-81, GET /v1/orders, 401, at 2026-11-24T09:00:00Z.`
fn standing(diagnosis: &Diagnosis) -> String {
    let cause = diagnosis.verdict.cause.and_then(RootCause::from_name);
    let class = cause.map(|cause| cause.class().label());
    let sure = class.into_iter().chain(diagnosis.verdict.confidence).collect::<Vec<_>>().join(", ");
    let subject = &diagnosis.subject;
    let mut of = vec![format!("{} {}", capital(subject.kind.name()), clean(&subject.id))];
    if subject.label != subject.id && !subject.label.is_empty() {
        of.push(clean(&subject.label));
    }
    let named = |name: &str| diagnosis.request.as_ref().and_then(|row| row.get(name)).map(plain);
    let call = [named("method"), named("path")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    of.extend([Some(call).filter(|call| !call.is_empty()), named("status")].into_iter().flatten());
    of.push(format!("at {}", time::format(diagnosis.at)));
    let sure = if sure.is_empty() { String::new() } else { format!("{sure}. ") };
    format!("{sure}{}. Snapshot {}.", of.join(", "), diagnosis.snapshot_version)
}

fn plain(value: &serde_json::Value) -> String {
    clean(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn fix(text: &mut Text, diagnosis: &Diagnosis) {
    let remedy = &diagnosis.remedy;
    let Some(owner) = remedy.owner else { return };
    let by = remedy.by.as_ref().map(|name| format!(" ({})", clean(name))).unwrap_or_default();
    text.wrapped("Fix   ", &format!("{}{by}: {}.", capital(owner), remedy.action.trim_end_matches('.')));
    if !remedy.scopes.is_empty() {
        text.wrapped("      ", &format!("Scopes, and no more: {}", remedy.scopes.join(", ")));
    }
    for setting in &remedy.settings {
        text.wrapped("      ", setting);
    }
}

const fn sign(result: CheckResult) -> char {
    match result {
        CheckResult::Pass => '✓',
        CheckResult::Fail => '✕',
        CheckResult::Unknown => '?',
        CheckResult::Skipped => '–',
    }
}

fn show_step(text: &mut Text, step: &Step) {
    text.line(&format!("  {} {} {}", sign(step.result), step.step, step.name));
    let open = |check: &&Check| matches!(check.result, CheckResult::Fail | CheckResult::Unknown);
    for check in step.checks.iter().filter(open) {
        text.wrapped(&format!("      {} ", sign(check.result)), &format!("{}: {}", check.name, check.fact));
        if check.result == CheckResult::Fail {
            text.wrapped("        ", &proof(check));
        }
    }
}

/// `since 2026-11-24T06:02:00Z, snapshot 2026-11-24T10:00:00Z-1b2c, says hr-sync`.
fn proof(check: &Check) -> String {
    let since = check.at.map(|at| format!("since {}", time::format(at)));
    let snapshot = check.version.as_ref().map(|version| format!("snapshot {version}"));
    let source = Some(format!("says {}", clean(&check.source)));
    [since, snapshot, source].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn show_timeline(text: &mut Text, timeline: &Timeline) {
    if timeline.buckets.is_empty() && timeline.states.is_empty() {
        return;
    }
    text.gap();
    match (timeline.buckets.first(), timeline.buckets.last()) {
        (Some(first), Some(last)) => {
            let end = last.saturating_add(timeline.bucket_s.saturating_mul(1_000_000));
            text.line(&format!(
                "Timeline  {} to {}, {} a column",
                time::format(*first),
                time::format(end),
                super::told::duration(timeline.bucket_s.saturating_mul(1_000_000))
            ));
            let total = |counts: &[i64]| counts.iter().sum::<i64>();
            text.line(&format!("  requests {} {}", spark(&timeline.requests), total(&timeline.requests)));
            text.line(&format!("  refused  {} {}", spark(&timeline.failures), total(&timeline.failures)));
        }
        _ => text.line("Timeline"),
    }
    for state in &timeline.states {
        let shown = |value: &str| if value.is_empty() { "(none)".to_owned() } else { value.to_owned() };
        let change =
            format!("{}  {}: {} → {}", time::format(state.at), state.field, shown(&state.from), shown(&state.to));
        text.wrapped("  ", &change.replacen(": status: ", ": ", 1));
    }
}

fn show_callers(text: &mut Text, diagnosis: &Diagnosis) {
    if diagnosis.callers.is_empty() {
        return;
    }
    text.gap();
    text.line("Callers");
    for caller in diagnosis.callers.iter().take(CALLERS_SHOWN) {
        let who = [&caller.network, &caller.agent, &caller.route].map(|part| clean(part));
        let who = who.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
        text.wrapped("  ", &format!("{who}  {}/min, last {}", caller.per_minute, time::format(caller.last_at)));
    }
    if diagnosis.callers.len() > CALLERS_SHOWN {
        text.line(&format!("  and {} more", diagnosis.callers.len() - CALLERS_SHOWN));
    }
}

const CALLERS_SHOWN: usize = 8;
