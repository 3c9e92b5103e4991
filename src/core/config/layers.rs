//! One table out of three layers: defaults, the operator's file, the environment.
//!
//! The defaults name every option, so they decide what a known key is and which type the text of a
//! variable is read as. Only tables named in [`FREE`] take keys of their own.

use toml::{Table, Value};

use super::ConfigError;

/// Where a variable's name ends and the option's begins: `CLAVIGER__LAKE__URI` is `lake.uri`.
pub const VARIABLE_PREFIX: &str = "CLAVIGER__";

/// Tables whose keys belong to someone else.
const FREE: &[&str] = &["kafka.options", "detect.budgets", "serve.oidc.roles"];

/// Lays `file` over `base`. A key that `base` does not have is an error.
pub(super) fn lay_over(base: &mut Table, file: Table, path: &str) -> Result<(), ConfigError> {
    for (key, value) in file {
        let here = join(path, &key);
        if FREE.contains(&path) {
            flatten(base, &key, value);
            continue;
        }
        let Some(slot) = base.get_mut(&key) else {
            return Err(ConfigError::UnknownKey {
                nearest: nearest(&key, base).map(|near| join(path, near)),
                key: here,
            });
        };
        match (slot, value) {
            (Value::Table(inner), Value::Table(value)) => lay_over(inner, value, &here)?,
            (Value::Table(_), _) => return Err(ConfigError::wrong(here, "is a section, not a value")),
            (slot, value) => *slot = value,
        }
    }
    Ok(())
}

/// Keys of free tables contain dots, which TOML reads as tables unless they are quoted: both spellings
/// come out the same.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is the library's: all but tables are scalars")]
fn flatten(base: &mut Table, key: &str, value: Value) {
    match value {
        Value::Table(inner) => inner.into_iter().for_each(|(part, value)| flatten(base, &join(key, &part), value)),
        value => _ = base.insert(key.to_owned(), Value::String(scalar_text(&value))),
    }
}

fn scalar_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Lays one variable over `base`. Variables without [`VARIABLE_PREFIX`] are not ours and change nothing.
pub(super) fn lay_variable(base: &mut Table, name: &str, text: &str) -> Result<(), ConfigError> {
    let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { return Ok(()) };
    let path = rest.split("__").map(str::to_ascii_lowercase).collect::<Vec<_>>();
    let unknown = |nearest: Option<String>| ConfigError::UnknownKey { key: name.to_owned(), nearest };

    let (key, sections) = path.split_last().ok_or_else(|| unknown(None))?;
    let mut table = base;
    for (depth, section) in sections.iter().enumerate() {
        let near = nearest(section, table).map(|near| variable_of(&path[..depth], near));
        table = table.get_mut(section).and_then(Value::as_table_mut).ok_or_else(|| unknown(near))?;
    }
    if FREE.contains(&sections.join(".").as_str()) {
        table.insert(key.replace('_', "."), Value::String(text.to_owned()));
        return Ok(());
    }
    let near = nearest(key, table).map(|near| variable_of(sections, near));
    let slot = table.get_mut(key).filter(|slot| !slot.is_table()).ok_or_else(|| unknown(near))?;
    *slot = typed_like(slot, text);
    Ok(())
}

/// A text where the option holds text, else a TOML value, a list also as `a,b`. Text that is neither stays
/// text: reading it into its type later names the option.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is the library's: the rest is written as in a file")]
fn typed_like(default: &Value, text: &str) -> Value {
    let parsed =
        || toml::from_str::<Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    match default {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => parsed().unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

fn variable_of(sections: &[String], key: &str) -> String {
    let parts = sections.iter().map(String::as_str).chain([key]).collect::<Vec<_>>();
    format!("{VARIABLE_PREFIX}{}", parts.join("__").to_ascii_uppercase())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The known key that `key` most likely was meant to be: at most a third of its letters differ.
fn nearest<'a>(key: &str, known: &'a Table) -> Option<&'a str> {
    let candidates = known.keys().map(|candidate| (edits(key, candidate), candidate.as_str()));
    let (distance, best) = candidates.min()?;
    (distance <= (best.chars().count() / 3).max(1)).then_some(best)
}

/// Levenshtein distance.
fn edits(left: &str, right: &str) -> usize {
    let right = right.chars().collect::<Vec<_>>();
    let mut row = (0..=right.len()).collect::<Vec<_>>();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
