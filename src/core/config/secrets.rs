//! Texts that must not be shown: they print and serialise as `***`.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

const MASK: &str = "***";

/// A secret that begins so is the path of the file that holds it.
pub const SECRET_FILE_PREFIX: &str = "file:";

/// A secret text.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text itself, for the one place that uses it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn shown(&self) -> &str {
        if self.is_empty() { "" } else { MASK }
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::from("")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

/// Options for librdkafka, passed on as they are.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ClientOptions(BTreeMap<String, String>);

/// What the source sets itself: delivery rests on it, or an option of ours says it.
const RESERVED: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "statistics.interval.ms",
];

/// Parts of option names that only secrets have.
const SECRET_PARTS: &[&str] = &["password", "secret", "token", "pem", "oauthbearer.config", "private", "jaas"];

/// Options of authentication that may be shown. The others are not, so that a misspelt name leaks nothing.
const HARMLESS: &[&str] = &[
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.keystore.location",
];

fn is_secret(option: &str) -> bool {
    let of_authentication = option.starts_with("sasl") || option.starts_with("ssl");
    SECRET_PARTS.iter().any(|part| option.contains(part)) || of_authentication && !HARMLESS.contains(&option)
}

impl ClientOptions {
    /// Names with their values, secrets included.
    pub fn reveal(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The first option that must not be set here.
    pub(super) fn reserved(&self) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|name| RESERVED.contains(name))
    }

    fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.reveal().map(|(name, value)| (name, if is_secret(name) { MASK } else { value }))
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

impl Serialize for ClientOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.shown() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
