//! One member of the group, through all its lives.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::support::wait_for;

/// The process that is a static member: its restart within the session moves no partition. The other one comes as
/// a stranger each time, and the group waits for its former self.
const STATIC: usize = 1;
/// Enough of a log to see why a process ended.
const LOG_LINES_SHOWN: usize = 40;

pub(super) struct Process {
    folder: PathBuf,
    number: usize,
    child: Child,
    born_at: DateTime<Utc>,
    lives: Lives,
}

impl Process {
    pub(super) fn start(folder: &Path, number: usize) -> Self {
        let born_at = Utc::now();
        let child = spawn(folder, number, 0);
        let lives = Lives { is_static: number == STATIC, first_commits: Vec::new() };
        Self { folder: folder.to_owned(), number, child, born_at, lives }
    }

    pub(super) fn restart(&mut self) {
        self.born_at = Utc::now();
        self.child = spawn(&self.folder, self.number, self.lives.first_commits.len());
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
        self.bury();
    }

    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Nothing that happens to it is a reason to end.
    pub(super) fn assert_runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a status") {
            panic!("process {} ended by itself with {status}:\n{}", self.number, self.log_end());
        }
    }

    /// The orderly end. Says how soon after each start rows were committed.
    pub(super) fn stop(mut self) -> String {
        self.assert_runs();
        self.signal("TERM");
        let status = wait_for("end after SIGTERM", || self.child.try_wait().expect("a status"));
        assert!(status.success(), "process {} ended with {status} after SIGTERM:\n{}", self.number, self.log_end());
        self.bury();
        self.lives.to_string()
    }

    fn bury(&mut self) {
        let first_commit_at = self.log().lines().find(|line| line.contains("\"rows committed\"")).map(said_at);
        self.lives.first_commits.push(first_commit_at.map(|at| (at - self.born_at).to_std().unwrap_or_default()));
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("`kill` runs");
        assert!(status.success(), "SIG{name} for process {} is refused", self.number);
    }

    fn log(&self) -> String {
        let log = std::fs::read(log_path(&self.folder, self.number, self.lives.first_commits.len())).expect("a log");
        String::from_utf8_lossy(&log).into_owned()
    }

    pub(super) fn log_end(&self) -> String {
        let log = self.log();
        let lines = log.lines().filter(|line| !line.contains("\"rows committed\"")).collect::<Vec<_>>();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago; a failed test must not leave it behind.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn log_path(folder: &Path, number: usize, life: usize) -> PathBuf {
    folder.join(format!("process-{number}-{life}.log"))
}

fn spawn(folder: &Path, number: usize, life: usize) -> Child {
    let log = File::create(log_path(folder, number, life)).expect("a log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.arg("run").arg("--config").arg(folder.join("claviger.toml")).stdin(Stdio::null()).stderr(log);
    if number == STATIC {
        command.env("CLAVIGER__KAFKA__INSTANCE_ID", "static");
    }
    command.spawn().expect("the binary runs")
}

fn said_at(line: &str) -> DateTime<Utc> {
    let line: serde_json::Value = serde_json::from_str(line).expect("a log line is JSON");
    line["at"].as_str().expect("a time").parse().expect("a time")
}

/// For each life: how long after its start the first commit was, if it lived to see one.
struct Lives {
    is_static: bool,
    first_commits: Vec<Option<Duration>>,
}

impl std::fmt::Display for Lives {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_static { "static" } else { "dynamic" };
        let mut seconds = self.first_commits.iter().flatten().map(Duration::as_secs_f64).collect::<Vec<_>>();
        seconds.sort_by(f64::total_cmp);
        write!(f, "{kind} member: {} of {} lives saw a commit", seconds.len(), self.first_commits.len())?;
        let Some(last) = seconds.len().checked_sub(1) else { return Ok(()) };
        let at = |percent: usize| seconds[last * percent / 100];
        let (min, median, most, max) = (at(0), at(50), at(90), at(100));
        write!(
            f,
            "; the first after {min:.2} s at least, {median:.2} s (median), {most:.2} s (90 %), {max:.2} s at most"
        )
    }
}
