//! Slack incoming webhooks. Limits (header 150, section 3000, field 2000 characters, 10 fields, 50 blocks) and escapes as in
//! Slack's Block Kit reference. Threads and edits need a bot token: each notice is a message of its own.

use serde_json::{Value, json};

use super::Wording;
use crate::alert::event::NoticeAction;
use crate::alert::notice::Notice;
use crate::alert::text::{cut, cut_line};
use crate::detect::Severity;

const FIELDS_MAX: usize = 10;

/// The body.
#[must_use]
pub fn message(notice: &Notice, wording: &Wording) -> Value {
    let headline = wording.title(notice, 150);
    let mut blocks = vec![json!({ "type": "header", "text": { "type": "plain_text", "text": headline } })];
    match &wording.body {
        Some(_) => blocks.push(section(&wording.body(notice, 2_000))),
        None => blocks.extend(told(notice)),
    }
    let mut context = format!("incident `{}`", notice.incident);
    if !notice.link.is_empty() {
        context = format!("{context} · <{}|open in Claviger>", escaped(&notice.link));
    }
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": context }] }));
    json!({
        "text": escaped(&headline),
        "attachments": [{ "color": colour(notice), "fallback": escaped(&headline), "blocks": blocks }],
    })
}

fn told(notice: &Notice) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !notice.summary.is_empty() {
        blocks.push(section(&cut(&notice.summary, 1_000)));
    }
    if notice.action != NoticeAction::Trigger {
        return blocks;
    }
    if !notice.evidence.is_empty() {
        blocks.push(section(&cut(&bulleted(&notice.evidence), 2_000)));
    }
    let fields = notice.facts.iter().take(FIELDS_MAX).map(|(name, value)| {
        json!({ "type": "mrkdwn", "text": format!("*{}*\n{}", escaped(name), escaped(&cut_line(value, 400))) })
    });
    let fields: Vec<Value> = fields.collect();
    if !fields.is_empty() {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if !notice.runbook.is_empty() {
        blocks.push(section(&cut(&bulleted(&notice.runbook), 2_000)));
    }
    blocks
}

fn bulleted(sentences: &[String]) -> String {
    sentences.iter().map(|sentence| format!("• {sentence}")).collect::<Vec<_>>().join("\n")
}

/// Escaping lengthens: what is put in is cut well below the limit of 3000.
fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(&escaped(text), 3_000) } })
}

/// `&`, `<` and `>` are Slack's only control characters; without them no mention and no link can be made.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const fn colour(notice: &Notice) -> &'static str {
    match (notice.action, notice.severity) {
        (NoticeAction::Resolve, _) => "#2e7d32",
        (NoticeAction::Acknowledge, _) => "#546e7a",
        (NoticeAction::Trigger, Severity::Info | Severity::Low) => "#1565c0",
        (NoticeAction::Trigger, Severity::Medium) => "#f9a825",
        (NoticeAction::Trigger, Severity::High) => "#ef6c00",
        (NoticeAction::Trigger, Severity::Critical) => "#c62828",
    }
}
