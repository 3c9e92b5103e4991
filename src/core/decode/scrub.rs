//! Masks what looks like a secret in free text: paths, messages, agents, ids.
//!
//! Known credentials are hashed by the decoder; this is the net below, for keys that callers put where no
//! key belongs. It masks tokens with an issuer's prefix, JSON web tokens, long mixed tokens, and whatever follows
//! a word like `password=` or `Bearer`; it leaves UUIDs, hex digests and numbers, which are ids far more often than keys.

use std::borrow::Cow;

use super::uri::percent_decoded;
use crate::secret::prefix_of;

/// Prefixes of keys of well-known issuers. `decode.key_prefixes` adds the operator's own.
const ISSUERS: &[&str] = &[
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "ck_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "eyJ",
    "clv_",
    "hf_",
    "npm_",
    "pypi-",
    "dop_v1_",
    "shpat_",
    "SG.",
];

/// Shortest token that is taken for a secret.
const SECRET_MIN: usize = 16;

/// Words before a secret, and the shortest token that is one for standing there.
const ANNOUNCED_BY: &[&str] =
    &["bearer ", "basic ", "token ", "key=", "key:", "token=", "secret=", "password=", "passwd=", "pwd=", "auth="];
const ANNOUNCED_MIN: usize = 8;

/// `text` with every token that looks like a secret masked; borrowed when there is none.
pub(crate) fn scrub<'a>(text: &'a str, own_prefixes: &[String]) -> Cow<'a, str> {
    // Ids, which is most of what comes here, are told by one look.
    if text.len() < ANNOUNCED_MIN || is_hex_id(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut copied = 0;
    let mut start = 0;
    for (at, byte) in text.bytes().chain([b' ']).enumerate() {
        if is_token_byte(byte) {
            continue;
        }
        if at - start >= ANNOUNCED_MIN
            && let Some((before, token)) = text.get(..at).and_then(|text| text.split_at_checked(start))
            && let Some(secret) = secret_in(token, own_prefixes).or_else(|| announced(before, token))
        {
            let from = start + token.len() - secret.len();
            out.push_str(text.get(copied..from).unwrap_or(""));
            out.push_str(prefix_of(secret));
            out.push('…');
            copied = at;
        }
        start = at + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or(""));
    Cow::Owned(out)
}

/// Hex digits and dashes only: a UUID, a digest, a trace id.
fn is_hex_id(text: &str) -> bool {
    text.bytes().fold(true, |all, byte| all & (byte.is_ascii_hexdigit() | (byte == b'-')))
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'%');
        byte += 1;
    }
    table
};

const fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

/// A token of any kind after a word that announces a secret. It holds a digit: `basic authentication` is none.
fn announced<'t>(before: &str, token: &'t str) -> Option<&'t str> {
    let announces = |word: &&str| {
        let start = before.len().checked_sub(word.len());
        start.and_then(|start| before.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    (before.ends_with([' ', '=', ':']) && token.bytes().any(|byte| byte.is_ascii_digit()))
        .then_some(token)
        .filter(|_| ANNOUNCED_BY.iter().any(announces))
}

/// The part of a token, to its end, that is to be masked.
fn secret_in<'t>(token: &'t str, own_prefixes: &[String]) -> Option<&'t str> {
    if token.len() < SECRET_MIN || is_hex_id(token) {
        return None;
    }
    if let Cow::Owned(decoded) = percent_decoded(token)
        && decoded != token
    {
        return matches!(scrub(&decoded, own_prefixes), Cow::Owned(_)).then_some(token);
    }
    let issuers = ISSUERS.iter().copied().chain(own_prefixes.iter().map(String::as_str));
    for issuer in issuers {
        if let Some(at) = token.find(issuer)
            && token.len() - at >= SECRET_MIN
            && !token.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_ascii_alphanumeric()))
        {
            return token.get(at..);
        }
    }
    (is_issued(token) || is_mixed(token)).then_some(token)
}

/// `acme_live_…`, `x-test-…`: a short word, a word for the stage, and a long rest.
fn is_issued(token: &str) -> bool {
    let mut words = token.splitn(3, ['_', '-']);
    let (Some(issuer), Some(stage), Some(rest)) = (words.next(), words.next(), words.next()) else { return false };
    issuer.len() <= 8
        && ["live", "test", "prod", "dev", "stage", "staging", "sandbox", "key", "secret", "token", "pat"]
            .contains(&stage)
        && rest.len() >= 12
}

/// At least 24 characters with upper case, lower case and digits, as random base-62 and base-64 text has.
fn is_mixed(token: &str) -> bool {
    token.len() >= 24
        && token.bytes().any(|b| b.is_ascii_uppercase())
        && token.bytes().any(|b| b.is_ascii_lowercase())
        && token.bytes().filter(u8::is_ascii_digit).count() >= 3
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_ids_stay() {
        let own = vec!["zz9".to_owned()];
        for (text, expected) in [
            ("/v1/keys/ck_live_0123456789abcdef0123456789abcdef/rotate", "/v1/keys/ck_live_…/rotate"),
            ("invalid key sk-proj-abcdefABCDEF0123456789 given", "invalid key sk-proj-… given"),
            ("key=zz9AAAAAAAAAAAAAAAAAA", "key=…"),
            ("acme_prod_s3cr3ts3cr3ts3cr3t", "acme_prod_…"),
            ("token Ab3dEf6hIj9kLm2nOp5qRs8tUv", "token …"),
            ("/v1/ck%5Flive%5F0123456789abcdef0123/x", "/v1/…/x"),
            ("bad header Basic dXNlcjpwYTU1", "bad header Basic …"),
            ("curl password=pa55word1", "curl password=…"),
            ("Basic authentication required, see RFC 7617", "Basic authentication required, see RFC 7617"),
            ("/v1/caf%C3%A9s/nearby/list", "/v1/caf%C3%A9s/nearby/list"),
            ("/orders/6fa459ea-ee8a-3ca4-894e-db77e160355e", "/orders/6fa459ea-ee8a-3ca4-894e-db77e160355e"),
            ("/blobs/d41d8cd98f00b204e9800998ecf8427e", "/blobs/d41d8cd98f00b204e9800998ecf8427e"),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            ),
            ("/v1/task-management/reports", "/v1/task-management/reports"),
        ] {
            assert_eq!(scrub(text, &own), expected, "{text}");
        }
    }
}
