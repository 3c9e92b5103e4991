//! A notice as one JSON object: for Kafka topics, logs and webhooks of one's own.

use serde_json::{Value, json};

use super::Wording;
use crate::alert::notice::Notice;
use crate::alert::text::cut;
use crate::time;

/// Flat enough to be queried, complete enough to act on; below 20 kB.
#[must_use]
pub fn record(notice: &Notice, wording: &Wording) -> Value {
    let short = |sentences: &[String]| sentences.iter().take(8).map(|text| cut(text, 600)).collect::<Vec<_>>();
    let facts: serde_json::Map<String, Value> =
        notice.facts.iter().map(|(name, value)| (name.replace(' ', "_"), cut(value, 600).into())).collect();
    let labels: serde_json::Map<String, Value> =
        notice.labels.iter().map(|(name, value)| ((*name).to_owned(), cut(value, 600).into())).collect();
    json!({
        "id": notice.message_id(),
        "dedup_key": notice.dedup_key(),
        "incident_id": notice.incident.as_str(),
        "notice": notice.number,
        "action": notice.action.name(),
        "severity": notice.severity.name(),
        "title": wording.title(notice, 300),
        "summary": cut(&notice.summary, 1_500),
        "opened_at": time::format(notice.opened_at_us),
        "last_seen_at": time::format(notice.last_seen_us),
        "resolved_at": notice.resolved_at_us.map(time::format),
        "by": notice.by,
        "labels": labels,
        "facts": facts,
        "evidence": short(&notice.evidence),
        "runbook": short(&notice.runbook),
        "findings": notice.findings,
        "score": (notice.score * 10.0).round() / 10.0,
        "link": notice.link,
    })
}
