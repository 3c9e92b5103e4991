//! What keeps people in peace, and says so: allow-lists and planned changes (no incident at all), silences and maintenance
//! windows (an incident, no notice), and symptoms while their cause is known.

use super::incident::Incident;
use super::matcher::{Labels, Matchers};

/// A span of time that may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from_us: i64,
    /// Not part of it.
    pub to_us: i64,
    /// The span comes again so long after it began, for ever.
    pub every_us: Option<i64>,
}

impl Period {
    pub const ALWAYS: Self = Self { from_us: i64::MIN, to_us: i64::MAX, every_us: None };

    #[must_use]
    pub fn holds(&self, at_us: i64) -> bool {
        let since = match self.every_us {
            Some(every_us) if every_us > 0 && at_us >= self.from_us => {
                self.from_us.saturating_add(at_us.saturating_sub(self.from_us) % every_us)
            }
            _ => at_us,
        };
        (self.from_us..self.to_us).contains(&since)
    }
}

/// What it says is left out holds for whatever matches within the period.
#[derive(Clone, Debug)]
pub struct QuietRule {
    /// As rows and people name it.
    pub name: String,
    pub matchers: Matchers,
    pub period: Period,
}

impl QuietRule {
    #[must_use]
    pub fn holds(&self, labels: &Labels, at_us: i64) -> bool {
        self.period.holds(at_us) && self.matchers.hold(labels)
    }
}

/// While an incident matches `cause`, incidents that match `symptom` and share the labels `equal` with it tell nobody.
#[derive(Clone, Debug)]
pub struct Inhibition {
    pub cause: Matchers,
    pub symptom: Matchers,
    pub equal: Vec<&'static str>,
}

impl Inhibition {
    /// The incident that explains `symptom`, of those that are active.
    pub(super) fn cause_of<'a>(
        &self,
        symptom: &Incident,
        active: impl Iterator<Item = &'a Incident>,
    ) -> Option<&'a Incident> {
        let labels_of = |incident: &Incident| incident.labels(crate::detect::Severity::Info);
        let labels = labels_of(symptom);
        if !self.symptom.hold(&labels) {
            return None;
        }
        let mut active = active;
        active.find(|incident| {
            let theirs = labels_of(incident);
            // Of two that explain each other the older one speaks, or neither would.
            let explains =
                self.cause.hold(&theirs) && self.equal.iter().all(|label| theirs.get(label) == labels.get(label));
            let explained_back = self.symptom.hold(&theirs) && self.cause.hold(&labels);
            let is_older = (incident.opened_at_us, &incident.id) < (symptom.opened_at_us, &symptom.id);
            incident.id != symptom.id && explains && (!explained_back || is_older)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_holds_from_its_begin_up_to_its_end_and_comes_again() {
        let once = Period { from_us: 10, to_us: 20, every_us: None };
        let weekly = Period { every_us: Some(100), ..once };
        for (at_us, in_once, in_weekly) in [
            (9, false, false),
            (10, true, true),
            (19, true, true),
            (20, false, false),
            (115, false, true),
            (120, false, false),
        ] {
            assert_eq!((once.holds(at_us), weekly.holds(at_us)), (in_once, in_weekly), "{at_us}");
        }
        assert!(Period::ALWAYS.holds(0));
        assert!(!Period { every_us: Some(100), ..once }.holds(i64::MIN));
    }
}
