//! The configured destinations, each ready to be told. What it means for one is in the file of its protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use claviger_core::alert::payload::{
    Wording, alertmanager, alertmanager_webhook, opsgenie, pagerduty, record, slack, webhook,
};
use claviger_core::alert::{Answer, Notice};
use claviger_core::config::{AlertPlan, Kafka, Sink, SinkSpec};
use claviger_core::fault::{Blame, Fault};
use serde_json::Value;

use super::email::Mailer;
use super::http::{Http, Post};
use super::kafka::Topic;

/// Why a destination cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("no HTTP client can be made")]
    HttpUnavailable { source: reqwest::Error },
    #[error("destination `{destination}`: no Kafka producer can be made")]
    ProducerRefused { destination: String, source: rdkafka::error::KafkaError },
    #[error("destination `{destination}`: `{address}` is no mail address")]
    NotAnAddress { destination: String, address: String },
    #[error("no TLS certificates of authorities are installed")]
    CertificatesMissing,
}

impl Fault for SinkError {
    fn hint(&self) -> String {
        match self {
            Self::HttpUnavailable { .. } | Self::CertificatesMissing => {
                "install the package `ca-certificates`".to_owned()
            }
            Self::ProducerRefused { .. } => "check `[kafka]`: alerts use its brokers and options".to_owned(),
            Self::NotAnAddress { .. } => "write `name@example.com` or `Name <name@example.com>`".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::HttpUnavailable { .. } | Self::CertificatesMissing => Blame::Environment,
            Self::ProducerRefused { .. } | Self::NotAnAddress { .. } => Blame::Operator,
        }
    }
}

/// All destinations by name.
pub struct Sinks {
    sinks: BTreeMap<String, Ready>,
    http: Http,
    /// A try is given up after this, whatever it waits for.
    limit: Duration,
}

struct Ready {
    sink: Sink,
    /// What needs more than a client that all share.
    line: Line,
}

enum Line {
    Shared,
    Mail(Box<Mailer>),
    Topic(Topic),
}

impl Sinks {
    /// Sets the destinations up; calls none.
    ///
    /// # Errors
    /// When one cannot work at all.
    pub fn new(plan: &AlertPlan, kafka: &Kafka) -> Result<Self, SinkError> {
        let http = Http::new(plan.allow_private_networks, plan.attempt_limit)?;
        let mut sinks = BTreeMap::new();
        for (name, sink) in &plan.sinks {
            let line = match &sink.kind {
                SinkSpec::Email(spec) => Line::Mail(Box::new(Mailer::new(name, spec, plan.allow_private_networks)?)),
                SinkSpec::Kafka { topic } => Line::Topic(Topic::new(name, topic, kafka, plan.attempt_limit)?),
                SinkSpec::Alertmanager { .. }
                | SinkSpec::AlertmanagerWebhook { .. }
                | SinkSpec::PagerDuty { .. }
                | SinkSpec::Slack { .. }
                | SinkSpec::Opsgenie { .. }
                | SinkSpec::Webhook { .. }
                | SinkSpec::Log => Line::Shared,
            };
            sinks.insert(name.clone(), Ready { sink: sink.clone(), line });
        }
        Ok(Self { sinks, http, limit: plan.attempt_limit })
    }

    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sinks.keys().map(String::as_str)
    }

    /// One try.
    pub async fn deliver(&self, destination: &str, notice: &Notice) -> Answer {
        let Some(ready) = self.sinks.get(destination) else {
            return Answer::Unreachable { reason: "no such destination is configured".to_owned() };
        };
        let trying = self.try_once(destination, ready, notice);
        let late = || Answer::Unclear { reason: format!("no answer within {:?}", self.limit) };
        // The HTTP client has the same limit, which tells a connection that was never made from an answer that never came.
        tokio::time::timeout(self.limit + Duration::from_secs(1), trying).await.unwrap_or_else(|_| late())
    }

    async fn try_once(&self, destination: &str, Ready { sink, line }: &Ready, notice: &Notice) -> Answer {
        match line {
            Line::Mail(mailer) => return mailer.send(notice, &sink.wording).await,
            Line::Topic(topic) => return topic.send(notice, &sink.wording).await,
            Line::Shared => {}
        }
        match post(destination, &sink.kind, &sink.wording, notice) {
            Some(post) => self.http.post(post).await,
            None => {
                let notice = record::record(notice, &sink.wording);
                tracing::info!(destination, %notice, "alert");
                Answer::Accepted
            }
        }
    }
}

/// What a destination that speaks HTTP is sent; `None` for one that does not.
fn post(destination: &str, kind: &SinkSpec, wording: &Wording, notice: &Notice) -> Option<Post> {
    let now_us = Utc::now().timestamp_micros();
    let json = |url: &str, body: &Value| Post { url: url.to_owned(), headers: Vec::new(), body: body.to_string() };
    let bearer = |token: &str| (!token.is_empty()).then(|| ("authorization", format!("Bearer {token}")));
    Some(match kind {
        SinkSpec::Alertmanager { url, token } => {
            let url = format!("{}/api/v2/alerts", url.reveal().trim_end_matches('/'));
            json(&url, &alertmanager::alerts(notice, wording, now_us)).with(bearer(token.reveal()))
        }
        SinkSpec::AlertmanagerWebhook { url, token } => {
            let body = alertmanager_webhook::message(notice, wording, destination);
            json(url.reveal(), &body).with(bearer(token.reveal()))
        }
        SinkSpec::PagerDuty { url, routing_key } => {
            json(url.reveal(), &pagerduty::event(notice, wording, routing_key.reveal()))
        }
        SinkSpec::Slack { url } => json(url.reveal(), &slack::message(notice, wording)),
        SinkSpec::Opsgenie { url, key } => {
            let (path, body) = opsgenie::request(notice, wording);
            let url = format!("{}{path}", url.reveal().trim_end_matches('/'));
            json(&url, &body).with([("authorization", format!("GenieKey {}", key.reveal()))])
        }
        SinkSpec::Webhook { url, token, secrets } => {
            let post = json(url.reveal(), &webhook::message(notice, wording));
            let signed = webhook::headers(&notice.message_id(), now_us, &post.body, secrets);
            post.with(signed).with(bearer(token.reveal()))
        }
        SinkSpec::Email(_) | SinkSpec::Kafka { .. } | SinkSpec::Log => return None,
    })
}
