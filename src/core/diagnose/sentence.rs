//! The verdict in words: the one line that is read first, the contradiction beside it, and what else it could be.

use super::answer::{Alternative, CheckResult, SubjectKind, Verdict};
use super::scene::Scene;
use super::told::{clock, gateway_word, told};
use crate::cause::{CauseClass, RootCause};
use crate::classify::{Confidence, RULES};
use crate::event::Column;

pub(super) fn verdict(scene: &Scene<'_>) -> Verdict {
    let judged = &scene.judged;
    Verdict {
        cause: judged.cause.map(RootCause::name),
        class: judged.cause.map(|cause| cause.class().name()),
        label: judged.cause.map_or_else(|| fine_label(scene), RootCause::label).to_owned(),
        sentence: sentence(scene),
        confidence: judged.confidence.filter(|_| judged.cause.is_some()).map(Confidence::name),
        denied_by: judged.denied_by.clone(),
        contradiction: judged.contradiction.as_ref().map(|text| contradiction(scene, text)),
        missing_field: judged.missing_field.clone(),
    }
}

fn fine_label(scene: &Scene<'_>) -> &'static str {
    match scene.facts.status {
        _ if !scene.case.is_request => "In order",
        ..400 => "Served",
        _ => "Not a refusal",
    }
}

fn sentence(scene: &Scene<'_>) -> String {
    let Some(cause) = scene.judged.cause else { return fine(scene) };
    let mut text = told(cause, scene).text;
    let of_subject = matches!(scene.case.subject.kind, SubjectKind::Key | SubjectKind::Principal);
    let served_since = scene.case.traffic.last_served_at().filter(|&at| of_subject && at > scene.at);
    if let Some(at) = served_since.filter(|_| scene.case.is_request && !is_served(cause)) {
        text.push_str(&format!(" Since that refusal it was served again, last at {}.", clock(at, scene.at)));
    }
    text
}

const fn is_served(cause: RootCause) -> bool {
    matches!(cause, RootCause::ZombieAccess | RootCause::AnonymousFallback)
}

/// What is said where nothing is wrong.
fn fine(scene: &Scene<'_>) -> String {
    let status = scene.facts.status;
    match scene.case.subject.kind {
        _ if scene.case.is_request && status < 400 => {
            let known = match (scene.own_key(), &scene.principal) {
                (Some(_), Some(_)) => "Yes: key, user and rights were in order.",
                (Some(_), None) => "Yes: the key was in order, and no user is known behind it.",
                (None, Some(_)) => "Yes: the user whom the gateway names was in order.",
                (None, None) => "Nothing is known of who called, so nothing speaks against it.",
            };
            format!("This request was served ({status}). Should it have been? {known}")
        }
        _ if scene.case.is_request => {
            format!("This request ended with {status}, which is no refusal of a key, a user or a right.")
        }
        SubjectKind::Key => format!("Nothing speaks against key {}, its user or its tenant.", scene.key_name()),
        SubjectKind::Principal => format!("Nothing speaks against {} or its tenant.", scene.principal_id()),
        SubjectKind::Tenant => format!("Nothing speaks against tenant {}.", scene.tenant_id()),
        SubjectKind::Request | SubjectKind::Incident | SubjectKind::Credential => {
            "Nothing speaks against it.".to_owned()
        }
    }
}

/// How the witnesses disagree, with the gateway's own words.
fn contradiction(scene: &Scene<'_>, text: &str) -> String {
    let text = super::remedy::capital(text);
    match gateway_word(scene) {
        "" => format!("{text} (status {}).", scene.facts.status),
        word => format!("{text}. Its words: \"{word}\" ({}).", scene.facts.status),
    }
}

/// What else fits: the stored alternatives, what rules find beside the verdict, and what today's directory says.
pub(super) fn alternatives(scene: &Scene<'_>) -> Vec<Alternative> {
    let Some(verdict) = scene.judged.cause else { return Vec::new() };
    let holds = |cause: RootCause| {
        let rules = RULES.iter().filter(|(named, _)| *named == cause);
        rules.filter_map(|(_, rule)| rule(&scene.facts)).max()
    };
    let by_rule = RULES.iter().map(|(cause, _)| *cause);
    // What is wrong with a credential is also why it is unknown.
    let implied = matches!(verdict.class(), CauseClass::Credential | CauseClass::Environment);
    let by_rule = by_rule.filter(|&cause| {
        let told_already = is_served(verdict) || implied && cause == RootCause::UnknownKey;
        !told_already && holds(cause) > Some(Confidence::Possible)
    });
    let mut found: Vec<RootCause> = Vec::new();
    for cause in scene.judged.today.into_iter().chain(scene.judged.alternatives.iter().copied()).chain(by_rule) {
        if !scene.judged.names(cause) && !found.contains(&cause) {
            found.push(cause);
        }
    }
    let verdict_at = told(verdict, scene).at;
    let explain = |cause: RootCause| {
        let fact = told(cause, scene);
        let result = if holds(cause).is_some() { CheckResult::Fail } else { CheckResult::Unknown };
        let followed = verdict_at.zip(fact.at).is_some_and(|(first, then)| then > first);
        let why = match scene.judged.today {
            Some(today) if today == cause => {
                let (then, now) = (scene.text(Column::DirectoryVersion), scene.directory.version());
                format!("Snapshot {now} says so; on arrival {then} was asked. {}", fact.text)
            }
            _ if followed => format!("It came after. {}", fact.text),
            _ => fact.text,
        };
        Alternative { cause: cause.name(), label: cause.label(), result, why }
    };
    found.into_iter().map(explain).collect()
}
