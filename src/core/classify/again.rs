//! Facts of rows that were judged and stored: the same witnesses, heard again under a directory that may know more.
//!
//! What only the arrival could see (the shape of a credential, what a client was used to) is taken from the stored
//! verdict; everything else is gathered anew, so that a later snapshot may overrule an earlier verdict in the open.

use super::ClassifyOptions;
use super::facts::{CredentialFact, Facts, Shape};
use super::outcome::Outcome;
use super::verdict::{self, Verdict, decide};
use super::witness::Witness;
use super::word::Word;
use crate::cause::RootCause;
use crate::event::Column;
use crate::identity::Identified;

/// A stored row, heard again.
#[derive(Clone, Copy, Debug)]
pub struct Rehearing<'a> {
    pub facts: Facts<'a>,
    /// Somebody said no.
    pub refused: bool,
}

/// Gathers the facts of a row of [`identify_stored`](crate::identity::identify_stored).
#[must_use]
pub fn rehear<'a>(batch: &'a Identified, row: usize, options: &'a ClassifyOptions) -> Rehearing<'a> {
    let events = batch.events();
    let text = |column| events.dict(column).get(row);
    let witness = Witness::of(batch, options);
    let judged = RootCause::from_name(text(Column::Cause));
    let outcome = witness.outcome(row, Word::of(text(Column::GatewayCode), text(Column::GatewayMessage)));
    let heard = match judged {
        // It was judged as if the gateway had said so.
        Some(RootCause::AnonymousFallback) => Outcome { status: 401, application_asked: false, ..outcome },
        _ => outcome,
    };
    let gateway = witness.gateway_index(text(Column::Gateway), text(Column::Format));
    let habit_broken = judged == Some(RootCause::CredentialStripped);
    let mut facts = witness.facts(row, witness.event_at(row), heard, gateway, habit_broken);
    if let CredentialFact::Shown { shape, .. } = &mut facts.credential {
        match judged {
            Some(RootCause::MalformedCredential) => *shape = Shape::CannotBe,
            Some(RootCause::RetiredKeyFormat) => *shape = Shape::Retired,
            _ => {}
        }
    }
    Rehearing { facts, refused: outcome.is_refusal() }
}

impl Rehearing<'_> {
    /// What the row would be told to be today. `None` for a request that was served, and rightly so.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        if self.refused {
            return Some(decide(&self.facts));
        }
        let (reason, _) = verdict::zombie(&self.facts)?;
        let evidence = vec![format!("should_be={}", reason.name())];
        Some(Verdict {
            cause: RootCause::ZombieAccess,
            confidence: super::Confidence::Certain,
            alternatives: vec![reason],
            contradiction: Some("the gateway served what the directory refuses"),
            evidence,
            missing_field: None,
        })
    }
}

/// The facts that speak for a cause, as `name=value`.
#[must_use]
pub fn evidence_for(facts: &Facts<'_>, cause: RootCause) -> Vec<String> {
    verdict::evidence(facts, cause)
}
