//! Prometheus Alertmanager, `POST /api/v2/alerts`. Source: its `api/v2/openapi.yaml`.
//!
//! Alertmanager knows an alert by its labels. So the severity label is the one that was told first, and what became of it
//! is an annotation; a route of ours can send the worse one elsewhere. It keeps alerts in memory and drops what is not
//! repeated: `endsAt` lies [`OUTLIVES_US`] ahead and the outbox repeats earlier, so that a restart of ours resolves nothing.

use serde_json::{Value, json};

use super::Wording;
use crate::alert::event::NoticeAction;
use crate::alert::notice::Notice;
use crate::alert::text::cut;
use crate::time;

/// How long an alert that is no longer repeated stays active.
const OUTLIVES_US: i64 = 3_600_000_000;

/// The body; `now_us` is the time of sending, wall time.
#[must_use]
pub fn alerts(notice: &Notice, wording: &Wording, now_us: i64) -> Value {
    let ends_at_us = match notice.action {
        NoticeAction::Trigger | NoticeAction::Acknowledge => now_us.saturating_add(OUTLIVES_US),
        // What ends in the future is not resolved yet.
        NoticeAction::Resolve => notice.resolved_at_us.unwrap_or(now_us).min(now_us).max(notice.opened_at_us),
    };
    let mut alert = json!({
        "labels": labels(notice),
        "annotations": annotations(notice, wording),
        "startsAt": time::format(notice.opened_at_us.min(now_us)),
        "endsAt": time::format(ends_at_us),
    });
    if !notice.link.is_empty() {
        alert["generatorURL"] = notice.link.clone().into();
    }
    json!([alert])
}

pub(super) fn labels(notice: &Notice) -> Value {
    let own = notice.labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(cut(value, 500))));
    let family = notice.labels.get("family").map_or("incident", String::as_str);
    own.chain([("alertname".to_owned(), Value::from(format!("claviger_{family}")))]).collect()
}

pub(super) fn annotations(notice: &Notice, wording: &Wording) -> Value {
    json!({
        "summary": wording.title(notice, 300),
        "description": wording.body(notice, 4_000),
        "severity_now": notice.severity.name(),
        "runbook": cut(&notice.runbook.join("\n"), 2_000),
    })
}
