//! What is not in order in a snapshot. A finding never stops a load: the row it is about is left out or taken
//! without the cell in question, and an operator is told where.
//!
//! Texts of findings name columns and ids, never cell contents: a cell may hold a key.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    /// Verdicts will be wrong or missing for the row.
    Error,
}

impl Severity {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! findings {
    ($($(#[$doc:meta])* $variant:ident $code:literal $severity:ident;)*) => {
        /// What kind of disorder.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingCode { $($(#[$doc])* $variant),* }

        impl FindingCode {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $code),* } }

            #[must_use]
            pub const fn severity(self) -> Severity { match self { $(Self::$variant => Severity::$severity),* } }
        }
    };
}

findings! {
    /// Not a JSON object, not UTF-8, or too long.
    BadRow "bad_row" Error;
    /// No id, or one that cannot be.
    BadId "bad_id" Error;
    BadTime "bad_time" Error;
    /// A cell that is not what its column holds: a word out of a closed list, a network, a number, a list.
    BadValue "bad_value" Error;
    /// A hash that is not of its scheme.
    BadFingerprint "bad_fingerprint" Error;
    /// The key's hash was made under another pepper than this deployment's.
    OtherPepper "other_pepper" Warning;
    UnknownColumn "unknown_column" Warning;
    UnknownScheme "unknown_scheme" Warning;
    DuplicateRow "duplicate_row" Warning;
    /// Neither hash nor clear key: such a key is known by its id or mask only.
    Unhashed "unhashed" Warning;
    /// Two principals claim the same secret.
    SharedSecret "shared_secret" Error;
    DanglingPrincipal "dangling_principal" Warning;
    DanglingTenant "dangling_tenant" Warning;
    DanglingReplacement "dangling_replacement" Warning;
    DanglingGrant "dangling_grant" Warning;
    ExpiredButActive "expired_but_active" Warning;
    OddTenantId "odd_tenant_id" Warning;
    /// The snapshot does not say when it was taken.
    NoAsOf "no_as_of" Warning;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub code: FindingCode,
    /// The file it was found in, or the table's name.
    pub file: String,
    /// From 1; 0 when it is about the table as a whole.
    pub line: u64,
    /// The id of the row, when known.
    pub id: String,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.name(), self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.id.is_empty() {
            write!(f, ": {}", self.id)?;
        }
        write!(f, ": {} [{}]", self.message, self.code.name())
    }
}

/// Where a row stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub file: &'a str,
    /// From 1.
    pub line: u64,
}

/// How many findings of one kind are kept; the rest are counted.
const KEPT_OF_A_KIND: u64 = 1000;

/// Findings of one load, bounded.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    counts: BTreeMap<FindingCode, u64>,
}

impl Findings {
    pub fn add(&mut self, code: FindingCode, place: Place<'_>, id: &str, message: impl Into<String>) {
        let count = self.counts.entry(code).or_default();
        *count += 1;
        if *count <= KEPT_OF_A_KIND {
            self.list.push(Finding {
                severity: code.severity(),
                code,
                file: place.file.to_owned(),
                line: place.line,
                id: shown(id),
                message: message.into(),
            });
        }
    }

    /// The first thousand of each kind, as they were found.
    #[must_use]
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// How many there were of each kind.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<FindingCode, u64> {
        &self.counts
    }

    /// How many there were of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts.iter().filter(|(code, _)| code.severity() == severity).map(|(_, count)| count).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// A name from the input, made fit for one line of a terminal.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '␀' } else { c }).collect()
}
