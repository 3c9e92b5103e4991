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
    /// A value for every parameter, in the order of the header, each time followed by its date.
    ///
    /// # Errors
    /// A parameter that does not exist, is given twice, is missing, or has no value of its type.
    pub fn bind(&self, given: &[(String, String)], now: i64) -> Result<Vec<Binding>, ReportError> {
        self.know_all(given)?;
        let mut bindings = Vec::with_capacity(2 * self.parameters.len());
        for parameter in &self.parameters {
            let text = given.iter().find(|(name, _)| *name == parameter.name).map(|(_, text)| text.as_str());
            let value = self.value(parameter, text, now)?;
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

    fn value(&self, parameter: &Parameter, given: Option<&str>, now: i64) -> Result<Value, ReportError> {
        let Parameter { name, kind, default, meaning } = parameter;
        let text = match (given, default) {
            // A form that is sent with an empty field means the default.
            (Some(text), _) if !text.is_empty() => text,
            (_, Default::Text(text)) => text,
            (_, Default::Null) => return Ok(kind.null()),
            (_, Default::Required) => {
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
