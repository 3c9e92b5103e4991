//! A webhook of one's own, signed as Standard Webhooks 1.0 says (github.com/standard-webhooks/standard-webhooks).
//!
//! While a secret is rotated both are configured, and both signatures are sent: receivers take whichever they know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Wording;
use super::record::record;
use crate::alert::notice::Notice;
use crate::time;

const SECRET_PREFIX: &str = "whsec_";

/// A key of 24 to 64 bytes, written as `whsec_` and base64.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// `None` for what is no such secret.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
        (24..=64).contains(&key.len()).then_some(Self(key))
    }

    fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The body: `incident.trigger`, `incident.acknowledge` or `incident.resolve`, with the notice as its data.
#[must_use]
pub fn message(notice: &Notice, wording: &Wording) -> Value {
    json!({
        "type": format!("incident.{}", notice.action.name()),
        "timestamp": time::format(notice.resolved_at_us.unwrap_or(notice.last_seen_us)),
        "data": record(notice, wording),
    })
}

/// The three headers, for the exact bytes that are sent at `now_us`. `id` is the same for every try.
#[must_use]
pub fn headers(id: &str, now_us: i64, body: &str, secrets: &[SigningSecret]) -> Vec<(&'static str, String)> {
    let seconds = now_us.div_euclid(1_000_000);
    let mut headers = vec![("webhook-id", id.to_owned()), ("webhook-timestamp", seconds.to_string())];
    if !secrets.is_empty() {
        let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(id, seconds, body)).collect();
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_published_example() {
        // Example of the specification's reference libraries.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let body = r#"{"test": 2432232314}"#;
        let headers =
            headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_999_999, body, std::slice::from_ref(&secret));
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(headers[1], ("webhook-timestamp", "1614265330".to_owned()));
        assert_eq!(headers[2], ("webhook-signature", expected.to_owned()));
        assert_eq!(format!("{secret:?}"), "***");
    }

    #[test]
    fn both_secrets_sign_while_one_replaces_the_other() {
        let [old, new] = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"]
            .map(|key| SigningSecret::parse(&format!("whsec_{key}")).expect("a secret"));
        let signature = |secrets: &[SigningSecret]| headers("id", 0, "{}", secrets)[2].1.clone();
        let both = signature(&[new.clone(), old.clone()]);
        assert_eq!(both, format!("{} {}", signature(&[new]), signature(&[old])));
        assert_eq!(headers("id", 0, "{}", &[]).len(), 2, "unsigned when no secret is configured");
    }

    #[test]
    fn what_is_no_secret_is_told_from_one() {
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_not base64"] {
            assert_eq!(SigningSecret::parse(text), None, "{text}");
        }
    }
}
