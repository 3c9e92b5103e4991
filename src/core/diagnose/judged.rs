//! The verdict that a diagnosis explains: the one that was stored with the request, unless it could not be decided then
//! and can be today.

use super::case::Case;
use crate::cause::RootCause;
use crate::classify::{Confidence, Rehearing};
use crate::event::Column;

/// A verdict, wherever it comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Judged {
    /// `None` where nothing is wrong.
    pub(super) cause: Option<RootCause>,
    /// Of a request that was served all the same: what should have refused it, or did.
    pub(super) reason: Option<RootCause>,
    pub(super) confidence: Option<Confidence>,
    pub(super) denied_by: Option<String>,
    pub(super) contradiction: Option<String>,
    pub(super) missing_field: Option<String>,
    pub(super) alternatives: Vec<RootCause>,
    pub(super) lag_us: Option<i64>,
    /// What the directory at hand makes of the row, where that is something else.
    pub(super) today: Option<RootCause>,
}

impl Judged {
    pub(super) fn of(case: &Case<'_>, rehearing: &Rehearing<'_>) -> Self {
        if !case.is_request {
            return Self::of_state(rehearing);
        }
        let stored = Self::stored(case);
        let today = Self::heard(rehearing);
        let (before, now) = (stored.cause, today.cause);
        let undecided = matches!(before, None | Some(RootCause::Undecidable));
        let decided_now = now.is_some_and(|now| now != RootCause::Undecidable);
        if undecided && decided_now && today.confidence > Some(Confidence::Possible) {
            return Self { denied_by: stored.denied_by, ..today };
        }
        let differs = decided_now && now != before && stored.reason.is_none();
        Self { today: now.filter(|_| differs), ..stored }
    }

    /// The verdict on a row without a request behind it: what identity alone refuses.
    fn of_state(rehearing: &Rehearing<'_>) -> Self {
        let heard = Self::heard(rehearing);
        if heard.cause == Some(RootCause::Undecidable) {
            return Self::default();
        }
        Self { contradiction: None, missing_field: None, ..heard }
    }

    fn stored(case: &Case<'_>) -> Self {
        let text = |column| case.row.dict(column).get(0);
        let optional = |column| Some(text(column)).filter(|text| !text.is_empty()).map(str::to_owned);
        let confidence = [Confidence::Possible, Confidence::Likely, Confidence::Certain];
        let listed = case.row.list(Column::Alternatives, 0).filter_map(RootCause::from_name);
        let lag = case.row.long(Column::RevocationLagUs);
        Self {
            confidence: confidence.into_iter().find(|known| known.name() == text(Column::Confidence)),
            denied_by: optional(Column::DeniedBy),
            contradiction: optional(Column::Contradiction),
            missing_field: optional(Column::MissingField),
            lag_us: arrow::array::Array::is_valid(lag, 0).then(|| lag.value(0)),
            ..Self::with(RootCause::from_name(text(Column::Cause)), listed.collect())
        }
    }

    fn heard(rehearing: &Rehearing<'_>) -> Self {
        let Some(verdict) = rehearing.verdict() else { return Self::default() };
        Self {
            confidence: Some(verdict.confidence),
            contradiction: verdict.contradiction.map(str::to_owned),
            missing_field: verdict.missing_field.map(str::to_owned),
            ..Self::with(Some(verdict.cause), verdict.alternatives)
        }
    }

    /// A served request's first alternative is why it should not have been.
    fn with(cause: Option<RootCause>, alternatives: Vec<RootCause>) -> Self {
        let served = matches!(cause, Some(RootCause::ZombieAccess | RootCause::AnonymousFallback));
        let reason = alternatives.first().copied().filter(|_| served);
        Self { cause, reason, alternatives: if served { Vec::new() } else { alternatives }, ..Self::default() }
    }

    /// Whether the verdict is this cause, or rests on it.
    pub(super) fn names(&self, cause: RootCause) -> bool {
        self.cause == Some(cause) || self.reason == Some(cause)
    }
}
