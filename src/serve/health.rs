//! `/live` and `/ready`: whether the process runs, and whether rows reach the lake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;

const NEVER: u64 = u64::MAX;
const NOT_JOINED: i64 = -1;

/// What the stages say about themselves. Written without locks, read by the server's thread.
#[derive(Debug)]
pub struct Health {
    began: Instant,
    /// Rows that wait longer for their commit than this mean that the lake is stuck.
    commit_limit: Duration,
    directory_loaded: AtomicBool,
    partitions: AtomicI64,
    waiting_since_ms: AtomicU64,
    committed_ms: AtomicU64,
    following: Following,
}

/// What a process says of itself that follows the lake.
#[derive(Debug)]
struct Following {
    part: AtomicU8,
    looked_ms: AtomicU64,
    behind_versions: AtomicU64,
    behind_ms: AtomicU64,
}

/// The parts that a process may have in detection beside the lake.
const NO_PART: u8 = 0;
const STANDS_BY: u8 = 1;
const JUDGES: u8 = 2;

impl Health {
    #[must_use]
    pub fn new(commit_limit: Duration) -> Self {
        Self {
            began: Instant::now(),
            commit_limit,
            directory_loaded: AtomicBool::new(false),
            partitions: AtomicI64::new(NOT_JOINED),
            waiting_since_ms: AtomicU64::new(NEVER),
            committed_ms: AtomicU64::new(NEVER),
            following: Following {
                part: AtomicU8::new(NO_PART),
                looked_ms: AtomicU64::new(NEVER),
                behind_versions: AtomicU64::new(0),
                behind_ms: AtomicU64::new(0),
            },
        }
    }

    pub fn directory_loaded(&self) {
        self.directory_loaded.store(true, Relaxed);
    }

    /// The group has given us this many partitions. None is fine: others hold them.
    pub fn assigned(&self, partitions: usize) {
        self.partitions.store(i64::try_from(partitions).unwrap_or(i64::MAX), Relaxed);
    }

    /// There are rows that no commit holds yet.
    pub fn rows_wait(&self) {
        // Only the first since the last commit counts; losing a race to another writer changes nothing.
        _ = self.waiting_since_ms.compare_exchange(NEVER, self.now_ms(), Relaxed, Relaxed);
    }

    /// A commit succeeded; `all` when no row waits for the next one.
    pub fn rows_committed(&self, all: bool) {
        let now = self.now_ms();
        self.committed_ms.store(now, Relaxed);
        self.waiting_since_ms.store(if all { NEVER } else { now }, Relaxed);
    }

    /// This process detects beside the lake: it judges what comes, or stands by for another that does.
    pub fn judges(&self, judges: bool) {
        self.following.part.store(if judges { JUDGES } else { STANDS_BY }, Relaxed);
    }

    /// So many commits wait to be judged, since `behind`.
    pub fn follows(&self, versions: u64, behind: Duration) {
        self.following.behind_versions.store(versions, Relaxed);
        self.following.behind_ms.store(u64::try_from(behind.as_millis()).unwrap_or(NEVER - 1), Relaxed);
        self.following.looked_ms.store(self.now_ms(), Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let age = |at: u64| (at != NEVER).then(|| self.now_ms().saturating_sub(at));
        let partitions = self.partitions.load(Relaxed);
        let waiting_ms = age(self.waiting_since_ms.load(Relaxed));
        let overdue = waiting_ms.is_some_and(|waiting| u128::from(waiting) > self.commit_limit.as_millis());
        let part = self.following.part.load(Relaxed);
        let looked_ms = age(self.following.looked_ms.load(Relaxed));
        let followed = looked_ms.is_some_and(|age| u128::from(age) <= self.commit_limit.as_millis());
        let detection = (part != NO_PART).then(|| DetectionStanding {
            stands_by: part == STANDS_BY,
            behind_versions: self.following.behind_versions.load(Relaxed),
            behind_ms: self.following.behind_ms.load(Relaxed),
        });
        let waiting_for = [
            (!self.directory_loaded.load(Relaxed)).then_some(Lack::IdentityDirectory),
            (partitions == NOT_JOINED).then_some(Lack::GroupAssignment),
            overdue.then_some(Lack::LakeCommit),
            (part == JUDGES && !followed).then_some(Lack::Detection),
        ];
        Readiness {
            waiting_for: waiting_for.into_iter().flatten().collect(),
            partitions: usize::try_from(partitions).ok(),
            last_commit_age_ms: age(self.committed_ms.load(Relaxed)),
            detection,
        }
    }
}

/// What readiness can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    IdentityDirectory,
    GroupAssignment,
    LakeCommit,
    /// The past is being learnt, or the lake cannot be followed.
    Detection,
}

/// The answer of `/ready`: 200 when nothing is waited for, else 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub waiting_for: Vec<Lack>,
    pub partitions: Option<usize>,
    pub last_commit_age_ms: Option<u64>,
    /// Of a process that detects beside the lake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection: Option<DetectionStanding>,
}

/// How far a process has come that detects beside the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DetectionStanding {
    /// Another process judges, and this one takes over when that is gone.
    pub stands_by: bool,
    /// Commits that wait to be judged, and how old the last is that was.
    pub behind_versions: u64,
    pub behind_ms: u64,
}

pub(super) fn router(health: Arc<Health>) -> Router {
    Router::new().route("/live", get(async || "alive\n")).route("/ready", get(ready)).with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let readiness = health.readiness();
    let status = if readiness.waiting_for.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string(&readiness).expect("readiness holds names and numbers only");
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}
