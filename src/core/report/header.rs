//! The comment lines above a statement, read once.

use super::parameter::{Default, Kind, Parameter};
use super::{Chart, Column, ColumnKind, Group, Report, Shape};

/// What is wrong with a line.
pub(super) type Problem = String;

/// An instant for trying defaults out: any will do.
const SOME_DAY_US: i64 = 1_795_500_000_000_000;

const NAME_CHARS_MAX: usize = 40;

#[derive(Default)]
struct Header {
    title: Option<String>,
    question: Option<String>,
    group: Option<Group>,
    parameters: Vec<Parameter>,
    columns: Vec<Column>,
    chart: Option<Chart>,
}

/// A report of this text, or the line (from 1) where it is wrong and how.
pub(super) fn parse(name: &str, text: &str) -> Result<Report, (usize, Problem)> {
    if !is_name(name, '-') {
        return Err((1, format!("`{name}` is no name for a report: use small letters, digits and `-`")));
    }
    let mut header = Header::default();
    let mut end = 1;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(comment) = line.strip_prefix("--") else { break };
        end = number;
        header.take(comment.trim()).map_err(|problem| (number, problem))?;
    }
    header.finish(name, text).map_err(|problem| (end, problem))
}

impl Header {
    fn take(&mut self, line: &str) -> Result<(), Problem> {
        let (word, rest) = line.split_once(':').ok_or("the header takes lines of the form `-- word: …` only")?;
        let rest = rest.trim();
        match word {
            "title" => once(&mut self.title, word, some_text(rest)?),
            "question" => once(&mut self.question, word, some_text(rest)?),
            "group" => {
                let known = || format!("`{rest}` is no group; groups are {}", names(Group::ALL, Group::name));
                once(&mut self.group, word, Group::named(rest).ok_or_else(known)?)
            }
            "parameter" => {
                let parameter = parameter(rest)?;
                if self.parameters.iter().any(|other| other.name == parameter.name) {
                    return Err(format!("the parameter `{}` is there already", parameter.name));
                }
                self.parameters.push(parameter);
                Ok(())
            }
            "column" => {
                let column = column(rest)?;
                if self.columns.iter().any(|other| other.name == column.name) {
                    return Err(format!("the column `{}` is there already", column.name));
                }
                self.columns.push(column);
                Ok(())
            }
            "chart" => once(&mut self.chart, word, chart(rest)?),
            other => Err(format!(
                "`{other}` is no word of a header; words are title, question, group, parameter, column, chart"
            )),
        }
    }

    fn finish(self, name: &str, text: &str) -> Result<Report, Problem> {
        if self.columns.is_empty() {
            return Err("the header lacks its columns".to_owned());
        }
        for drawn in
            self.chart.iter().flat_map(|chart| [Some(&chart.x), Some(&chart.y), chart.series.as_ref()]).flatten()
        {
            if !self.columns.iter().any(|column| column.name == *drawn) {
                return Err(format!("the chart draws `{drawn}`, which is no column"));
            }
        }
        Ok(Report {
            name: name.to_owned(),
            title: self.title.ok_or("the header lacks its title")?,
            question: self.question.ok_or("the header lacks its question")?,
            group: self.group.ok_or("the header lacks its group")?,
            parameters: self.parameters,
            columns: self.columns,
            chart: self.chart,
            sql: text.to_owned(),
        })
    }
}

/// `name type default "meaning"`.
fn parameter(line: &str) -> Result<Parameter, Problem> {
    let ([name, kind, default], meaning) = words_and_meaning(line, r#"a parameter is `name type default "meaning"`"#)?;
    if !is_name(name, '_') {
        return Err(format!("`{name}` is no name for a parameter: use small letters, digits and `_`"));
    }
    let kind = Kind::parse(kind)?;
    let default = match default {
        "required" => Default::Required,
        "null" => Default::Null,
        text if kind.value(text, SOME_DAY_US).is_some() => Default::Text(text.to_owned()),
        text => return Err(format!("the default `{text}` is not {}", kind.wanted())),
    };
    Ok(Parameter { name: name.to_owned(), kind, default, meaning: meaning.to_owned() })
}

/// `name type unit "meaning"`.
fn column(line: &str) -> Result<Column, Problem> {
    let ([name, kind, unit], meaning) =
        words_and_meaning(line, r#"a column is `name type unit "meaning"`, `-` for no unit"#)?;
    if !is_name(name, '_') {
        return Err(format!("`{name}` is no name for a column: use small letters, digits and `_`"));
    }
    let unknown = || format!("`{kind}` is no type of column; types are {}", names(ColumnKind::ALL, ColumnKind::name));
    let kind = ColumnKind::named(kind).ok_or_else(unknown)?;
    let unit = (unit != "-").then(|| unit.to_owned());
    if unit.is_none() && matches!(kind, ColumnKind::Integer | ColumnKind::Number) {
        return Err(format!("`{name}` is a number without a unit"));
    }
    Ok(Column { name: name.to_owned(), kind, unit, meaning: meaning.to_owned() })
}

/// `shape x=column y=column series=column`, the last if there is one.
fn chart(line: &str) -> Result<Chart, Problem> {
    let mut words = line.split_ascii_whitespace();
    let shape = words.next().and_then(Shape::named);
    let shape = shape.ok_or_else(|| format!("a chart begins with its shape: {}", names(Shape::ALL, Shape::name)))?;
    let (mut x, mut y, mut series) = (None, None, None);
    for word in words {
        match word.split_once('=') {
            Some(("x", column)) => once(&mut x, "x", column.to_owned())?,
            Some(("y", column)) => once(&mut y, "y", column.to_owned())?,
            Some(("series", column)) => once(&mut series, "series", column.to_owned())?,
            Some(_) | None => return Err(format!("`{word}` is none of x=…, y=… and series=…")),
        }
    }
    Ok(Chart { shape, x: x.ok_or("the chart lacks x=…")?, y: y.ok_or("the chart lacks y=…")?, series })
}

/// Three words, then a text in quotes.
fn words_and_meaning<'a>(line: &'a str, form: &str) -> Result<([&'a str; 3], &'a str), Problem> {
    let split = || {
        let (words, quoted) = line.split_once('"')?;
        let meaning = quoted.strip_suffix('"').filter(|meaning| !meaning.trim().is_empty())?;
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        Some((<[&str; 3]>::try_from(words).ok()?, meaning))
    };
    split().ok_or_else(|| form.to_owned())
}

fn once<T>(slot: &mut Option<T>, word: &str, value: T) -> Result<(), Problem> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{word}` is there already")),
    }
}

fn some_text(text: &str) -> Result<String, Problem> {
    if text.is_empty() { Err("there is nothing after the colon".to_owned()) } else { Ok(text.to_owned()) }
}

/// A small letter first, then small letters, digits and `joint`.
fn is_name(text: &str, joint: char) -> bool {
    text.len() <= NAME_CHARS_MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == joint)
}

fn names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    all.iter().map(|&each| name(each)).collect::<Vec<_>>().join(", ")
}
