//! The section `[serve]`: where to listen, under which protection, and how much anybody may ask.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Bytes, ConfigError, Millis, OidcSection};
use crate::access::exposure::{Exposed, Guard, Listening, guard};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Serve {
    pub address: SocketAddr,
    pub tls_certificate: String,
    pub tls_key: String,
    pub insecure_behind_proxy: bool,
    pub require_authentication: bool,
    /// Whoever reaches the port may read `/metrics`.
    pub public_metrics: bool,
    /// Where PostgreSQL clients connect; `None` for nowhere.
    #[serde(with = "optional_address")]
    pub postgres_address: Option<SocketAddr>,
    pub oidc: OidcSection,
    pub limits: ServeLimits,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServeLimits {
    pub requests_per_second: f64,
    pub requests_burst: f64,
    pub requests_at_once: usize,
    pub answer_limit_ms: Millis,
    pub query_limit_ms: Millis,
    pub query_rows_max: u64,
    pub query_bytes_max: Bytes,
    pub query_memory_bytes: Bytes,
    pub queries_at_once: usize,
    pub queries_waiting: usize,
}

impl Default for Serve {
    /// As the embedded defaults say.
    fn default() -> Self {
        super::default_section("serve")
    }
}

impl Serve {
    /// Whether the service speaks TLS itself.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        !self.tls_certificate.is_empty()
    }

    /// Whether callers are asked who they are.
    ///
    /// # Errors
    /// What they say could be read on the way.
    pub fn guard(&self) -> Result<Guard, Exposed> {
        guard(&Listening {
            address: self.address,
            must_ask: self.require_authentication || !self.oidc.issuer.is_empty(),
            has_tls: self.encrypts(),
            is_behind_proxy: self.insecure_behind_proxy,
        })
    }

    /// What types cannot carry.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key: &str, why: &str| Err(ConfigError::wrong(key, why));
        if self.tls_certificate.is_empty() != self.tls_key.is_empty() {
            return wrong("serve.tls_certificate", "and `serve.tls_key` belong together: set both or none");
        }
        if self.guard().is_err() {
            return wrong(
                "serve.address",
                "is one that others can reach: set `serve.tls_certificate` and `serve.tls_key`, or say with \
                 `serve.insecure_behind_proxy` that a proxy before it speaks TLS",
            );
        }
        let is_reachable = |address: SocketAddr| !address.ip().to_canonical().is_loopback();
        if self.postgres_address.is_some_and(is_reachable) && !self.encrypts() {
            return wrong(
                "serve.postgres_address",
                "is one that others can reach, and passwords are tokens: set `serve.tls_certificate` and `serve.tls_key`",
            );
        }
        self.oidc.rules()?;
        let limits = &self.limits;
        for (key, rate) in
            [("requests_per_second", limits.requests_per_second), ("requests_burst", limits.requests_burst)]
        {
            if !(rate.is_finite() && rate >= 1.0) {
                return wrong(&format!("serve.limits.{key}"), "must be a number from 1 on");
            }
        }
        for (key, value) in [
            ("requests_at_once", limits.requests_at_once as u64),
            ("answer_limit_ms", limits.answer_limit_ms.0),
            ("query_limit_ms", limits.query_limit_ms.0),
            ("query_rows_max", limits.query_rows_max),
            ("query_bytes_max", limits.query_bytes_max.0),
            ("query_memory_bytes", limits.query_memory_bytes.0),
            ("queries_at_once", limits.queries_at_once as u64),
        ] {
            if value == 0 {
                return wrong(&format!("serve.limits.{key}"), "must be at least 1");
            }
        }
        Ok(())
    }
}

/// An address, or an empty text for none.
mod optional_address {
    use std::net::SocketAddr;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| de::Error::custom("an address is like 127.0.0.1:5432, or empty for none"))
    }

    pub(super) fn serialize<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&address.map(|address| address.to_string()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parsed(serve: &str) -> Result<Config, String> {
        let file = format!("[kafka]\nbrokers = ['b:9092']\ntopics = ['t']\n[lake]\nuri = 'lake'\n[serve]\n{serve}");
        Config::parse(&file, []).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_that_others_can_reach_needs_tls_or_a_proxy() {
        assert!(parsed("address = '127.0.0.1:0'").is_ok());
        assert!(parsed("address = '[::1]:7070'").is_ok());
        assert!(parsed("address = '0.0.0.0:7070'").unwrap_err().contains("tls_certificate"));
        assert!(parsed("address = '0.0.0.0:7070'\ninsecure_behind_proxy = true").is_ok());
        assert!(parsed("address = '[::]:7070'\ntls_certificate = 'c.pem'\ntls_key = 'k.pem'").is_ok());
        assert!(parsed("tls_certificate = 'c.pem'").unwrap_err().contains("tls_key"));
    }

    #[test]
    fn the_postgresql_port_is_closed_unless_it_is_named_and_needs_tls_where_others_reach_it() {
        let tls = "tls_certificate = 'c.pem'\ntls_key = 'k.pem'";
        assert_eq!(parsed("").unwrap().serve.postgres_address, None);
        let named = parsed("postgres_address = '127.0.0.1:5432'").unwrap();
        assert_eq!(named.serve.postgres_address, Some("127.0.0.1:5432".parse().unwrap()));
        assert!(parsed("postgres_address = '5432'").unwrap_err().contains("127.0.0.1:5432"));
        assert!(parsed("postgres_address = '0.0.0.0:5432'").unwrap_err().contains("postgres_address"));
        let behind_proxy = "postgres_address = '0.0.0.0:5432'\ninsecure_behind_proxy = true";
        assert!(parsed(behind_proxy).is_err(), "a proxy for HTTP does not carry it");
        assert!(parsed(&format!("postgres_address = '0.0.0.0:5432'\n{tls}")).is_ok());
        let shown = toml::to_string(&parsed("").unwrap()).unwrap();
        assert!(shown.contains("postgres_address = \"\""), "{shown}");
    }

    #[test]
    fn limits_that_would_let_nothing_through_are_wrong() {
        for limit in ["requests_per_second = 0.0", "requests_burst = nan", "requests_at_once = 0", "query_rows_max = 0"]
        {
            assert!(parsed(&format!("[serve.limits]\n{limit}")).is_err(), "{limit}");
        }
    }
}
