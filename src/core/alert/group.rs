//! What makes findings one incident: a common cause for failures, a common entity for everything else.

use crate::cause::RootCause;
use crate::detect::Family;
use crate::minutes::EntityKind;

use super::claim::Claim;

/// Claims of one group are one trouble.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    pub family: Family,
    /// Empty where the trouble is not one tenant's.
    pub tenant: String,
    pub subject: Subject,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// However many keys, routes and services fail with it.
    Cause(RootCause),
    Entity(EntityKind, String),
}

impl Group {
    #[must_use]
    pub fn of(claim: &Claim) -> Self {
        let family = claim.family();
        match claim.cause {
            Some(cause) if family == Family::Failure => {
                let tenant = if is_of_the_platform(cause) { "" } else { claim.tenant() };
                Self { family, tenant: tenant.to_owned(), subject: Subject::Cause(cause) }
            }
            _ => Self {
                family,
                tenant: claim.tenant().to_owned(),
                subject: Subject::Entity(claim.entity.kind, claim.entity.name.clone()),
            },
        }
    }

    /// The parts that an id is made from.
    pub(super) fn parts(&self) -> [&str; 4] {
        let (kind, name) = match &self.subject {
            Subject::Cause(cause) => ("cause", cause.name()),
            Subject::Entity(kind, name) => (kind.name(), name.as_str()),
        };
        [self.family.name(), &self.tenant, kind, name]
    }

    /// The key that is suspected, when claims of other families about it are further evidence of the same theft.
    pub(super) fn suspect(&self) -> Option<(&str, &str)> {
        match (&self.subject, self.family) {
            (Subject::Entity(EntityKind::Key, key), family) if is_evidence(family) => Some((&self.tenant, key)),
            _ => None,
        }
    }
}

impl Group {
    /// Whether a trouble of this group is part of an incident of `other`: who guesses or scans without a key does so from
    /// many places at once, and what everybody fails for is no trouble of each tenant.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        if self.family != other.family || !other.tenant.is_empty() {
            return false;
        }
        match (&self.subject, &other.subject) {
            (Subject::Cause(cause), Subject::Cause(common)) => cause == common,
            (Subject::Entity(kind, _), Subject::Entity(other, _)) => {
                let is_campaign = matches!(self.family, Family::Guessing | Family::Probing);
                is_campaign && self.tenant.is_empty() && ![kind, other].contains(&&EntityKind::Key)
            }
            (Subject::Cause(_), Subject::Entity(..)) | (Subject::Entity(..), Subject::Cause(_)) => false,
        }
    }
}

/// A failing or silent key is a matter of its life cycle; all other troubles of one key within an hour speak of a thief.
pub(super) const fn is_evidence(family: Family) -> bool {
    match family {
        Family::Theft | Family::Guessing | Family::Probing | Family::DeadKey | Family::Volume => true,
        Family::Failure | Family::Silence => false,
    }
}

/// Everybody fails for it at once: an incident a tenant would be as many pages.
fn is_of_the_platform(cause: RootCause) -> bool {
    matches!(cause, RootCause::IdentityProviderUnavailable | RootCause::PropagationLag)
}
