//! Rows that were stored meet the directory again, to be explained long after they were judged.
//!
//! The key itself is gone by then: a row's fingerprint finds its credential, and where that is known under a foreign
//! hash only, the ids that were written beside it do. What a slip looked like stands in the row.

use std::sync::Arc;

use super::identify::{Identified, Subject, find_routes};
use super::{Directory, Match};
use crate::decode::NO_CREDENTIAL;
use crate::event::{Column, Events};
use crate::secret::{Credential, Digests, Fingerprint, NearMissKind};

/// Joins stored rows, with the columns of all rooms, with a directory: of today, or of any other time.
#[must_use]
pub fn identify_stored(events: Events, directory: &Arc<Directory>) -> Identified {
    let (routes, _) = find_routes(&events, directory);
    let mut credentials = Vec::new();
    let mut credential_of = Vec::with_capacity(events.len());
    let mut subjects = vec![Subject::default()];
    let mut subject_of = Vec::with_capacity(events.len());
    for row in 0..events.len() {
        let credential = stored_credential(&events, row);
        let subject = subject(&events, row, credential.as_ref(), directory);
        subject_of.push(index(subjects.len()));
        subjects.push(subject);
        credential_of.push(if credential.is_some() { index(credentials.len()) } else { NO_CREDENTIAL });
        credentials.extend(credential.map(Arc::new));
    }
    Identified { events, directory: Arc::clone(directory), credentials, credential_of, subjects, subject_of, routes }
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("a batch has far fewer than 2^32 rows")
}

fn stored_credential(events: &Events, row: usize) -> Option<Credential> {
    let fingerprint = Fingerprint::from_hex(events.dict(Column::Fingerprint).get(row))?;
    let hashed = Credential::hashed(Digests { fingerprint, sha256: None, murmur3: None });
    Some(Credential { prefix: events.dict(Column::CredentialPrefix).get(row).to_owned(), ..hashed })
}

fn subject(events: &Events, row: usize, credential: Option<&Credential>, directory: &Directory) -> Subject {
    let text = |column| events.dict(column).get(row);
    let at = events.time(Column::EventAt).value(row);
    let slip = text(Column::NearMiss);
    let near = NearMissKind::ALL.iter().copied().find(|kind| kind.name() == slip);
    let of_credential = credential.and_then(|credential| match directory.find(credential) {
        Match::Known(key) => Some(key),
        Match::Near(..) | Match::Unknown => None,
    });
    let key = of_credential.or_else(|| directory.find_key(text(Column::KeyId)));
    let seen = key.map(|key| directory.key_at(key, at));
    let named = || directory.find_principal(text(Column::PrincipalId));
    let principal = seen.as_ref().map_or_else(named, |key| key.principal);
    let of_key = seen.as_ref().filter(|key| !key.tenant_id.is_empty()).map(|key| key.tenant);
    let of_principal = || principal.and_then(|principal| directory.principal(principal, at).tenant);
    let tenant = of_key.unwrap_or_else(of_principal).or_else(|| directory.find_tenant(text(Column::TenantId)));
    Subject { key, near, principal, tenant, route: None }
}
