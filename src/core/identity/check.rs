//! What is not in order in a directory as a whole: references that lead nowhere, secrets claimed twice, keys
//! that are called active after their end. Findings, not errors: a verdict copes with each of them.

use super::Directory;
use super::distinct::{NONE, code_of};
use super::findings::{FindingCode, Findings, Place};
use super::grants::Party;
use super::rows::Table;
use super::status::KeyStatus;

/// Adds what is found to `findings`, table by table.
pub(super) fn check(directory: &Directory, findings: &mut Findings) {
    check_keys(directory, findings);
    check_principals(directory, findings);
    check_tenants(directory, findings);
    check_grants(directory, findings);
}

fn about(table: Table) -> Place<'static> {
    Place { file: table.name(), line: 0 }
}

fn check_keys(directory: &Directory, findings: &mut Findings) {
    let place = about(Table::Keys);
    let as_of = directory.as_of();
    // A folder of keys alone is a valid snapshot: then nothing is known about principals, and nothing dangles.
    let (has_principals, has_tenants) = (directory.principals().next().is_some(), directory.tenants().next().is_some());
    for key in directory.keys() {
        let Some(version) = directory.keys.timeline.newest(key.0) else { continue };
        let (_, rare) = directory.key_parts(&version.value);
        let entry = &directory.keys.entries[key.0 as usize];
        let id = directory.keys.ids.get(entry.id);
        let principal = version.value.principal;
        if has_principals && principal != NONE && !directory.principals.has(principal) {
            let message = format!("`principal_id` names {}, which no row has", directory.principal_ids.get(principal));
            findings.add(FindingCode::DanglingPrincipal, place, id, message);
        }
        let tenant = version.value.tenant;
        if has_tenants && tenant != NONE && !directory.tenants.has(tenant) {
            let message = format!("`tenant_id` names {}, which no row has", directory.tenant_ids.get(tenant));
            findings.add(FindingCode::DanglingTenant, place, id, message);
        }
        if rare.replaced_by != NONE && directory.keys.of_id(rare.replaced_by).is_none() {
            let message = format!("`replaced_by` names {}, which no row has", directory.keys.ids.get(rare.replaced_by));
            findings.add(FindingCode::DanglingReplacement, place, id, message);
        }
        if entry.conflicting {
            findings.add(FindingCode::SharedSecret, place, id, "a key of another principal has the same secret");
        }
        let expired = version.value.expires_at.get().is_some_and(|expires_at| expires_at <= as_of);
        if expired && version.value.status == KeyStatus::Active {
            findings.add(FindingCode::ExpiredButActive, place, id, "called active although `expires_at` is past");
        }
    }
}

fn check_principals(directory: &Directory, findings: &mut Findings) {
    let has_tenants = directory.tenants().next().is_some();
    for principal in directory.principals() {
        let Some(version) = directory.principals.newest(principal.0) else { continue };
        let tenant = version.value.tenant;
        if has_tenants && tenant != NONE && !directory.tenants.has(tenant) {
            let message = format!("`tenant_id` names {}, which no row has", directory.tenant_ids.get(tenant));
            let id = directory.principal_ids.get(principal.0);
            findings.add(FindingCode::DanglingTenant, about(Table::Principals), id, message);
        }
    }
}

/// Tenant ids stand in topics, partitions, paths and tokens: one alphabet serves all of them.
fn check_tenants(directory: &Directory, findings: &mut Findings) {
    for tenant in 0..code_of(directory.tenant_ids.len()) {
        let id = directory.tenant_ids.get(tenant);
        if !is_plain_tenant_id(id) {
            let message = "not of the form [a-z0-9][a-z0-9_-]{0,62}: tokens and exports cannot be limited to it";
            findings.add(FindingCode::OddTenantId, about(Table::Tenants), id, message);
        }
    }
}

fn is_plain_tenant_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    id.len() <= 63
        && id.bytes().next().is_some_and(plain)
        && id.bytes().all(|byte| plain(byte) || byte == b'_' || byte == b'-')
}

fn check_grants(directory: &Directory, findings: &mut Findings) {
    if directory.principals().next().is_none() {
        return;
    }
    for grant in &directory.grants.list {
        if let Party::Principal(principal) = grant.subject
            && !directory.principals.has(principal)
        {
            let id = directory.principal_ids.get(principal);
            findings.add(FindingCode::DanglingGrant, about(Table::Grants), id, "`principal_id` is one that no row has");
        }
    }
}
