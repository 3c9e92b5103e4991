//! A signed token of an identity provider, taken apart: what was signed, how, and what it says.
//!
//! Total and bounded: any text is either such a token or refused. Nothing here is believed yet: the signature is checked
//! by the shell, with a library, and what the claims give is decided by [`super::claims`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims::{Algorithm, ClaimsRefusal};

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Longest name of a key that is looked up.
const KEY_ID_BYTES_MAX: usize = 256;

/// A token whose signature nobody has checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Unverified<'a> {
    pub algorithm: Algorithm,
    /// Which of the provider's keys signed it, as it says itself.
    pub key_id: Option<String>,
    /// What was signed.
    pub message: &'a str,
    /// In base64url.
    pub signature: &'a str,
    claims: Map<String, Value>,
}

impl<'a> Unverified<'a> {
    /// # Errors
    /// The text is no such token, or signed in a way that is not allowed.
    pub fn parse(text: &'a str) -> Result<Self, ClaimsRefusal> {
        let unreadable = ClaimsRefusal::Unreadable;
        let text = Some(text).filter(|text| text.len() <= TOKEN_BYTES_MAX).ok_or(unreadable)?;
        let (message, signature) = text.rsplit_once('.').ok_or(unreadable)?;
        let (header, claims) = message.split_once('.').ok_or(unreadable)?;
        if claims.contains('.') {
            return Err(unreadable);
        }
        let (header, claims) = (object(header).ok_or(unreadable)?, object(claims).ok_or(unreadable)?);
        let algorithm = Algorithm::allowed(header.get("alg").and_then(Value::as_str).unwrap_or_default())?;
        // RFC 7515: an extension that must be understood is not.
        if header.contains_key("crit") {
            return Err(unreadable);
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= KEY_ID_BYTES_MAX => Some(id.clone()),
            Some(_) => return Err(unreadable),
        };
        Ok(Self { algorithm, key_id, message, signature, claims })
    }

    /// What the token says, for whoever has checked its signature.
    #[must_use]
    pub const fn claims_once_verified(&self) -> &Map<String, Value> {
        &self.claims
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#, r#"{"sub":"ada"}"#);
        let read = Unverified::parse(&text).unwrap();
        assert_eq!((read.algorithm, read.key_id.as_deref(), read.signature), (Algorithm::Es256, Some("k1"), "c2ln"));
        assert_eq!(format!("{}.{}", read.message, read.signature), text);
        assert_eq!(read.claims_once_verified()["sub"], "ada");
    }

    #[test]
    fn what_is_no_token_or_not_signed_by_a_key_pair_is_refused() {
        let long = token(r#"{"alg":"RS256"}"#, &format!(r#"{{"sub":"{}"}}"#, "x".repeat(9_000)));
        for (text, why) in [
            (token(r#"{"alg":"none"}"#, "{}"), ClaimsRefusal::Algorithm),
            (token(r#"{"alg":"HS256"}"#, "{}"), ClaimsRefusal::Algorithm),
            (token(r#"{"typ":"JWT"}"#, "{}"), ClaimsRefusal::Algorithm),
            (token(r#"{"alg":["RS256"]}"#, "{}"), ClaimsRefusal::Algorithm),
            (token(r#"{"alg":"RS256","crit":["b64"]}"#, "{}"), ClaimsRefusal::Unreadable),
            (token(r#"{"alg":"RS256","kid":7}"#, "{}"), ClaimsRefusal::Unreadable),
            (token(r#"{"alg":"RS256"}"#, "[]"), ClaimsRefusal::Unreadable),
            (token(r#"["RS256"]"#, "{}"), ClaimsRefusal::Unreadable),
            (token(r#"{"alg":"RS256"}"#, "{}") + ".more", ClaimsRefusal::Unreadable),
            ("a.b".to_owned(), ClaimsRefusal::Unreadable),
            ("..".to_owned(), ClaimsRefusal::Unreadable),
            (long, ClaimsRefusal::Unreadable),
        ] {
            assert_eq!(Unverified::parse(&text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}", header in "\\PC{0,40}", claims in "\\PC{0,40}") {
            prop_assert!(Unverified::parse(&text).is_err());
            prop_assert!(Unverified::parse(&token(&header, &claims)).is_err());
        }
    }
}
