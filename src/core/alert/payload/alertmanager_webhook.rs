//! The shape in which Alertmanager itself calls webhooks, which many tools accept. Source: `notify/webhook` and
//! `template.Data` of prometheus/alertmanager, version 4 of the format.

use serde_json::{Value, json};

use super::alertmanager::{annotations, labels};
use super::{Wording, fingerprint};
use crate::alert::event::NoticeAction;
use crate::alert::notice::Notice;
use crate::time;

/// What stands for "not ended".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The body. `receiver` is the destination's name.
#[must_use]
pub fn message(notice: &Notice, wording: &Wording, receiver: &str) -> Value {
    let (labels, annotations) = (labels(notice), annotations(notice, wording));
    let (status, ends_at) = match notice.action {
        NoticeAction::Trigger | NoticeAction::Acknowledge => ("firing", NEVER.to_owned()),
        NoticeAction::Resolve => ("resolved", time::format(notice.resolved_at_us.unwrap_or(notice.last_seen_us))),
    };
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{incident=\"{}\"}}", notice.incident),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": { "incident": notice.incident.as_str() },
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": notice.link,
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": time::format(notice.opened_at_us),
            "endsAt": ends_at,
            "generatorURL": notice.link,
            "fingerprint": fingerprint(notice),
        }],
    })
}
