//! The distinct credentials of one batch: hashed once, referred to by number.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::Int32Type;

use super::NO_CREDENTIAL;
use super::presented::CredentialKind;
use crate::event::Interner;
use crate::secret::{Credential, Digests, Fingerprint, Pepper, Schemes, Slips};

/// Raw keys live here from the first row that carries them to the end of the batch, and nowhere else.
#[derive(Default)]
pub(crate) struct CredentialTable {
    keys: Interner,
    credentials: Vec<Credential>,
    rows: Vec<u32>,
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
        let index = self.keys.intern(key);
        if index as usize == self.credentials.len() {
            let mut credential = Credential::of(key, pepper, schemes);
            if kind == CredentialKind::Basic {
                // A password has no issuer, and its last characters are too much of it.
                credential.prefix.clear();
                credential.last4.clear();
            }
            self.credentials.push(credential);
        }
        let credential = &mut self.credentials[index as usize];
        if refused && credential.slips.is_none() {
            credential.slips = Some(Box::new(Slips::of(key, pepper, schemes)));
        }
        self.rows.push(index);
    }

    /// A credential that was hashed before it reached us.
    pub(crate) fn push_fingerprint(&mut self, hex: &str) {
        let Some(fingerprint) = Fingerprint::from_hex(hex) else { return self.push_none() };
        let index = self.keys.intern(hex);
        if index as usize == self.credentials.len() {
            let digests = Digests { fingerprint, sha256: None, murmur3: None };
            self.credentials.push(Credential::hashed(digests));
        }
        self.rows.push(index);
    }

    pub(crate) fn push_none(&mut self) {
        self.rows.push(NO_CREDENTIAL);
    }

    /// Credentials and rows of the batch. Forgets the raw keys.
    pub(crate) fn finish(&mut self) -> (Vec<Credential>, Vec<u32>, CredentialColumns) {
        drop(self.keys.take());
        let credentials = std::mem::take(&mut self.credentials);
        let rows = std::mem::take(&mut self.rows);
        // A row without the value is null by its key: readers need not look for nulls among the values.
        let dictionary = |values: StringArray| -> ArrayRef {
            let has_value = |row: u32| row != NO_CREDENTIAL && !values.value(row as usize).is_empty();
            let keys: Int32Array = rows.iter().map(|&row| has_value(row).then(|| row.cast_signed())).collect();
            Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(values)))
        };
        let columns = CredentialColumns {
            fingerprint: dictionary(StringArray::from_iter_values(
                credentials.iter().map(|credential| credential.digests.fingerprint.hex().as_str().to_owned()),
            )),
            mask: dictionary(StringArray::from_iter_values(credentials.iter().map(Credential::mask))),
            prefix: dictionary(StringArray::from_iter_values(credentials.iter().map(|c| c.prefix.as_str()))),
        };
        (credentials, rows, columns)
    }
}
