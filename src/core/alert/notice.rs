//! What one receiver is told of an incident at one time, before it takes the receiver's own form.

use crate::detect::Severity;
use crate::time;

use super::claim::Claim;
use super::event::NoticeAction;
use super::incident::{Incident, IncidentId, Resolution};
use super::matcher::Labels;
use super::runbook::runbook;
use super::template::Template;
use super::text::{cut_line, span};

/// Complete in itself. The same notice is the same text, however often it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub incident: IncidentId,
    /// Counts up within the incident.
    pub number: u32,
    pub action: NoticeAction,
    pub severity: Severity,
    /// As it was told first: part of `labels`, and so the same for the incident's whole life.
    pub first_severity: Severity,
    pub opened_at_us: i64,
    pub last_seen_us: i64,
    pub resolved_at_us: Option<i64>,
    /// The person who took or ended it; empty for nobody.
    pub by: String,
    pub title: String,
    pub summary: String,
    /// The same for the incident's whole life, and never a count or a time.
    pub labels: Labels,
    /// Name and value of what a person wants to know, in order.
    pub facts: Vec<(&'static str, String)>,
    /// One sentence for each kind of evidence, weightiest first.
    pub evidence: Vec<String>,
    pub runbook: Vec<String>,
    /// Where the dashboard shows the incident; empty without one.
    pub link: String,
    pub findings: u64,
    pub score: f64,
}

/// Values that a fact lists before it says how many more there are.
const VALUES_SHOWN: usize = 5;

impl Notice {
    #[must_use]
    pub fn of(incident: &Incident, number: u32, action: NoticeAction, severity: Severity, dashboard: &str) -> Self {
        let first_severity = incident.first_severity.unwrap_or(severity);
        let mut evidence: Vec<&Claim> = incident.evidence.values().collect();
        evidence.sort_by(|a, b| {
            (b.severity, b.score).partial_cmp(&(a.severity, a.score)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let link = match dashboard {
            "" => String::new(),
            url => format!("{}/#/incidents/{}", url.trim_end_matches('/'), incident.id),
        };
        // A trigger that is sent late, after the end, still tells of the trouble.
        let resolution = incident.resolution.as_ref().filter(|_| action == NoticeAction::Resolve);
        let by = resolution.map_or(&incident.acknowledged_by, |resolution| &resolution.by);
        Self {
            incident: incident.id.clone(),
            number,
            action,
            severity,
            first_severity,
            opened_at_us: incident.opened_at_us,
            last_seen_us: incident.last_seen_us,
            resolved_at_us: resolution.map(|resolution| resolution.at_us),
            by: cut_line(by, 100),
            title: cut_line(&incident.title(), 200),
            summary: summary(incident, resolution),
            labels: stable_labels(incident, first_severity),
            facts: facts(incident, severity),
            evidence: evidence.into_iter().map(told).collect(),
            runbook: runbook(incident),
            link,
            findings: incident.findings,
            score: incident.score(),
        }
    }

    /// The key that all notices of the incident share.
    #[must_use]
    pub fn dedup_key(&self) -> String {
        self.incident.dedup_key()
    }

    /// The key of this notice, the same for every try.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}-{}", self.incident.dedup_key(), self.number)
    }

    /// One line that says what happened, for subjects and fall-backs.
    #[must_use]
    pub fn headline(&self) -> String {
        match self.action {
            NoticeAction::Trigger => format!("[{}] {}", self.severity.name(), self.title),
            NoticeAction::Acknowledge => format!("[acknowledged] {}", self.title),
            NoticeAction::Resolve => format!("[resolved] {}", self.title),
        }
    }

    #[must_use]
    pub fn fill(&self, template: &Template) -> String {
        let label = |name: &str| self.labels.get(name).cloned().unwrap_or_default();
        template.fill(|placeholder| match placeholder {
            "action" => self.action.name().to_owned(),
            "severity" => self.severity.name().to_owned(),
            "title" => self.title.clone(),
            "summary" => self.summary.clone(),
            "since" => time::format(self.opened_at_us),
            "last_seen" => time::format(self.last_seen_us),
            "findings" => self.findings.to_string(),
            "score" => format!("{:.1}", self.score),
            "runbook" => self.runbook.join("\n"),
            "link" => self.link.clone(),
            name => label(name),
        })
    }
}

fn stable_labels(incident: &Incident, first_severity: Severity) -> Labels {
    let mut labels = incident.labels(first_severity);
    // The detector that says most and the status change while it lasts.
    labels.remove("detector");
    labels.remove("status");
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn summary(incident: &Incident, resolution: Option<&Resolution>) -> String {
    let said = incident.weightiest().map_or("", |claim| claim.summary.as_str());
    match resolution {
        None => said.to_owned(),
        Some(resolution) if resolution.by.is_empty() => format!(
            "Quiet for {} since {}. It was: {said}",
            span(resolution.quiet_us),
            time::format(resolution.last_seen_us)
        ),
        Some(resolution) => format!("Resolved by {}. It was: {said}", cut_line(&resolution.by, 100)),
    }
}

fn facts(incident: &Incident, severity: Severity) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("severity", severity.name().to_owned()),
        ("since", time::format(incident.opened_at_us)),
        ("last seen", time::format(incident.last_seen_us)),
    ];
    if let Some(cause) = incident.cause {
        facts.push(("cause", cause.name().to_owned()));
        facts.push(("who acts", cause.owner().name().to_owned()));
    }
    for (dimension, name) in [
        ("tenant", "tenants"),
        ("key", "keys"),
        ("principal", "principals"),
        ("network", "networks"),
        ("route", "routes"),
    ] {
        if let Some(values) = incident.affected.get(dimension).filter(|values| !values.is_empty()) {
            let shown: Vec<String> = values.iter().take(VALUES_SHOWN).map(|value| cut_line(value, 80)).collect();
            let more = values.len().saturating_sub(VALUES_SHOWN);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            facts.push((name, shown.join(", ") + &more));
        }
    }
    if incident.reopened > 0 {
        facts.push(("reopened", format!("{} times", incident.reopened)));
    }
    facts
}

/// A claim as a sentence with its figures.
fn told(claim: &Claim) -> String {
    let certainty = if claim.score >= crate::detect::Finding::DETERMINISTIC {
        "certain".to_owned()
    } else {
        format!("chance below 1 in 10^{:.0}", claim.score.floor().max(0.0))
    };
    let figures = format!("{} {} where {} were expected", figure(claim.seen), claim.unit, figure(claim.expected));
    format!("{}: {} ({figures}; {certainty})", claim.detector.name(), claim.summary.trim_end_matches('.'))
}

fn figure(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
