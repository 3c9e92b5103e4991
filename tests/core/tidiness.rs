//! Habits that only a test keeps: nothing is listed twice, nothing is left without its example.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use claviger_core::cause::RootCause;
use claviger_core::decode::Format;
use claviger_core::reject::RejectReason;

use crate::support::repository;

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_format_has_its_fixtures() {
    for format in Format::ALL {
        let folder = repository().join("tests/fixtures/decode").join(format.name());
        let cases = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        assert!(cases >= 5, "`{}` has {cases} cases in {}", format.name(), folder.display());
    }
}

#[test]
fn every_cause_has_a_folder_of_frames_that_have_it_and_frames_that_have_not() {
    let folder = repository().join("tests/fixtures/classify");
    let entries = std::fs::read_dir(&folder).expect("fixtures").map(|entry| entry.expect("an entry").path());
    let folders: BTreeSet<String> = entries
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "world")
        .collect();
    let causes: BTreeSet<String> = RootCause::ALL.iter().map(|cause| cause.name().to_owned()).collect();
    assert_eq!(folders, causes);
    for cause in causes {
        for file in ["named.ndjson", "neighbours.ndjson", "verdicts.snap"] {
            let text = std::fs::read_to_string(folder.join(&cause).join(file)).unwrap_or_default();
            assert!(!text.is_empty(), "{cause}: {file}");
        }
    }
}

#[test]
fn every_reason_for_a_reject_is_seen_in_a_fixture_or_made_by_a_source() {
    let mut files = Vec::new();
    files_below(&repository().join("tests/core/snapshots"), &mut files);
    let seen: String = files.iter().map(|file| std::fs::read_to_string(file).expect("a snapshot")).collect();
    let unseen = RejectReason::ALL.iter().filter(|reason| !seen.contains(&format!("reason: {}\n", reason.name())));
    // Too large for a fixture, and the work of `source`.
    assert_eq!(unseen.copied().collect::<Vec<_>>(), [RejectReason::TooLarge, RejectReason::BadCompression]);
}

#[test]
fn every_cause_has_a_code_a_remedy_and_somebody_who_acts() {
    let codes: BTreeSet<&str> = RootCause::ALL.iter().map(|cause| cause.name()).collect();
    assert_eq!(codes.len(), RootCause::ALL.len(), "two causes share a code");
    for cause in RootCause::ALL {
        assert_eq!(RootCause::from_name(cause.name()), Some(*cause));
        assert!(cause.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", cause.name());
        assert!(cause.remedy().len() >= 20 && !cause.remedy().ends_with('.'), "{}: {}", cause.name(), cause.remedy());
        assert!(!cause.owner().name().is_empty() && !cause.class().name().is_empty());
    }
}

#[test]
fn the_lock_file_holds_one_arrow_one_parquet_and_one_datafusion() {
    let lock = std::fs::read_to_string(repository().join("Cargo.lock")).expect("a lock file");
    for package in ["arrow", "arrow-array", "arrow-schema", "parquet", "datafusion", "object_store"] {
        let count = lock.matches(&format!("\nname = \"{package}\"\n")).count();
        assert_eq!(count, 1, "{count} versions of {package}");
    }
}

#[test]
fn the_shell_is_tested_from_outside_only() {
    let mut files = Vec::new();
    files_below(&repository().join("src"), &mut files);
    let core = repository().join("src/core");
    let shell = files.iter().filter(|file| !file.starts_with(&core) && file.extension().is_some_and(|end| end == "rs"));
    let mut count = 0;
    for file in shell {
        let text = std::fs::read_to_string(file).expect("a source file");
        assert!(
            !text.contains("#[test]") && !text.contains("#[cfg(test)]"),
            "{}: tests/it holds the shell's tests",
            file.display()
        );
        count += 1;
    }
    assert!(count > 20, "only {count} files were looked at");
}
