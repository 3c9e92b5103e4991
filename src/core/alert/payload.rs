//! A notice in the words of each receiver: pure functions, one file a receiver.
//!
//! Promises: lengths stay within what the receiver takes, text is cut between characters, nothing a log brought is markup
//! where it arrives, and what identifies an alert never holds a count or a time.

pub mod alertmanager;
pub mod alertmanager_webhook;
pub mod email;
pub mod opsgenie;
pub mod pagerduty;
pub mod record;
pub mod slack;
pub mod webhook;

use serde_json::{Map, Value};

use super::notice::Notice;
use super::template::Template;
use super::text::{cut, cut_line};

/// What an operator wants to read instead of the default words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wording {
    pub title: Option<Template>,
    pub body: Option<Template>,
}

impl Wording {
    fn title(&self, notice: &Notice, chars_max: usize) -> String {
        cut_line(&self.title.as_ref().map_or_else(|| notice.headline(), |title| notice.fill(title)), chars_max)
    }

    /// Plain text: what happened, the evidence, the facts, the steps.
    fn body(&self, notice: &Notice, chars_max: usize) -> String {
        cut(&self.body.as_ref().map_or_else(|| plain_body(notice), |body| notice.fill(body)), chars_max)
    }
}

fn plain_body(notice: &Notice) -> String {
    let mut lines = vec![notice.summary.clone(), String::new()];
    let mut section = |title: &str, items: &mut dyn Iterator<Item = String>| {
        let mut items = items.peekable();
        if items.peek().is_some() {
            lines.push(title.to_owned());
            lines.extend(items);
            lines.push(String::new());
        }
    };
    section("Evidence", &mut notice.evidence.iter().map(|sentence| format!("  - {sentence}")));
    section("Facts", &mut notice.facts.iter().map(|(name, value)| format!("  {name}: {value}")));
    section("What to do", &mut (1..).zip(&notice.runbook).map(|(step, sentence)| format!("  {step}. {sentence}")));
    lines.push(format!("Incident {}", notice.incident));
    if !notice.link.is_empty() {
        lines.push(notice.link.clone());
    }
    lines.join("\n")
}

/// Facts, labels and figures as one flat object of texts.
fn details(notice: &Notice) -> Map<String, Value> {
    let facts = notice.facts.iter().map(|(name, value)| ((*name).to_owned(), Value::from(cut(value, 1_000))));
    let mut details: Map<String, Value> = facts.collect();
    details.extend(notice.labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(cut(value, 1_000)))));
    details.insert("severity".to_owned(), notice.severity.name().into());
    details.insert("findings".to_owned(), notice.findings.to_string().into());
    details.insert("score".to_owned(), format!("{:.1}", notice.score).into());
    for (at, sentence) in (1..).zip(notice.evidence.iter().take(8)) {
        details.insert(format!("evidence {at}"), cut(sentence, 1_000).into());
    }
    for (at, step) in (1..).zip(notice.runbook.iter().take(8)) {
        details.insert(format!("step {at}"), cut(step, 1_000).into());
    }
    details
}

/// Hexadecimal hash of a set of labels, for receivers that want a fingerprint.
fn fingerprint(notice: &Notice) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for (name, value) in &notice.labels {
        hash.update(name.as_bytes());
        hash.update([0xff]);
        hash.update(value.as_bytes());
        hash.update([0xff]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
