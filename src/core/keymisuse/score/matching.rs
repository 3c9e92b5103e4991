//! When an alert is about an attack or a trouble.

use super::ScoredAlert;
use crate::detect::{Detector, Family};
use crate::keymisuse::attack::AttackKind;
use crate::keymisuse::calendar::MINUTE;
use crate::keymisuse::trouble::TroubleKind;
use crate::keymisuse::truth::{BenignTrouble, Incident};
use crate::minutes::EntityKind;

/// Which claims are right about an attack.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// Families whose alert on the right entity finds the attack.
    pub families: &'static [Family],
    /// Detectors that name the very kind.
    pub exact: &'static [Detector],
}

/// The one table of what counts for what.
#[must_use]
pub const fn right_for(kind: AttackKind) -> Right {
    use Detector as D;
    use Family as F;
    let (families, exact): (&[Family], &[Detector]) = match kind {
        AttackKind::VolumeSpike => (&[F::Volume], &[D::RequestSpike]),
        AttackKind::StolenKey => (&[F::Theft], &[D::NewOrigin, D::ImpossibleTravel, D::SharedKey]),
        AttackKind::UnauthorisedEndpoints => (&[F::Probing], &[D::ForbiddenProbing]),
        AttackKind::BruteForce => (&[F::Guessing], &[D::BruteForce]),
        AttackKind::KeyGuessing => (&[F::Guessing], &[D::KeyGuessing]),
        AttackKind::CredentialStuffing => (&[F::Guessing], &[D::CredentialStuffing]),
        AttackKind::DormantKey => (&[F::Theft], &[D::DormantKey]),
        AttackKind::RevokedKey => (&[F::DeadKey], &[D::DeadKeyTried, D::ZombieAccess]),
        AttackKind::SharedKey => (&[F::Theft], &[D::SharedKey, D::ImpossibleTravel]),
        AttackKind::Enumeration => (&[F::Probing], &[D::ObjectEnumeration]),
        AttackKind::PathScanning => (&[F::Probing], &[D::PathScanning]),
        AttackKind::Exfiltration => (&[F::Volume], &[D::Exfiltration]),
        // So many requests at an hour of none are a spike as well.
        AttackKind::OffHours => (&[F::Theft, F::Volume], &[D::OffHours]),
        AttackKind::FailureShift => (&[F::Failure], &[D::FailureShift, D::PopulationFailure]),
        AttackKind::TokenSpike => (&[F::Volume], &[D::TokenSpike, D::BudgetBurn]),
        AttackKind::CompoundTheft => (
            &[F::Theft, F::Probing, F::Volume],
            &[D::NewOrigin, D::ImpossibleTravel, D::SharedKey, D::ForbiddenProbing, D::Exfiltration],
        ),
        AttackKind::PopulationFault => (&[F::Failure], &[D::PopulationFailure, D::FailureShift]),
    };
    Right { families, exact }
}

/// How long after its end an attack may still be reported.
const GRACE: i64 = 15 * MINUTE;
/// A key that should be dead or asleep has to be reported this soon.
const AT_ONCE: i64 = 5 * MINUTE;

/// Whether the alert is a right claim about the attack, however late in it.
pub(super) fn matches(incident: &Incident, alert: &ScoredAlert) -> bool {
    alert.at_us >= incident.start_us
        && alert.at_us <= incident.end_us + GRACE
        && right_for(incident.kind).families.contains(&alert.detector.family())
        && names(incident, alert)
}

/// Until when an attack counts as found.
pub(super) fn deadline(incident: &Incident) -> i64 {
    if matches!(incident.kind, AttackKind::DormantKey | AttackKind::RevokedKey) {
        incident.first_request_us + AT_ONCE
    } else {
        incident.end_us + GRACE
    }
}

/// Whether the alert's entity is one that is attacked.
fn names(incident: &Incident, alert: &ScoredAlert) -> bool {
    let population = incident.kind == AttackKind::PopulationFault;
    match alert.entity_kind {
        EntityKind::Key => incident.keys.contains(&alert.entity),
        EntityKind::Source => incident.sources.contains(&alert.entity),
        // A tenant is too wide a name for what happens to one of its keys.
        EntityKind::Tenant if incident.keys.is_empty() => {
            alert.entity == incident.tenant || population && incident.tenant.is_empty()
        }
        EntityKind::Tenant => false,
        EntityKind::Route if population => {
            incident.dimensions.get("route").is_none_or(|route| same_value(route, &alert.entity))
        }
        EntityKind::Route => incident.kind == AttackKind::CredentialStuffing && same_value("login", &alert.entity),
        EntityKind::Gateway => population && incident.dimensions.get("gateway").is_none_or(|of| *of == alert.entity),
        EntityKind::Principal => false,
    }
}

/// Routes are named with or without their method.
pub(super) fn same_value(wanted: &str, named: &str) -> bool {
    named == wanted || named.strip_suffix(wanted).is_some_and(|method| method.ends_with(' '))
}

pub(super) const fn is_scanner_or_guesser(kind: AttackKind) -> bool {
    matches!(
        kind,
        AttackKind::PathScanning | AttackKind::KeyGuessing | AttackKind::BruteForce | AttackKind::CredentialStuffing
    )
}

/// Whether there is anything that an alert on the trouble would name.
pub(super) const fn can_alert(trouble: &BenignTrouble) -> bool {
    !matches!(trouble.kind, TroubleKind::Passers)
}

/// Whether the alert says that a feed is silent while lines are lost.
pub(super) fn tells_of_a_hole(benign: &[BenignTrouble], alert: &ScoredAlert) -> bool {
    let mut holes = benign.iter().filter(|trouble| trouble.kind == TroubleKind::LogGap);
    alert.detector == Detector::FeedSilence
        && holes.any(|hole| alert.at_us >= hole.start_us && alert.at_us <= hole.end_us + GRACE)
}

/// Whether the alert is about the trouble.
pub(super) fn concerns(trouble: &BenignTrouble, alert: &ScoredAlert) -> bool {
    let in_time = alert.at_us >= trouble.start_us && alert.at_us <= trouble.end_us + GRACE;
    let of_gateway = !trouble.gateway.is_empty() && trouble.sources.is_empty();
    in_time
        && match alert.entity_kind {
            EntityKind::Key => trouble.keys.contains(&alert.entity),
            EntityKind::Source => trouble.sources.contains(&alert.entity),
            EntityKind::Tenant | EntityKind::Route if of_gateway => {
                matches!(alert.detector.family(), Family::Failure | Family::Silence | Family::Volume)
            }
            EntityKind::Tenant => !trouble.tenant.is_empty() && alert.entity == trouble.tenant,
            EntityKind::Gateway => of_gateway && alert.entity == trouble.gateway,
            EntityKind::Route | EntityKind::Principal => false,
        }
}
