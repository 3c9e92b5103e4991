//! How a request ended, as the log alone tells it: refused and by whom, served, or neither.

use super::word::Word;

/// Statuses by which an identity, a right or a limit is refused.
const REFUSALS: &[i16] = &[401, 402, 403, 407, 429];

/// Whether an application that answers with this status refuses the caller.
pub(super) fn refuses(status: i16) -> bool {
    REFUSALS.contains(&status)
}

/// How a request ended, as the log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    pub status: i16,
    pub application_refused: bool,
    pub application_asked: bool,
    pub word: Word,
}

impl Outcome {
    /// Somebody said no for a reason that is about the caller, or the version that was called.
    pub(super) fn is_refusal(self) -> bool {
        REFUSALS.contains(&self.status) || self.status >= 400 && !self.application_asked && self.is_refusal_by_word()
    }

    /// Statuses that mean many things are refusals where the gateway says so: LiteLLM answers an expired key and a
    /// spent budget with 400, APISIX's limiter with 503.
    fn is_refusal_by_word(self) -> bool {
        let says_limit = matches!(self.word, Word::RateLimited | Word::QuotaSpent | Word::AuthBackendDown);
        match self.status {
            410 => true,
            400 | 404 => {
                says_limit
                    || self.word.knows_the_key()
                    || matches!(self.word, Word::Missing | Word::ModelNotGranted | Word::VersionRetired)
            }
            status => status >= 500 && says_limit,
        }
    }

    /// The request went through to an answer.
    pub(super) fn is_served(self) -> bool {
        !self.is_refusal() && (self.status < 400 || self.application_asked && self.status < 500)
    }

    /// Who said no, in the words of the column.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few words name a speaker other than the gateway")]
    pub(super) fn denied_by(self) -> &'static str {
        match self.word {
            _ if self.application_refused => "application",
            Word::AuthBackendDown => "authorizer",
            Word::FirewallBlocked => "firewall",
            Word::RateLimited | Word::QuotaSpent => "limiter",
            _ if self.status == 429 => "limiter",
            _ => "gateway",
        }
    }
}
