//! What the person probably meant.

/// For a column that does not exist.
pub(super) fn for_column<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(wanted, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`select * from information_schema.columns` lists the columns of every table".to_owned(),
    }
}

/// For any other complaint of the planner: a table that does not exist is the usual one.
pub(super) fn for_message(message: &str, tables: &[String]) -> String {
    let unknown = message.strip_prefix("table '").and_then(|rest| rest.split('\'').next());
    match unknown.and_then(|name| name.rsplit('.').next()) {
        Some(name) => match nearest(name, tables.iter().map(String::as_str)) {
            Some(table) => format!("did you mean `{table}`?"),
            None => format!("the tables are {}", tables.join(", ")),
        },
        None => "one SELECT statement; the message says where it is not understood".to_owned(),
    }
}

/// The name with the fewest edits, if they are few.
fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > NAME_BYTES_MAX {
        return None;
    }
    let allowed = 1 + wanted.chars().count() / 4;
    known.map(|name| (edits(wanted, name), name)).filter(|(edits, _)| *edits <= allowed).min().map(|(_, name)| name)
}

/// Levenshtein's distance.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, from) in from.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

const NAME_BYTES_MAX: usize = 64;
