//! Step 1: the right key, in the right shape, at the right place, in the right environment.

use super::super::scene::Scene;
use super::super::told::{Fact, asked_environment, list};
use super::{Question, Seen};
use crate::cause::RootCause;
use crate::classify::facts::{CredentialFact, Shape};
use crate::event::Column;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        name: "A credential was sent",
        causes: &[RootCause::MissingCredential],
        seen: |scene| match scene.facts.credential {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            CredentialFact::Shown { .. } => Seen::Pass(Fact::log(format!(
                "{} {}",
                scene.text(Column::CredentialKind).replace('_', " "),
                scene.mask()
            ))),
            CredentialFact::Redacted => Seen::Pass(Fact::log("the gateway masks it in its log")),
            CredentialFact::None => Seen::Unknown(Fact::log("the log shows none")),
        },
    },
    Question { name: "In a place that the gateway reads", causes: &[RootCause::MisplacedCredential], seen: place },
    Question {
        name: "One credential only",
        causes: &[RootCause::DuplicateCredential],
        seen: |scene| match scene.facts.credential {
            _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
            CredentialFact::None => Seen::Skipped(NO_CREDENTIAL),
            CredentialFact::Redacted | CredentialFact::Shown { .. } => Seen::Pass(Fact::log("no other beside it")),
        },
    },
    Question {
        name: "Shaped like a key of this platform",
        causes: &[RootCause::MalformedCredential, RootCause::RetiredKeyFormat],
        seen: shape,
    },
    Question {
        name: "A key that is known",
        causes: &[RootCause::NearMissCredential, RootCause::UnknownKey],
        seen: |scene| match (&scene.key, scene.facts.credential) {
            (Some(key), _) => {
                let text = format!("{} of tenant {}", scene.key_name(), or_none(key.tenant_id));
                Seen::Pass(Fact::identity(text, key.known_since))
            }
            (None, _) if !scene.case.is_request && scene.text(Column::Fingerprint).is_empty() => {
                Seen::Skipped(NO_REQUEST)
            }
            (None, CredentialFact::Redacted) => {
                Seen::Unknown(Fact::log("the gateway masks it: log a keyed hash of it to know which it is"))
            }
            (None, CredentialFact::Shown { shape: Shape::NotListed, .. }) => {
                Seen::Skipped("a signed token: no directory lists these")
            }
            (None, CredentialFact::None) => Seen::Skipped(NO_CREDENTIAL),
            (None, CredentialFact::Shown { .. }) => Seen::Unknown(Fact::identity("no snapshot holds it", None)),
        },
    },
    Question {
        name: "Of the environment that is called",
        causes: &[RootCause::WrongEnvironment],
        seen: |scene| match &scene.key {
            Some(key) if !key.environment.is_empty() && scene.case.is_request => {
                let text = format!("{}, called {}", key.environment, asked_environment(scene));
                Seen::Pass(Fact::identity(text, None))
            }
            Some(key) if key.environment.is_empty() => {
                Seen::Unknown(Fact::identity("the directory names no environment for the key", None))
            }
            Some(key) => Seen::Pass(Fact::identity(key.environment, None)),
            None => Seen::Skipped(super::account::NO_KEY),
        },
    },
];

pub(super) const NO_REQUEST: &str = "no request is looked at";
const NO_CREDENTIAL: &str = "no credential";

fn place(scene: &Scene<'_>) -> Seen {
    let place = scene.text(Column::CredentialPlace);
    let read = scene.gateway.as_ref().map(|gateway| gateway.credential_places);
    match (scene.facts.credential, read) {
        _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
        (CredentialFact::None, _) => Seen::Skipped(NO_CREDENTIAL),
        _ if place.is_empty() => Seen::Unknown(Fact::log("the log does not say where it stood")),
        (_, Some(places)) if !places.is_empty() => {
            Seen::Pass(Fact::identity(format!("{place}; the gateway reads {}", list(places)), None))
        }
        _ => Seen::Unknown(Fact::identity(format!("{place}; the directory does not say what the gateway reads"), None)),
    }
}

fn shape(scene: &Scene<'_>) -> Seen {
    match scene.facts.credential {
        _ if !scene.case.is_request => Seen::Skipped(NO_REQUEST),
        CredentialFact::None => Seen::Skipped(NO_CREDENTIAL),
        CredentialFact::Redacted => Seen::Unknown(Fact::log("the gateway masks it in its log")),
        CredentialFact::Shown { shape: Shape::NotListed, .. } => Seen::Skipped("a signed token"),
        CredentialFact::Shown { .. } if scene.own_key().is_some() => {
            Seen::Pass(Fact::identity("it is a key that the directory holds", None))
        }
        CredentialFact::Shown { .. } => match scene.gateway.as_ref().map(|gateway| gateway.key_shape) {
            Some(rule) if !rule.prefixes.is_empty() || rule.length.is_some() => {
                Seen::Pass(Fact::arrival("nothing in its shape speaks against it"))
            }
            Some(_) | None => Seen::Unknown(Fact::identity("the directory has no rule for the shape of keys", None)),
        },
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}
