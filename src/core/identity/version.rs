//! The name of a directory's contents: the same for the same rows, whatever files they came in.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::quality::{FixedState, FoldHasher};

use super::distinct::code_of;
use super::keys::Scheme;
use super::{Directory, Route, RouteIx};
use crate::time;

/// The name of a directory without a snapshot.
pub(super) const EMPTY: &str = "empty";

/// The time of the newest snapshot and 32 bits of the contents, whatever their order in the files.
pub(super) fn of(directory: &Directory) -> String {
    let mut sum = 0u64;
    let mut add = |row: &dyn Fn(&mut FoldHasher<'static>)| {
        let mut hasher = FixedState::with_seed(0).build_hasher();
        row(&mut hasher);
        sum = sum.wrapping_add(hasher.finish());
    };
    for snapshot in &directory.snapshots {
        add(&|hasher| snapshot.hash(hasher));
    }
    for key in directory.keys() {
        let entry = &directory.keys.entries[key.0 as usize];
        let hashed = entry.material.scheme != Scheme::Unhashed;
        for version in directory.keys.timeline.versions(key.0) {
            add(&|hasher| {
                (0u8, directory.keys.ids.get(entry.id), hashed.then_some(entry.material), version.from, version.to)
                    .hash(hasher);
                version.value.last4.hash(hasher);
                directory.key_fields(&version.value).hash(hasher);
            });
        }
    }
    for principal in directory.principals() {
        for version in directory.principals.versions(principal.0) {
            add(&|hasher| {
                (1u8, directory.principal_ids.get(principal.0), version.from, version.to).hash(hasher);
                directory.principal_fields(&version.value).hash(hasher);
            });
        }
    }
    for tenant in directory.tenants() {
        for version in directory.tenants.versions(tenant.0) {
            add(&|hasher| {
                (2u8, directory.tenant_ids.get(tenant.0), version.from, version.to).hash(hasher);
                directory.tenant_fields(&version.value).hash(hasher);
            });
        }
    }
    for grant in &directory.grants.list {
        add(&|hasher| (3u8, directory.grant_name(grant), grant.from, grant.to).hash(hasher));
    }
    for route in 0..directory.routes.list.len() {
        let route = directory.route_at(RouteIx(code_of(route)));
        add(&|hasher| format!("{:?}", Route { route: RouteIx(0), ..route }).hash(hasher));
    }
    for gateway in directory.gateways() {
        add(&|hasher| format!("{gateway:?}").hash(hasher));
    }
    if directory.snapshots.is_empty() {
        return EMPTY.to_owned();
    }
    let newest = directory.noticed_at();
    format!("{}-{:08x}", time::format(newest - newest.rem_euclid(1_000_000)), sum >> 32)
}
