//! Which destinations hear of an incident.

use std::collections::BTreeSet;

use crate::detect::Severity;

use super::matcher::{Labels, Matchers};

#[derive(Clone, Debug)]
pub struct Route {
    pub matchers: Matchers,
    pub severity_min: Severity,
    pub destinations: Vec<String>,
    /// Later routes are asked, too.
    pub goes_on: bool,
}

/// The first route that matches decides, and those after it as far as it says so.
#[derive(Clone, Debug, Default)]
pub struct Routes(pub Vec<Route>);

impl Routes {
    /// Whether nobody hears of anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Destinations by name, each once.
    #[must_use]
    pub fn destinations(&self, labels: &Labels, severity: Severity) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for route in self.0.iter().filter(|route| severity >= route.severity_min && route.matchers.hold(labels)) {
            found.extend(route.destinations.iter().cloned());
            if !route.goes_on {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_route_decides_unless_it_lets_others_add() {
        let route = |matcher: &str, severity_min, destination: &str, goes_on| Route {
            matchers: Matchers::parse(&[matcher.to_owned()]).unwrap(),
            severity_min,
            destinations: vec![destination.to_owned()],
            goes_on,
        };
        let routes = Routes(vec![
            route("family=theft", Severity::High, "security", true),
            route("tenant=acme", Severity::Low, "acme", false),
            route("tenant=~.*", Severity::Medium, "all", false),
        ]);
        let check = |family: &str, tenant: &str, severity, expected: &[&str]| {
            let labels = Labels::from([("family", family.to_owned()), ("tenant", tenant.to_owned())]);
            let found = routes.destinations(&labels, severity);
            assert_eq!(
                found.iter().map(String::as_str).collect::<Vec<_>>(),
                expected,
                "{family} {tenant} {severity:?}"
            );
        };
        check("theft", "acme", Severity::High, &["acme", "security"]);
        check("theft", "acme", Severity::Medium, &["acme"]);
        check("theft", "other", Severity::Critical, &["all", "security"]);
        check("volume", "other", Severity::Low, &[]);
    }
}
