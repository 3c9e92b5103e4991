//! Opsgenie, `POST /v2/alerts`. Its vendor is winding the product down: no more than what pages somebody.

use serde_json::{Value, json};

use super::{Wording, details};
use crate::alert::event::NoticeAction;
use crate::alert::notice::Notice;
use crate::alert::text::cut_line;
use crate::detect::Severity;

/// Where alerts go unless the destination says otherwise.
pub const URL: &str = "https://api.opsgenie.com/v2/alerts";

/// Path after the destination's URL, and the body.
#[must_use]
pub fn request(notice: &Notice, wording: &Wording) -> (String, Value) {
    let alias = notice.dedup_key();
    let on_alias = |verb: &str| format!("/{alias}/{verb}?identifierType=alias");
    let by = if notice.by.is_empty() { "Claviger" } else { &notice.by };
    match notice.action {
        NoticeAction::Trigger => (String::new(), alert(notice, wording, &alias)),
        NoticeAction::Acknowledge => {
            (on_alias("acknowledge"), json!({ "source": "Claviger", "user": cut_line(by, 100) }))
        }
        NoticeAction::Resolve => {
            let note = cut_line(&notice.summary, 25_000);
            (on_alias("close"), json!({ "source": "Claviger", "user": cut_line(by, 100), "note": note }))
        }
    }
}

fn alert(notice: &Notice, wording: &Wording, alias: &str) -> Value {
    let tags = ["family", "tenant", "cause"].into_iter().filter_map(|name| notice.labels.get(name));
    json!({
        "message": wording.title(notice, 130),
        "alias": alias,
        "description": wording.body(notice, 15_000),
        "tags": tags.map(|tag| cut_line(tag, 50)).collect::<Vec<_>>(),
        "details": details(notice),
        "entity": cut_line(notice.labels.get("entity").map_or("", String::as_str), 512),
        "source": "Claviger",
        "priority": priority(notice.severity),
    })
}

const fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "P1",
        Severity::High => "P2",
        Severity::Medium => "P3",
        Severity::Low => "P4",
        Severity::Info => "P5",
    }
}
