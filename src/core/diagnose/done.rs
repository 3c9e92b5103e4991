//! When the fix has worked: a query over the lake whose result then changes.

use super::answer::{DoneWhen, SubjectKind};
use super::scene::Scene;
use crate::cause::{CauseClass, RootCause};
use crate::event::Column;

pub(super) fn done_when(scene: &Scene<'_>) -> DoneWhen {
    let Some(cause) = scene.judged.cause else { return DoneWhen::default() };
    let whose = whose(cause, scene);
    let sql = format!(
        "select count(*) as requests, max(event_at) as last_at from events where {whose}cause = '{}' and event_at > now() - interval '15 minutes'",
        cause.name()
    );
    let goes_on = if scene.case.traffic.callers.is_empty() { "" } else { " while its callers go on calling" };
    DoneWhen { sql, expected: format!("requests = 0{goes_on}") }
}

/// The conditions that pick the requests which the fix is for.
#[expect(clippy::wildcard_enum_match_arm, reason = "the classes that are not named are about the key alone")]
fn whose(cause: RootCause, scene: &Scene<'_>) -> String {
    let of = |column: Column, value: &str| {
        if value.is_empty() { String::new() } else { format!("{} = {} and ", column.name(), quoted(value)) }
    };
    let tenant = of(Column::TenantId, scene.tenant_id());
    let principal = of(Column::PrincipalId, scene.principal_id());
    let key = of(Column::KeyId, scene.key_id());
    let client = [
        of(Column::ClientNetwork, scene.text(Column::ClientNetwork)),
        of(Column::UserAgent, scene.text(Column::UserAgent)),
    ]
    .concat();
    let first = |choices: &[&String]| {
        choices.iter().find(|text| !text.is_empty()).map_or(String::new(), |text| (*text).clone())
    };
    match cause.class() {
        CauseClass::Account | CauseClass::Limits => first(&[&tenant, &principal, &key, &client]),
        CauseClass::Platform | CauseClass::None => match cause {
            RootCause::CredentialStripped => client,
            RootCause::IdentityProviderUnavailable => String::new(),
            _ => first(&[&key, &tenant, &client]),
        },
        CauseClass::Identity if scene.case.subject.kind != SubjectKind::Key => first(&[&principal, &key, &client]),
        CauseClass::Credential if scene.key.is_none() => {
            first(&[&of(Column::Fingerprint, scene.text(Column::Fingerprint)), &client])
        }
        _ => first(&[&key, &principal, &tenant, &client]),
    }
}

/// A text from a log as an SQL literal.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_quote_cannot_end_a_literal() {
        assert_eq!(super::quoted("o'hara' or 1=1 --"), "'o''hara'' or 1=1 --'");
    }
}
