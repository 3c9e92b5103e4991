//! The answer of a diagnosis: what the API sends, what the page prints, what a ticket quotes.
//!
//! Field names are a contract with scripts and the dashboard. Times are RFC 3339, absent values `null`.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::time;

/// What a diagnosis is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    Request,
    Key,
    Principal,
    Tenant,
    Incident,
    /// A credential that is in no snapshot.
    Credential,
}

impl SubjectKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Key => "key",
            Self::Principal => "principal",
            Self::Tenant => "tenant",
            Self::Incident => "incident",
            Self::Credential => "credential",
        }
    }
}

/// Who or what was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    pub kind: SubjectKind,
    pub id: String,
    /// What people call it: a masked key, a name, a title.
    pub label: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    Pass,
    Fail,
    /// A fact is missing; the check's text says which.
    Unknown,
    /// It does not apply, or what it would look at was not found.
    Skipped,
}

impl CheckResult {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// One question of a step, and its proof.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub result: CheckResult,
    pub fact: String,
    /// When the fact began to hold, UTC microseconds.
    #[serde(serialize_with = "optional_instant")]
    pub at: Option<i64>,
    /// The snapshot that says so; `None` for facts of the log.
    pub version: Option<String>,
    /// Who says so: the identity source, the access log, or traffic.
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// 1 to 6.
    pub step: u8,
    pub name: &'static str,
    pub result: CheckResult,
    pub checks: Vec<Check>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `None` where nothing is wrong.
    pub cause: Option<&'static str>,
    pub class: Option<&'static str>,
    pub label: String,
    /// With names and times filled in.
    pub sentence: String,
    pub confidence: Option<&'static str>,
    pub denied_by: Option<String>,
    pub contradiction: Option<String>,
    pub missing_field: Option<String>,
}

/// A change of state on the subject's time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateChange {
    #[serde(serialize_with = "instant")]
    pub at: i64,
    /// `principal svc-backup: status`.
    pub field: String,
    pub from: String,
    pub to: String,
    pub version: Option<String>,
}

/// Traffic and changes of state on one axis, in buckets of equal width.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    pub bucket_s: i64,
    #[serde(serialize_with = "instants")]
    pub buckets: Vec<i64>,
    pub requests: Vec<i64>,
    pub failures: Vec<i64>,
    pub states: Vec<StateChange>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// `None` where there is nothing to do.
    pub owner: Option<&'static str>,
    pub action: String,
    /// The scopes to grant, and no more.
    pub scopes: Vec<String>,
    /// Settings to change, as `name = value`.
    pub settings: Vec<String>,
    /// The person the directory names for it.
    pub by: Option<String>,
}

/// Who calls with the key, and must be given another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Caller {
    pub network: String,
    pub agent: String,
    pub route: String,
    pub per_minute: f64,
    #[serde(serialize_with = "instant")]
    pub last_at: i64,
}

/// The query whose result changes when the fix worked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DoneWhen {
    pub sql: String,
    pub expected: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alternative {
    pub cause: &'static str,
    pub label: &'static str,
    pub result: CheckResult,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    pub subject: Subject,
    /// As of when facts were looked up.
    #[serde(serialize_with = "instant")]
    pub at: i64,
    /// The snapshot that the checks rest on.
    pub snapshot_version: String,
    /// The stored row that was looked at, its columns without value left out.
    pub request: Option<Map<String, Value>>,
    pub verdict: Verdict,
    pub steps: Vec<Step>,
    pub timeline: Timeline,
    pub remedy: Remedy,
    pub callers: Vec<Caller>,
    pub done_when: DoneWhen,
    pub alternatives: Vec<Alternative>,
    /// What else the id stands for.
    pub others: Vec<Subject>,
}

fn instant<S: Serializer>(at: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time::format(*at))
}

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn optional_instant<S: Serializer>(at: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(time::format).serialize(serializer)
}

fn instants<S: Serializer>(all: &[i64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(|at| time::format(*at)))
}
