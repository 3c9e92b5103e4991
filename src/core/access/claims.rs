//! What the claims of an OpenID Connect token give their holder.
//!
//! The signature is checked before, by a library; everything else about a token is decided here: by which algorithms it
//! may be signed, for whom and when it is good, and what its roles and tenant come to. Promises that nothing but a
//! configured role gives a scope, and that who names no tenant sees nothing unless one of its roles sees all.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Caller, Proof, Scopes, TenantScope};

/// How far the clocks of issuer and reader may be apart.
const SKEW_S: f64 = 60.0;

/// Longest name, tenant or role that is believed.
const TEXT_BYTES_MAX: usize = 256;

/// How a token may be signed: by key pairs only. With a shared secret, or none, a token could be made by whoever reads
/// the public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// # Errors
    /// Any other word.
    pub fn allowed(word: &str) -> Result<Self, ClaimsRefusal> {
        match word {
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            _ => Err(ClaimsRefusal::Algorithm),
        }
    }
}

/// Whom an operator trusts, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRules {
    pub issuer: String,
    pub audience: String,
    /// The claim that names the caller, such as `sub` or `email`.
    pub name_claim: ClaimPath,
    pub tenant_claim: ClaimPath,
    pub roles_claim: ClaimPath,
    pub roles: BTreeMap<String, Scopes>,
    /// Roles whose holders see every tenant.
    pub all_tenants_roles: BTreeSet<String>,
}

/// A claim, or one inside others: `realm_access.roles`. The whole text is tried first, since some claims are URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(pub String);

impl ClaimPath {
    fn of<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let inner = || {
            let mut parts = self.0.split('.');
            let first = claims.get(parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))
        };
        claims.get(&self.0).or_else(inner)
    }
}

/// A caller, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub caller: Caller,
    pub until_us: i64,
}

/// Who holds these claims, whose signature is good.
///
/// # Errors
/// The first thing that keeps the holder out.
pub fn admit(claims: &Map<String, Value>, rules: &ClaimRules, now_us: i64) -> Result<Admitted, ClaimsRefusal> {
    if claims.get("iss").and_then(Value::as_str) != Some(rules.issuer.as_str()) {
        return Err(ClaimsRefusal::Issuer);
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(audience)) => *audience == rules.audience,
        Some(Value::Array(audiences)) => audiences.iter().any(|one| one.as_str() == Some(&rules.audience)),
        _ => false,
    };
    if !is_for_us {
        return Err(ClaimsRefusal::Audience);
    }
    let until_us = check_times(claims, now_us)?;
    let name = rules.name_claim.of(claims).and_then(believable).ok_or(ClaimsRefusal::Nameless)?;
    let roles = roles_in(rules.roles_claim.of(claims));
    let scopes: Scopes =
        roles.iter().filter_map(|role| rules.roles.get(*role)).flat_map(|scopes| scopes.iter()).collect();
    if scopes == Scopes::NONE {
        return Err(ClaimsRefusal::NoRole);
    }
    let tenants = if roles.iter().any(|role| rules.all_tenants_roles.contains(*role)) {
        TenantScope::All
    } else {
        let tenant = rules.tenant_claim.of(claims).and_then(believable).ok_or(ClaimsRefusal::NoTenant)?;
        TenantScope::One(tenant.to_owned())
    };
    Ok(Admitted { caller: Caller { name: name.to_owned(), proof: Proof::Oidc, scopes, tenants }, until_us })
}

/// When the token ends, in microseconds, the skew included.
fn check_times(claims: &Map<String, Value>, now_us: i64) -> Result<i64, ClaimsRefusal> {
    #[expect(clippy::cast_precision_loss, reason = "a double holds the microseconds of 285 years")]
    let now_s = now_us as f64 / 1e6;
    let instant = |name| match claims.get(name) {
        None => Ok(None),
        // RFC 7519: a number, which may have a fraction.
        Some(value) => value.as_f64().filter(|s| s.abs() < 1e11).map(Some).ok_or(ClaimsRefusal::BadTime),
    };
    let expires_s = instant("exp")?.ok_or(ClaimsRefusal::NoExpiry)?;
    if expires_s + SKEW_S <= now_s {
        return Err(ClaimsRefusal::Expired);
    }
    if instant("nbf")?.is_some_and(|from_s| from_s - SKEW_S > now_s) {
        return Err(ClaimsRefusal::NotYet);
    }
    #[expect(clippy::cast_possible_truncation, reason = "less than 1e17 by the check above")]
    Ok(((expires_s + SKEW_S) * 1e6) as i64)
}

/// Text that may stand in an audit trail: not empty, not long, without control characters.
fn believable(value: &Value) -> Option<&str> {
    let text = value.as_str()?;
    let is_plain = !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    is_plain.then_some(text)
}

/// Roles as a list of texts, or as one text with spaces between, as `scope` has them.
fn roles_in(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(words)) => words.split(' ').filter(|word| !word.is_empty()).collect(),
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Why a token of an identity provider opens nothing. What it says is not repeated: it may be anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsRefusal {
    #[error("the token cannot be read")]
    Unreadable,
    #[error("the token is not signed by RS256, ES256 or EdDSA")]
    Algorithm,
    #[error("the token's `iss` is not the configured issuer")]
    Issuer,
    #[error("the token's `aud` does not name this service")]
    Audience,
    #[error("the token has no `exp`")]
    NoExpiry,
    #[error("a time in the token is no number of seconds")]
    BadTime,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token does not name its holder")]
    Nameless,
    #[error("none of the token's roles gives a scope here")]
    NoRole,
    #[error("the token names no tenant, and none of its roles sees all of them")]
    NoTenant,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Scope;
    use super::*;

    const NOW_S: i64 = 1_795_500_000;

    fn rules() -> ClaimRules {
        let path = |text: &str| ClaimPath(text.to_owned());
        ClaimRules {
            issuer: "https://id.example.com".to_owned(),
            audience: "claviger".to_owned(),
            name_claim: path("sub"),
            tenant_claim: path("https://example.com/tenant"),
            roles_claim: path("realm_access.roles"),
            roles: [
                ("sre".to_owned(), Scopes::all()),
                ("reader".to_owned(), [Scope::Query, Scope::Report].into_iter().collect()),
                ("idle".to_owned(), Scopes::NONE),
            ]
            .into(),
            all_tenants_roles: ["sre".to_owned()].into(),
        }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example.com", "aud": ["other", "claviger"], "sub": "ada", "exp": NOW_S + 300,
            "nbf": NOW_S, "https://example.com/tenant": "acme", "realm_access": { "roles": ["reader", "unheard of"] },
        })
    }

    /// The claims with `pointer` replaced, or taken out by null.
    fn admit_with(changes: &[(&str, Value)]) -> Result<Admitted, ClaimsRefusal> {
        let mut claims = claims();
        let map = claims.as_object_mut().unwrap();
        for (name, value) in changes {
            if value.is_null() {
                map.remove(*name);
            } else {
                map.insert((*name).to_owned(), value.clone());
            }
        }
        admit(map, &rules(), NOW_S * 1_000_000)
    }

    #[test]
    fn claims_give_what_their_roles_were_configured_to_give() {
        let admitted = admit_with(&[]).unwrap();
        assert_eq!(admitted.caller.name, "ada");
        assert_eq!(admitted.caller.scopes.iter().collect::<Vec<_>>(), [Scope::Query, Scope::Report]);
        assert_eq!(admitted.caller.tenants, TenantScope::One("acme".to_owned()));
        assert_eq!(admitted.until_us, (NOW_S + 360) * 1_000_000);
        let words = json!({ "roles": "reader sre" });
        assert_eq!(admit_with(&[("realm_access", words)]).unwrap().caller.scopes, Scopes::all());
    }

    #[test]
    fn whoever_names_no_tenant_sees_nothing_unless_a_role_sees_all() {
        let tenant = "https://example.com/tenant";
        for odd in [Value::Null, json!(""), json!(["acme"]), json!(7), json!("a\nb"), json!("x".repeat(300))] {
            assert_eq!(admit_with(&[(tenant, odd.clone())]), Err(ClaimsRefusal::NoTenant), "{odd}");
            let sre = ("realm_access", json!({ "roles": ["sre"] }));
            assert_eq!(admit_with(&[(tenant, odd), sre]).unwrap().caller.tenants, TenantScope::All);
        }
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_name() {
        for (name, value, why) in [
            ("iss", json!("https://id.example.com/"), ClaimsRefusal::Issuer),
            ("iss", Value::Null, ClaimsRefusal::Issuer),
            ("aud", json!("claviger2"), ClaimsRefusal::Audience),
            ("aud", json!([["claviger"]]), ClaimsRefusal::Audience),
            ("aud", Value::Null, ClaimsRefusal::Audience),
            ("exp", Value::Null, ClaimsRefusal::NoExpiry),
            ("exp", json!("never"), ClaimsRefusal::BadTime),
            ("exp", json!(1e300), ClaimsRefusal::BadTime),
            ("exp", json!(NOW_S - 60), ClaimsRefusal::Expired),
            ("nbf", json!(NOW_S + 61), ClaimsRefusal::NotYet),
            ("nbf", json!(true), ClaimsRefusal::BadTime),
            ("sub", json!(""), ClaimsRefusal::Nameless),
            ("sub", json!("a\u{0}"), ClaimsRefusal::Nameless),
            ("realm_access", json!({ "roles": ["idle", "Reader", "admin"] }), ClaimsRefusal::NoRole),
            ("realm_access", json!("reader"), ClaimsRefusal::NoRole),
            ("realm_access", Value::Null, ClaimsRefusal::NoRole),
        ] {
            assert_eq!(admit_with(&[(name, value.clone())]), Err(why), "{name} {value}");
        }
    }

    #[test]
    fn clocks_may_be_a_minute_apart_and_not_more() {
        assert!(admit_with(&[("exp", json!(NOW_S - 59)), ("nbf", json!(NOW_S + 60))]).is_ok());
        assert_eq!(admit_with(&[("exp", json!(f64::from(1_795_499_940)))]), Err(ClaimsRefusal::Expired));
    }

    #[test]
    fn only_key_pairs_sign() {
        for word in
            ["none", "None", "nOnE", "", "HS256", "HS384", "HS512", "RS512", "PS256", "ES384", "eddsa", "RS256 "]
        {
            assert_eq!(Algorithm::allowed(word), Err(ClaimsRefusal::Algorithm), "{word}");
        }
        for word in ["RS256", "ES256", "EdDSA"] {
            assert!(Algorithm::allowed(word).is_ok());
        }
    }
}
