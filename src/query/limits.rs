//! How much one question may cost, and how many are answered at once.

use std::time::Duration;

/// Limits of every question to one [`Queries`](super::Queries).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall time of one question, from its admission to its last row.
    pub time: Duration,
    /// Memory that sorts, groups and joins of one question may hold; what exceeds it is spilled or refused.
    pub memory_bytes: usize,
    /// What one question may spill to the temporary folder.
    pub spill_bytes: u64,
    /// Rows of an answer; what lies beyond is cut off, and the answer says so.
    pub rows: u64,
    /// Bytes of an answer in memory; cut off likewise.
    pub bytes: u64,
    /// Questions answered at once, for each [`Trust`](super::Trust).
    pub concurrent: usize,
    /// Questions that may wait for a place; the next one is told to come back.
    pub waiting: usize,
    /// How long a question waits for a place.
    pub wait: Duration,
    /// Resident memory of the whole process above which questions are refused, and the largest one is stopped.
    pub process_bytes: u64,
    /// Threads that work on questions. Fewer than the machine has, so that reading Kafka keeps its share.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            memory_bytes: 256 << 20,
            spill_bytes: 2 << 30,
            rows: 100_000,
            bytes: 256 << 20,
            concurrent: 4,
            waiting: 16,
            wait: Duration::from_secs(10),
            process_bytes: 3 << 30,
            threads: 2,
        }
    }
}

impl Limits {
    /// For the person at the machine itself, who asks one question and wants all of its answer.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            time: Duration::from_secs(24 * 3600),
            memory_bytes: 512 << 20,
            spill_bytes: 64 << 30,
            rows: u64::MAX,
            bytes: u64::MAX,
            concurrent: 1,
            waiting: 0,
            process_bytes: u64::MAX,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            ..Self::default()
        }
    }
}
