//! An e-mail: subject and plain text, and the headers by which mail programs keep an incident's messages together.

use super::Wording;
use crate::alert::notice::Notice;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub subject: String,
    pub text: String,
    /// Local part of `Message-ID`, the same for every try.
    pub message_id: String,
    /// Local part of the `Message-ID` that all messages of the incident refer to.
    pub thread_id: String,
}

/// The subject is the same for all notices of an incident but for its first word, and fits a phone's list.
#[must_use]
pub fn email(notice: &Notice, wording: &Wording) -> Email {
    Email {
        subject: wording.title(notice, 150),
        text: wording.body(notice, 20_000),
        message_id: notice.message_id(),
        thread_id: notice.dedup_key(),
    }
}
