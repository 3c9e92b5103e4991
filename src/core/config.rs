//! What an operator may write; text parsed once into types that cannot be wrong.
//!
//! Layers, the later winning: `defaults.toml` (embedded, the full list of options) ← the operator's file
//! ← variables such as `CLAVIGER__LAKE__URI`. Unknown keys are errors that name the nearest known one. Reading
//! the file and the environment is the shell's part: everything here is given as text.
//!
//! Secrets never leave through `Debug`, `Display` or serialisation: both show `***`.

mod alert;
mod detect;
mod geography;
mod layers;
mod oidc;
mod secrets;
mod serve;
mod units;

use serde::{Deserialize, Serialize};
use toml::Table;

pub use alert::{
    Alert, AlertPlan, Destination, InhibitionOption, MailSpec, MailTls, QuietOption, RouteOption, Sink, SinkKind,
    SinkSpec,
};
pub use detect::{Detect, DetectorName, Money};
pub use geography::GeographyFiles;
pub use layers::VARIABLE_PREFIX;
pub use oidc::OidcSection;
pub use secrets::{ClientOptions, SECRET_FILE_PREFIX, Secret};
pub use serve::{Serve, ServeLimits};
pub use units::{Bytes, Millis};

use crate::classify::ClassifyOptions;
use crate::decode::{DecodeOptions, Format};
use crate::fault::{Blame, Fault};
use crate::refine::RefineOptions;
use crate::secret::Pepper;

/// The embedded defaults: commented, and the full list of options.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// The effective configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub kafka: Kafka,
    pub decode: Decode,
    pub secrets: Secrets,
    pub identity: Identity,
    pub geography: GeographyFiles,
    pub lake: Lake,
    pub detect: Detect,
    pub alert: Alert,
    pub reports: Reports,
    pub serve: Serve,
    pub pipeline: Pipeline,
    pub telemetry: Telemetry,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    pub brokers: Vec<String>,
    pub topics: Vec<String>,
    pub group: String,
    pub instance_id: String,
    pub start: Start,
    pub drain_limit_ms: Millis,
    pub options: ClientOptions,
}

/// Where to begin in a partition that the lake has never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    Earliest,
    Latest,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decode {
    pub format: FormatChoice,
    pub frame_bytes_max: Bytes,
    pub credential_headers: Vec<String>,
    pub credential_params: Vec<String>,
    pub tenant_headers: Vec<String>,
    pub tenant_params: Vec<String>,
    pub key_prefixes: Vec<String>,
}

/// A log format by name, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct FormatChoice(pub Option<Format>);

impl TryFrom<String> for FormatChoice {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name == AUTO {
            return Ok(Self(None));
        }
        let known = Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
        Format::from_name(&name).map(|format| Self(Some(format))).ok_or(format!("`{name}` is none of {AUTO}, {known}"))
    }
}

impl From<FormatChoice> for String {
    fn from(choice: FormatChoice) -> Self {
        choice.0.map_or(AUTO, Format::name).to_owned()
    }
}

const AUTO: &str = "auto";

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    pub pepper_file: String,
    pub pepper: Secret,
    /// PEM file of the Ed25519 key that signs digests and exports; empty for the one beside the lake.
    pub signing_key_file: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub dirs: Vec<String>,
    pub memory_dir: String,
    pub refresh_interval_ms: Millis,
    pub freshness_limit_ms: Millis,
    pub propagation_window_ms: Millis,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lake {
    pub uri: String,
    pub pipeline: String,
    pub commit_interval_ms: Millis,
    pub commit_rows_max: u64,
    pub maintenance_interval_ms: Millis,
    pub compact_small_bytes: Bytes,
    pub compact_joined_bytes_max: Bytes,
    pub checkpoint_commits: u64,
    pub vacuum_retention_ms: Millis,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// Folder of an operator's own query files; empty for none.
    pub dir: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    pub raw_queue_batches: usize,
    pub refined_queue_batches: usize,
    pub refine_threads: usize,
    pub shutdown_limit_ms: Millis,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub log_format: LogFormat,
    pub log_level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// The defaults with `file` (TOML) and `variables` (name and text; others than ours are ignored) laid over.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key. Nothing a secret option holds is repeated.
    pub fn parse<'a>(file: &str, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConfigError> {
        let mut table = defaults();
        layers::lay_over(&mut table, parse_file(file)?, "")?;
        for (name, text) in variables {
            layers::lay_variable(&mut table, name, text)?;
        }
        let config = Self::from_table(table)?;
        config.check()?;
        Ok(config)
    }

    fn from_table(table: Table) -> Result<Self, ConfigError> {
        table
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::Mistyped { message: one_line(&error.to_string()) })
    }

    /// What types cannot carry.
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key: &str, why: &str| Err(ConfigError::wrong(key, why));
        if self.kafka.brokers.is_empty() {
            return wrong("kafka.brokers", "is empty: name at least one `host:port`");
        }
        if self.kafka.topics.is_empty() {
            return wrong("kafka.topics", "is empty: name the topics that hold the gateway's access logs");
        }
        if self.kafka.group.is_empty() {
            return wrong("kafka.group", "is empty: partitions are shared out within a named group");
        }
        if let Some(option) = self.kafka.options.reserved() {
            return wrong(&format!("kafka.options.{option}"), "is set by claviger, since exactly-once rests on it");
        }
        if self.lake.uri.is_empty() {
            return wrong("lake.uri", "is empty: name a folder or an object store URL");
        }
        if !is_name(&self.lake.pipeline) {
            return wrong("lake.pipeline", "must be 1 to 64 letters, digits, `-`, `_` or `.`");
        }
        if !self.secrets.pepper_file.is_empty() && !self.secrets.pepper.is_empty() {
            return wrong("secrets.pepper", "and `secrets.pepper_file` are both set: which one hashes the keys?");
        }
        for (key, value) in [
            ("decode.frame_bytes_max", self.decode.frame_bytes_max.0),
            ("lake.commit_interval_ms", self.lake.commit_interval_ms.0),
            ("lake.commit_rows_max", self.lake.commit_rows_max),
            ("lake.maintenance_interval_ms", self.lake.maintenance_interval_ms.0),
            ("lake.checkpoint_commits", self.lake.checkpoint_commits),
            ("identity.refresh_interval_ms", self.identity.refresh_interval_ms.0),
            ("pipeline.raw_queue_batches", self.pipeline.raw_queue_batches as u64),
            ("pipeline.refined_queue_batches", self.pipeline.refined_queue_batches as u64),
        ] {
            if value == 0 {
                return wrong(key, "must be at least 1");
            }
        }
        self.detect.check()?;
        self.serve.check()?;
        self.alert.plan().map(drop)
    }

    /// What refining depends on, under `pepper`.
    #[must_use]
    pub fn refine_options(&self, pepper: Pepper) -> RefineOptions {
        let us = |millis: Millis| i64::try_from(millis.0.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let Decode { format, frame_bytes_max, credential_headers, credential_params, .. } = &self.decode;
        let decode = DecodeOptions {
            pepper,
            format: format.0,
            frame_bytes_max: usize::try_from(frame_bytes_max.0).unwrap_or(usize::MAX),
            credential_headers: credential_headers.clone(),
            credential_params: credential_params.clone(),
            tenant_headers: self.decode.tenant_headers.clone(),
            tenant_params: self.decode.tenant_params.clone(),
            key_prefixes: self.decode.key_prefixes.clone(),
        };
        let classify = ClassifyOptions {
            freshness_limit_us: us(self.identity.freshness_limit_ms),
            propagation_window_us: us(self.identity.propagation_window_ms),
            ..ClassifyOptions::default()
        };
        RefineOptions { classify, ..RefineOptions::new(decode) }
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn defaults() -> Table {
    toml::from_str(DEFAULTS).expect("the embedded defaults are TOML: a test reads them")
}

/// One section as the embedded defaults have it.
fn default_section<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let section = defaults().remove(name).expect("the embedded defaults have every section: a test reads them");
    section.try_into().expect("the embedded defaults are of the right types: a test reads them")
}

/// The parser's own message quotes the line, which may hold a secret: only its place and reason are kept.
fn parse_file(text: &str) -> Result<Table, ConfigError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::NotToml { line: before.matches('\n').count() + 1, message: one_line(error.message()) }
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("line {line} is not TOML: {message}")]
    NotToml { line: usize, message: String },
    #[error("unknown key `{key}`")]
    UnknownKey { key: String, nearest: Option<String> },
    #[error("a value has the wrong type: {message}")]
    Mistyped { message: String },
    #[error("`{key}` {why}")]
    Wrong { key: String, why: String },
}

impl ConfigError {
    fn wrong(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Wrong { key: key.into(), why: why.into() }
    }
}

impl Fault for ConfigError {
    fn hint(&self) -> String {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::NotToml { .. } => "texts need quotes, lists square brackets; see https://toml.io".to_owned(),
            Self::UnknownKey { nearest: None, .. } | Self::Mistyped { .. } | Self::Wrong { .. } => {
                "`claviger check-config --defaults` prints every option with its meaning".to_owned()
            }
        }
    }

    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

#[cfg(test)]
mod tests;
