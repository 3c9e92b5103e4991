//! Frames to events.

use crate::event::Events;
use crate::secret::Credential;

/// Events of one batch in the unified schema, and the distinct credentials they carried.
#[derive(Debug)]
pub struct Decoded {
    pub(crate) events: Events,
    pub(crate) credentials: Vec<Credential>,
    /// Row to index into `credentials`; [`NO_CREDENTIAL`] where the request carried none.
    pub(crate) credential_of: Vec<u32>,
}

pub(crate) const NO_CREDENTIAL: u32 = u32::MAX;

impl Decoded {
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    #[must_use]
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// The credential that a row's request carried.
    #[must_use]
    pub fn credential(&self, row: usize) -> Option<&Credential> {
        self.credentials.get(self.credential_of[row] as usize)
    }
}
