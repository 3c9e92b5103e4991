//! What a person sees: a sentence when a cause is named for the first time, a table that grows, and the marks
//! at the end. Text in, text out; where it goes is not decided here. Shows names and counts, never a key.

use std::fmt::Write as _;

use claviger_core::cause::RootCause;
use serde_json::{Value, json};

use super::company::Instant;
use super::ledger::{CauseTally, Ledger};
use super::truth::{Mark, Truth};

/// Colours, where they are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    pub colours: bool,
}

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }
}

/// `user_deleted · backup-service (northwind) · 412 refusals since 09:02:11 · recreate the identity as …`
#[must_use]
pub fn first_naming(cause: RootCause, tally: &CauseTally, ledger: &Ledger, paint: Paint) -> String {
    format!(
        "{} · {} · {} {} since {} · {}",
        paint.bold(cause.name()),
        ledger.who(tally),
        grouped(tally.requests),
        unit_of(cause, tally.requests),
        clock_of(tally.first_at),
        paint.dim(cause.remedy()),
    )
}

/// One line on how it goes.
#[must_use]
pub fn status_line(ledger: &Ledger, elapsed_secs: u64, paint: Paint) -> String {
    let right = ledger.right_so_far().map_or_else(String::new, |share| format!(" · {} named right", percent(share)));
    let text = format!(
        "{:02}:{:02} · {} requests · {} refused · {} causes{right}",
        elapsed_secs / 60,
        elapsed_secs % 60,
        grouped(ledger.events),
        grouped(ledger.refused),
        ledger.causes.len(),
    );
    paint.bold(&text)
}

/// What changed since `before`, as one line: for logs and pipes. `None` when nothing did.
#[must_use]
pub fn change_line(ledger: &Ledger, before: &[(RootCause, u64)], elapsed_secs: u64) -> Option<String> {
    let mut changes: Vec<(u64, RootCause)> = ledger
        .causes
        .iter()
        .map(|(cause, tally)| {
            let then = before.iter().find(|(other, _)| other == cause).map_or(0, |(_, requests)| *requests);
            (tally.requests - then, *cause)
        })
        .filter(|(more, _)| *more > 0)
        .collect();
    changes.sort_unstable_by(|one, other| other.cmp(one));
    let shown: Vec<String> =
        changes.iter().take(4).map(|(more, cause)| format!("{} +{}", cause.name(), grouped(*more))).collect();
    let rest = changes.len().saturating_sub(shown.len());
    let rest = if rest > 0 { format!(", {rest} more") } else { String::new() };
    let status = status_line(ledger, elapsed_secs, Paint { colours: false });
    (!shown.is_empty()).then(|| format!("{status} · {}{rest}", shown.join(", ")))
}

/// Causes with most requests first, as many as `rows` allows.
#[must_use]
pub fn table(ledger: &Ledger, rows: usize, paint: Paint) -> String {
    let mut tallies: Vec<(&RootCause, &CauseTally)> = ledger.causes.iter().collect();
    tallies.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.requests));
    let all: u64 = tallies.iter().map(|(_, tally)| tally.requests).sum();
    let mut out = String::new();
    let head = format!("{:<26} {:>10} {:>7}  {:<34} {}", "cause", "requests", "share", "hits most", "since");
    line(&mut out, &paint.dim(&head));
    for (cause, tally) in tallies.iter().take(rows) {
        let cells = format!(
            "{:<26} {:>10} {:>7}  {:<34} {}",
            cause.name(),
            grouped(tally.requests),
            percent(share_of(tally.requests, all)),
            clipped(ledger.who(tally), 34),
            clock_of(tally.first_at),
        );
        line(&mut out, &cells);
    }
    if tallies.len() > rows {
        line(&mut out, &paint.dim(&format!("and {} more", tallies.len() - rows)));
    }
    out
}

/// The marks: an incident a line, then how much was named right.
#[must_use]
pub fn report(ledger: &Ledger, seconds: u64, paint: Paint) -> String {
    let mut out = String::new();
    let head = format!("{:<56} {:<26} {:>9} {:>9} {:>8}", "what happened", "true cause", "requests", "right", "share");
    line(&mut out, &paint.bold(&head));
    for (truth, mark) in &ledger.score.incidents {
        let (Some(incident), Some(cause)) = (truth.incident, truth.cause) else { continue };
        let share = share_of(mark.named_right, mark.scripted);
        let shown = format!("{:>8}", percent(share));
        let shown = if share >= GOAL { paint.good(&shown) } else { paint.bad(&shown) };
        let (scripted, right) = (grouped(mark.scripted), grouped(mark.named_right));
        line(
            &mut out,
            &format!("{:<56} {:<26} {scripted:>9} {right:>9} {shown}", clipped(incident.title(), 56), cause.name()),
        );
        if let Some(instead) = instead(mark) {
            line(&mut out, &paint.dim(&format!("    instead: {instead}")));
        }
    }
    out.push('\n');
    line(&mut out, &accuracy_line(ledger, paint));
    line(&mut out, &alarm_line(ledger, paint));
    let what =
        format!("{} requests, {} of them refused, in {seconds} s", grouped(ledger.events), grouped(ledger.refused));
    line(&mut out, &paint.dim(&what));
    out
}

fn accuracy_line(ledger: &Ledger, paint: Paint) -> String {
    let score = &ledger.score;
    let Some(share) = score.accuracy() else { return "nothing had gone wrong yet when it ended".to_owned() };
    let shown = percent(share);
    let shown = if share >= GOAL { paint.good(&shown) } else { paint.bad(&shown) };
    let missing: u64 = score.incidents.values().map(Mark::missing).sum();
    let missing = if missing > 0 { format!("; {} never came back", grouped(missing)) } else { String::new() };
    format!("{shown} of {} scripted failures had their cause named right{missing}", grouped(score.scripted_failures()))
}

fn alarm_line(ledger: &Ledger, paint: Paint) -> String {
    let score = &ledger.score;
    let alarms: u64 = score.false_alarms.values().sum();
    let text = format!("{} false alarms on {} healthy requests", grouped(alarms), grouped(score.healthy));
    if alarms == 0 {
        return paint.good(&text);
    }
    let which: Vec<String> =
        score.false_alarms.iter().map(|(cause, count)| format!("{} {}", cause.name(), grouped(*count))).collect();
    paint.bad(&format!("{text}: {}", which.join(", ")))
}

fn instead(mark: &Mark) -> Option<String> {
    let mut wrong: Vec<String> = mark
        .named_wrong
        .iter()
        .map(|(cause, count)| format!("{} {}", if cause.is_empty() { "no cause" } else { cause }, grouped(*count)))
        .collect();
    if mark.missing() > 0 {
        wrong.push(format!("never came back {}", grouped(mark.missing())));
    }
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

/// The same for machines.
#[must_use]
pub fn json(ledger: &Ledger, seconds: u64) -> Value {
    let causes: Vec<Value> = ledger
        .causes
        .iter()
        .map(|(cause, tally)| {
            json!({
                "cause": cause.name(),
                "class": cause.class().name(),
                "requests": tally.requests,
                "who": ledger.who(tally),
                "first_at": super::company::format_instant(tally.first_at),
                "last_at": super::company::format_instant(tally.last_at),
                "remedy": cause.remedy(),
            })
        })
        .collect();
    let incident = |(truth, mark): (&Truth, &Mark)| {
        json!({
            "incident": truth.incident.map(super::script::IncidentKind::title),
            "cause": truth.cause.map(RootCause::name),
            "scripted": mark.scripted,
            "named_right": mark.named_right,
            "named_wrong": mark.named_wrong,
            "missing": mark.missing(),
        })
    };
    let false_alarms: u64 = ledger.score.false_alarms.values().sum();
    json!({
        "seconds": seconds,
        "requests": ledger.events,
        "refused": ledger.refused,
        "scripted_failures": ledger.score.scripted_failures(),
        "named_right": ledger.score.named_right(),
        "accuracy": ledger.score.accuracy(),
        "healthy": ledger.score.healthy,
        "false_alarms": false_alarms,
        "causes": causes,
        "failures": ledger.score.incidents.iter().map(incident).collect::<Vec<_>>(),
    })
}

pub(super) fn line(out: &mut String, text: &str) {
    writeln!(out, "{}", text.trim_end()).expect("a String takes any text");
}

/// Requests that were served are no refusals.
fn unit_of(cause: RootCause, count: u64) -> &'static str {
    match (cause, count) {
        (RootCause::ZombieAccess | RootCause::AnonymousFallback, 1) => "request served",
        (RootCause::ZombieAccess | RootCause::AnonymousFallback, _) => "requests served",
        (_, 1) => "refusal",
        (_, _) => "refusals",
    }
}

fn clock_of(at: Instant) -> String {
    chrono::DateTime::from_timestamp_micros(at).map(|time| time.format("%H:%M:%S").to_string()).unwrap_or_default()
}

/// `12 345`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Rounded down, so that "100.00 %" means all.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is 0 to 1")]
fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0 + 1e-6).floor() as u32;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share_of(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

pub(super) fn clipped(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars - 1).chain(['…']).collect()
}

/// Share named right that counts as passed.
pub const GOAL: f64 = 0.99;
