//! What tests share: services, and waiting with a deadline.

pub(crate) mod fault_server;
pub(crate) mod kafka;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where a missing service is a failure and not a reason to test less.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// For whoever reads the output of a run that passed: unlike `println!`, this is not held back.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{text}").expect("standard error is open");
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for a state in which something holds, change by change.
pub(crate) async fn until<T>(what: &str, mut state: watch::Receiver<T>, holds: impl FnMut(&T) -> bool) {
    let held = tokio::time::timeout(PATIENCE, state.wait_for(holds)).await;
    held.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}")).expect("whoever changes it is still there");
}

/// A Python that has duckdb, a reader that is not ours. CI has one.
pub(crate) fn python() -> Option<String> {
    if let Ok(named) = std::env::var("CLAVIGER_TEST_PYTHON") {
        return Some(named);
    }
    assert!(!in_ci(), "CI reads back by a reader of its own: CLAVIGER_TEST_PYTHON names a Python with duckdb");
    let able =
        Command::new("python3").args(["-c", "import duckdb"]).output().is_ok_and(|output| output.status.success());
    able.then(|| "python3".to_owned())
}

/// Asks a process: not a thousand times a second.
pub(crate) fn at_leisure(holds: impl FnOnce() -> bool) -> Option<()> {
    std::thread::sleep(Duration::from_millis(200));
    holds().then_some(())
}

/// What a command of the binary says of a lake, as JSON.
pub(crate) fn claviger(arguments: &[&str], lake: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .arg(arguments[0])
        .arg("--lake")
        .arg(lake)
        .args(&arguments[1..])
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
