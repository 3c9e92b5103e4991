//! Minutes written as data, for the detectors: `tests/fixtures/detect/README.md` says how.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, ListArray, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Int32Type};
use claviger_core::cause::RootCause;
use claviger_core::detect::{DetectOptions, Entity, Finding, Minute, Names};
use claviger_core::geo::Place;
use claviger_core::minutes::{Distinct, EntityKind, MINUTE_SCHEMA, MINUTE_US, Sum, Sums};

use crate::support::repository;

/// The beginning of the world: 2026-01-05, a Monday.
pub(crate) const BEGINNING_US: i64 = 1_767_571_200_000_000;

/// What a file says.
pub(crate) struct Fixture {
    /// Entity and severity of the `# expects` line.
    pub expects: Option<(String, String)>,
    /// In order of time, then of entity.
    pub minutes: Vec<Minute>,
    pub names: Names,
}

/// What detection depends on in these worlds.
pub(crate) fn options() -> DetectOptions {
    DetectOptions {
        honey_keys: ["honey".to_owned()].into(),
        budgets: [("acme".to_owned(), 50_000_000)].into(),
        ..DetectOptions::default()
    }
}

/// Minutes as rows of `entity_minutes`, one a cause; distinct values stand in the first row of a minute.
pub(crate) fn rows(minutes: &[Minute]) -> RecordBatch {
    let all: Vec<(&Minute, Option<RootCause>, &Sums, bool)> = minutes
        .iter()
        .flat_map(|minute| {
            minute.causes.iter().enumerate().map(move |(at, (cause, sums))| (minute, *cause, sums, at == 0))
        })
        .collect();
    let text = |values: Vec<Option<&str>>| -> ArrayRef {
        let column: DictionaryArray<Int32Type> = values.into_iter().collect();
        Arc::new(column)
    };
    let filled = |value: &'_ str| if value.is_empty() { None } else { Some(value.to_owned()) };
    let owned =
        |of: &dyn Fn(&Minute) -> Option<String>| -> Vec<Option<String>> { all.iter().map(|row| of(row.0)).collect() };
    let tenant = owned(&|minute| match minute.entity.kind {
        EntityKind::Tenant => Some(minute.entity.name.clone()),
        _ => filled(&minute.entity.tenant),
    });
    let (name, principal) = (owned(&|minute| filled(&minute.entity.name)), owned(&|minute| filled(&minute.principal)));
    let texts = |values: &[Option<String>]| text(values.iter().map(Option::as_deref).collect());
    let at: Vec<i64> = all.iter().map(|row| row.0.minute_us).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(at).with_timezone("UTC")),
        text(all.iter().map(|row| Some(row.0.entity.kind.name())).collect()),
        texts(&name),
        texts(&tenant),
        texts(&principal),
        text(all.iter().map(|row| row.1.map(RootCause::name)).collect()),
    ];
    for &sum in Sum::ALL {
        columns.push(Arc::new(Int64Array::from_iter_values(all.iter().map(|row| row.2[sum]))));
    }
    let values = |row: &(&Minute, Option<RootCause>, &Sums, bool)| -> Vec<i64> {
        if row.3 { row.0.distinct.iter().map(|(kind, hash)| kind.packed(*hash)).collect() } else { Vec::new() }
    };
    let lists: Vec<Vec<i64>> = all.iter().map(values).collect();
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
    let item = match MINUTE_SCHEMA.field(columns.len()).data_type() {
        DataType::List(item) => Arc::clone(item),
        other => panic!("distinct values are no list but {other}"),
    };
    columns.push(Arc::new(ListArray::new(item, offsets, Arc::new(Int64Array::from(lists.concat())), None)));
    RecordBatch::try_new(Arc::clone(&MINUTE_SCHEMA), columns).expect("the columns of the schema")
}

pub(crate) fn folder() -> PathBuf {
    repository().join("tests/fixtures/detect")
}

pub(crate) fn read(detector: &str, file: &str) -> Fixture {
    let path = folder().join(detector).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Reads the text of such a file.
pub(crate) fn parse(text: &str) -> Result<Fixture, String> {
    let expects = text.lines().find_map(|line| line.strip_prefix("# expects: ")).and_then(|line| line.rsplit_once(' '));
    let mut minutes: BTreeMap<(i64, Entity), Minute> = BTreeMap::new();
    let mut names = Names::default();
    for line in text.lines().filter(|line| !line.starts_with('#')).skip(1).filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.splitn(7, ',').collect();
        let [at, times, every, entity, cause, sums, values] = cells[..] else { return Err(format!("cells: {line}")) };
        let (at_us, entity) = (instant(at)?, entity_of(entity)?);
        let (times, every) = (number(times)?, number(every)?);
        let cause =
            if cause.is_empty() { None } else { Some(RootCause::from_name(cause).ok_or(format!("cause: {line}"))?) };
        let sums = sums_of(sums)?;
        for repetition in 0..times {
            let minute_us = at_us + repetition * every * MINUTE_US;
            let minute =
                minutes.entry((minute_us, entity.clone())).or_insert_with(|| Minute::empty(minute_us, entity.clone()));
            minute.total += &sums;
            match minute.causes.binary_search_by_key(&cause, |(cause, _)| *cause) {
                Ok(at) => minute.causes[at].1 += &sums,
                Err(at) => minute.causes.insert(at, (cause, sums)),
            }
            for value in values.split_whitespace() {
                let value = value.replace("$n", &repetition.to_string()).replace('_', " ");
                let (kind, text) = value.split_once('=').ok_or(format!("value: {line}"))?;
                let kind = kind_named(kind).ok_or(format!("kind: {line}"))?;
                names.learn(text);
                let hash = match kind {
                    Distinct::Place => Place::parse(text).ok_or(format!("place: {line}"))?.packed(),
                    _ => Names::hash(text),
                };
                if let Err(at) = minute.distinct.binary_search(&(kind, hash)) {
                    minute.distinct.insert(at, (kind, hash));
                }
            }
        }
    }
    let expects = expects.map(|(entity, severity)| (entity.to_owned(), severity.to_owned()));
    Ok(Fixture { expects, minutes: minutes.into_values().collect(), names })
}

/// `3d04:15` after the beginning.
fn instant(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time such as 3d04:15");
    let (days, time) = text.split_once('d').ok_or_else(wrong)?;
    let (hours, minutes) = time.split_once(':').ok_or_else(wrong)?;
    Ok(BEGINNING_US + ((number(days)? * 24 + number(hours)?) * 60 + number(minutes)?) * MINUTE_US)
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn entity_of(text: &str) -> Result<Entity, String> {
    let (kind, name) = text.split_once(' ').ok_or(format!("`{text}` has no kind"))?;
    let kind = EntityKind::named(kind).ok_or(format!("`{kind}` is no kind of entity"))?;
    let tenant = if kind == EntityKind::Key { "acme" } else { "" };
    Ok(Entity { kind, name: name.to_owned(), tenant: tenant.to_owned() })
}

fn sums_of(text: &str) -> Result<Sums, String> {
    let mut sums = Sums::default();
    for pair in text.split_whitespace() {
        let (name, count) = pair.split_once('=').ok_or(format!("`{pair}` is no sum"))?;
        let sum = Sum::ALL.iter().find(|sum| sum.name() == name).ok_or(format!("`{name}` is no sum"))?;
        sums[*sum] += number(count)?;
    }
    sums[Sum::Requests] =
        [Sum::Served, Sum::Refused, Sum::ClientErrors, Sum::ServerErrors].map(|sum| sums[sum]).iter().sum();
    Ok(sums)
}

fn kind_named(name: &str) -> Option<Distinct> {
    Some(match name {
        "network" => Distinct::Network,
        "agent" => Distinct::Agent,
        "route" => Distinct::Route,
        "tenant" => Distinct::TenantAsked,
        "key" => Distinct::Key,
        "region" => Distinct::Region,
        "path" => Distinct::Path,
        "object" => Distinct::Object,
        "country" => Distinct::Country,
        "provider" => Distinct::Provider,
        "relay" => Distinct::Relay,
        "place" => Distinct::Place,
        "unknown key" => Distinct::UnknownKey,
        "failed account" => Distinct::FailedAccount,
        "forbidden" => Distinct::Forbidden,
        _ => return None,
    })
}

/// A finding as people review it.
pub(crate) fn described(finding: &Finding) -> String {
    let drivers: Vec<String> =
        finding.drivers.iter().map(|driver| format!("{} {}", driver.dimension, driver.value)).collect();
    format!(
        "{} · {}\n  quiet: {}\n  expected {:.3}, seen {} {}, score {:.1}\n  drivers: {}\n",
        finding.severity.name(),
        finding.summary,
        finding.quiet,
        finding.expected,
        finding.seen,
        finding.unit,
        finding.score,
        drivers.join(", ")
    )
}
