//! What a sample of log lines can tell: which gateway wrote it, which causes its fields can decide, and which gateway
//! setting would let it decide more.
//!
//! A field counts when any line of the sample holds it: a sample without a refusal says nothing about refusals, and the
//! answer then says so. What the directory must know besides is not judged here.

use std::collections::BTreeMap;

use arrow::array::Array as _;
use serde::Serialize;

use crate::cause::RootCause;
use crate::decode::{DecodedBatch, Format, advice};
use crate::event::{Column, ColumnKind, Events};

/// A fact that causes are decided by: any one of its columns will do.
struct Need {
    name: &'static str,
    columns: &'static [Column],
    /// Wanted of requests that failed; of all requests otherwise.
    of_failures: bool,
}

const CREDENTIAL: &Need =
    &Need { name: "the credential, or a keyed hash of it", columns: &[Column::Fingerprint], of_failures: false };
const PLACE: &Need =
    &Need { name: "where the credential stood", columns: &[Column::CredentialPlace], of_failures: false };
const MESSAGE: &Need = &Need {
    name: "the gateway's own reason",
    columns: &[Column::GatewayMessage, Column::GatewayCode],
    of_failures: true,
};
const WHO: &Need = &Need {
    name: "the credential, or the consumer",
    columns: &[Column::Fingerprint, Column::Consumer],
    of_failures: false,
};
const CONSUMER: &Need = &Need { name: "the consumer", columns: &[Column::Consumer], of_failures: false };
const PATH: &Need = &Need { name: "the path", columns: &[Column::Path], of_failures: false };
const METHOD: &Need = &Need { name: "the method", columns: &[Column::Method], of_failures: false };
const ADDRESS: &Need = &Need { name: "the caller's address", columns: &[Column::ClientAddress], of_failures: false };
const AGENT: &Need = &Need { name: "the user agent", columns: &[Column::UserAgent], of_failures: false };
const MODEL: &Need = &Need { name: "the model", columns: &[Column::AiModel], of_failures: false };
const UPSTREAM: &Need =
    &Need { name: "the application's status", columns: &[Column::UpstreamStatus], of_failures: false };
const TENANT: &Need =
    &Need { name: "the tenant asked for", columns: &[Column::TenantAsked, Column::Path], of_failures: false };
const GATEWAY: &Need =
    &Need { name: "the gateway's name or region", columns: &[Column::Gateway, Column::Region], of_failures: false };

/// The facts that a cause is decided by. Status and time are in every event.
fn needs(cause: RootCause) -> &'static [&'static Need] {
    use RootCause as Cause;
    match cause {
        Cause::MissingCredential | Cause::UnknownKey | Cause::MalformedCredential => &[CREDENTIAL],
        Cause::NearMissCredential | Cause::RetiredKeyFormat | Cause::DuplicateCredential => &[CREDENTIAL],
        Cause::MisplacedCredential => &[CREDENTIAL, PLACE],
        Cause::WrongEnvironment => &[CREDENTIAL, GATEWAY],
        Cause::KeyExpired | Cause::KeyRevoked | Cause::KeyDisabled | Cause::KeySuperseded => &[CREDENTIAL],
        Cause::KeyNotYetActive | Cause::OrphanedKey | Cause::MappingConflict | Cause::PropagationLag => &[CREDENTIAL],
        Cause::UserDeactivated | Cause::UserDeleted | Cause::ServicePrincipalInvalid | Cause::FederationBroken => {
            &[WHO]
        }
        Cause::AccountSuspendedBilling | Cause::AccountSuspendedPolicy | Cause::AccountSuspendedAbuse => &[WHO],
        Cause::AccountArchived | Cause::ZombieAccess => &[WHO],
        Cause::QuotaExhausted | Cause::RouteNotGranted | Cause::WafBlocked => &[MESSAGE],
        Cause::IdentityProviderUnavailable | Cause::ClockSkew => &[MESSAGE],
        Cause::RateLimited | Cause::Undecidable => &[],
        Cause::TenantMismatch => &[CREDENTIAL, TENANT],
        Cause::ScopeMissing | Cause::RoleDowngraded => &[CREDENTIAL, METHOD, PATH],
        Cause::ModelNotGranted => &[CREDENTIAL, MODEL],
        Cause::IpNotAllowed => &[CREDENTIAL, ADDRESS],
        Cause::RegionNotAllowed => &[CREDENTIAL, GATEWAY],
        Cause::VersionRetired => &[METHOD, PATH],
        Cause::CredentialStripped => &[CREDENTIAL, ADDRESS, AGENT],
        Cause::UpstreamDenied => &[UPSTREAM],
        Cause::AnonymousFallback => &[CREDENTIAL, CONSUMER],
    }
}

/// What the sample was, and what it can tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coverage {
    pub lines: u64,
    pub events: u64,
    pub failures: u64,
    /// Lines by the format they were read as.
    pub formats: BTreeMap<String, u64>,
    /// Lines that could not be read, by reason.
    pub rejects: BTreeMap<String, u64>,
    /// Share of the causes that the fields can decide, 0 to 1.
    pub score: f64,
    pub decidable: Vec<&'static str>,
    pub undecidable: Vec<Undecidable>,
    pub advice: Vec<Advice>,
}

/// A cause that the sample's fields cannot decide, and the facts that it would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undecidable {
    pub cause: &'static str,
    pub missing: Vec<&'static str>,
}

/// A gateway setting, and the causes that it helps to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    pub format: String,
    pub column: &'static str,
    pub why: &'static str,
    pub snippet: &'static str,
    pub decides: Vec<&'static str>,
}

/// Judges a decoded sample.
#[must_use]
pub fn coverage(sample: &DecodedBatch, lines: u64) -> Coverage {
    let events = sample.decoded.events();
    let statuses = events.short(Column::Status).values();
    let failures: Vec<usize> = (0..events.len()).filter(|&row| statuses[row] >= 400).collect();
    let met = |need: &Need| {
        let all: Vec<usize> = (0..events.len()).collect();
        let rows = if need.of_failures { &failures } else { &all };
        need.columns.iter().any(|column| rows.iter().any(|&row| is_filled(events, *column, row)))
    };
    let mut decidable = Vec::new();
    let mut undecidable = Vec::new();
    let causes = || RootCause::ALL.iter().copied().filter(|cause| *cause != RootCause::Undecidable);
    for cause in causes() {
        let missing: Vec<&'static str> = needs(cause).iter().filter(|need| !met(need)).map(|need| need.name).collect();
        if missing.is_empty() {
            decidable.push(cause.name());
        } else {
            undecidable.push(Undecidable { cause: cause.name(), missing });
        }
    }
    let formats = count_texts(events.dict(Column::Format), events.len());
    let score = decidable.len() as f64 / causes().count().max(1) as f64;
    Coverage {
        lines,
        events: events.len() as u64,
        failures: failures.len() as u64,
        rejects: rejects(sample),
        advice: advise(&formats, &undecidable),
        formats,
        score: (score * 100.0).round() / 100.0,
        decidable,
        undecidable,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a path stands in every event, and an empty one is none")]
fn is_filled(events: &Events, column: Column, row: usize) -> bool {
    match column.kind() {
        ColumnKind::Dict => !events.dict(column).get(row).is_empty(),
        ColumnKind::Text => !events.text(column).value(row).is_empty(),
        _ => events.batch().column(column as usize).is_valid(row),
    }
}

fn count_texts(dict: crate::event::Dict<'_>, rows: usize) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in 0..rows {
        *counts.entry(dict.get(row).to_owned()).or_default() += 1;
    }
    counts
}

fn rejects(sample: &DecodedBatch) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let reasons = sample.rejects.column_by_name("reason");
    let texts = reasons.and_then(|column| arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).ok());
    let texts = texts.as_ref().and_then(|column| arrow::array::AsArray::as_string_opt::<i32>(column));
    for reason in texts.into_iter().flat_map(arrow::array::StringArray::iter).flatten() {
        *counts.entry(reason.to_owned()).or_default() += 1;
    }
    counts
}

/// Settings of the gateways that wrote the sample, which fill what is missing.
fn advise(formats: &BTreeMap<String, u64>, undecidable: &[Undecidable]) -> Vec<Advice> {
    let snippets =
        formats.keys().flat_map(|format| advice::snippets(format).iter().map(move |snippet| (format, snippet)));
    let fills = |column: &str, missing: &str| {
        let all =
            [CREDENTIAL, PLACE, MESSAGE, WHO, CONSUMER, PATH, METHOD, ADDRESS, AGENT, MODEL, UPSTREAM, TENANT, GATEWAY];
        let named = |need: &&&Need| need.name == missing && need.columns.iter().any(|own| own.name() == column);
        all.iter().any(|need| named(&need))
    };
    let advice = snippets.map(|(format, snippet)| {
        let helped = undecidable.iter().filter(|cause| cause.missing.iter().any(|name| fills(snippet.column, name)));
        Advice {
            format: format.clone(),
            column: snippet.column,
            why: snippet.why,
            snippet: snippet.text,
            decides: helped.map(|cause| cause.cause).collect(),
        }
    });
    advice.filter(|advice| !advice.decides.is_empty()).collect()
}

/// Every format that can be read, for the person whose lines were none.
#[must_use]
pub fn known_formats() -> Vec<&'static str> {
    Format::ALL.iter().map(|format| format.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{DecodeOptions, Decoder};
    use crate::frame::RawBatch;
    use crate::offsets::{Offset, Stream};
    use crate::secret::{Pepper, Schemes};

    fn of(lines: &[&str]) -> Coverage {
        let pepper = Pepper::new(b"a pepper for tests").unwrap();
        let mut raw = RawBatch::new(crate::time::rfc3339("2026-11-24T10:00:00Z").unwrap());
        let span = raw.open_span(Stream::new("test", "sample", 0), Offset(0));
        (0..).zip(lines).for_each(|(offset, line)| raw.push(span, offset, line.as_bytes()));
        let sample = Decoder::new(DecodeOptions::new(pepper)).decode(&raw, Schemes::default());
        coverage(&sample, lines.len() as u64)
    }

    #[test]
    fn what_the_fields_lack_is_named_and_mended_by_a_setting() {
        let silent = of(&[
            r#"{"event_at":"2026-11-24T09:00:00Z","method":"GET","path":"/v1/orders","status":401,"credential":"ck_live_0123456789abcdef0123456789abcdef"}"#,
            "not a log line",
        ]);
        assert_eq!((silent.events, silent.failures, silent.formats["canonical"]), (1, 1, 1));
        assert_eq!(silent.rejects.values().sum::<u64>(), 1);
        assert!(silent.decidable.contains(&"key_expired") && silent.decidable.contains(&"scope_missing"));
        let waf = silent.undecidable.iter().find(|cause| cause.cause == "waf_blocked").unwrap();
        assert_eq!(waf.missing, ["the gateway's own reason"]);
        let setting = silent.advice.iter().find(|advice| advice.column == "gateway_message").unwrap();
        assert!(setting.decides.contains(&"waf_blocked"));

        let hidden = of(&[
            r#"{"event_at":"2026-11-24T09:00:00Z","method":"GET","path":"/v1/orders","status":401,"gateway_message":"Unauthorized"}"#,
        ]);
        assert!(hidden.score < silent.score, "without credentials few causes can be decided");
        assert!(hidden.advice.iter().any(|advice| advice.column == "fingerprint"));
    }

    #[test]
    fn a_sample_that_nobody_can_read_decides_only_what_the_status_says() {
        let nothing = of(&["<html>", "{}"]);
        assert_eq!((nothing.events, nothing.lines), (0, 2));
        assert_eq!(nothing.decidable, ["rate_limited"]);
    }
}
