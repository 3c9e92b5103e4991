//! Whether the lake holds what was produced, nothing less and nothing more.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::Produced;
use super::process::Process;
use crate::support::{PATIENCE, python};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/read_lake.py");

/// Waits until the lake's positions are the ends of the partitions. Says how long that took. Asks by the command, which is
/// a process among those that are tormented: not at every moment.
pub(super) fn wait_until_stored(lake: &Path, produced: &Produced, processes: &mut [Process]) -> Duration {
    let began = Instant::now();
    loop {
        processes.iter_mut().for_each(Process::assert_runs);
        let positions = positions(&check_lake(lake, &[]), produced.0.len());
        if produced.0.iter().zip(&positions).all(|(share, position)| *position == Some(share.messages)) {
            return began.elapsed();
        }
        if began.elapsed() > PATIENCE {
            let logs = processes.iter().map(Process::log_end).collect::<Vec<_>>().join("\n--\n");
            panic!("stored up to {positions:?} of {:?} after {PATIENCE:?}:\n{logs}", produced.0);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn positions(report: &Value, partitions: usize) -> Vec<Option<i64>> {
    let mut positions = vec![None; partitions];
    for stream in report["streams"].as_array().into_iter().flatten() {
        let partition = stream["partition"].as_u64().and_then(|number| usize::try_from(number).ok());
        positions[partition.expect("a partition")] = stream["position"].as_i64();
    }
    positions
}

/// `claviger check-lake`, which must say that the law holds.
fn check_lake(lake: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    let output = command.arg("check-lake").arg("--lake").arg(lake).arg("--json").args(arguments).output();
    let output = output.expect("the binary runs");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "check-lake: {}\n{said}{complained}", output.status);
    serde_json::from_str(&said).expect("JSON")
}

pub(super) fn by_check_lake(lake: &Path, produced: &Produced) {
    let report = check_lake(lake, &["--dense"]);
    let ends = produced.0.iter().map(|share| Some(share.messages)).collect::<Vec<_>>();
    assert_eq!(positions(&report, ends.len()), ends, "{report:#}");
}

pub(super) fn by_independent_reader(lake: &Path, topic: &str, produced: &Produced) {
    let Some(python) = python() else {
        super::say("chaos: read back by `check-lake` only: set CLAVIGER_TEST_PYTHON to a Python that has duckdb");
        return;
    };
    let output = Command::new(python).arg(READER).arg(lake).output().expect("the reader runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = figures["partitions"].as_array().expect("a list");
    assert_eq!(found.len(), produced.0.len(), "{figures:#}");
    for (number, (share, partition)) in produced.0.iter().zip(found).enumerate() {
        assert_eq!((&partition["topic"], &partition["partition"]), (&topic.into(), &number.into()), "{partition:#}");
        for (name, expected) in [
            ("offsets", share.messages),
            ("min", 0),
            ("max", share.messages - 1),
            ("rows", share.rows),
            ("distinct", share.rows),
            ("missing_offsets", 0),
            ("duplicate_rows", 0),
        ] {
            assert_eq!(partition[name].as_i64(), Some(expected), "`{name}` in {partition:#}");
        }
        assert_eq!(partition["declared_gaps"], Value::Array(Vec::new()), "{partition:#}");
    }
}
