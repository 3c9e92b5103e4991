//! The section `[serve.oidc]`: which identity provider is believed, and what its claims give.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::access::claims::{ClaimPath, ClaimRules};
use crate::access::origin::Sent;
use crate::access::{Scope, Scopes, UnknownScope};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OidcSection {
    pub issuer: String,
    pub audience: String,
    pub jwks_url: String,
    pub name_claim: String,
    pub tenant_claim: String,
    pub roles_claim: String,
    pub all_tenants_roles: Vec<String>,
    /// Scopes by role, as one text with spaces between them.
    pub roles: BTreeMap<String, String>,
}

impl OidcSection {
    /// What the section comes to; `None` without an issuer.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn rules(&self) -> Result<Option<ClaimRules>, ConfigError> {
        if self.issuer.is_empty() {
            return Ok(None);
        }
        let wrong = |key: &str, why: &str| ConfigError::wrong(format!("serve.oidc.{key}"), why);
        if self.audience.is_empty() {
            return Err(wrong("audience", "is empty: tokens made for other services would be accepted"));
        }
        if !is_safe_url(&self.jwks_url) {
            return Err(wrong("jwks_url", "must be an https URL, or http on loopback"));
        }
        for (key, claim) in
            [("name_claim", &self.name_claim), ("tenant_claim", &self.tenant_claim), ("roles_claim", &self.roles_claim)]
        {
            if claim.is_empty() {
                return Err(wrong(key, "is empty: name a claim"));
            }
        }
        if self.roles.is_empty() {
            return Err(wrong("roles", "is empty: nobody would have a right"));
        }
        let roles = self.roles.iter().map(|(role, words)| {
            let scopes = scopes(words).map_err(|unknown| wrong(&format!("roles.{role}"), &unknown.to_string()))?;
            Ok((role.clone(), scopes))
        });
        let roles = roles.collect::<Result<BTreeMap<_, _>, ConfigError>>()?;
        if let Some(role) = self.all_tenants_roles.iter().find(|role| !roles.contains_key(*role)) {
            return Err(wrong("all_tenants_roles", &format!("names `{role}`, which `serve.oidc.roles` does not")));
        }
        let path = |text: &String| ClaimPath(text.clone());
        Ok(Some(ClaimRules {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            name_claim: path(&self.name_claim),
            tenant_claim: path(&self.tenant_claim),
            roles_claim: path(&self.roles_claim),
            roles,
            all_tenants_roles: self.all_tenants_roles.iter().cloned().collect(),
        }))
    }
}

/// Scopes with spaces, commas, or the marks of a list between them.
fn scopes(words: &str) -> Result<Scopes, UnknownScope> {
    let words = words.split(|c: char| c.is_whitespace() || ",[]\"'".contains(c)).filter(|word| !word.is_empty());
    words.map(str::parse::<Scope>).collect()
}

/// Keys that come over a line that others can write on would let anybody in.
fn is_safe_url(url: &str) -> bool {
    let is_plain = !url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@' || c == '\\');
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(rest));
    let is_local = host.is_some_and(|host| Sent { host: Some(host), ..Sent::default() }.is_to_loopback());
    is_plain && (is_local || url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const GOOD: &str = "issuer = 'https://id.example.com'\naudience = 'claviger'\n\
        jwks_url = 'https://id.example.com/keys'\nall_tenants_roles = ['sre']\n\
        [serve.oidc.roles]\nsre = 'query report admin'\n\"reader.of.things\" = 'report'";

    fn rules(section: &str) -> Result<Option<ClaimRules>, String> {
        let file = format!("[kafka]\nbrokers = ['b:1']\ntopics = ['t']\n[lake]\nuri = 'lake'\n[serve.oidc]\n{section}");
        let config = Config::parse(&file, []).map_err(|error| error.to_string())?;
        config.serve.oidc.rules().map_err(|error| error.to_string())
    }

    #[test]
    fn without_an_issuer_nobody_is_believed() {
        assert_eq!(rules(""), Ok(None));
    }

    #[test]
    fn a_section_comes_to_rules() {
        let rules = rules(GOOD).unwrap().unwrap();
        assert!(rules.roles["sre"].holds(Scope::Admin) && !rules.roles["sre"].holds(Scope::Export));
        assert_eq!(rules.roles["reader.of.things"].iter().collect::<Vec<_>>(), [Scope::Report]);
        assert!(rules.all_tenants_roles.contains("sre"));
        assert_eq!(rules.tenant_claim, ClaimPath("tenant".to_owned()));
    }

    #[test]
    fn what_would_let_in_too_many_or_nobody_is_refused_when_the_file_is_read() {
        for (from, to, key) in [
            ("audience = 'claviger'", "audience = ''", "serve.oidc.audience"),
            ("https://id.example.com/keys", "http://id.example.com/keys", "serve.oidc.jwks_url"),
            ("https://id.example.com/keys", "http://127.0.0.1@evil.example/keys", "serve.oidc.jwks_url"),
            ("https://id.example.com/keys", "file:///etc/keys", "serve.oidc.jwks_url"),
            ("['sre']", "['SRE']", "serve.oidc.all_tenants_roles"),
            ("query report admin", "query everything", "serve.oidc.roles.sre"),
        ] {
            let refused = rules(&GOOD.replace(from, to)).unwrap_err();
            assert!(refused.contains(key), "{to}: {refused}");
        }
        let local = GOOD.replace("https://id.example.com/keys", "http://127.0.0.1:9000/keys");
        assert!(rules(&local).unwrap().is_some());
    }
}
