//! The six steps: each a list of checks, each check one question that some causes answer with no.
//!
//! A check asks the classifier's own rules, so that steps and verdict cannot contradict each other: it fails where the
//! verdict, or a rule that is more than a guess, names one of its causes. Else it says what it looked at.

mod account;
mod credential;
mod lifecycle;
mod network;
mod platform;
mod rules;

use super::answer::{Check, CheckResult, Step};
use super::scene::Scene;
use super::told::{Fact, Source, told};
use crate::cause::RootCause;
use crate::classify::{Confidence, RULES};

/// The steps in order, with their questions.
const STEPS: [(&str, &[Question]); 6] = [
    ("Key and its use", credential::QUESTIONS),
    ("Account behind it", account::QUESTIONS),
    ("Lifecycle and permissions", lifecycle::QUESTIONS),
    ("Rules of the API", rules::QUESTIONS),
    ("Platform and logs", platform::QUESTIONS),
    ("Network and proxies", network::QUESTIONS),
];

/// What a check asks.
struct Question {
    name: &'static str,
    /// The causes that mean no.
    causes: &'static [RootCause],
    /// What there is to see where none of them holds.
    seen: fn(&Scene<'_>) -> Seen,
}

enum Seen {
    Pass(Fact),
    Unknown(Fact),
    /// Why the question does not arise.
    Skipped(&'static str),
}

pub(super) fn steps(scene: &Scene<'_>) -> Vec<Step> {
    let judge = |(number, (name, questions)): (u8, &(&'static str, &[Question]))| {
        let checks: Vec<Check> = questions.iter().map(|question| question.ask(scene)).collect();
        Step { step: number, name, result: result_of(&checks), checks }
    };
    (1..).zip(&STEPS).map(judge).collect()
}

/// A step fails with any of its checks; it passes when nothing failed and something was seen.
fn result_of(checks: &[Check]) -> CheckResult {
    let any = |result| checks.iter().any(|check| check.result == result);
    [CheckResult::Fail, CheckResult::Unknown, CheckResult::Pass]
        .into_iter()
        .find(|result| any(*result))
        .unwrap_or(CheckResult::Skipped)
}

impl Question {
    fn ask(&self, scene: &Scene<'_>) -> Check {
        if let Some(cause) = self.causes.iter().copied().find(|cause| scene.judged.names(*cause)) {
            return self.answer(scene, CheckResult::Fail, told(cause, scene));
        }
        match self.by_rule(scene) {
            Some((cause, Confidence::Possible)) => self.answer(scene, CheckResult::Unknown, told(cause, scene)),
            Some((cause, _)) => self.answer(scene, CheckResult::Fail, told(cause, scene)),
            None => match (self.seen)(scene) {
                Seen::Pass(fact) => self.answer(scene, CheckResult::Pass, fact),
                Seen::Unknown(fact) => self.answer(scene, CheckResult::Unknown, fact),
                Seen::Skipped(why) => self.answer(scene, CheckResult::Skipped, Fact::log(why)),
            },
        }
    }

    /// The first of its causes that a rule finds today.
    fn by_rule(&self, scene: &Scene<'_>) -> Option<(RootCause, Confidence)> {
        let holds = |(cause, rule): &(RootCause, crate::classify::Rule)| Some((*cause, rule(&scene.facts)?));
        let speaks = scene.judged.cause.is_some() || !scene.case.is_request;
        let mut asked = RULES.iter().filter(|(cause, _)| speaks && self.causes.contains(cause));
        asked.find_map(holds)
    }

    fn answer(&self, scene: &Scene<'_>, result: CheckResult, fact: Fact) -> Check {
        let version = (fact.source == Source::Identity).then(|| scene.directory.version().to_owned());
        let source = match fact.source {
            Source::Identity if scene.directory.source().is_empty() => "identity".to_owned(),
            Source::Identity => scene.directory.source().to_owned(),
            Source::Log => "access log".to_owned(),
            Source::Traffic => "traffic".to_owned(),
            Source::Arrival => "access log, as it arrived".to_owned(),
        };
        Check { name: self.name, result, fact: fact.text, at: fact.at, version, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_asked_about_by_one_check() {
        for cause in RootCause::ALL {
            let questions = STEPS.iter().flat_map(|(_, questions)| questions.iter());
            let asked = questions.filter(|question| question.causes.contains(cause)).count();
            assert_eq!(asked, 1, "{}", cause.name());
        }
    }
}
