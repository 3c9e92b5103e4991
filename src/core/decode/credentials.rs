//! The distinct credentials of one batch: hashed once, referred to by number.
//!
//! A key comes back batch after batch, so what was worked out for it is kept under its SipHash-128 with a random key
//! of this process: recognising it then costs a tenth of hashing it anew, and the key itself is not kept.

use std::hash::RandomState;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray, StringBuilder};
use arrow::datatypes::Int32Type;

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::NO_CREDENTIAL;
use super::presented::CredentialKind;
use crate::event::Interner;
use crate::secret::{Credential, Digests, Fingerprint, Pepper, Schemes, Slips};

/// Credentials that are remembered; beyond it the memory begins anew. About 20 MB.
const REMEMBERED_MAX: usize = 100_000;
/// Hex digits of a fingerprint.
const FINGERPRINT_DIGITS: usize = 32;

/// Raw keys live here from the first row that carries them to the end of the batch, and nowhere else.
#[derive(Default)]
pub(crate) struct CredentialTable {
    /// Each with the letter of its class at its end: the same text as a key, a password and a hash are three things.
    keys: Interner,
    classed: String,
    credentials: Vec<Arc<Credential>>,
    /// SipHash-128 of each key of the batch.
    names: Vec<u128>,
    rows: Vec<u32>,
    remembered: HashMap<u128, Arc<Credential>, FixedState>,
    schemes: Schemes,
    secret: Secret,
}

/// The random key of this process under which credentials are recognised.
struct Secret(SipHasher13);

impl Default for Secret {
    fn default() -> Self {
        let random = RandomState::new();
        Self(SipHasher13::new_with_keys(random.hash_one(0), random.hash_one(1)))
    }
}

impl std::fmt::Debug for CredentialTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CredentialTable({} credentials)", self.credentials.len())
    }
}

/// The columns that follow from the table.
pub(crate) struct CredentialColumns {
    pub fingerprint: ArrayRef,
    pub mask: ArrayRef,
    pub prefix: ArrayRef,
}

impl CredentialTable {
    /// Notes the credential of the next row. Slips are looked for only where a request was `refused`.
    pub(crate) fn push(&mut self, kind: CredentialKind, key: &str, refused: bool, pepper: &Pepper, schemes: Schemes) {
        let index = self.intern(key, if kind == CredentialKind::Basic { 'p' } else { 'k' });
        if index as usize == self.credentials.len() {
            self.forget_if_outdated(schemes);
            let mut hasher = self.secret.0;
            hasher.write(key.as_bytes());
            hasher.write_u8(u8::from(kind == CredentialKind::Basic));
            let name = hasher.finish128().as_u128();
            let known = self.remembered.entry(name).or_insert_with(|| {
                let mut credential = Credential::of(key, pepper, schemes);
                if kind == CredentialKind::Basic {
                    // A password has no issuer, and its last characters are too much of it.
                    credential.prefix.clear();
                    credential.last4.clear();
                }
                Arc::new(credential)
            });
            self.credentials.push(Arc::clone(known));
            self.names.push(name);
        }
        if refused && self.credentials[index as usize].slips.is_none() {
            let credential = &mut self.credentials[index as usize];
            Arc::make_mut(credential).slips = Some(Box::new(Slips::of(key, pepper, schemes)));
            self.remembered.insert(self.names[index as usize], Arc::clone(credential));
        }
        self.rows.push(index);
    }

    fn intern(&mut self, text: &str, class: char) -> u32 {
        self.classed.clear();
        self.classed.push_str(text);
        self.classed.push(class);
        self.keys.intern(&self.classed)
    }

    fn forget_if_outdated(&mut self, schemes: Schemes) {
        if self.schemes != schemes || self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.clear();
            self.schemes = schemes;
        }
    }

    /// A credential that was hashed before it reached us.
    pub(crate) fn push_fingerprint(&mut self, hex: &str) {
        let Some(fingerprint) = Fingerprint::from_hex(hex) else { return self.push_none() };
        let index = self.intern(hex, 'h');
        if index as usize == self.credentials.len() {
            let digests = Digests { fingerprint, sha256: None, murmur3: None };
            self.credentials.push(Arc::new(Credential::hashed(digests)));
            self.names.push(0);
        }
        self.rows.push(index);
    }

    pub(crate) fn push_none(&mut self) {
        self.rows.push(NO_CREDENTIAL);
    }

    /// Credentials and rows of the batch. Forgets the raw keys.
    pub(crate) fn finish(&mut self) -> (Vec<Arc<Credential>>, Vec<u32>, CredentialColumns) {
        self.keys.forget();
        self.classed.clear();
        self.names.clear();
        let next = Vec::with_capacity(self.credentials.len());
        let credentials = std::mem::replace(&mut self.credentials, next);
        let next = Vec::with_capacity(self.rows.len());
        let rows = std::mem::replace(&mut self.rows, next);
        let mut fingerprints = StringBuilder::with_capacity(credentials.len(), credentials.len() * FINGERPRINT_DIGITS);
        credentials.iter().for_each(|known| fingerprints.append_value(known.digests.fingerprint.hex().as_str()));
        // A row without the value is null by its key: readers need not look for nulls among the values.
        let dictionary = |values: StringArray| -> ArrayRef {
            let has_value = |row: u32| row != NO_CREDENTIAL && !values.value(row as usize).is_empty();
            let keys: Int32Array = rows.iter().map(|&row| has_value(row).then(|| row.cast_signed())).collect();
            Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(values)))
        };
        let columns = CredentialColumns {
            fingerprint: dictionary(fingerprints.finish()),
            mask: dictionary(StringArray::from_iter_values(credentials.iter().map(|credential| credential.mask()))),
            prefix: dictionary(StringArray::from_iter_values(credentials.iter().map(|c| c.prefix.as_str()))),
        };
        (credentials, rows, columns)
    }
}
