//! Text with placeholders that an operator may write: `{severity}: {title}`. Nothing in it can be evaluated, and one that
//! is unknown is an error of the configuration, not a hole in a page.

use super::AlertOptionError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(&'static str),
}

impl Template {
    pub const PLACEHOLDERS: &'static [&'static str] = &[
        "action",
        "severity",
        "title",
        "summary",
        "incident",
        "tenant",
        "entity",
        "family",
        "cause",
        "owner",
        "since",
        "last_seen",
        "findings",
        "score",
        "runbook",
        "link",
    ];

    /// # Errors
    /// A placeholder that is none, or a brace that is not closed. `{{` and `}}` are plain braces.
    pub fn parse(text: &str) -> Result<Self, AlertOptionError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => plain.extend(chars.next()),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) if c.is_ascii_lowercase() || c == '_' => name.push(c),
                            Some(c) => {
                                return Err(AlertOptionError::UnknownPlaceholder { placeholder: format!("{name}{c}") });
                            }
                            None => return Err(AlertOptionError::OpenBrace),
                        }
                    }
                    let known = Self::PLACEHOLDERS.iter().find(|known| **known == name);
                    let known = known.ok_or(AlertOptionError::UnknownPlaceholder { placeholder: name })?;
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Placeholder(known));
                }
                c => plain.push(c),
            }
        }
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// The text with what `value` says in place of each placeholder. What is put in is not read again.
    #[must_use]
    pub fn fill(&self, value: impl Fn(&str) -> String) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Placeholder(name) => value(name),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_braces_can_be_written() {
        let filled = |text: &str| Template::parse(text).unwrap().fill(|name| format!("<{name} {{title}}>"));
        assert_eq!(filled("{severity}: {{x}}"), "<severity {title}>: {x}");
        assert_eq!(filled(""), "");
        assert_eq!(filled("no placeholder"), "no placeholder");
    }

    #[test]
    fn what_cannot_be_filled_is_an_error() {
        for (text, said) in [
            ("{sevrity}", "`sevrity` is none of the placeholders action, severity"),
            ("{title", "a brace is not closed"),
            ("{}", "`` is none of"),
            ("{{title} {title.upper}", "`title.` is none of"),
        ] {
            let fault = Template::parse(text).unwrap_err().to_string();
            assert!(fault.starts_with(said), "{text}: {fault}");
        }
    }
}
