//! Which small files to join. A plan joins files of one date, so that a joined file is a partition's file, and
//! names the rows it must keep: the writer counts what it wrote and refuses to commit a difference.

/// A data file that is live in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    pub path: String,
    /// The partition value.
    pub date: String,
    pub bytes: u64,
    pub rows: u64,
    /// When the file was written, UTC microseconds.
    pub modified_at: i64,
}

#[derive(Clone, Copy, Debug)]
pub struct CompactionLimits {
    /// Files of at least this size are left alone.
    pub small_bytes: u64,
    /// A joined file takes in at most this much: what bounds the memory of a run.
    pub joined_bytes_max: u64,
    /// Fewer files than this are not worth a commit.
    pub files_min: usize,
    /// Files of a date that is still filling are joined once they are this old.
    pub settled_after_us: i64,
}

impl Default for CompactionLimits {
    fn default() -> Self {
        Self { small_bytes: 32 << 20, joined_bytes_max: 128 << 20, files_min: 4, settled_after_us: 10 * 60 * 1_000_000 }
    }
}

/// Files to replace by one, and what it must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactionPlan {
    pub date: String,
    pub paths: Vec<String>,
    pub rows: u64,
}

/// Groups the small files of each date into joined files of bounded size, oldest dates first.
///
/// A file qualifies when its date is over at `now`, or when it is older than
/// [`CompactionLimits::settled_after_us`]: what was written a moment ago is left to readers that just
/// planned to open it.
#[must_use]
pub fn plan_compaction(files: &[StoredFile], now_us: i64, limits: &CompactionLimits) -> Vec<CompactionPlan> {
    let today = super::partition_date(now_us);
    let mut small: Vec<&StoredFile> = files
        .iter()
        .filter(|file| file.bytes < limits.small_bytes)
        .filter(|file| file.date < today || now_us - file.modified_at >= limits.settled_after_us)
        .collect();
    small.sort_by(|a, b| (&a.date, a.modified_at, &a.path).cmp(&(&b.date, b.modified_at, &b.path)));

    let mut plans = Vec::new();
    for same_date in small.chunk_by(|a, b| a.date == b.date) {
        let mut group: Vec<&StoredFile> = Vec::new();
        let mut bytes = 0;
        for &file in same_date {
            if bytes + file.bytes > limits.joined_bytes_max {
                plans.extend(join(&std::mem::take(&mut group), limits));
                bytes = 0;
            }
            bytes += file.bytes;
            group.push(file);
        }
        plans.extend(join(&group, limits));
    }
    plans
}

fn join(group: &[&StoredFile], limits: &CompactionLimits) -> Option<CompactionPlan> {
    (group.len() >= limits.files_min.max(2)).then(|| CompactionPlan {
        date: group[0].date.clone(),
        paths: group.iter().map(|file| file.path.clone()).collect(),
        rows: group.iter().map(|file| file.rows).sum(),
    })
}

/// A rewrite would not hold the rows of what it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rewrite of {removed} rows holds {added}")]
pub struct RowsChanged {
    pub removed: u64,
    pub added: u64,
}

/// The last check before a rewrite is committed, and what an auditor asks of every one in the log.
///
/// # Errors
/// When a row was lost or doubled.
pub const fn assert_rows_kept(removed: u64, added: u64) -> Result<(), RowsChanged> {
    if removed == added { Ok(()) } else { Err(RowsChanged { removed, added }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;
    const NOW: i64 = 20 * DAY + DAY / 2;

    fn file(name: &str, day: i64, age_us: i64, bytes: u64) -> StoredFile {
        StoredFile {
            path: name.to_owned(),
            date: super::super::partition_date(day * DAY),
            bytes,
            rows: bytes,
            modified_at: NOW - age_us,
        }
    }

    fn plans(files: &[StoredFile]) -> Vec<Vec<String>> {
        let limits = CompactionLimits { small_bytes: 50, joined_bytes_max: 100, files_min: 2, settled_after_us: 1_000 };
        plan_compaction(files, NOW, &limits).into_iter().map(|plan| plan.paths).collect()
    }

    #[test]
    fn only_settled_small_files_of_one_date_are_joined() {
        let files = [
            file("today-new", 20, 10, 10),
            file("today-old-1", 20, 2_000, 10),
            file("today-old-2", 20, 1_500, 10),
            file("large", 19, 5_000, 60),
            file("closed-1", 19, 10, 10),
            file("closed-2", 19, 5, 10),
            file("alone", 18, 5_000, 10),
        ];
        assert_eq!(plans(&files), [vec!["closed-1", "closed-2"], vec!["today-old-1", "today-old-2"]]);
    }

    #[test]
    fn a_joined_file_is_bounded() {
        let files: Vec<_> = (0..7).map(|n| file(&format!("f{n}"), 3, 9_000 - n, 40)).collect();
        assert_eq!(plans(&files), [vec!["f0", "f1"], vec!["f2", "f3"], vec!["f4", "f5"]]);
    }

    #[test]
    fn a_rewrite_that_loses_or_doubles_a_row_is_refused() {
        assert_eq!(assert_rows_kept(60, 60), Ok(()));
        assert!(assert_rows_kept(60, 120).is_err());
        assert!(assert_rows_kept(60, 59).is_err());
    }
}
