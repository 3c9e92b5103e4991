//! Which small files to join. A plan joins files of one date, so that a joined file is a partition's file, and
//! names the rows it must keep: the writer counts what it wrote and refuses to commit a difference.
//!
//! A commit every few seconds makes many small files, and readers pay for each. A file is joined only with smaller ones
//! that together weigh as much as it does, so what it lands in is at least twice its size: a row is rewritten at most
//! log2([`CompactionLimits::small_bytes`] / size of a commit) times, and a date that is filling has about as many small
//! files besides those of the last turn. (Size-ratio compaction, as in log-structured merge trees.) Files may be joined the
//! moment they are committed: a reader that has planned to open one finds it until vacuum, days later.

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
}

impl Default for CompactionLimits {
    fn default() -> Self {
        Self { small_bytes: 32 << 20, joined_bytes_max: 128 << 20, files_min: 4 }
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
#[must_use]
pub fn plan_compaction(files: &[StoredFile], limits: &CompactionLimits) -> Vec<CompactionPlan> {
    let mut small: Vec<&StoredFile> = files.iter().filter(|file| file.bytes < limits.small_bytes).collect();
    small.sort_by(|a, b| (&a.date, a.bytes, &a.path).cmp(&(&b.date, b.bytes, &b.path)));

    let mut plans = Vec::new();
    for same_date in small.chunk_by(|a, b| a.date == b.date) {
        let mut joined = same_date[..worth_joining(same_date)].to_vec();
        joined.sort_by_key(|file| (file.modified_at, &file.path));
        let mut group: Vec<&StoredFile> = Vec::new();
        let mut bytes = 0;
        for file in joined {
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

/// How many of these files, which ascend in size, to join: up to the last that the ones before it outweigh together.
fn worth_joining(ascending: &[&StoredFile]) -> usize {
    let mut before = 0;
    let mut worth = 0;
    for (place, file) in ascending.iter().enumerate() {
        if file.bytes <= before {
            worth = place + 1;
        }
        before += file.bytes;
    }
    worth
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

    const LIMITS: CompactionLimits = CompactionLimits { small_bytes: 50, joined_bytes_max: 100, files_min: 2 };

    fn plans(files: &[StoredFile]) -> Vec<Vec<String>> {
        plan_compaction(files, &LIMITS).into_iter().map(|plan| plan.paths).collect()
    }

    #[test]
    fn only_small_files_of_one_date_are_joined_in_the_order_they_came() {
        let files = [
            file("today-2", 20, 10, 10),
            file("today-1", 20, 2_000, 12),
            file("today-3", 20, 0, 14),
            file("large", 19, 5_000, 60),
            file("before-1", 19, 10, 10),
            file("before-2", 19, 5, 10),
            file("alone", 18, 5_000, 10),
        ];
        assert_eq!(plans(&files), [vec!["before-1", "before-2"], vec!["today-1", "today-2", "today-3"]]);
    }

    #[test]
    fn a_file_waits_until_smaller_ones_weigh_as_much() {
        let mut files = vec![file("joined", 20, 100, 30), file("new-1", 20, 9, 10), file("new-2", 20, 8, 10)];
        assert_eq!(plans(&files), [vec!["new-1", "new-2"]]);
        files.push(file("new-3", 20, 7, 10));
        assert_eq!(plans(&files), [vec!["joined", "new-1", "new-2", "new-3"]]);
    }

    #[test]
    fn rows_are_rewritten_a_few_times_and_files_stay_few_however_long_it_goes_on() {
        let limits = CompactionLimits { small_bytes: 4_096, joined_bytes_max: 16_384, files_min: 4 };
        let (mut files, mut rewritten, mut most) = (Vec::new(), 0, 0);
        for commit in 0..20_000_i64 {
            files.push(file(&format!("f{commit}"), 20, -commit, 10));
            if commit % 10 != 9 {
                continue;
            }
            for plan in plan_compaction(&files, &limits) {
                files.retain(|stored| !plan.paths.contains(&stored.path));
                files.push(file(&format!("j{commit}"), 20, -commit, plan.rows));
                rewritten += plan.rows;
            }
            most = most.max(files.iter().filter(|stored| stored.bytes < limits.small_bytes).count());
        }
        assert!(rewritten <= 200_000 * 9, "{} rewrites a row", rewritten as f64 / 200_000.0);
        assert!(most <= 20, "{most} small files");
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
