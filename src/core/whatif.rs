//! Who would break, if a user were disabled, a key revoked, a tenant suspended or a scope dropped: told from what was
//! served in the last days, not from what is granted.
//!
//! Promise: counts only flows that are served today. What is refused already does not break again, and is named beside.
//! Who sees one tenant learns nothing of what belongs to another: to them it is not known.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::access::TenantScope;
use crate::flow::{Flow, Share, caller, instant, key_label, many, per_day, shares};
use crate::identity::{Directory, ScopeAnswer, covers};

/// A change that is thought of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    DisablePrincipal(String),
    RevokeKey(String),
    SuspendTenant(String),
    /// Everybody loses it.
    DropScope(String),
}

impl Change {
    /// `revoke key key-17`.
    #[must_use]
    pub fn words(&self) -> String {
        let (verb, id) = match self {
            Self::DisablePrincipal(id) => ("disable user", id),
            Self::RevokeKey(id) => ("revoke key", id),
            Self::SuspendTenant(id) => ("suspend tenant", id),
            Self::DropScope(id) => ("drop scope", id),
        };
        format!("{verb} {id}")
    }
}

/// What a change would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Impact {
    pub change: String,
    /// Whether directory or traffic know what would be changed.
    pub known: bool,
    pub sentence: String,
    pub snapshot_version: String,
    /// The traffic that was looked at.
    #[serde(serialize_with = "instant")]
    pub from: i64,
    #[serde(serialize_with = "instant")]
    pub to: i64,
    pub requests_per_day: f64,
    /// Requests of the same flows that are refused already.
    pub refused_already_per_day: f64,
    pub tenants: Vec<Share>,
    pub keys: Vec<Share>,
    pub routes: Vec<Share>,
    pub callers: Vec<Share>,
}

/// The impact of `change`, judged by `flows` of the time from `from` to `to` (UTC microseconds) and by the directory as
/// of `to`, told to who sees `tenants`.
#[must_use]
pub fn what_if(
    change: &Change,
    flows: &[Flow],
    directory: &Directory,
    (from, to): (i64, i64),
    tenants: &TenantScope,
) -> Impact {
    let flows = if is_foreign(change, directory, to, tenants) { &[] } else { flows };
    let days = to.saturating_sub(from) as f64 / DAY_US;
    let concerned: Vec<&Flow> = flows.iter().filter(|flow| breaks(change, flow, directory, to)).collect();
    let served = || concerned.iter().copied().filter(|flow| flow.served > 0);
    let sum = |of: fn(&Flow) -> i64| concerned.iter().map(|flow| of(flow)).fold(0, i64::saturating_add);
    let plain = |_: &str| String::new();
    let own_key = |id: &str| {
        let key = directory.find_key(id).map(|key| directory.key_at(key, to));
        key.filter(|key| tenants.covers(Some(key.tenant_id)))
    };
    let of_key = |id: &str| own_key(id).map_or_else(String::new, |key| key_label(&key));
    let mut impact = Impact {
        change: change.words(),
        known: is_known(change, directory, to, tenants) || !concerned.is_empty(),
        sentence: String::new(),
        snapshot_version: directory.version().to_owned(),
        from,
        to,
        requests_per_day: per_day(sum(|flow| flow.served), days),
        refused_already_per_day: per_day(sum(|flow| flow.refused), days),
        tenants: shares(served(), days, |flow| flow.tenant_id.clone(), plain),
        keys: shares(served(), days, |flow| flow.key_id.clone(), of_key),
        routes: shares(served(), days, |flow| flow.route.clone(), plain),
        callers: shares(served(), days, caller, plain),
    };
    impact.sentence = sentence(&impact);
    impact
}

const DAY_US: f64 = 86_400_000_000.0;

fn sentence(impact: &Impact) -> String {
    if !impact.known {
        return format!("Nothing is known of what this would change: {}.", impact.change);
    }
    if impact.keys.is_empty() {
        return format!("Nobody would notice: no request of the time looked at depends on it ({}).", impact.change);
    }
    format!(
        "{} requests a day would fail: {} of {}, from {}, on {}.",
        impact.requests_per_day,
        many(impact.keys.len(), "key"),
        many(impact.tenants.len(), "tenant"),
        many(impact.callers.len(), "caller"),
        many(impact.routes.len(), "route"),
    )
}

fn is_known(change: &Change, directory: &Directory, at: i64, tenants: &TenantScope) -> bool {
    match change {
        Change::DropScope(scope) => {
            *tenants == TenantScope::All && directory.routes().any(|route| needs(&route, scope))
        }
        Change::SuspendTenant(id) => directory.find_tenant(id).is_some() && tenants.covers(Some(id)),
        Change::DisablePrincipal(_) | Change::RevokeKey(_) => {
            owner(change, directory, at).is_some_and(|tenant| tenants.covers(Some(tenant)))
        }
    }
}

/// Whether what would be changed belongs to a tenant that may not be seen.
fn is_foreign(change: &Change, directory: &Directory, at: i64, tenants: &TenantScope) -> bool {
    owner(change, directory, at).is_some_and(|tenant| !tenants.covers(Some(tenant)))
}

/// Whose it is by the directory, a tenant its own; `None` for what the directory does not know, and for a scope, which is everybody's.
fn owner<'a>(change: &'a Change, directory: &'a Directory, at: i64) -> Option<&'a str> {
    match change {
        Change::DisablePrincipal(id) => {
            directory.find_principal(id).map(|principal| directory.principal(principal, at).tenant_id)
        }
        Change::RevokeKey(id) => directory.find_key(id).map(|key| directory.key_at(key, at).tenant_id),
        Change::SuspendTenant(id) => Some(id),
        Change::DropScope(_) => None,
    }
}

/// A route asks for the scope, or for one that it covers.
fn needs(route: &crate::identity::Route<'_>, scope: &str) -> bool {
    route.required_scopes.iter().any(|needed| covers(scope, needed))
}

fn breaks(change: &Change, flow: &Flow, directory: &Directory, at: i64) -> bool {
    let key = directory.find_key(&flow.key_id).map(|key| directory.key_at(key, at));
    match change {
        Change::RevokeKey(id) => flow.key_id == *id,
        Change::SuspendTenant(id) => {
            let now = key.map_or("", |key| key.tenant_id);
            if now.is_empty() { flow.tenant_id == *id } else { now == id }
        }
        Change::DisablePrincipal(id) => {
            let now = key.map_or("", |key| key.principal_id);
            if now.is_empty() { flow.principal_id == *id } else { now == id }
        }
        Change::DropScope(scope) => loses(scope, flow, directory, at),
    }
}

/// Whether the route needs something that the flow's key holds through this scope and through no other.
fn loses(scope: &str, flow: &Flow, directory: &Directory, at: i64) -> bool {
    let Some(route) = flow.route_ix.map(|route| directory.route_at(route)) else { return false };
    let key = directory.find_key(&flow.key_id);
    let principal = match key {
        Some(key) => directory.key_at(key, at).principal,
        None => directory.find_principal(&flow.principal_id),
    };
    let held = directory.scopes_of(principal, key, at);
    let list: BTreeSet<&str> = held.list().into_iter().collect();
    let rest = || list.iter().filter(|other| **other != scope);
    list.contains(scope)
        && route.required_scopes.iter().any(|needed| {
            held.holds(needed) == ScopeAnswer::Held
                && covers(scope, needed)
                && !rest().any(|other| covers(other, needed))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::TenantScope;
    use crate::flow::{Counted, flows};
    use crate::identity::{DirectoryBuilder, Place, Snapshot, Table};
    use crate::secret::Pepper;

    fn directory() -> Directory {
        let pepper = Pepper::new(b"a pepper for tests").unwrap();
        let mut builder = DirectoryBuilder::new(&pepper);
        builder.open(Snapshot { as_of: 0, source: String::new(), environment: String::new() });
        for (table, row) in [
            (Table::Keys, r#"{"key_id":"k1","principal_id":"p1","tenant_id":"acme","prefix":"ck_","last4":"abcd"}"#),
            (Table::Keys, r#"{"key_id":"k2","principal_id":"p2","tenant_id":"acme"}"#),
            (Table::Keys, r#"{"key_id":"k3","principal_id":"p2","tenant_id":"wayne"}"#),
            (Table::Principals, r#"{"principal_id":"p1","tenant_id":"acme"}"#),
            (Table::Principals, r#"{"principal_id":"p2","tenant_id":"acme"}"#),
            (Table::Tenants, r#"{"tenant_id":"acme"}"#),
            (Table::Grants, r#"{"principal_id":"p1","scope":"orders:read"}"#),
            (Table::Grants, r#"{"principal_id":"p2","scope":"orders:read"}"#),
            (Table::Grants, r#"{"principal_id":"p2","scope":"orders:*"}"#),
            (Table::Routes, r#"{"method":"GET","path":"/v1/orders/{id}","required_scopes":["orders:read"]}"#),
        ] {
            builder.push_json(table, Place { file: table.name(), line: 1 }, row.as_bytes());
        }
        builder.finish().directory
    }

    fn line(key_id: &str, principal_id: &str, path: &str, served: i64) -> Counted {
        Counted {
            key_id: key_id.to_owned(),
            principal_id: principal_id.to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            network: "10.0.0.0/24".to_owned(),
            served,
            ..Counted::default()
        }
    }

    #[test]
    fn only_what_depends_on_the_change_breaks() {
        let directory = directory();
        let lines = [
            line("k1", "p1", "/v1/orders/1", 10),
            line("k1", "p1", "/v1/orders/2", 10),
            line("k2", "p2", "/v1/orders/1", 5),
            line("k3", "p2", "/v1/elsewhere", 1),
        ];
        let flows = flows(lines, &directory);
        assert_eq!(flows.len(), 3, "paths that differ by an id are one route");
        let day = 86_400_000_000;
        for (change, keys, per_day) in [
            (Change::RevokeKey("k1".to_owned()), &["k1"][..], 20.0),
            (Change::DisablePrincipal("p2".to_owned()), &["k2", "k3"][..], 6.0),
            (Change::SuspendTenant("acme".to_owned()), &["k1", "k2"][..], 25.0),
            // The wildcard of p2 goes on covering it.
            (Change::DropScope("orders:read".to_owned()), &["k1"][..], 20.0),
            (Change::RevokeKey("nobody's".to_owned()), &[][..], 0.0),
        ] {
            let impact = what_if(&change, &flows, &directory, (0, day), &TenantScope::All);
            let found: Vec<&str> = impact.keys.iter().map(|key| key.name.as_str()).collect();
            assert_eq!((found.as_slice(), impact.requests_per_day), (keys, per_day), "{}", impact.change);
            assert_eq!(impact.known, change != Change::RevokeKey("nobody's".to_owned()));
        }
    }

    #[test]
    fn what_is_refused_already_does_not_break_again() {
        let directory = directory();
        let refused = Counted { refused: 7, served: 0, ..line("k1", "p1", "/v1/orders/1", 0) };
        let change = Change::RevokeKey("k1".to_owned());
        let flows = flows([refused], &directory);
        let impact = what_if(&change, &flows, &directory, (0, 86_400_000_000), &TenantScope::All);
        assert!(impact.keys.is_empty() && impact.requests_per_day < 0.1);
        assert!((impact.refused_already_per_day - 7.0).abs() < 1e-9);
    }

    #[test]
    fn what_belongs_to_another_tenant_is_as_unknown_as_what_does_not_exist() {
        let directory = directory();
        // A row of acme whose key the directory gives to wayne.
        let flows = flows([line("k3", "p2", "/v1/elsewhere", 4)], &directory);
        let acme = TenantScope::One("acme".to_owned());
        for change in [
            Change::RevokeKey("k3".to_owned()),
            Change::SuspendTenant("wayne".to_owned()),
            Change::RevokeKey("nobody's".to_owned()),
            Change::DropScope("orders:read".to_owned()),
        ] {
            let impact = what_if(&change, &flows, &directory, (0, 86_400_000_000), &acme);
            assert!(!impact.known && impact.keys.is_empty(), "{}", impact.sentence);
        }
        let own = what_if(&Change::DisablePrincipal("p2".to_owned()), &flows, &directory, (0, 86_400_000_000), &acme);
        assert!(own.known);
        assert!(own.keys.iter().all(|key| key.label.is_empty()), "the key's mask is wayne's");
    }
}
