//! What a gateway must log so that causes can be decided, and the configuration that makes it do so.
//!
//! Sources: APISIX `docs/en/latest/plugins/kafka-logger.md` and `key-auth.md`; Kong `kong/pdk/log.lua` (`set_serialize_value`),
//! the plugins `pre-function` and `key-auth`; our own event JSON in `canonical.rs`.

use super::Format;

/// A piece of gateway configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The column of the event that it fills.
    pub column: &'static str,
    /// How a verdict names the field when it is missing.
    missing: &'static str,
    /// What it is good for, in half a sentence.
    pub why: &'static str,
    pub text: &'static str,
}

impl Snippet {
    /// Whether it adds the field that a verdict says is missing.
    #[must_use]
    pub fn adds(&self, missing_field: &str) -> bool {
        missing_field.starts_with(self.missing)
    }
}

/// The snippets for a format, by its name; none for a name that is no format.
#[must_use]
pub fn snippets(format: &str) -> &'static [Snippet] {
    match Format::from_name(format) {
        Some(Format::Apisix) => APISIX,
        Some(Format::Kong) => KONG,
        Some(Format::Canonical) => CANONICAL,
        None => &[],
    }
}

const APISIX: &[Snippet] = &[
    Snippet {
        column: "gateway_message",
        missing: "response body",
        why: "the reason of a refusal stands in the answer's body only",
        text: r#"kafka-logger: {"include_resp_body": true, "include_resp_body_expr": [["status", ">=", 400]]}"#,
    },
    Snippet {
        column: "fingerprint",
        missing: "credential",
        why: "a hidden key cannot be told from any other; Claviger hashes it on arrival",
        text: r#"key-auth: {"hide_credentials": false}"#,
    },
    Snippet {
        column: "consumer",
        missing: "consumer",
        why: "it says whose token a request bore",
        text: r#"kafka-logger: {"log_format_extra": {"consumer_name": "$consumer_name"}}"#,
    },
];

const KONG: &[Snippet] = &[
    Snippet {
        column: "gateway_message",
        missing: "response body",
        why: "Kong does not log the text that it sent to the caller",
        text: r#"pre-function: {"body_filter": ["if kong.response.get_source() == 'exit' then kong.ctx.plugin.body = (kong.ctx.plugin.body or '') .. (ngx.arg[1] or '') end"], "log": ["if kong.ctx.plugin.body then kong.log.set_serialize_value('response.body', kong.ctx.plugin.body) end"]}"#,
    },
    Snippet {
        column: "fingerprint",
        missing: "credential",
        why: "with hide_credentials the key is gone even from refused requests; Claviger hashes it on arrival",
        text: r#"key-auth: {"hide_credentials": false}"#,
    },
];

const CANONICAL: &[Snippet] = &[
    Snippet {
        column: "gateway_message",
        missing: "response body",
        why: "the gateway's own reason",
        text: r#"{"gateway_code": "…", "gateway_message": "…"}"#,
    },
    Snippet {
        column: "fingerprint",
        missing: "credential",
        why: "the key as it was sent (hashed on arrival), or HMAC-SHA-256 of it under the pepper",
        text: r#"{"credential": "…", "credential_place": "header:x-api-key"} or {"fingerprint": "<hex>"}"#,
    },
    Snippet {
        column: "consumer",
        missing: "consumer",
        why: "it says whose token a request bore",
        text: r#"{"consumer": "<user id>"}"#,
    },
];
