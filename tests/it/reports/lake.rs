//! The lake that every report is asked about, made once a run.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use claviger::lake::Lake;
use claviger::query::{Limits, Queries};
use claviger_core::alert::{Claim, Happening, IncidentEvent, IncidentId, NoticeAction};
use claviger_core::cause::RootCause;
use claviger_core::detect::{Detector, Entity, Finding, Severity};
use claviger_core::minutes::EntityKind;
use tokio::sync::OnceCell;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

const MINUTE_US: i64 = 60_000_000;

/// 2026-11-24T12:00:00Z.
pub(crate) const NOW_US: i64 = 1_795_521_600_000_000;

/// 2026-11-24T06:31:00Z: a user was deleted a minute before.
const TROUBLE_US: i64 = NOW_US - 329 * MINUTE_US;

pub(super) async fn fixed_lake() -> &'static Queries {
    static LAKE: OnceCell<(tempfile::TempDir, Queries)> = OnceCell::const_new();
    let (_, queries) = LAKE.get_or_init(make).await;
    queries
}

async fn make() -> (tempfile::TempDir, Queries) {
    let (folder, lake) = made().await;
    // Tests wait for one another at its door, and on a busy machine for long.
    let limits = Limits { concurrent: 8, waiting: 64, ..Limits::operator() };
    (folder, Queries::new(lake, limits).unwrap())
}

/// The same lake anew, for who changes it.
pub(crate) async fn made() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    replay(folder.path());
    let lake = folder.path().join("lake");
    let lake = Lake::open(lake.to_str().unwrap(), Lake::DEFAULT_PIPELINE, &HashMap::new()).await.unwrap();
    let claims: Vec<Claim> = findings().iter().map(Claim::of).collect();
    lake.record_findings(NOW_US, &claims).await.unwrap();
    let events = incident_events(&claims);
    lake.record_incidents(events.last().unwrap().sequence, &events).await.unwrap();
    (folder, lake)
}

/// The frames of all causes, then those of the second company.
fn replay(folder: &Path) {
    let mut causes = Vec::new();
    for cause in RootCause::ALL {
        causes.extend(std::fs::read(format!("{FIXTURES}/classify/{}/named.ndjson", cause.name())).unwrap());
    }
    std::fs::write(folder.join("causes.ndjson"), causes).unwrap();
    std::fs::copy(format!("{FIXTURES}/reports/traffic.ndjson"), folder.join("traffic.ndjson")).unwrap();
    let answer = Command::new(env!("CARGO_BIN_EXE_claviger"))
        .current_dir(folder)
        .env("CLAVIGER_PEPPER", "pepper for the tests")
        .args(["replay", "--json", "--lake", "lake"])
        .args(["--identity", &format!("{FIXTURES}/classify/world")])
        .args(["--identity", &format!("{FIXTURES}/reports/identity")])
        .args(["causes.ndjson", "traffic.ndjson"])
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
}

fn findings() -> Vec<Finding> {
    let finding =
        |detector, kind, name: &str, tenant: &str, minute: i64, severity, seen, cause, summary: &str| Finding {
            detector,
            entity: Entity { kind, name: name.to_owned(), tenant: tenant.to_owned() },
            from_us: TROUBLE_US + minute * MINUTE_US,
            to_us: TROUBLE_US + (minute + 1) * MINUTE_US,
            severity,
            score: 12.4,
            expected: 0.0,
            seen,
            unit: "requests",
            cause,
            drivers: Vec::new(),
            summary: summary.to_owned(),
            quiet: "fewer refusals".to_owned(),
        };
    let deleted = Some(RootCause::UserDeleted);
    let (key, source) = (EntityKind::Key, EntityKind::Source);
    vec![
        finding(
            Detector::DeadKeyTried,
            key,
            "key-otto",
            "acme",
            1,
            Severity::High,
            5.0,
            deleted,
            "key-otto fails since usr-otto was deleted",
        ),
        finding(
            Detector::DeadKeyTried,
            key,
            "key-otto",
            "acme",
            9,
            Severity::Critical,
            40.0,
            deleted,
            "key-otto still fails",
        ),
        finding(
            Detector::NewOrigin,
            key,
            "key-dana",
            "nimbus",
            60,
            Severity::Low,
            1.0,
            None,
            "key-dana came from a new network",
        ),
        finding(
            Detector::KeyGuessing,
            source,
            "198.51.100.0/24",
            "",
            88,
            Severity::High,
            30.0,
            None,
            "198.51.100.0/24 guesses keys",
        ),
    ]
}

/// One incident that people resolved, one that is acknowledged, one that nobody has taken.
fn incident_events(claims: &[Claim]) -> Vec<IncidentEvent> {
    let [first, second, origin, guesses] = claims else { panic!("four claims") };
    let noticed = |notice, action, severity| Happening::Noticed {
        notice,
        action,
        severity,
        destinations: vec!["pager".to_owned(), "chat".to_owned()],
    };
    let delivered = |notice, destination: &str| Happening::Delivered { notice, destination: destination.to_owned() };
    let to = |text: &str| text.to_owned();
    const FIRST: &str = "11111111aaaaaaaa";
    const SECOND: &str = "22222222bbbbbbbb";
    const THIRD: &str = "33333333cccccccc";
    let told: Vec<(&str, i64, Happening)> = vec![
        (FIRST, 2, Happening::Opened(first.clone())),
        (FIRST, 2, noticed(1, NoticeAction::Trigger, Severity::High)),
        (FIRST, 3, delivered(1, "chat")),
        (FIRST, 3, Happening::Failed { notice: 1, destination: to("pager"), reason: to("503") }),
        (FIRST, 6, delivered(1, "pager")),
        (FIRST, 8, Happening::Acknowledged { by: to("ana"), note: to("looking") }),
        (FIRST, 10, Happening::Grouped(second.clone())),
        (FIRST, 50, Happening::Feedback { by: to("ana"), note: to("hr did it"), benign: false }),
        (
            FIRST,
            62,
            Happening::Resolved {
                by: String::new(),
                note: String::new(),
                last_seen_us: TROUBLE_US + 20 * MINUTE_US,
                quiet_us: 42 * MINUTE_US,
            },
        ),
        (SECOND, 61, Happening::Opened(origin.clone())),
        (SECOND, 63, Happening::Acknowledged { by: to("bo"), note: String::new() }),
        (THIRD, 89, Happening::Opened(guesses.clone())),
        (THIRD, 89, noticed(1, NoticeAction::Trigger, Severity::High)),
        (THIRD, 99, Happening::Dead { notice: 1, destination: to("pager"), reason: to("404") }),
        (THIRD, 99, Happening::Escalated { notice: 1, destination: to("pager"), to: to("chat") }),
        (THIRD, 100, delivered(1, "chat")),
    ];
    (1..)
        .zip(told)
        .map(|(sequence, (incident, minute, what))| IncidentEvent {
            sequence,
            at_us: TROUBLE_US + minute * MINUTE_US,
            incident: IncidentId::named(incident).unwrap(),
            what,
        })
        .collect()
}
