//! Verdicts as columns, written by code: a verdict that was worked out once is repeated without its texts.

use arrow::array::ArrayRef;

use super::rules::Confidence;
use super::verdict::Verdict;
use crate::cause::RootCause;
use crate::event::{DictColumn, ListColumn, LongColumn};

/// A verdict on a request that was served.
pub(super) struct Served<'a> {
    pub cause: RootCause,
    /// What should have refused it, or did.
    pub reason: Option<RootCause>,
    pub lag_us: Option<i64>,
    pub contradiction: Option<&'static str>,
    pub evidence: &'a str,
}

/// The columns of [`Stage::Classified`](crate::event::Stage), written by code.
#[derive(Default)]
pub(super) struct VerdictColumns {
    denied_by: DictColumn,
    cause: DictColumn,
    cause_class: DictColumn,
    confidence: DictColumn,
    alternatives: ListColumn,
    contradiction: DictColumn,
    evidence: ListColumn,
    missing_field: DictColumn,
    remedy: DictColumn,
    lag: LongColumn,
    stored: Vec<Stored>,
}

/// A verdict as codes of the columns.
#[derive(Clone)]
struct Stored {
    denied_by: Option<u32>,
    cause: Option<u32>,
    cause_class: Option<u32>,
    confidence: Option<u32>,
    alternatives: Vec<u32>,
    contradiction: Option<u32>,
    evidence: Vec<u32>,
    missing_field: Option<u32>,
    remedy: Option<u32>,
}

impl VerdictColumns {
    pub(super) fn for_rows(rows: usize) -> Self {
        let mut columns = Self::default();
        columns.texts().into_iter().for_each(|column| column.reserve(rows));
        columns.alternatives.reserve(rows);
        columns.evidence.reserve(rows);
        columns.lag.reserve(rows);
        columns
    }

    fn texts(&mut self) -> [&mut DictColumn; 7] {
        [
            &mut self.denied_by,
            &mut self.cause,
            &mut self.cause_class,
            &mut self.confidence,
            &mut self.contradiction,
            &mut self.missing_field,
            &mut self.remedy,
        ]
    }

    pub(super) fn push_none(&mut self) {
        self.texts().into_iter().for_each(|column| column.push_code(None));
        self.alternatives.push_codes(&[]);
        self.evidence.push_codes(&[]);
        self.lag.push(None);
    }

    /// Writes a refusal's verdict; returns the number by which it can be repeated.
    pub(super) fn push_refusal(&mut self, denied_by: &str, verdict: &Verdict) -> usize {
        let stored = Stored {
            denied_by: self.denied_by.code(denied_by),
            cause: self.cause.code(verdict.cause.name()),
            cause_class: self.cause_class.code(verdict.cause.class().name()),
            confidence: self.confidence.code(verdict.confidence.name()),
            alternatives: verdict
                .alternatives
                .iter()
                .filter_map(|cause| self.alternatives.code(cause.name()))
                .collect(),
            contradiction: self.contradiction.code(verdict.contradiction.unwrap_or("")),
            evidence: verdict.evidence.iter().filter_map(|fact| self.evidence.code(fact)).collect(),
            missing_field: self.missing_field.code(verdict.missing_field.unwrap_or("")),
            remedy: self.remedy.code(verdict.cause.remedy()),
        };
        self.push_stored(&stored, None);
        self.stored.push(stored);
        self.stored.len() - 1
    }

    pub(super) fn push_again(&mut self, number: usize) {
        let stored = self.stored[number].clone();
        self.push_stored(&stored, None);
    }

    pub(super) fn push_served(&mut self, served: &Served<'_>) {
        let &Served { cause, reason, lag_us, contradiction, evidence } = served;
        let stored = Stored {
            denied_by: None,
            cause: self.cause.code(cause.name()),
            cause_class: self.cause_class.code(cause.class().name()),
            confidence: self.confidence.code(Confidence::Certain.name()),
            alternatives: reason.and_then(|reason| self.alternatives.code(reason.name())).into_iter().collect(),
            contradiction: self.contradiction.code(contradiction.unwrap_or("")),
            evidence: self.evidence.code(evidence).into_iter().collect(),
            missing_field: None,
            remedy: self.remedy.code(cause.remedy()),
        };
        self.push_stored(&stored, lag_us);
    }

    fn push_stored(&mut self, stored: &Stored, lag_us: Option<i64>) {
        self.denied_by.push_code(stored.denied_by);
        self.cause.push_code(stored.cause);
        self.cause_class.push_code(stored.cause_class);
        self.confidence.push_code(stored.confidence);
        self.alternatives.push_codes(&stored.alternatives);
        self.contradiction.push_code(stored.contradiction);
        self.evidence.push_codes(&stored.evidence);
        self.missing_field.push_code(stored.missing_field);
        self.remedy.push_code(stored.remedy);
        self.lag.push(lag_us);
    }

    pub(super) fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            self.denied_by.finish(),
            self.cause.finish(),
            self.cause_class.finish(),
            self.confidence.finish(),
            self.alternatives.finish(),
            self.contradiction.finish(),
            self.evidence.finish(),
            self.missing_field.finish(),
            self.remedy.finish(),
            self.lag.finish(),
        ]
    }
}
