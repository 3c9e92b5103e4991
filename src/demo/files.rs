//! The same story as files: access logs, the identity folders with their history, and the truth. For `replay`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::DemoError;
use super::company::{Company, Instant};
use super::identity::IdentityFolders;
use super::lines::{Names, put_line};
use super::routes::Gateway;
use super::story::{Plan, Step, Story};
use super::truth::{Score, Seal};

/// What [`write_files`] made.
#[derive(Debug)]
pub struct Written {
    pub identity: IdentityFolders,
    /// One file a gateway, in the order of [`Gateway::ALL`].
    pub logs: Vec<PathBuf>,
    pub rows: u64,
    /// What was scripted; [`Score::mark`] it with what a pipeline says.
    pub score: Score,
    pub seal: Seal,
}

/// Writes at most `rows` log lines of the story that `plan` makes, and all that explains them.
///
/// # Errors
/// The disk.
pub fn write_files(folder: &Path, plan: Plan, rows: u64) -> Result<Written, DemoError> {
    std::fs::create_dir_all(folder).map_err(|source| DemoError::unwritable(folder, source))?;
    let mut story = Story::new(plan);
    let names = Names::of(story.company());
    let mut versions: Vec<(Instant, Company)> = vec![(plan.timeline.begin, story.company().clone())];
    let logs: Vec<PathBuf> =
        Gateway::ALL.iter().map(|gateway| folder.join(format!("{}.ndjson", gateway.name()))).collect();
    let create = |path: &PathBuf| File::create(path).map_err(|source| DemoError::unwritable(path, source));
    let mut files = logs.iter().map(|path| Ok(BufWriter::new(create(path)?))).collect::<Result<Vec<_>, DemoError>>()?;

    let (mut score, mut written, mut line) = (Score::default(), 0, String::new());
    while written < rows {
        match story.next() {
            Some(Step::Request(request, truth)) => {
                line.clear();
                put_line(&mut line, &request, &names);
                line.push('\n');
                let place = request.gateway as usize;
                files[place]
                    .write_all(line.as_bytes())
                    .map_err(|source| DemoError::unwritable(&logs[place], source))?;
                score.scripted(truth);
                written += 1;
            }
            Some(Step::IdentityChanged { at }) => versions.push((at, story.company().clone())),
            None => break,
        }
    }
    for (file, path) in files.iter_mut().zip(&logs) {
        file.flush().map_err(|source| DemoError::unwritable(path, source))?;
    }
    let identity = IdentityFolders::under(folder);
    identity.write_history(&versions)?;
    let mut by_cause = BTreeMap::new();
    for (truth, mark) in &score.incidents {
        *by_cause.entry(truth.cause.map_or("", |cause| cause.name())).or_insert(0) += mark.scripted;
    }
    let truth = serde_json::json!({ "rows": written, "scripted": by_cause });
    let path = folder.join("truth.json");
    std::fs::write(&path, format!("{truth:#}\n")).map_err(|source| DemoError::unwritable(&path, source))?;
    Ok(Written { identity, logs, rows: written, score, seal: story.seal() })
}
