//! Who asks, and what they may do and see.
//!
//! Promises that rights are never wider than what was granted: a [`Caller`] starts with nothing, each [`Scope`] is named,
//! and whoever reads rows must hand over a [`TenantScope`]. Does not look anybody up: that is the shell's work.

pub mod claims;
pub mod exposure;
pub mod failures;
pub mod jwt;
pub mod ledger;
pub mod origin;
pub mod rows;
pub mod session;
pub mod token;

use std::fmt;
use std::str::FromStr;

/// What a caller may do. The words are those of tokens and of the claims that are mapped to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Ask SQL of its own.
    Query,
    /// Run the named reports, and read catalog, incidents, findings and entities.
    Report,
    /// Ask why one request, key, principal or tenant fails.
    Diagnose,
    /// Acknowledge, silence, resolve, note and judge incidents.
    IncidentsWrite,
    /// Take audit trails out.
    Export,
    /// Manage tokens, read the audit trail of everybody.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 6] =
        [Self::Query, Self::Report, Self::Diagnose, Self::IncidentsWrite, Self::Export, Self::Admin];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Report => "report",
            Self::Diagnose => "diagnose",
            Self::IncidentsWrite => "incidents:write",
            Self::Export => "export",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.word() == word).ok_or_else(|| UnknownScope { word: word.to_owned() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope `{word}`: query, report, diagnose, incidents:write, export or admin")]
pub struct UnknownScope {
    pub word: String,
}

/// A set of [`Scope`]s. The default holds none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scopes(u8);

impl Scopes {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    #[must_use]
    pub const fn holds(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.holds(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::word)).finish()
    }
}

/// Whose rows may be seen. Everything that reads rows for a caller takes one; there is no default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantScope {
    /// Every tenant, and rows that belong to none.
    All,
    /// This tenant's rows only: neither others' nor those of no tenant.
    One(String),
}

impl TenantScope {
    #[must_use]
    pub fn covers(&self, tenant: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::One(own) => tenant == Some(own.as_str()),
        }
    }
}

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: it came over loopback, to a service that asks for nothing.
    Loopback,
    Token,
    /// A token of an OpenID Connect provider.
    Oidc,
}

impl Proof {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Token => "token",
            Self::Oidc => "oidc",
        }
    }
}

/// Who asks. Made by the room that checked the proof, and by nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As it stands in the audit trail: a token's id, a claim's subject, or `local`.
    pub name: String,
    pub proof: Proof,
    pub scopes: Scopes,
    pub tenants: TenantScope,
}

impl Caller {
    /// Whoever reaches a service on loopback that was given no tokens: it owns the machine, and may do everything.
    #[must_use]
    pub fn local() -> Self {
        Self { name: "local".to_owned(), proof: Proof::Loopback, scopes: Scopes::all(), tenants: TenantScope::All }
    }

    /// # Errors
    /// The caller was not granted `scope`.
    pub fn require(&self, scope: Scope) -> Result<(), MissingScope> {
        if self.scopes.holds(scope) { Ok(()) } else { Err(MissingScope { scope }) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this needs the scope `{scope}`")]
pub struct MissingScope {
    pub scope: Scope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_scope_and_no_other_does() {
        for scope in Scope::ALL {
            assert_eq!(scope.word().parse(), Ok(scope));
            assert_eq!(Scopes::from_iter([scope]).iter().collect::<Vec<_>>(), [scope]);
        }
        assert!("Admin".parse::<Scope>().is_err() && "".parse::<Scope>().is_err());
        assert!(!Scope::ALL.into_iter().any(|scope| Scopes::NONE.holds(scope)));
    }

    #[test]
    fn one_tenant_sees_neither_others_nor_rows_of_nobody() {
        let acme = TenantScope::One("acme".to_owned());
        assert!(acme.covers(Some("acme")));
        assert!(!acme.covers(Some("acme2")) && !acme.covers(Some("")) && !acme.covers(None));
        assert!(TenantScope::All.covers(None));
    }
}
