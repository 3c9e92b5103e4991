//! The section `[alert]`: as it is written, and the plan that it is parsed into once.
//!
//! Texts that hold a secret may also say `file:/run/secrets/name`; the shell puts the file's content in their place before
//! the plan is made.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ConfigError, Millis, Secret};
use crate::alert::payload::Wording;
use crate::alert::payload::webhook::SigningSecret;
use crate::alert::payload::{opsgenie, pagerduty};
use crate::alert::{
    AlertOptionError, Inhibition, LABELS, Matchers, Patience, Period, Policy, QuietRule, Reach, Route, Routes, Template,
};
use crate::detect::Severity;
use crate::time;

/// As an operator writes it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    pub resolve_after_ms: Millis,
    pub reopen_within_ms: Millis,
    pub remind_after_ms: Millis,
    pub benign_for_ms: Millis,
    pub important_tenants: Vec<String>,
    pub dashboard_url: String,
    pub allow_private_networks: bool,
    pub attempt_limit_ms: Millis,
    pub escalate_after_ms: Millis,
    pub dead_after_ms: Millis,
    pub destinations: Vec<Destination>,
    pub routes: Vec<RouteOption>,
    pub silences: Vec<QuietOption>,
    pub maintenance: Vec<QuietOption>,
    pub suppressions: Vec<QuietOption>,
    pub inhibitions: Vec<InhibitionOption>,
}

/// One place where notices go. Which of the options a kind needs, and which it takes, is checked by [`Alert::plan`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    pub name: String,
    pub kind: SinkKind,
    /// Where to send. Some are secrets themselves, so none is shown.
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub url: Secret,
    /// PagerDuty's routing key, Opsgenie's API key, or a bearer token.
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub token: Secret,
    /// Secrets that sign a webhook: two while one replaces the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing_secrets: Vec<Secret>,
    /// `host:port` of a mail server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MailTls>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub password: Secret,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// A Kafka topic on the brokers of `[kafka]`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// The destination that is told when this one does not answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub escalate_to: String,
    /// Templates; empty for the default words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

macro_rules! sink_kinds {
    ($($variant:ident $name:literal),*) => {
        /// The closed list of destinations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
        pub enum SinkKind { $(#[serde(rename = $name)] $variant),* }

        impl SinkKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name),* } }
        }
    };
}

sink_kinds! {
    Alertmanager "alertmanager", AlertmanagerWebhook "alertmanager-webhook", PagerDuty "pagerduty", Slack "slack",
    Opsgenie "opsgenie", Webhook "webhook", Email "email", Kafka "kafka", Log "log"
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// TLS from the first byte (port 465).
    Implicit,
    /// Plain at first, TLS before anything is said (port 587).
    #[default]
    Starttls,
    /// No TLS: only for a server on this machine.
    None,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteOption {
    #[serde(default)]
    pub matchers: Vec<String>,
    #[serde(default = "RouteOption::severity_min")]
    pub severity_min: String,
    pub destinations: Vec<String>,
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
}

impl RouteOption {
    fn severity_min() -> String {
        Severity::Medium.name().to_owned()
    }
}

/// A silence, a maintenance window, or a suppression.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuietOption {
    pub name: String,
    pub matchers: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InhibitionOption {
    pub cause: Vec<String>,
    pub symptom: Vec<String>,
    #[serde(default)]
    pub equal: Vec<String>,
}

/// The section, checked: nothing in it can be wrong any more.
#[derive(Clone, Debug)]
pub struct AlertPlan {
    pub policy: Policy,
    pub patience: Patience,
    pub sinks: BTreeMap<String, Sink>,
    pub allow_private_networks: bool,
    pub attempt_limit: std::time::Duration,
}

/// A destination with all that its kind needs.
#[derive(Clone, Debug)]
pub struct Sink {
    pub kind: SinkSpec,
    pub reach: Reach,
    pub wording: Wording,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SinkSpec {
    /// The URL up to and without `/api/v2/alerts`.
    Alertmanager {
        url: Secret,
        token: Secret,
    },
    AlertmanagerWebhook {
        url: Secret,
        token: Secret,
    },
    PagerDuty {
        url: Secret,
        routing_key: Secret,
    },
    Slack {
        url: Secret,
    },
    Opsgenie {
        url: Secret,
        key: Secret,
    },
    Webhook {
        url: Secret,
        token: Secret,
        secrets: Vec<SigningSecret>,
    },
    Email(MailSpec),
    Kafka {
        topic: String,
    },
    Log,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MailSpec {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    /// Name and password, where the server wants them.
    pub login: Option<(String, Secret)>,
    pub from: String,
    pub to: Vec<String>,
}

fn us(millis: Millis) -> i64 {
    i64::try_from(millis.0.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

impl Alert {
    /// Every secret text, for the shell that puts files in their place.
    pub fn secrets_mut(&mut self) -> impl Iterator<Item = &mut Secret> {
        self.destinations.iter_mut().flat_map(|destination| {
            let Destination { url, token, password, signing_secrets, .. } = destination;
            [url, token, password].into_iter().chain(signing_secrets)
        })
    }

    /// # Errors
    /// The first thing that is wrong, with its key. No secret is repeated.
    pub fn plan(&self) -> Result<AlertPlan, ConfigError> {
        for (key, value) in [
            ("alert.resolve_after_ms", self.resolve_after_ms),
            ("alert.attempt_limit_ms", self.attempt_limit_ms),
            ("alert.dead_after_ms", self.dead_after_ms),
        ] {
            if value.0 == 0 {
                return Err(ConfigError::wrong(key, "must be at least 1"));
            }
        }
        let sinks = self.sinks()?;
        let patience = Patience {
            attempt_us: us(self.attempt_limit_ms).saturating_mul(2),
            escalate_after_us: us(self.escalate_after_ms),
            dead_after_us: us(self.dead_after_ms),
            ..Patience::default()
        };
        Ok(AlertPlan {
            policy: self.policy(&sinks)?,
            patience,
            sinks,
            allow_private_networks: self.allow_private_networks,
            attempt_limit: self.attempt_limit_ms.duration(),
        })
    }

    fn policy(&self, sinks: &BTreeMap<String, Sink>) -> Result<Policy, ConfigError> {
        let mut silences = quiet_rules("alert.silences", &self.silences)?;
        silences.extend(quiet_rules("alert.maintenance", &self.maintenance)?);
        let inhibitions = self.inhibitions.iter().map(inhibition).collect::<Result<_, _>>()?;
        Ok(Policy {
            resolve_after_us: us(self.resolve_after_ms),
            reopen_within_us: us(self.reopen_within_ms),
            remind_after_us: us(self.remind_after_ms),
            benign_for_us: us(self.benign_for_ms),
            important_tenants: self.important_tenants.iter().cloned().collect::<BTreeSet<_>>(),
            suppressions: quiet_rules("alert.suppressions", &self.suppressions)?,
            silences,
            inhibitions,
            routes: self.routes(sinks)?,
            dashboard: self.dashboard_url.clone(),
        })
    }

    fn routes(&self, sinks: &BTreeMap<String, Sink>) -> Result<Routes, ConfigError> {
        if self.routes.is_empty() {
            let destinations = sinks.keys().cloned().collect();
            let everything =
                Route { matchers: Matchers::default(), severity_min: Severity::Medium, destinations, goes_on: false };
            return Ok(Routes(vec![everything]));
        }
        let routes = self.routes.iter().map(|route| {
            let key = "alert.routes";
            if let Some(unknown) = route.destinations.iter().find(|name| !sinks.contains_key(*name)) {
                return Err(ConfigError::wrong(key, format!("names `{unknown}`, which is none of alert.destinations")));
            }
            let severity_min = Severity::named(&route.severity_min).ok_or_else(|| {
                let known: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
                ConfigError::wrong(
                    key,
                    format!("has severity_min `{}`, which is none of {}", route.severity_min, known.join(", ")),
                )
            })?;
            let matchers = matchers(key, &route.matchers)?;
            Ok(Route { matchers, severity_min, destinations: route.destinations.clone(), goes_on: route.goes_on })
        });
        routes.collect::<Result<_, _>>().map(Routes)
    }

    fn sinks(&self) -> Result<BTreeMap<String, Sink>, ConfigError> {
        let mut sinks = BTreeMap::new();
        for destination in &self.destinations {
            let sink = destination.sink()?;
            if sinks.insert(destination.name.clone(), sink).is_some() {
                return Err(ConfigError::wrong("alert.destinations", format!("has two called `{}`", destination.name)));
            }
        }
        for start in &self.destinations {
            let mut next = start.escalate_to.as_str();
            for _ in 0..=self.destinations.len() {
                let Some(to) = self.destinations.iter().find(|destination| destination.name == next) else { break };
                if to.name == start.name {
                    return Err(start.wrong("escalate_to", "leads back to itself"));
                }
                next = &to.escalate_to;
            }
            if !start.escalate_to.is_empty() && !sinks.contains_key(&start.escalate_to) {
                return Err(start.wrong("escalate_to", "is none of alert.destinations"));
            }
        }
        Ok(sinks)
    }
}

impl Destination {
    fn wrong(&self, option: &str, why: impl std::fmt::Display) -> ConfigError {
        ConfigError::wrong(format!("alert.destinations.{}.{option}", self.name), why.to_string())
    }

    fn sink(&self) -> Result<Sink, ConfigError> {
        if !super::is_name(&self.name) {
            let why = format!("holds the name `{}`: use 1 to 64 letters, digits, `-`, `_` or `.`", self.name);
            return Err(ConfigError::wrong("alert.destinations", why));
        }
        self.refuse_what_its_kind_ignores()?;
        let kind = match self.kind {
            SinkKind::Alertmanager => SinkSpec::Alertmanager { url: self.required_url()?, token: self.token.clone() },
            SinkKind::AlertmanagerWebhook => {
                SinkSpec::AlertmanagerWebhook { url: self.required_url()?, token: self.token.clone() }
            }
            SinkKind::PagerDuty => {
                SinkSpec::PagerDuty { url: self.url_or(pagerduty::URL)?, routing_key: self.required_token()? }
            }
            SinkKind::Slack => SinkSpec::Slack { url: self.required_url()? },
            SinkKind::Opsgenie => SinkSpec::Opsgenie { url: self.url_or(opsgenie::URL)?, key: self.required_token()? },
            SinkKind::Webhook => SinkSpec::Webhook {
                url: self.required_url()?,
                token: self.token.clone(),
                secrets: self.signing_secrets()?,
            },
            SinkKind::Email => SinkSpec::Email(self.mail()?),
            SinkKind::Kafka if self.topic.is_empty() => return Err(self.wrong("topic", "is needed for kafka")),
            SinkKind::Kafka => SinkSpec::Kafka { topic: self.topic.clone() },
            SinkKind::Log => SinkSpec::Log,
        };
        let reach = Reach {
            escalate_to: (!self.escalate_to.is_empty()).then(|| self.escalate_to.clone()),
            needs_refresh: self.kind == SinkKind::Alertmanager,
            takes_acknowledgements: !matches!(self.kind, SinkKind::Alertmanager | SinkKind::AlertmanagerWebhook),
        };
        let wording = Wording { title: self.template("title", &self.title)?, body: self.template("body", &self.body)? };
        Ok(Sink { kind, reach, wording })
    }

    /// An option that has no effect is a misunderstanding, and at night an expensive one.
    fn refuse_what_its_kind_ignores(&self) -> Result<(), ConfigError> {
        use SinkKind::{Alertmanager, AlertmanagerWebhook, Email, Kafka, Opsgenie, PagerDuty, Slack, Webhook};
        let http = [Alertmanager, AlertmanagerWebhook, PagerDuty, Slack, Opsgenie, Webhook];
        let options: [(&str, bool, &[SinkKind]); 9] = [
            ("url", !self.url.is_empty(), &http),
            ("token", !self.token.is_empty(), &[Alertmanager, AlertmanagerWebhook, PagerDuty, Opsgenie, Webhook]),
            ("signing_secrets", !self.signing_secrets.is_empty(), &[Webhook]),
            ("server", !self.server.is_empty(), &[Email]),
            ("tls", self.tls.is_some(), &[Email]),
            ("username", !self.username.is_empty() || !self.password.is_empty(), &[Email]),
            ("from", !self.from.is_empty(), &[Email]),
            ("to", !self.to.is_empty(), &[Email]),
            ("topic", !self.topic.is_empty(), &[Kafka]),
        ];
        match options.into_iter().find(|(_, is_set, kinds)| *is_set && !kinds.contains(&self.kind)) {
            Some((option, ..)) => Err(self.wrong(option, format!("means nothing for {}", self.kind.name()))),
            None => Ok(()),
        }
    }

    fn required_url(&self) -> Result<Secret, ConfigError> {
        if self.url.is_empty() {
            return Err(self.wrong("url", format!("is needed for {}", self.kind.name())));
        }
        self.url_or("")
    }

    fn url_or(&self, default: &str) -> Result<Secret, ConfigError> {
        let url = if self.url.is_empty() { Secret::from(default) } else { self.url.clone() };
        let is_url =
            ["https://", "http://", super::SECRET_FILE_PREFIX].iter().any(|scheme| url.reveal().starts_with(scheme));
        if is_url { Ok(url) } else { Err(self.wrong("url", "must begin with https:// or http://")) }
    }

    fn required_token(&self) -> Result<Secret, ConfigError> {
        if self.token.is_empty() {
            return Err(self.wrong("token", format!("is needed for {}", self.kind.name())));
        }
        Ok(self.token.clone())
    }

    fn signing_secrets(&self) -> Result<Vec<SigningSecret>, ConfigError> {
        let written = self.signing_secrets.iter().filter(|text| !text.reveal().starts_with(super::SECRET_FILE_PREFIX));
        let parsed = written.map(|text| {
            let why = "holds one that is not `whsec_` and the base64 of 24 to 64 bytes";
            SigningSecret::parse(text.reveal()).ok_or_else(|| self.wrong("signing_secrets", why))
        });
        parsed.collect()
    }

    fn mail(&self) -> Result<MailSpec, ConfigError> {
        let (host, port) = self.server.rsplit_once(':').unwrap_or((&self.server, ""));
        let port = port.parse().map_err(|_| self.wrong("server", "must be `host:port`"))?;
        if host.is_empty() {
            return Err(self.wrong("server", "must be `host:port`"));
        }
        if !self.from.contains('@') {
            return Err(self.wrong("from", "must be an address"));
        }
        if self.to.is_empty() || self.to.iter().any(|to| !to.contains('@')) {
            return Err(self.wrong("to", "must be a list of addresses"));
        }
        let login = (!self.username.is_empty()).then(|| (self.username.clone(), self.password.clone()));
        let tls = self.tls.unwrap_or_default();
        Ok(MailSpec { host: host.to_owned(), port, tls, login, from: self.from.clone(), to: self.to.clone() })
    }

    fn template(&self, option: &str, text: &str) -> Result<Option<Template>, ConfigError> {
        if text.is_empty() {
            return Ok(None);
        }
        Template::parse(text).map(Some).map_err(|error| self.wrong(option, format!("cannot be used: {error}")))
    }
}

fn matchers(key: &str, texts: &[String]) -> Result<Matchers, ConfigError> {
    Matchers::parse(texts)
        .map_err(|error: AlertOptionError| ConfigError::wrong(key, format!("cannot be used: {error}")))
}

fn quiet_rules(key: &str, options: &[QuietOption]) -> Result<Vec<QuietRule>, ConfigError> {
    options.iter().map(|option| quiet_rule(key, option)).collect()
}

fn quiet_rule(key: &str, option: &QuietOption) -> Result<QuietRule, ConfigError> {
    let wrong = |why: &str| ConfigError::wrong(key, format!("`{}` {why}", option.name));
    if option.name.trim().is_empty() {
        return Err(ConfigError::wrong(key, "holds one without a name: rows and people must be able to say which"));
    }
    if option.matchers.is_empty() {
        return Err(wrong("has no matchers, and would hold for everything: write `tenant=~\".*\"` if that is meant"));
    }
    let instant = |text: &str, default: i64| match text {
        "" => Ok(default),
        text => time::rfc3339(text).ok_or_else(|| wrong("has a time that is not RFC 3339, as 2026-11-24T09:00:00Z")),
    };
    let period = Period {
        from_us: instant(&option.from, i64::MIN)?,
        to_us: instant(&option.to, i64::MAX)?,
        every_us: option.every_ms.map(us),
    };
    if period.from_us >= period.to_us {
        return Err(wrong("ends before it begins"));
    }
    if period.every_us.is_some_and(|every_us| {
        option.from.is_empty() || option.to.is_empty() || every_us < period.to_us.saturating_sub(period.from_us)
    }) {
        return Err(wrong("comes again before it has ended, or has no end"));
    }
    Ok(QuietRule { name: option.name.clone(), matchers: matchers(key, &option.matchers)?, period })
}

fn inhibition(option: &InhibitionOption) -> Result<Inhibition, ConfigError> {
    let key = "alert.inhibitions";
    let equal = option.equal.iter().map(|name| {
        let known = LABELS.iter().copied().find(|label| label == name);
        known.ok_or_else(|| ConfigError::wrong(key, format!("cannot be used: `{name}` is none of the labels")))
    });
    if option.cause.is_empty() || option.symptom.is_empty() {
        return Err(ConfigError::wrong(key, "holds one without cause or symptom"));
    }
    Ok(Inhibition {
        cause: matchers(key, &option.cause)?,
        symptom: matchers(key, &option.symptom)?,
        equal: equal.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests;
