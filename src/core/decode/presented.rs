//! What kind of credential a value is, and which part of it is the key.

use base64::Engine as _;
use std::borrow::Cow;

/// Kinds of credential, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    ApiKey,
    Bearer,
    Jwt,
    Basic,
    /// A request signature: the key id is known, the secret never travels.
    Signature,
    /// The gateway masked it in its log.
    Redacted,
}

impl CredentialKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::Basic => "basic",
            Self::Signature => "signature",
            Self::Redacted => "redacted",
        }
    }
}

/// The kind of `value`, which stood at `place`, and the key in it; the key is empty when the log does not hold it.
///
/// Only authorization headers begin with a scheme. Anywhere else `Bearer …` is a slip of the caller's, and part of
/// what the gateway compared.
pub(crate) fn key_of<'a>(place: &str, value: &'a str) -> (CredentialKind, Cow<'a, str>) {
    if is_redacted(value) {
        return (CredentialKind::Redacted, Cow::Borrowed(""));
    }
    if !place.ends_with("authorization") {
        return (plain_kind(value, CredentialKind::ApiKey), Cow::Borrowed(value));
    }
    let Some((scheme, rest)) = value.split_once(' ') else {
        return (plain_kind(value, CredentialKind::ApiKey), Cow::Borrowed(value));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" if is_redacted(rest) => (CredentialKind::Redacted, Cow::Borrowed("")),
        "bearer" => (plain_kind(rest, CredentialKind::Bearer), Cow::Borrowed(rest)),
        "apikey" | "api-key" | "token" | "key" => (CredentialKind::ApiKey, Cow::Borrowed(rest)),
        "basic" => (CredentialKind::Basic, basic_key(rest)),
        "aws4-hmac-sha256" | "hmac" | "signature" | "digest" => {
            (CredentialKind::Signature, Cow::Borrowed(key_id(rest)))
        }
        _ => (CredentialKind::ApiKey, Cow::Borrowed(value)),
    }
}

fn plain_kind(token: &str, other: CredentialKind) -> CredentialKind {
    let jwt = token.starts_with("eyJ") && token.bytes().filter(|&byte| byte == b'.').count() == 2;
    if jwt { CredentialKind::Jwt } else { other }
}

/// What gateways and shippers write in place of a credential.
fn is_redacted(value: &str) -> bool {
    const WORDS: &[&str] =
        &["redacted", "[redacted]", "<redacted>", "masked", "[masked]", "filtered", "[filtered]", "hidden"];
    value.len() <= 12 && WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
        || !value.is_empty() && value.bytes().all(|byte| matches!(byte, b'*' | b'x' | b'X'))
}

/// The password, or the user where there is none: some platforms take the key as the user.
fn basic_key(encoded: &str) -> Cow<'_, str> {
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, "")) => Cow::Owned(user.to_owned()),
        Some((_, password)) => Cow::Owned(password.to_owned()),
        None => Cow::Borrowed(encoded),
    }
}

/// The key id named in a signature's parameters: `Credential=AKIA…/date/…`, `keyId="…"`, `key_id=…`.
fn key_id(parameters: &str) -> &str {
    let named =
        ["Credential=", "keyId=", "key_id=", "username="].into_iter().find_map(|name| parameters.split_once(name));
    let value = named.map_or(parameters, |(_, value)| value).trim_start_matches('"');
    value.split(['/', ',', '"', ' ']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_yields_its_key() {
        for (value, kind, key) in [
            ("ck_live_1", CredentialKind::ApiKey, "ck_live_1"),
            ("Bearer opaque", CredentialKind::Bearer, "opaque"),
            ("bearer eyJh.eyJz.sig", CredentialKind::Jwt, "eyJh.eyJz.sig"),
            ("Basic dXNlcjpwYTU1", CredentialKind::Basic, "pa55"),
            ("Basic a2V5Og==", CredentialKind::Basic, "key"),
            ("Basic !!!", CredentialKind::Basic, "!!!"),
            ("AWS4-HMAC-SHA256 Credential=AKIAX/20261124/eu/s3, Signature=ab", CredentialKind::Signature, "AKIAX"),
            ("hmac username=\"alice\", algorithm=\"hmac-sha256\"", CredentialKind::Signature, "alice"),
            ("REDACTED", CredentialKind::Redacted, ""),
            ("Bearer REDACTED", CredentialKind::Redacted, ""),
            ("****", CredentialKind::Redacted, ""),
            (" ck_live_1", CredentialKind::ApiKey, " ck_live_1"),
        ] {
            assert_eq!(key_of("header:authorization", value), (kind, Cow::Borrowed(key)), "{value}");
        }
        assert_eq!(
            key_of("header:apikey", "Bearer x").1,
            "Bearer x",
            "a scheme where none belongs is part of the value"
        );
    }
}
