//! The measure: what was reported against what was done.
//!
//! Findings that carry the same incident id are one *alert*, since people see incidents. An alert is right when one of
//! its findings, of the right family, names what is attacked while it is attacked or up to a quarter of an hour later.
//! Findings of severity info are never told to anybody and do not count. Only the scored half counts. A hole in a log is
//! no attack, but to say that a feed is silent is right all the same.
//!
//! Which detectors are right for which attack is said once, in [`right_for`].

mod matching;
mod render;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::attack::{AttackKind, Grade};
use super::calendar::{LEARN_DAYS, MINUTE, START};
use super::truth::{BenignTrouble, Incident};
use crate::detect::{Detector, Finding, Severity};
use crate::minutes::EntityKind;

pub use matching::{Right, right_for};
pub use render::{markdown, markdown_of_seeds};
pub use targets::{Aim, Measured, Metric};

/// A finding that was told, as the scorer needs it. Instants are UTC microseconds of event time.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredAlert {
    pub detector: Detector,
    pub entity_kind: EntityKind,
    pub entity: String,
    pub tenant: String,
    /// When it was raised: the event time that the stream had reached.
    pub at_us: i64,
    pub from_us: i64,
    pub to_us: i64,
    pub severity: Severity,
    /// Incident that it was grouped into; empty where it stands alone.
    pub incident: String,
    /// Dimension and value, weightiest first.
    pub drivers: Vec<(String, String)>,
}

impl ScoredAlert {
    /// `at_us` is when the finding was raised, `incident` what it was grouped into.
    #[must_use]
    pub fn of(finding: &Finding, at_us: i64, incident: &str) -> Self {
        Self {
            detector: finding.detector,
            entity_kind: finding.entity.kind,
            entity: finding.entity.name.clone(),
            tenant: finding.entity.tenant.clone(),
            at_us,
            from_us: finding.from_us,
            to_us: finding.to_us,
            severity: finding.severity,
            incident: incident.to_owned(),
            drivers: finding.drivers.iter().map(|driver| (driver.dimension.to_owned(), driver.value.clone())).collect(),
        }
    }
}

/// How many attacks of a kind and grade were found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recall {
    pub kind: AttackKind,
    pub grade: Grade,
    pub attacks: u64,
    pub found: u64,
}

/// Everything that a run is judged by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub by_kind: Vec<Recall>,
    /// Share of attacks found: easy, medium, hard.
    pub recall: [f64; 3],
    pub alerts: u64,
    pub false_alerts: u64,
    /// Share of alerts that match an attack; 1 where there are none.
    pub precision: f64,
    pub false_per_1000_key_days: f64,
    pub high_false_per_1000_key_days: f64,
    /// Troubles of the scored half that raised an alert of severity medium or worse.
    pub benign_alerted: f64,
    /// Seconds from the first request of an easy attack to its alert, 50th and 90th percentile.
    pub detect_seconds_easy: [Option<f64>; 2],
    /// The same for all attacks.
    pub detect_seconds: [Option<f64>; 2],
    /// Requests that a scanner or guesser made before the alert, 90th percentile.
    pub requests_to_alarm_p90: Option<f64>,
    /// Alerts of a found attack: mean and 95th percentile.
    pub alerts_per_attack: [Option<f64>; 2],
    /// Of the found attacks, those whose first right finding names the very kind.
    pub kind_accuracy: f64,
    /// Faults of one, two and three dimensions whose dimensions were named exactly, first.
    pub attribution_top1: [f64; 3],
    /// … or among the first candidates.
    pub attribution_top3: [f64; 3],
}

/// What became of one attack.
#[derive(Clone, Debug)]
struct Outcome<'a> {
    incident: &'a Incident,
    /// Alert and first right finding, where it was found in time.
    found: Option<&'a ScoredAlert>,
    alerts: BTreeSet<&'a str>,
}

/// Scores a run. `key_days` are those of the scored half ([`super::Benchmark::key_days`]).
#[must_use]
pub fn score(truth: &[Incident], benign: &[BenignTrouble], alerts: &[ScoredAlert], key_days: u64) -> Score {
    let scored_from = START + LEARN_DAYS * super::calendar::DAY;
    let mut told: Vec<&ScoredAlert> =
        alerts.iter().filter(|alert| alert.severity > Severity::Info && alert.at_us >= scored_from).collect();
    told.sort_by_key(|alert| alert.at_us);
    let names: Vec<String> = told.iter().enumerate().map(|(number, alert)| group_of(number, alert)).collect();

    let outcomes: Vec<Outcome<'_>> = truth.iter().map(|incident| outcome(incident, &told, &names)).collect();
    let mut right: BTreeSet<&str> = outcomes.iter().flat_map(|outcome| outcome.alerts.iter().copied()).collect();
    let about_holes = told.iter().zip(&names).filter(|(alert, _)| matching::tells_of_a_hole(benign, alert));
    right.extend(about_holes.map(|(_, name)| name.as_str()));
    let groups: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut severity: BTreeMap<&str, Severity> = BTreeMap::new();
    for (alert, name) in told.iter().zip(&names) {
        let worst = severity.entry(name).or_insert(alert.severity);
        *worst = (*worst).max(alert.severity);
    }
    let wrong: Vec<&str> = groups.iter().copied().filter(|name| !right.contains(name)).collect();
    let wrong_high = wrong.iter().filter(|name| severity.get(*name).is_some_and(|worst| *worst >= Severity::High));
    let per_1000 = |count: usize| real(count) * 1_000.0 / real_of(key_days.max(1));

    let raised: Vec<bool> = benign
        .iter()
        .filter(|trouble| trouble.end_us > scored_from && matching::can_alert(trouble))
        .map(|trouble| {
            told.iter().zip(&names).any(|(alert, name)| {
                alert.severity >= Severity::Medium
                    && !right.contains(name.as_str())
                    && matching::concerns(trouble, alert)
            })
        })
        .collect();

    let found: Vec<(&Incident, &ScoredAlert)> =
        outcomes.iter().filter_map(|outcome| Some((outcome.incident, outcome.found?))).collect();
    let exact = found.iter().filter(|(incident, alert)| right_for(incident.kind).exact.contains(&alert.detector));
    let seconds = |grade: Option<Grade>| {
        let of_grade = found.iter().filter(|(incident, _)| grade.is_none_or(|grade| incident.grade == grade));
        quantiles(of_grade.map(|(incident, alert)| seconds_between(incident.first_request_us, alert.at_us)), [0.5, 0.9])
    };
    let alarm = found.iter().filter(|(incident, _)| matching::is_scanner_or_guesser(incident.kind));
    let counts: Vec<f64> =
        outcomes.iter().filter(|o| o.found.is_some()).map(|outcome| real(outcome.alerts.len())).collect();
    Score {
        by_kind: by_kind(&outcomes),
        recall: [Grade::Easy, Grade::Medium, Grade::Hard].map(|grade| {
            let of_grade = outcomes.iter().filter(|outcome| outcome.incident.grade == grade);
            let (all, found) =
                of_grade.fold((0, 0), |(all, found), o| (all + 1, found + usize::from(o.found.is_some())));
            share(found, all)
        }),
        alerts: groups.len() as u64,
        false_alerts: wrong.len() as u64,
        precision: share(groups.len() - wrong.len(), groups.len()),
        false_per_1000_key_days: per_1000(wrong.len()),
        high_false_per_1000_key_days: per_1000(wrong_high.count()),
        benign_alerted: if raised.is_empty() {
            0.0
        } else {
            share(raised.iter().filter(|r| **r).count(), raised.len())
        },
        detect_seconds_easy: seconds(Some(Grade::Easy)),
        detect_seconds: seconds(None),
        requests_to_alarm_p90: quantiles(alarm.map(|(incident, alert)| requests_until(incident, alert.at_us)), [0.9])
            [0],
        alerts_per_attack: [
            (!counts.is_empty()).then(|| counts.iter().sum::<f64>() / real(counts.len())),
            quantiles(counts.iter().copied(), [0.95])[0],
        ],
        kind_accuracy: share(exact.count(), found.len()),
        attribution_top1: attribution(truth, &told, 0),
        attribution_top3: attribution(truth, &told, 2),
    }
}

/// The name of the alert that a finding belongs to.
fn group_of(number: usize, alert: &ScoredAlert) -> String {
    if alert.incident.is_empty() { format!("alone {number}") } else { alert.incident.clone() }
}

fn outcome<'a>(incident: &'a Incident, told: &[&'a ScoredAlert], names: &'a [String]) -> Outcome<'a> {
    let mut outcome = Outcome { incident, found: None, alerts: BTreeSet::new() };
    for (alert, name) in told.iter().zip(names) {
        if !matching::matches(incident, alert) {
            continue;
        }
        outcome.alerts.insert(name);
        if outcome.found.is_none() && alert.at_us <= matching::deadline(incident) {
            outcome.found = Some(alert);
        }
    }
    outcome
}

fn by_kind(outcomes: &[Outcome<'_>]) -> Vec<Recall> {
    let mut rows = Vec::new();
    for &kind in AttackKind::ALL {
        for &grade in Grade::ALL {
            let here = outcomes.iter().filter(|o| o.incident.kind == kind && o.incident.grade == grade);
            let (attacks, found) = here.fold((0, 0), |(all, found), o| (all + 1, found + u64::from(o.found.is_some())));
            if attacks > 0 {
                rows.push(Recall { kind, grade, attacks, found });
            }
        }
    }
    rows
}

/// Share of faults whose dimensions are the first drivers of an alert in time, `spare` more drivers allowed.
fn attribution(truth: &[Incident], told: &[&ScoredAlert], spare: usize) -> [f64; 3] {
    [Grade::Easy, Grade::Medium, Grade::Hard].map(|grade| {
        let faults: Vec<&Incident> =
            truth.iter().filter(|i| i.kind == AttackKind::PopulationFault && i.grade == grade).collect();
        let right = faults.iter().filter(|fault| {
            let in_time = |alert: &&&ScoredAlert| {
                alert.at_us >= fault.start_us && alert.at_us <= fault.end_us + 15 * MINUTE && !alert.drivers.is_empty()
            };
            let named = |alert: &&ScoredAlert| {
                let first = alert.drivers.iter().take(fault.dimensions.len() + spare);
                let hits = first.filter(|(dimension, value)| {
                    fault.dimensions.get(dimension).is_some_and(|wanted| matching::same_value(wanted, value))
                });
                hits.count() == fault.dimensions.len()
            };
            told.iter().filter(in_time).any(named)
        });
        share(right.count(), faults.len())
    })
}

/// Requests of an attack up to an instant; beyond those that are listed, at the attack's mean rate.
fn requests_until(incident: &Incident, at_us: i64) -> f64 {
    let passed_ms = (at_us - incident.first_request_us).max(0).unsigned_abs() / 1_000;
    let listed = incident.request_offsets_ms.partition_point(|&offset| offset <= passed_ms);
    if listed < incident.request_offsets_ms.len() || listed as u64 >= incident.requests {
        return real(listed);
    }
    let (whole, last) = (incident.last_request_us - incident.first_request_us, incident.request_offsets_ms.last());
    let (whole_ms, last_ms) = (real_of(whole.unsigned_abs() / 1_000), real_of(last.copied().unwrap_or(0)));
    let rest = real_of(incident.requests - listed as u64);
    let progress = (real_of(passed_ms) - last_ms) / (whole_ms - last_ms).max(1.0);
    real(listed) + rest * progress.clamp(0.0, 1.0)
}

fn seconds_between(from_us: i64, to_us: i64) -> f64 {
    real_of((to_us - from_us).max(0).unsigned_abs()) / 1e6
}

/// Nearest-rank quantiles; `None` without values.
fn quantiles<const N: usize>(values: impl Iterator<Item = f64>, wanted: [f64; N]) -> [Option<f64>; N] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    wanted.map(|quantile| {
        let rank = super::draw::index_of(super::draw::whole((quantile * real(sorted.len())).ceil()).max(1));
        sorted.get(rank - 1).copied()
    })
}

/// Of none, all.
fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 1.0 } else { real(part) / real(all) }
}

fn real(count: usize) -> f64 {
    super::draw::real(count as u64)
}

const fn real_of(count: u64) -> f64 {
    super::draw::real(count)
}

#[cfg(test)]
mod tests;
