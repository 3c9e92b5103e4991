//! Histories of made-up identity systems: whatever way a directory came to know them, it answers alike.

use claviger_core::identity::{Directory, DirectoryBuilder, Place, Snapshot, Table};
use claviger_core::secret::Pepper;
use claviger_core::time;
use proptest::prelude::*;

const HOUR: i64 = 3_600_000_000;
const FIRST: i64 = 1_795_000_000_000_000;
const KEYS: usize = 4;

/// What one snapshot says of each key: gone, or its owner.
type Day = [Option<u8>; KEYS];

fn row(key: usize, owner: u8, dates: &str) -> String {
    format!(
        "{{\"key_id\":\"k{key}\",\"key\":\"ck_live_{key:032}\",\"principal_id\":\"p{owner}\",\"scopes\":[\"s{owner}\"]{dates}}}"
    )
}

fn pepper() -> Pepper {
    Pepper::new(b"a pepper for tests only").expect("it is long enough")
}

fn load(as_of: i64, rows: impl Iterator<Item = String>) -> Directory {
    let mut builder = DirectoryBuilder::new(&pepper());
    builder.open(Snapshot { as_of, source: String::new(), environment: "prod".to_owned() });
    for (line, row) in (1..).zip(rows) {
        builder.push_json(Table::Keys, Place { file: "keys", line }, row.as_bytes());
    }
    let loaded = builder.finish();
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings.list());
    loaded.directory
}

fn as_of(day: usize) -> i64 {
    FIRST + i64::try_from(day).expect("days are few") * 24 * HOUR
}

/// Each day's snapshot over the one of the day before.
fn by_succession(days: &[Day]) -> Directory {
    let snapshot = |(number, day): (usize, &Day)| {
        let rows = day.iter().enumerate().filter_map(|(key, owner)| owner.map(|owner| row(key, owner, "")));
        load(as_of(number), rows)
    };
    days.iter().enumerate().map(snapshot).fold(Directory::empty(), |before, next| Directory::succeed(&before, next))
}

/// One snapshot whose rows bear their dates.
fn by_dates(days: &[Day]) -> Directory {
    let rows = (0..KEYS).flat_map(|key| {
        days.iter().enumerate().filter_map(move |(number, day)| {
            let dates = format!(
                ",\"valid_from\":\"{}\"{}",
                time::format(as_of(number)),
                if number + 1 < days.len() {
                    format!(",\"valid_to\":\"{}\"", time::format(as_of(number + 1)))
                } else {
                    String::new()
                }
            );
            day[key].map(|owner| row(key, owner, &dates))
        })
    });
    load(as_of(days.len() - 1), rows)
}

/// What the directory says of a key: its owner, its scope, and whether it was gone.
fn answer(directory: &Directory, key: usize, at: i64) -> Option<(String, String, bool)> {
    let key = directory.key_at(directory.find_key(&format!("k{key}"))?, at);
    Some((key.principal_id.to_owned(), key.scopes.iter().collect(), key.deleted_at.is_some()))
}

/// The same, from the days themselves: the last that held the key by then, else the first that ever did.
fn expected(days: &[Day], key: usize, at: i64) -> Option<(String, String, bool)> {
    let begun = (0..days.len()).filter(|&day| as_of(day) <= at);
    let held = |day: &usize| days[*day][key].is_some();
    let (owner, gone) = match begun.clone().rev().find(held) {
        Some(day) => (days[day][key], begun.max() != Some(day)),
        None => (days.iter().find_map(|day| day[key]), false),
    };
    owner.map(|owner| (format!("p{owner}"), format!("s{owner}"), gone))
}

fn a_day() -> impl Strategy<Value = Day> {
    prop::array::uniform4(prop::option::weighted(0.7, 0..3u8))
}

proptest! {
    #[test]
    fn a_directory_says_what_the_snapshot_of_that_time_said(days in prop::collection::vec(a_day(), 1..7)) {
        let ways = [("succession", by_succession(&days)), ("dates", by_dates(&days))];
        for (way, directory) in &ways {
            for key in 0..KEYS {
                for at in (-1..=i64::try_from(days.len()).unwrap() * 2).map(|half| FIRST + half * 12 * HOUR) {
                    let said = answer(directory, key, at);
                    prop_assert_eq!(&said, &expected(&days, key, at), "k{} at {} by {}", key, time::format(at), way);
                }
            }
        }
    }

    #[test]
    fn no_row_of_any_bytes_stops_a_load(rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let mut builder = DirectoryBuilder::new(&pepper());
        for (number, row) in rows.iter().enumerate() {
            for &table in Table::ALL {
                builder.push_json(table, Place { file: table.name(), line: number as u64 }, row);
            }
        }
        builder.push_json(Table::Keys, Place { file: "keys", line: 0 }, b"{\"key_id\":\"last\"}");
        prop_assert!(builder.finish().directory.find_key("last").is_some());
    }

    #[test]
    fn cells_of_any_text_and_type_are_taken_or_found_wrong(
        column in prop::sample::select(vec!["key_id", "fingerprints", "key", "length", "scopes", "allowed_ips", "status", "created_at", "valid_from", "valid_to", "last4"]),
        value in prop_oneof![
            any::<String>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<f64>().prop_map(serde_json::Value::from),
            prop::collection::vec(any::<String>(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::hash_map(any::<String>(), any::<String>(), 0..3)
                .prop_map(|members| serde_json::to_value(members).unwrap()),
        ],
    ) {
        let mut builder = DirectoryBuilder::new(&pepper());
        let mut row = serde_json::json!({"key_id": "k", "key": "ck_live_0123456789"});
        row[column] = value.clone();
        builder.push_json(Table::Keys, Place { file: "keys", line: 1 }, row.to_string().as_bytes());
        let cell = value.as_str().unwrap_or("x").to_owned();
        builder.push_cells(Table::Keys, Place { file: "keys", line: 2 }, [("key_id", "cell"), (column, cell.as_str())].into_iter());
        let loaded = builder.finish();
        let taken = loaded.directory.keys().map(|key| loaded.directory.key_versions(key).count()).sum::<usize>();
        prop_assert!(taken > 0 || !loaded.findings.is_empty());
    }
}
