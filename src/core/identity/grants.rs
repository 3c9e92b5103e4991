//! Who may do what, and when: grants, and the scopes that follow from them.
//!
//! The rules, in the order they apply:
//! 1. a principal's roles are those of its row and those granted to it at the instant;
//! 2. it is granted the scopes given to it or to one of its roles at the instant;
//! 3. a key's own scopes narrow these down; a key without scopes takes them all;
//! 4. a principal that has never had a grant, nor a role in a directory whose roles give scopes, is limited by
//!    the key's scopes alone, and if the key has none either, nothing is known.
//!
//! A scope covers itself; `*` covers everything; `orders:*` and `orders.*` cover what begins with `orders:` or `orders.`.

use super::views::Words;
use super::{Directory, KeyIx, PrincipalIx, Subject};

/// What gives a scope or role, or is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Party {
    /// Code of a principal id.
    Principal(u32),
    /// Word.
    Role(u32),
    /// Word.
    Scope(u32),
}

/// `subject` has `gives` from `from` (inclusive) to `to` (exclusive).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    pub(super) subject: Party,
    pub(super) gives: Party,
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Grant {
    fn holds_at(&self, at: i64) -> bool {
        self.from <= at && at < self.to
    }
}

/// All grants, sorted by subject.
#[derive(Default)]
pub(super) struct Grants {
    pub(super) list: Vec<Grant>,
    /// Some role gives some scope: roles are how this directory grants.
    roles_give_scopes: bool,
}

impl Grants {
    pub(super) fn seal(&mut self) {
        self.list.sort_unstable();
        self.list.dedup();
        self.list.shrink_to_fit();
        self.roles_give_scopes = self.list.iter().any(|grant| matches!(grant.subject, Party::Role(_)));
    }

    fn of(&self, subject: Party) -> impl Iterator<Item = &Grant> {
        let start = self.list.partition_point(|grant| grant.subject < subject);
        self.list.iter().skip(start).take_while(move |grant| grant.subject == subject)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Grant>()
    }
}

/// Whether a scope was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeAnswer {
    Held,
    Missing,
    /// The directory says nothing about this principal's or key's rights.
    Unknown,
}

/// What a principal could do with a key at an instant.
#[derive(Clone, Debug)]
pub struct Scopes<'d> {
    /// `None` where the directory knows no grants for the principal.
    granted: Option<Vec<&'d str>>,
    /// The key's own scopes; none where it has none.
    limit: Option<Words<'d>>,
}

impl<'d> Scopes<'d> {
    #[must_use]
    pub fn holds(&self, scope: &str) -> ScopeAnswer {
        let granted = self.granted.as_ref().map(|granted| granted.iter().any(|held| covers(held, scope)));
        let within = self.limit.map(|limit| limit.iter().any(|held| covers(held, scope)));
        match (granted, within) {
            (None, None) => ScopeAnswer::Unknown,
            (Some(false), _) | (_, Some(false)) => ScopeAnswer::Missing,
            (Some(true), _) | (None, Some(true)) => ScopeAnswer::Held,
        }
    }

    /// Whether anything is known about rights here.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.granted.is_some() || self.limit.is_some()
    }

    /// The scopes held: those granted that the key lets through, or the key's own.
    #[must_use]
    pub fn list(&self) -> Vec<&'d str> {
        match (&self.granted, self.limit) {
            (Some(granted), Some(limit)) => {
                let narrow = limit.iter().filter(|word| granted.iter().any(|held| covers(held, word)));
                let wide = granted.iter().copied().filter(|word| limit.iter().any(|held| covers(held, word)));
                let mut both: Vec<_> = narrow.chain(wide).collect();
                both.sort_unstable();
                both.dedup();
                both
            }
            (Some(granted), None) => granted.clone(),
            (None, Some(limit)) => limit.iter().collect(),
            (None, None) => Vec::new(),
        }
    }
}

/// Whether holding `held` means holding `asked`.
#[must_use]
pub fn covers(held: &str, asked: &str) -> bool {
    match held.strip_suffix('*') {
        Some("") => true,
        Some(stem) if stem.ends_with([':', '.', '/']) => asked.starts_with(stem),
        Some(_) | None => held == asked,
    }
}

impl Directory {
    /// The scopes that a principal held at `at`, through a key if one is named.
    #[must_use]
    pub fn scopes_of(&self, principal: Option<PrincipalIx>, key: Option<KeyIx>, at: i64) -> Scopes<'_> {
        let limit = key.map(|key| self.key_at(key, at).scopes).filter(|scopes| !scopes.is_empty());
        Scopes { granted: principal.and_then(|principal| self.granted(principal.0, at)), limit }
    }

    fn granted(&self, principal: u32, at: i64) -> Option<Vec<&str>> {
        let subject = Party::Principal(principal);
        let mut known = false;
        let mut roles: Vec<u32> = Vec::new();
        if let Some(as_of) = self.principals.as_of(principal, at) {
            roles.extend(self.words(as_of.value.roles).codes);
        }
        let mut scopes = Vec::new();
        for grant in self.grants.of(subject) {
            known = true;
            match grant.gives {
                Party::Role(role) if grant.holds_at(at) => roles.push(role),
                Party::Scope(scope) if grant.holds_at(at) => scopes.push(scope),
                Party::Role(_) | Party::Scope(_) | Party::Principal(_) => {}
            }
        }
        known |= self.grants.roles_give_scopes && self.has_had_role(principal);
        if !known {
            return None;
        }
        for role in roles {
            for grant in self.grants.of(Party::Role(role)).filter(|grant| grant.holds_at(at)) {
                if let Party::Scope(scope) = grant.gives {
                    scopes.push(scope);
                }
            }
        }
        scopes.sort_unstable();
        scopes.dedup();
        Some(scopes.into_iter().map(|scope| self.word(scope)).collect())
    }

    fn has_had_role(&self, principal: u32) -> bool {
        self.principals.versions(principal).any(|version| !self.words(version.value.roles).is_empty())
    }

    /// When the principal last lost `scope`, if it held it before `at` and does not then: the end of a grant,
    /// a change of roles, or a key narrowed down.
    #[must_use]
    pub fn had_scope_before(
        &self,
        principal: Option<PrincipalIx>,
        key: Option<KeyIx>,
        scope: &str,
        at: i64,
    ) -> Option<i64> {
        if self.scopes_of(principal, key, at).holds(scope) != ScopeAnswer::Missing {
            return None;
        }
        let mut ends = self.changes_of_rights(principal, key);
        ends.retain(|&end| end <= at);
        ends.sort_unstable();
        ends.dedup();
        let held_until = |end: &i64| self.scopes_of(principal, key, end - 1).holds(scope) == ScopeAnswer::Held;
        ends.into_iter().rev().take(ENDS_MAX).find(held_until)
    }

    /// When a row of the subject, or a right of it, may next change after `from`. Times within its rows (an expiry,
    /// say) are for the caller to look at.
    #[must_use]
    pub fn next_change(&self, subject: Subject, from: i64) -> Option<i64> {
        let tenant = subject.tenant.into_iter().flat_map(|tenant| self.tenants.versions(tenant.0));
        let of_tenant = tenant.flat_map(|version| [version.from, version.to]);
        let rights = self.changes_of_rights(subject.principal, subject.key);
        rights.into_iter().chain(of_tenant).filter(|&change| change > from && change != i64::MAX).min()
    }

    /// Instants at which a right of the principal or key may have begun or ended.
    fn changes_of_rights(&self, principal: Option<PrincipalIx>, key: Option<KeyIx>) -> Vec<i64> {
        let mut ends = Vec::new();
        if let Some(principal) = principal {
            let versions = || self.principals.versions(principal.0);
            ends.extend(versions().flat_map(|version| [version.from, version.to]));
            let own = || self.grants.of(Party::Principal(principal.0));
            ends.extend(own().flat_map(|grant| [grant.from, grant.to]));
            let held = versions().flat_map(|version| self.words(version.value.roles).codes.iter().copied());
            let given = own().filter_map(|grant| match grant.gives {
                Party::Role(role) => Some(role),
                Party::Principal(_) | Party::Scope(_) => None,
            });
            for role in held.chain(given) {
                ends.extend(self.grants.of(Party::Role(role)).flat_map(|grant| [grant.from, grant.to]));
            }
        }
        if let Some(key) = key {
            ends.extend(self.keys.timeline.versions(key.0).flat_map(|version| [version.from, version.to]));
        }
        ends.retain(|&end| end != i64::MIN && end != i64::MAX);
        ends
    }
}

/// How many changes [`Directory::had_scope_before`] looks back over.
const ENDS_MAX: usize = 256;
