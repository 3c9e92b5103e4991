//! The report card as Markdown.

use std::fmt::Write as _;

use super::{Aim, Measured, Metric, Score};
use crate::keymisuse::attack::{AttackKind, Grade};

/// The table of metrics with floor, goal and what was reached, and the table of recall by kind and grade.
#[must_use]
pub fn markdown(score: &Score, measured: &Measured) -> String {
    let mut out = String::from("| metric | floor | goal | reached | |\n|---|---|---|---|---|\n");
    for metric in score.metrics(measured) {
        let verdict = verdict(&metric);
        let reached = metric.reached.map_or_else(|| "not measured".to_owned(), figure);
        put(&mut out, format_args!("| {} | {} | {reached} | {verdict} |\n", metric.name, limits(&metric)));
    }
    put(&mut out, format_args!("\n{}", by_kind(score)));
    out
}

/// The same over several seeds: mean and worst.
#[must_use]
pub fn markdown_of_seeds(scores: &[Score], measured: &Measured) -> String {
    let mut out = String::from("| metric | floor | goal | mean | worst | |\n|---|---|---|---|---|---|\n");
    let cards: Vec<Vec<Metric>> = scores.iter().map(|score| score.metrics(measured)).collect();
    let Some(first) = cards.first() else { return out };
    for (place, metric) in first.iter().enumerate() {
        let reached: Vec<f64> = cards.iter().filter_map(|card| card[place].reached).collect();
        let Some(worst) = reached.iter().copied().reduce(|one, other| metric.worse(one, other)) else {
            put(&mut out, format_args!("| {} | {} | not measured | | |\n", metric.name, limits(metric)));
            continue;
        };
        let mean = reached.iter().sum::<f64>() / super::real(reached.len());
        let verdict = verdict(&Metric { reached: Some(worst), ..metric.clone() });
        let (mean, worst) = (figure(mean), figure(worst));
        put(&mut out, format_args!("| {} | {} | {mean} | {worst} | {verdict} |\n", metric.name, limits(metric)));
    }
    out
}

fn limits(metric: &Metric) -> String {
    let sign = match metric.aim {
        Aim::AtLeast => "≥",
        Aim::AtMost => "≤",
    };
    format!("{sign} {} | {sign} {}", figure(metric.floor), figure(metric.goal))
}

fn verdict(metric: &Metric) -> &'static str {
    match (metric.meets_floor(), metric.meets_goal(), metric.reached) {
        (_, _, None) => "",
        (_, true, _) => "goal",
        (true, false, _) => "floor",
        (false, false, _) => "**missed**",
    }
}

fn by_kind(score: &Score) -> String {
    let mut out = String::from("| attack | easy | medium | hard |\n|---|---|---|---|\n");
    for &kind in AttackKind::ALL {
        let cell = |grade: Grade| {
            let row = score.by_kind.iter().find(|row| row.kind == kind && row.grade == grade);
            row.map_or_else(|| "–".to_owned(), |row| format!("{} of {}", row.found, row.attacks))
        };
        let [easy, medium, hard] = [Grade::Easy, Grade::Medium, Grade::Hard].map(cell);
        put(&mut out, format_args!("| {} | {easy} | {medium} | {hard} |\n", kind.name().replace('_', " ")));
    }
    out
}

/// Three figures for what is small, none after the point for what is large.
fn figure(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a String takes any text");
}
