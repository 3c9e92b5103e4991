//! A detector's claim about one entity in one span of time, with everything that a person needs to judge it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::cause::RootCause;
use crate::minutes::EntityKind;

/// How much a claim matters. Ordered: later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth keeping, never worth telling.
    Info,
    Low,
    Medium,
    High,
    /// Somebody gets up at night.
    Critical,
}

impl Severity {
    pub const ALL: &'static [Self] = &[Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|severity| severity.name() == name)
    }

    /// One step worse, up to the worst.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Info => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }
}

/// Detectors whose claims about one entity are the same trouble seen from several sides: they fold into one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Somebody else holds the key.
    Theft,
    /// Credentials are guessed or tried.
    Guessing,
    /// Paths, objects or rights are probed.
    Probing,
    /// A key that should be dead is used.
    DeadKey,
    /// More or less traffic, bytes, tokens or money than expected.
    Volume,
    /// Requests fail that did not fail before.
    Failure,
    /// Nothing arrives where something should.
    Silence,
}

impl Family {
    pub const ALL: &'static [Self] =
        &[Self::Theft, Self::Guessing, Self::Probing, Self::DeadKey, Self::Volume, Self::Failure, Self::Silence];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Theft => "theft",
            Self::Guessing => "guessing",
            Self::Probing => "probing",
            Self::DeadKey => "dead_key",
            Self::Volume => "volume",
            Self::Failure => "failure",
            Self::Silence => "silence",
        }
    }
}

macro_rules! detectors {
    ($($variant:ident, $name:literal, $family:ident, $question:literal;)*) => {
        /// The closed list of detectors.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Detector { $($variant),* }

        impl Detector {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name that is stored, shown and queried.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name),* } }

            #[must_use]
            pub const fn family(self) -> Family { match self { $(Self::$variant => Family::$family),* } }

            /// The question that the detector answers.
            #[must_use]
            pub const fn question(self) -> &'static str { match self { $(Self::$variant => $question),* } }

            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|detector| detector.name() == name)
            }
        }
    };
}

detectors! {
    RequestSpike, "request_spike", Volume, "does this entity send far more requests than its own past explains?";
    RequestSilence, "request_silence", Silence, "did an entity that always sends stop sending?";
    FailureShift, "failure_shift", Failure, "does a tenant fail for a cause more often than before?";
    NewOrigin, "new_origin", Theft, "is a key used from a network, country, provider, agent, route or region that it never used?";
    ImpossibleTravel, "impossible_travel", Theft, "is a key used from two places faster than anyone can travel?";
    BruteForce, "brute_force", Guessing, "does somebody try one key or account again and again?";
    KeyGuessing, "key_guessing", Guessing, "does somebody try many keys that do not exist?";
    CredentialStuffing, "credential_stuffing", Guessing, "are many accounts tried a few times each?";
    PathScanning, "path_scanning", Probing, "does somebody look for paths that may exist?";
    ObjectEnumeration, "object_enumeration", Probing, "does a key walk through the ids of other people's objects?";
    ForbiddenProbing, "forbidden_probing", Probing, "does a key try routes that it has no right to?";
    DormantKey, "dormant_key", Theft, "did a key wake up that was silent for far longer than its habit?";
    DeadKeyTried, "dead_key_tried", DeadKey, "is a revoked, expired or superseded key still tried?";
    ZombieAccess, "zombie_access", DeadKey, "was a request served although its key, user or tenant was not allowed any more?";
    AnonymousFallback, "anonymous_fallback", DeadKey, "was a refused credential served as the anonymous consumer?";
    SharedKey, "shared_key", Theft, "do several clients use one key at the same time?";
    Exfiltration, "exfiltration", Volume, "does a key fetch far more bytes than its own past explains?";
    OffHours, "off_hours", Theft, "is a key used at hours in which it always slept?";
    TokenSpike, "token_spike", Volume, "does a key use far more AI tokens or money than its own past explains?";
    BudgetBurn, "budget_burn", Volume, "will the present rate exceed a budget before the day ends?";
    MixShift, "mix_shift", Theft, "does a key call other routes than it used to?";
    FeedSilence, "feed_silence", Silence, "did a gateway, partition or tenant stop sending logs?";
    HoneyKey, "honey_key", Theft, "was a key used that nobody may have?";
    PopulationFailure, "population_failure", Failure, "which tenant, key, route, cause or network explains a rise of failures?";
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    pub kind: EntityKind,
    /// Key id, network, tenant id, or method and route; the kind says which.
    pub name: String,
    /// Tenant of the entity; empty where it has none or several.
    pub tenant: String,
}

impl fmt::Display for Entity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.name(), self.name)
    }
}

/// One of the values that make a finding what it is: the network, the route, the tenant, the cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Driver {
    /// `network`, `agent`, `route`, `tenant`, `key`, `cause`, `hour`…
    pub dimension: &'static str,
    /// The value as people know it, or the hexadecimal hash where only that is kept.
    pub value: String,
    /// Its part of what was seen, 0 to 1.
    pub share: f64,
}

/// First 16 bytes of SHA-256 over detector, entity and start of the span, hexadecimal. A replay finds the same ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FindingId(String);

impl FindingId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A detector's claim. Instants are UTC microseconds of event time.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub detector: Detector,
    pub entity: Entity,
    /// Span that the claim is about: `[from, to)`.
    pub from_us: i64,
    pub to_us: i64,
    pub severity: Severity,
    /// -log10 of the probability to see this or worse if nothing were wrong; [`Finding::DETERMINISTIC`] when no chance
    /// is involved.
    pub score: f64,
    /// What the model expected and what was seen, in `unit`.
    pub expected: f64,
    pub seen: f64,
    pub unit: &'static str,
    /// The cause that the requests ended with, where one cause is what the claim is about.
    pub cause: Option<RootCause>,
    /// What the claim rests on, weightiest first; at most [`Finding::DRIVERS_MAX`].
    pub drivers: Vec<Driver>,
    /// One sentence for the person who is woken: what happened to whom.
    pub summary: String,
    /// One sentence: what would have kept the detector quiet.
    pub quiet: String,
}

impl Finding {
    pub const DETERMINISTIC: f64 = 300.0;
    pub const DRIVERS_MAX: usize = 8;

    #[must_use]
    pub fn id(&self) -> FindingId {
        let mut hash = Sha256::new();
        for part in [self.detector.name(), self.entity.kind.name(), &self.entity.name, &self.entity.tenant] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(self.cause.map_or("", RootCause::name).as_bytes());
        hash.update(self.from_us.to_be_bytes());
        let digest = hash.finalize();
        FindingId(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What was seen beside what the past explains, as the end of a sentence. `told` is `expected` as it is written:
/// where that says next to nothing, a ratio would say less.
pub(super) fn beside_the_past(seen: f64, expected: f64, told: &str) -> String {
    let ratio = seen / expected.max(f64::MIN_POSITIVE);
    match told.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) && ratio < RATIO_TOLD_MAX {
        true => format!("{ratio:.1} times the {told} that its past explains"),
        false => "far more than its past explains".to_owned(),
    }
}

/// Beyond this a ratio says more of a small divisor than of what happened.
const RATIO_TOLD_MAX: f64 = 1_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_to_next_to_nothing_is_not_told() {
        assert_eq!(beside_the_past(120.0, 40.0, "40.0"), "3.0 times the 40.0 that its past explains");
        assert_eq!(beside_the_past(120.0, 0.02, "0.0"), "far more than its past explains");
        assert_eq!(beside_the_past(5e9, 1e5, "0.1 MB"), "far more than its past explains");
    }
}
