//! Rows as named fields, for comparing, hashing and showing them. Status is the row's own, not judged by time.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::Directory;
use super::distinct::NONE;
use super::timeline::Moment;
use super::values::{KeyRare, KeyTerms, KeyValue, PrincipalValue, TenantValue};
use super::views::Words;
use crate::time;

/// What one field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'d> {
    Text(&'d str),
    Time(Option<i64>),
    Whole(Option<i64>),
    Real(Option<f64>),
    List(Words<'d>),
}

impl Hash for Value<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(text) => text.hash(state),
            Self::Time(number) | Self::Whole(number) => number.hash(state),
            Self::Real(number) => number.map(f64::to_bits).hash(state),
            Self::List(words) => {
                state.write_usize(words.len());
                words.iter().for_each(|word| word.hash(state));
            }
        }
    }
}

/// Empty for what is absent.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Time(at) => at.map_or(Ok(()), |at| f.write_str(&time::format(at))),
            Self::Whole(number) => number.map_or(Ok(()), |number| write!(f, "{number}")),
            Self::Real(number) => number.map_or(Ok(()), |number| write!(f, "{number}")),
            Self::List(words) => words.iter().enumerate().try_for_each(|(at, word)| {
                f.write_str(if at == 0 { "" } else { ";" })?;
                f.write_str(word)
            }),
        }
    }
}

pub(super) type Field<'d> = (&'static str, Value<'d>);

fn moment(moment: Moment) -> Value<'static> {
    Value::Time(moment.get())
}

impl Directory {
    pub(super) fn words(&self, list: u32) -> Words<'_> {
        let codes = self.lists.get(list).map_or(&[][..], |codes| &**codes);
        Words { codes, vocabulary: &self.vocabulary }
    }

    pub(super) fn word(&self, code: u32) -> &str {
        if code == NONE { "" } else { self.vocabulary.get(code) }
    }

    pub(super) fn key_parts<'d>(&'d self, value: &KeyValue) -> (&'d KeyTerms, &'d KeyRare) {
        let terms = self.keys.terms.get(value.terms).expect("terms are interned before a version names them");
        let rare = self.keys.rare.get(value.rare as usize).unwrap_or(&KeyRare::EMPTY);
        (terms, rare)
    }

    pub(super) fn key_fields(&self, value: &KeyValue) -> [Field<'_>; 17] {
        let (terms, rare) = self.key_parts(value);
        [
            ("environment", Value::Text(self.word(terms.environment))),
            ("principal_id", Value::Text(self.principal_ids.get(value.principal))),
            ("tenant_id", Value::Text(self.tenant_ids.get(value.tenant))),
            ("scopes", Value::List(self.words(terms.scopes))),
            ("models", Value::List(self.words(terms.models))),
            ("allowed_ips", Value::List(self.words(terms.allowed_ips))),
            ("allowed_regions", Value::List(self.words(terms.allowed_regions))),
            ("status", Value::Text(value.status.name())),
            ("status_reason", Value::Text(self.word(rare.status_reason))),
            ("created_at", moment(value.created_at)),
            ("expires_at", moment(value.expires_at)),
            ("revoked_at", moment(rare.revoked_at)),
            ("replaced_by", Value::Text(self.keys.ids.get(rare.replaced_by))),
            ("grace_until", moment(rare.grace_until)),
            ("last_rotated_at", moment(rare.last_rotated_at)),
            ("prefix", Value::Text(self.word(terms.prefix))),
            ("length", Value::Whole((terms.length > 0).then_some(i64::from(terms.length)))),
        ]
    }

    pub(super) fn principal_fields(&self, value: &PrincipalValue) -> [Field<'_>; 13] {
        [
            ("name", Value::Text(self.word(value.name))),
            ("kind", Value::Text(value.kind.name())),
            ("tenant_id", Value::Text(self.tenant_ids.get(value.tenant))),
            ("status", Value::Text(value.status.name())),
            ("status_reason", Value::Text(self.word(value.status_reason))),
            ("status_since", moment(value.status_since)),
            ("roles", Value::List(self.words(value.roles))),
            ("federation.provider", Value::Text(self.word(value.federation_provider))),
            ("federation.subject", Value::Text(self.word(value.federation_subject))),
            ("federation.state", Value::Text(self.word(value.federation_state))),
            ("mfa", Value::Text(value.mfa.map_or("", |mfa| if mfa { "true" } else { "false" }))),
            ("manager", Value::Text(self.word(value.manager))),
            ("contact", Value::Text(self.word(value.contact))),
        ]
    }

    pub(super) fn tenant_fields(&self, value: &TenantValue) -> [Field<'_>; 9] {
        [
            ("name", Value::Text(self.word(value.name))),
            ("status", Value::Text(value.status.name())),
            ("status_reason", Value::Text(self.word(value.status_reason))),
            ("status_since", moment(value.status_since)),
            ("plan", Value::Text(self.word(value.plan))),
            ("regions", Value::List(self.words(value.regions))),
            ("quotas.tokens", Value::Whole(value.quota_tokens)),
            ("quotas.requests", Value::Whole(value.quota_requests)),
            ("quotas.spend", Value::Real(value.quota_spend)),
        ]
    }
}
