//! PagerDuty Events API v2, `POST https://events.pagerduty.com/v2/enqueue`. Source: `event_v2.go` of PagerDuty/go-pagerduty.

use serde_json::{Value, json};

use super::{Wording, details};
use crate::alert::event::NoticeAction;
use crate::alert::notice::Notice;
use crate::alert::text::cut_line;
use crate::detect::Severity;
use crate::time;

/// Where events go unless the destination says otherwise.
pub const URL: &str = "https://events.pagerduty.com/v2/enqueue";

const SUMMARY_CHARS_MAX: usize = 1_024;

/// The body.
#[must_use]
pub fn event(notice: &Notice, wording: &Wording, routing_key: &str) -> Value {
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": notice.action.name(),
        "dedup_key": notice.dedup_key(),
    });
    if notice.action == NoticeAction::Trigger {
        let label = |name: &str| notice.labels.get(name).map_or("", String::as_str);
        event["client"] = "Claviger".into();
        event["payload"] = json!({
            "summary": wording.title(notice, SUMMARY_CHARS_MAX),
            "source": cut_line(if label("tenant").is_empty() { "claviger" } else { label("tenant") }, 255),
            "severity": severity(notice.severity),
            "timestamp": time::format(notice.opened_at_us),
            "component": cut_line(label("entity"), 255),
            "group": label("family"),
            "class": label("cause"),
            "custom_details": details(notice),
        });
        if !notice.link.is_empty() {
            event["client_url"] = notice.link.clone().into();
            event["links"] = json!([{ "href": notice.link, "text": "the incident" }]);
        }
    }
    event
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info | Severity::Low => "info",
        Severity::Medium => "warning",
        Severity::High => "error",
        Severity::Critical => "critical",
    }
}
