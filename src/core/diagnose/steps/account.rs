//! Step 2: who is behind the key, and whether they and their account may be served.

use super::super::scene::Scene;
use super::super::told::Fact;
use super::{Question, Seen};
use crate::cause::RootCause;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        name: "The key belongs to one user",
        causes: &[RootCause::OrphanedKey, RootCause::MappingConflict],
        seen: |scene| match (&scene.key, &scene.principal) {
            (_, Some(principal)) => {
                let text = format!("{} ({})", principal.principal_id, principal.kind.name());
                Seen::Pass(Fact::identity(text, None))
            }
            (Some(_), None) => Seen::Unknown(Fact::identity("the directory holds no users", None)),
            (None, None) => Seen::Skipped(NO_KEY),
        },
    },
    Question {
        name: "The user is active",
        causes: &[RootCause::UserDeleted, RootCause::UserDeactivated],
        seen: |scene| match &scene.principal {
            Some(principal) => {
                let since = principal.status_since.filter(|&since| since <= scene.at);
                Seen::Pass(Fact::identity(format!("{}: {}", principal.principal_id, principal.status.name()), since))
            }
            None => Seen::Skipped(NO_USER),
        },
    },
    Question {
        name: "Machine identity and federation work",
        causes: &[RootCause::ServicePrincipalInvalid, RootCause::FederationBroken],
        seen: |scene| match &scene.principal {
            Some(principal) if !principal.federation_state.is_empty() => {
                let text = format!("{} {}", principal.federation_provider, principal.federation_state);
                Seen::Pass(Fact::identity(text.trim(), None))
            }
            Some(_) => Seen::Skipped("no link to another identity system"),
            None => Seen::Skipped(NO_USER),
        },
    },
    Question {
        name: "The account is open and paid",
        causes: &[
            RootCause::AccountArchived,
            RootCause::AccountSuspendedAbuse,
            RootCause::AccountSuspendedPolicy,
            RootCause::AccountSuspendedBilling,
        ],
        seen: account,
    },
];

pub(super) const NO_KEY: &str = "no key is known";
const NO_USER: &str = "no user is known";

fn account(scene: &Scene<'_>) -> Seen {
    match &scene.tenant {
        Some(tenant) => {
            let since = tenant.status_since.filter(|&since| since <= scene.at);
            let plan = if tenant.plan.is_empty() { String::new() } else { format!(", plan {}", tenant.plan) };
            Seen::Pass(Fact::identity(format!("{}: {}{plan}", tenant.tenant_id, tenant.status.name()), since))
        }
        None if scene.tenant_id().is_empty() => Seen::Skipped("no tenant is known"),
        None => Seen::Unknown(Fact::identity(format!("the directory has no row for {}", scene.tenant_id()), None)),
    }
}
