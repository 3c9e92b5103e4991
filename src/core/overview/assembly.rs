//! Adds counts up into an [`Overview`], wherever they come from.

use std::collections::HashMap;

use super::{Buckets, Flow, Overview, STACK, Series, Top, Whose};
use crate::cause::{CauseClass, RootCause};

/// Whose requests a count is about, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantPart<'a> {
    Named(&'a str),
    Nobody,
    /// Tenants that were counted together.
    Others,
}

impl<'a> TenantPart<'a> {
    /// As a row names it: empty for nobody.
    #[must_use]
    pub const fn of(name: &'a str) -> Self {
        if name.is_empty() { Self::Nobody } else { Self::Named(name) }
    }

    pub(super) fn owned(self) -> Whose {
        match self {
            Self::Named(name) => Whose::Tenant(name.to_owned()),
            Self::Nobody => Whose::Nobody,
            Self::Others => Whose::Others,
        }
    }
}

/// Requests of one tenant that ended one way in one bucket.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub at_us: i64,
    pub tenant: TenantPart<'a>,
    /// `None` when they were not refused.
    pub cause: Option<RootCause>,
    /// Empty when nobody said no.
    pub denied_by: &'a str,
    pub count: u64,
}

/// Counts on their way to an [`Overview`]. The caller adds the rows of one tenant scope only.
#[derive(Clone, Debug)]
pub struct Assembly {
    buckets: Buckets,
    requests: Vec<u64>,
    series: Vec<Series>,
    top: HashMap<(RootCause, Whose), Kept>,
    flow: HashMap<(String, CauseClass, Whose), u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    count: u64,
    keys: u64,
    keys_at_least: bool,
}

impl Assembly {
    #[must_use]
    pub fn new(buckets: Buckets) -> Self {
        let zeros = vec![0; buckets.len()];
        let series = STACK.map(|class| Series { class, counts: zeros.clone() }).to_vec();
        Self { buckets, requests: zeros, series, top: HashMap::new(), flow: HashMap::new() }
    }

    /// Adds a count; one outside the buckets is left out.
    pub fn add(&mut self, part: &Part<'_>) {
        if self.buckets.at(part.at_us).is_some() {
            self.add_count(part.at_us, part.tenant, part.cause, part.count);
            self.add_flow(part.denied_by, part.tenant, part.cause, part.count);
        }
    }

    /// As [`Assembly::add`], where who said no is told [apart](Assembly::add_flow).
    pub fn add_count(&mut self, at_us: i64, tenant: TenantPart<'_>, cause: Option<RootCause>, count: u64) {
        let Some(bucket) = self.buckets.at(at_us) else { return };
        self.requests[bucket] += count;
        let Some(cause) = cause else { return };
        if let Some(series) = self.series.iter_mut().find(|series| series.class == cause.class()) {
            series.counts[bucket] += count;
        }
        self.top.entry((cause, tenant.owned())).or_default().count += count;
    }

    /// Adds to who said no, of requests within the buckets.
    pub fn add_flow(&mut self, denied_by: &str, tenant: TenantPart<'_>, cause: Option<RootCause>, count: u64) {
        if let Some(cause) = cause {
            *self.flow.entry((denied_by.to_owned(), cause.class(), tenant.owned())).or_default() += count;
        }
    }

    /// Says how many distinct keys were refused for a cause.
    pub fn keys(&mut self, cause: RootCause, tenant: TenantPart<'_>, keys: u64, at_least: bool) {
        if let Some(kept) = self.top.get_mut(&(cause, tenant.owned())) {
            kept.keys = keys;
            kept.keys_at_least = at_least;
        }
    }

    #[must_use]
    pub fn finish(self, as_of_us: i64, complete_until_us: i64) -> Overview {
        let mut top: Vec<Top> = self
            .top
            .into_iter()
            .map(|((cause, whose), Kept { count, keys, keys_at_least })| Top {
                cause,
                whose,
                count,
                keys,
                keys_at_least,
            })
            .collect();
        top.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| (one.cause, &one.whose).cmp(&(other.cause, &other.whose)))
        });
        top.truncate(Overview::TOP_MAX);
        Overview {
            buckets: self.buckets,
            as_of_us,
            complete_until_us,
            requests: self.requests,
            series: self.series,
            top,
            flow: flow(self.flow),
        }
    }
}

/// The tenants with most refusals by name, the rest together.
fn flow(counts: HashMap<(String, CauseClass, Whose), u64>) -> Vec<Flow> {
    let mut by_tenant: HashMap<&str, u64> = HashMap::new();
    for ((_, _, whose), count) in &counts {
        if let Whose::Tenant(name) = whose {
            *by_tenant.entry(name).or_default() += count;
        }
    }
    let mut named: Vec<(&str, u64)> = by_tenant.into_iter().collect();
    named.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    let named: Vec<String> =
        named.into_iter().take(Overview::FLOW_TENANTS_MAX).map(|(name, _)| name.to_owned()).collect();

    let mut folded: HashMap<(String, CauseClass, Whose), u64> = HashMap::new();
    for ((denied_by, class, whose), count) in counts {
        let whose = match whose {
            Whose::Tenant(name) if !named.contains(&name) => Whose::Others,
            whose @ (Whose::Tenant(_) | Whose::Nobody | Whose::Others) => whose,
        };
        *folded.entry((denied_by, class, whose)).or_default() += count;
    }
    let mut flow: Vec<Flow> =
        folded.into_iter().map(|((denied_by, class, whose), count)| Flow { denied_by, class, whose, count }).collect();
    flow.sort_by(|one, other| {
        let rest = |flow: &Flow| (flow.denied_by.clone(), flow.class, flow.whose.clone());
        other.count.cmp(&one.count).then_with(|| rest(one).cmp(&rest(other)))
    });
    flow.truncate(Overview::FLOW_MAX);
    flow
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    fn part(minute: i64, tenant: &str, cause: Option<RootCause>, count: u64) -> Part<'_> {
        let denied_by = if cause.is_some() { "gateway" } else { "" };
        Part { at_us: minute * MINUTE_US, tenant: TenantPart::of(tenant), cause, denied_by, count }
    }

    #[test]
    fn series_are_dense_and_what_lies_outside_is_left_out() {
        let mut assembly = Assembly::new(Buckets::of_width(0, 3 * MINUTE_US, MINUTE_US));
        assembly.add(&part(0, "acme", Some(RootCause::UserDeleted), 2));
        assembly.add(&part(2, "acme", None, 5));
        assembly.add(&part(2, "", Some(RootCause::MissingCredential), 1));
        assembly.add(&part(3, "acme", Some(RootCause::UserDeleted), 9));
        assembly.add(&part(-1, "acme", Some(RootCause::UserDeleted), 9));
        let overview = assembly.finish(0, 0);
        assert_eq!(overview.requests, [2, 0, 6]);
        assert_eq!(overview.series.iter().map(|series| series.class).collect::<Vec<_>>(), STACK);
        for Series { class, counts } in overview.series {
            let expected: [u64; 3] = match class.name() {
                "identity" => [2, 0, 0],
                "credential" => [0, 0, 1],
                _ => [0, 0, 0],
            };
            assert_eq!(counts, expected, "{}", class.name());
        }
        assert_eq!(overview.top.len(), 2);
        assert_eq!((overview.top[0].cause, overview.top[0].count), (RootCause::UserDeleted, 2));
    }

    #[test]
    fn the_flow_names_the_tenants_with_most_and_loses_nothing() {
        let mut assembly = Assembly::new(Buckets::of_width(0, MINUTE_US, MINUTE_US));
        let names: Vec<String> = (0..40).map(|tenant| format!("t{tenant:02}")).collect();
        for (name, count) in names.iter().zip(1..) {
            assembly.add(&part(0, name, Some(RootCause::KeyExpired), count));
        }
        let flow = assembly.finish(0, 0).flow;
        let named = flow.iter().filter(|flow| matches!(flow.whose, Whose::Tenant(_))).count();
        assert_eq!(named, Overview::FLOW_TENANTS_MAX);
        assert!(flow.iter().any(|flow| flow.whose == Whose::Tenant("t39".to_owned()) && flow.count == 40));
        assert!(!flow.iter().any(|flow| flow.whose == Whose::Tenant("t00".to_owned())));
        assert_eq!(flow.iter().map(|flow| flow.count).sum::<u64>(), 40 * 41 / 2);
    }
}
