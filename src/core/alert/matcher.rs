//! Matchers with the meaning they have in Alertmanager: all of a list must hold, a label that is missing is empty, a
//! pattern must match the whole value.
//!
//! Patterns are regular expressions without look-around and back-references, matched in linear time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};

use super::AlertOptionError;

/// What an incident is known by. Never a count or a time: Alertmanager takes another label set for another alert.
pub type Labels = BTreeMap<&'static str, String>;

/// All labels that can be matched.
pub const LABELS: &[&str] =
    &["incident", "family", "detector", "tenant", "entity_kind", "entity", "cause", "owner", "severity", "status"];

/// A compiled pattern takes at most this much memory.
const PATTERN_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Debug)]
pub struct Matcher {
    label: &'static str,
    test: Test,
    /// What the test must say.
    holds: bool,
}

#[derive(Clone, Debug)]
enum Test {
    Is(String),
    Matches(Regex),
}

impl FromStr for Matcher {
    type Err = AlertOptionError;

    /// `tenant="acme"`, `family!="silence"`, `entity=~"k_.*"`, `cause!~"rate_limited|quota_exhausted"`; the quotes may
    /// be left out.
    fn from_str(text: &str) -> Result<Self, AlertOptionError> {
        let no_matcher = || AlertOptionError::NoMatcher { matcher: text.to_owned() };
        let at = text.find(['=', '!']).ok_or_else(no_matcher)?;
        let (label, rest) = text.split_at_checked(at).ok_or_else(no_matcher)?;
        let (holds, is_pattern, value) =
            [("=~", true, true), ("!~", false, true), ("!=", false, false), ("=", true, false)]
                .into_iter()
                .find_map(|(operator, holds, pattern)| Some((holds, pattern, rest.strip_prefix(operator)?)))
                .ok_or_else(no_matcher)?;
        let label = label.trim();
        let label = LABELS.iter().find(|known| **known == label);
        let label = label.ok_or_else(|| AlertOptionError::UnknownLabel {
            label: text.get(..at).unwrap_or_default().trim().to_owned(),
        })?;
        let value = unquoted(value.trim()).ok_or_else(no_matcher)?;
        let test = if is_pattern { Test::Matches(pattern(&value)?) } else { Test::Is(value) };
        Ok(Self { label, test, holds })
    }
}

/// The value between double quotes, `\"` and `\\` undone; as it is when it has none.
fn unquoted(text: &str) -> Option<String> {
    let Some(rest) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let inner = rest.strip_suffix('"')?;
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            '"' => return None,
            c => value.push(c),
        }
    }
    Some(value)
}

fn pattern(text: &str) -> Result<Regex, AlertOptionError> {
    RegexBuilder::new(&format!("^(?:{text})$")).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        AlertOptionError::BadPattern { pattern: text.to_owned(), reason }
    })
}

impl Matcher {
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(self.label).map_or("", String::as_str);
        let is = match &self.test {
            Test::Is(wanted) => value == wanted,
            Test::Matches(pattern) => pattern.is_match(value),
        };
        is == self.holds
    }
}

/// A list of which all must hold; the empty list holds always.
#[derive(Clone, Debug, Default)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// # Errors
    /// The first that is none.
    pub fn parse(texts: &[String]) -> Result<Self, AlertOptionError> {
        texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self)
    }

    #[must_use]
    pub fn hold(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Matcher { label, test, holds }) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match (test, holds) {
                (Test::Is(value), true) => write!(formatter, "{comma}{label}={value:?}")?,
                (Test::Is(value), false) => write!(formatter, "{comma}{label}!={value:?}")?,
                (Test::Matches(pattern), true) => write!(formatter, "{comma}{label}=~{:?}", pattern.as_str())?,
                (Test::Matches(pattern), false) => write!(formatter, "{comma}{label}!~{:?}", pattern.as_str())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_mean_what_they_mean_in_alertmanager() {
        let labels = Labels::from([("tenant", "acme".to_owned()), ("family", "theft".to_owned())]);
        for (matcher, holds) in [
            (r#"tenant="acme""#, true),
            ("tenant=acme", true),
            (r#"tenant != "acme""#, false),
            (r#"tenant=~"ac""#, false),
            (r#"tenant=~"ac.*|other""#, true),
            (r#"family!~"silence|volume""#, true),
            (r#"cause="""#, true),
            (r#"cause!="""#, false),
            (r#"cause=~".*""#, true),
            (r#"entity!~".+""#, true),
        ] {
            assert_eq!(matcher.parse::<Matcher>().unwrap().matches(&labels), holds, "{matcher}");
        }
        assert!(Matchers::default().hold(&labels));
        let both = [r#"tenant="acme""#.to_owned(), r#"family="volume""#.to_owned()];
        assert!(!Matchers::parse(&both).unwrap().hold(&labels), "all must hold");
    }

    #[test]
    fn what_is_no_matcher_is_named() {
        let fault = |text: &str| text.parse::<Matcher>().unwrap_err().to_string();
        assert!(fault("tenant").contains("is no matcher"));
        assert!(fault("tenant!acme").contains("is no matcher"));
        assert!(fault(r#"tenant="ac"#).contains("is no matcher"));
        assert!(fault(r#"team="ops""#).starts_with("`team` is none of the labels incident, family"));
        assert!(fault(r#"tenant=~"(""#).contains("unclosed group"));
        assert!(fault(r#"tenant=~"(a{1000}){1000}""#).contains("size"), "{}", fault(r#"tenant=~"(a{1000}){1000}""#));
    }
}
