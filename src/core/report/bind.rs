//! What was given, and the defaults for the rest, as typed values under the names that the statement uses.

use super::parameter::{Default, Parameter};
use super::{Report, ReportError};
use crate::time;

/// A typed value, or the typed absence of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// UTC microseconds.
    Time(Option<i64>),
    /// Microseconds.
    Duration(Option<i64>),
    Text(Option<String>),
    Integer(Option<i64>),
    Number(Option<f64>),
    Boolean(Option<bool>),
}

/// One value under its name, without the `$`.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub name: String,
    pub value: Value,
}

/// What the date of a time parameter is called.
const DATE_SUFFIX: &str = "_date";

impl Report {
    /// A value for every parameter, in the order of the header, each time followed by its date. Where `to` is given,
    /// defaults count from it and not from `now`: the last day before an instant is asked for by that instant alone.
    ///
    /// # Errors
    /// A parameter that does not exist, is given twice, is missing, or has no value of its type.
    pub fn bind(&self, given: &[(String, String)], now: i64) -> Result<Vec<Binding>, ReportError> {
        self.know_all(given)?;
        let text_of = |name: &str| {
            let given = given.iter().find(|(other, _)| other == name).map(|(_, text)| text.as_str());
            // A form that is sent with an empty field means the default.
            given.filter(|text| !text.is_empty())
        };
        let end = match self.parameter("to").map(|to| self.value(to, text_of("to"), now, now)).transpose()? {
            Some(Value::Time(Some(end))) => end,
            _ => now,
        };
        let mut bindings = Vec::with_capacity(2 * self.parameters.len());
        for parameter in &self.parameters {
            let value = self.value(parameter, text_of(&parameter.name), now, end)?;
            let date = match &value {
                Value::Time(at) => Some(Value::Text(at.map(time::date))),
                Value::Duration(_) | Value::Text(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => None,
            };
            bindings.push(Binding { name: parameter.name.clone(), value });
            let name = format!("{}{DATE_SUFFIX}", parameter.name);
            bindings.extend(date.map(|value| Binding { name, value }));
        }
        let at = |name: &str| bindings.iter().find(|binding| binding.name == name).map(|binding| &binding.value);
        match (at("from"), at("to")) {
            (Some(Value::Time(Some(from))), Some(Value::Time(Some(to)))) if from >= to => Err(ReportError::EmptyPeriod),
            _ => Ok(bindings),
        }
    }

    fn know_all(&self, given: &[(String, String)]) -> Result<(), ReportError> {
        for (position, (name, _)) in given.iter().enumerate() {
            if self.parameter(name).is_none() {
                return Err(ReportError::NoSuchParameter {
                    report: self.name.clone(),
                    parameter: name.clone(),
                    known: self.parameters.iter().map(|parameter| parameter.name.clone()).collect(),
                });
            }
            if given[..position].iter().any(|(other, _)| other == name) {
                return Err(ReportError::GivenTwice { parameter: name.clone() });
            }
        }
        Ok(())
    }

    /// What is given counts from `now`, a default from `end`.
    fn value(&self, parameter: &Parameter, given: Option<&str>, now: i64, end: i64) -> Result<Value, ReportError> {
        let Parameter { name, kind, default, meaning } = parameter;
        let (text, now) = match (given, default) {
            (Some(text), _) => (text, now),
            (None, Default::Text(text)) => (text.as_str(), end),
            (None, Default::Null) => return Ok(kind.null()),
            (None, Default::Required) => {
                let (report, parameter, meaning) = (self.name.clone(), name.clone(), meaning.clone());
                return Err(ReportError::Required { report, parameter, meaning });
            }
        };
        kind.value(text, now).ok_or_else(|| ReportError::BadValue {
            parameter: name.clone(),
            wanted: kind.wanted(),
            example: kind.example(),
        })
    }
}
