//! Following a table's log: which files of which commit hold new rows, in which order, and where to go on.
//!
//! Promise: every file of new rows is shown once, and commits in the order of their versions. What compaction rewrites
//! is not new, and what a foreign tool rewrites (an update, an erasure) was shown when it came: a commit that takes rows
//! away brings none.
//!
//! What it does not do: read anything. The shell brings the text of a commit and opens the files that are named here.

use std::collections::{HashSet, VecDeque};

use serde::Deserialize;

use super::TableName;
use crate::fault::{Blame, Fault};

/// What a follower needs of one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCommit {
    pub version: u64,
    /// When its writer made it, UTC microseconds; 0 where it does not say.
    pub at_us: i64,
    /// Files of rows that were not in the table before, in the order of the log.
    pub files: Vec<NewFile>,
    /// Application transactions: streams, and the next offset of each.
    pub moved: Vec<(String, i64)>,
}

/// A file, relative to its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    pub path: String,
    pub bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<AddLine>,
    remove: Option<RemoveLine>,
    txn: Option<TxnLine>,
    commit_info: Option<InfoLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddLine {
    path: String,
    size: u64,
    data_change: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoveLine {
    data_change: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TxnLine {
    app_id: String,
    version: i64,
}

#[derive(Deserialize)]
struct InfoLine {
    timestamp: Option<i64>,
}

impl LogCommit {
    /// Reads the text of a commit: a line of JSON for each action.
    ///
    /// # Errors
    /// A line is none of Delta's actions, or there is no line: the commit was torn.
    pub fn read(table: TableName, version: u64, text: &[u8]) -> Result<Self, TailError> {
        let mut commit = Self { version, ..Self::default() };
        let (mut takes_away, mut lines) = (false, 0);
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let line: Line = serde_json::from_slice(line).map_err(|_| TailError::Torn { table, version })?;
            lines += 1;
            takes_away |= line.remove.is_some_and(|remove| remove.data_change);
            let added = line.add.filter(|add| add.data_change);
            commit.files.extend(added.map(|add| NewFile { path: add.path, bytes: add.size }));
            commit.moved.extend(line.txn.map(|txn| (txn.app_id, txn.version)));
            if let Some(at_ms) = line.commit_info.and_then(|info| info.timestamp) {
                commit.at_us = at_ms.saturating_mul(1_000);
            }
        }
        if lines == 0 {
            return Err(TailError::Torn { table, version });
        }
        if takes_away {
            commit.files.clear();
        }
        Ok(commit)
    }
}

/// What has been judged: the versions that come next, and the end of the last minute that was closed.
///
/// The state of detection is a function of it: entity minutes below the versions, of which those before `closed_us` were
/// judged and the others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The next version of `events`.
    pub events: u64,
    /// The next version of `entity_minutes`.
    pub minutes: u64,
    /// UTC microseconds; 0 before the first minute.
    pub closed_us: i64,
}

/// Where in a table's log a follower stands.
#[derive(Clone, Debug)]
pub struct Tail {
    table: TableName,
    next: u64,
    /// Never goes back, whatever clocks writers have.
    at_us: i64,
    /// Files of the last commits: a commit that is made again, under another version, adds them again.
    shown: HashSet<String>,
    order: VecDeque<String>,
}

/// Longer than any writer goes on trying to commit the same files.
const SHOWN_MAX: usize = 4_096;

impl Tail {
    /// Follows from version `next` on.
    #[must_use]
    pub fn from(table: TableName, next: u64) -> Self {
        Self { table, next, at_us: 0, shown: HashSet::new(), order: VecDeque::new() }
    }

    #[must_use]
    pub const fn table(&self) -> TableName {
        self.table
    }

    /// The version to read next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// When the last commit that was taken was made, UTC microseconds; 0 before the first.
    #[must_use]
    pub const fn at_us(&self) -> i64 {
        self.at_us
    }

    /// Whether the log may go on without the next version: `listed` are the versions from it on that the log has.
    ///
    /// # Errors
    /// Later versions are there and the next one is not: the log was cleaned up before it was read.
    pub fn check(&self, listed: impl IntoIterator<Item = u64>) -> Result<u64, TailError> {
        let (mut behind, mut oldest) = (0, None);
        for version in listed.into_iter().filter(|version| *version >= self.next) {
            behind += 1;
            oldest = Some(oldest.map_or(version, |oldest: u64| oldest.min(version)));
        }
        match oldest {
            Some(oldest) if oldest > self.next => {
                Err(TailError::Gone { table: self.table, from: self.next, to: oldest })
            }
            Some(_) | None => Ok(behind),
        }
    }

    /// Takes the next commit. Its files are those to show.
    ///
    /// # Errors
    /// It is not the next one.
    pub fn take(&mut self, mut commit: LogCommit) -> Result<LogCommit, TailError> {
        if commit.version != self.next {
            return Err(TailError::Gone { table: self.table, from: self.next, to: commit.version });
        }
        self.next += 1;
        self.at_us = self.at_us.max(commit.at_us);
        commit.at_us = self.at_us;
        commit.files.retain(|file| self.shown.insert(file.path.clone()));
        self.order.extend(commit.files.iter().map(|file| file.path.clone()));
        while self.order.len() > SHOWN_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.shown.remove(&oldest);
            }
        }
        Ok(commit)
    }
}

/// Why a log cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TailError {
    #[error("versions {from} to {} of table `{table}` are gone before their rows were judged", to - 1)]
    Gone { table: TableName, from: u64, to: u64 },
    #[error("version {version} of table `{table}` is torn: the machine stopped while it was written")]
    Torn { table: TableName, version: u64 },
}

impl Fault for TailError {
    fn hint(&self) -> String {
        match self {
            Self::Gone { .. } => {
                "detection was away for longer than the lake keeps its log: start it once with `--skip-unjudged`, which \
                 learns those rows as past and judges what comes from now on"
                    .to_owned()
            }
            Self::Torn { table, version } => {
                format!("its rows will be read again: move `{table}/_delta_log/{version:020}.json` away and start anew")
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Gone { .. } => Blame::Operator,
            Self::Torn { .. } => Blame::Data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: u64, lines: &[&str]) -> LogCommit {
        LogCommit::read(TableName::Events, version, lines.join("\n").as_bytes()).expect("a commit")
    }

    fn paths(commit: &LogCommit) -> Vec<&str> {
        commit.files.iter().map(|file| file.path.as_str()).collect()
    }

    const ADD_A: &str = r#"{"add":{"path":"a","size":7,"dataChange":true,"partitionValues":{}}}"#;
    const ADD_B: &str = r#"{"add":{"path":"b","size":9,"dataChange":true}}"#;
    const ADD_OLD: &str = r#"{"add":{"path":"ab","size":16,"dataChange":false}}"#;
    const REMOVE_OLD: &str = r#"{"remove":{"path":"a","dataChange":false}}"#;
    const REMOVE: &str = r#"{"remove":{"path":"a","dataChange":true}}"#;
    const TXN: &str = r#"{"txn":{"appId":"claviger/main/c/t/0","version":12}}"#;
    const INFO: &str = r#"{"commitInfo":{"timestamp":1700000000000,"operation":"STREAMING UPDATE"}}"#;

    #[test]
    fn a_commit_shows_its_new_files_and_how_far_streams_came() {
        let commit = read(3, &[INFO, ADD_A, TXN, ADD_B, ""]);
        assert_eq!(paths(&commit), ["a", "b"]);
        assert_eq!(commit.moved, [("claviger/main/c/t/0".to_owned(), 12)]);
        assert_eq!((commit.version, commit.at_us), (3, 1_700_000_000_000_000));
    }

    #[test]
    fn what_compaction_or_an_erasure_writes_is_shown_to_nobody() {
        assert!(read(4, &[REMOVE_OLD, ADD_OLD]).files.is_empty());
        assert!(read(5, &[REMOVE, ADD_B]).files.is_empty());
    }

    #[test]
    fn a_torn_commit_is_no_empty_one() {
        for text in ["", "\n", r#"{"add":{"path":"a""#] {
            let torn = Err(TailError::Torn { table: TableName::Events, version: 8 });
            assert_eq!(LogCommit::read(TableName::Events, 8, text.as_bytes()), torn, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_committed_twice_is_shown_once() {
        let mut tail = Tail::from(TableName::Events, 1);
        assert_eq!(paths(&tail.take(read(1, &[ADD_A])).unwrap()), ["a"]);
        assert_eq!(paths(&tail.take(read(2, &[ADD_A, ADD_B])).unwrap()), ["b"]);
        assert_eq!(tail.next(), 3);
    }

    #[test]
    fn versions_come_in_order_or_not_at_all() {
        let mut tail = Tail::from(TableName::Events, 7);
        let gone = Err(TailError::Gone { table: TableName::Events, from: 7, to: 9 });
        assert_eq!(tail.take(read(9, &[ADD_A])), gone);
        assert_eq!(tail.check([9, 10]), gone.map(|_| 0));
        assert_eq!(tail.check([7, 8]), Ok(2));
        assert_eq!(tail.check([5, 6]), Ok(0), "nothing new yet");
        assert_eq!(tail.next(), 7, "what was refused moves nothing");
    }

    #[test]
    fn a_writer_whose_clock_is_behind_takes_no_time_back() {
        let mut tail = Tail::from(TableName::Events, 0);
        tail.take(LogCommit { version: 0, at_us: 50, ..LogCommit::default() }).unwrap();
        let behind = tail.take(LogCommit { version: 1, at_us: 40, ..LogCommit::default() }).unwrap();
        assert_eq!((behind.at_us, tail.at_us()), (50, 50));
    }
}
