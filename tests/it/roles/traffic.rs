//! Misuse that is found only by whoever sees all partitions: each has a quarter of it.

use std::path::Path;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::{Value, json};

pub(super) const PARTITIONS: i32 = 4;
/// Revoked long ago, and served all the same.
pub(super) const DEAD_KEYS: usize = 8;
const LIVING: &str = "ck_live_99fb6d69b97cf5643b68b5526c37f7a9";
const SCANNER: &str = "ck_live_5ca99fb6d69b97cf5643b68b5526c37f";
const HONEY: &str = "ck_live_40ee6d69b97cf5643b68b5526c37f7a9";
/// A stranger's guesses in each partition and half. Twenty within an hour are certain: half of all are not.
const GUESSES: usize = 4;
/// Paths that are not there, in each partition.
const PATHS: usize = 3;

pub(super) struct Traffic {
    /// Within one hour, and long enough ago that the minutes can be closed.
    base: DateTime<Utc>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        let hour = Utc::now().duration_trunc(TimeDelta::hours(1)).expect("an hour");
        Self { base: hour - TimeDelta::minutes(50) }
    }

    pub(super) fn write_identity(&self, folder: &Path) {
        std::fs::create_dir(folder).expect("a folder");
        let ago = |hours: i64| (self.base - TimeDelta::hours(hours)).to_rfc3339();
        let snapshot = json!({"as_of": ago(1), "source": "tests", "environment": "prod"});
        std::fs::write(folder.join("snapshot.json"), snapshot.to_string()).expect("a snapshot");
        let mut keys = vec![
            json!({"key_id": "living", "key": LIVING, "tenant_id": "acme", "status": "active"}),
            json!({"key_id": "scanner", "key": SCANNER, "tenant_id": "initech", "status": "active"}),
            json!({"key_id": "honey", "key": HONEY, "tenant_id": "hooli", "status": "active"}),
        ];
        keys.extend((0..DEAD_KEYS).map(|number| {
            let (id, tenant) = (format!("dead-{number}"), format!("tenant-{number}"));
            json!({"key_id": id, "key": dead(number), "tenant_id": tenant, "status": "revoked", "revoked_at": ago(9)})
        }));
        let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
        std::fs::write(folder.join("keys.ndjson"), lines.join("\n")).expect("keys");
    }

    /// Ordinary requests, half of the misuse, and a key that is dead.
    pub(super) fn first_half(&self) -> Vec<Vec<Value>> {
        by_partition(|partition| {
            let mut requests = self.ordinary(0);
            requests.extend(self.guesses(partition, 0));
            requests.push(served(self.at(150), &dead(0)));
            requests
        })
    }

    /// The other half, among it what completes the guesses, a scan, and the honey key.
    pub(super) fn second_half(&self) -> Vec<Vec<Value>> {
        by_partition(|partition| {
            let mut requests = self.ordinary(200);
            requests.extend(self.guesses(partition, 1));
            requests.extend((0..PATHS).map(|path| missing(self.at(300), &format!("/.env-{partition}-{path}"))));
            requests.push(served(self.at(320), &dead(1)));
            requests.push(served(self.at(330), HONEY));
            requests
        })
    }

    /// A request in each partition that shows how late it is.
    pub(super) fn now(&self) -> Vec<Vec<Value>> {
        by_partition(|_| vec![served(Utc::now(), LIVING)])
    }

    pub(super) fn dead_key_now(&self, number: usize) -> Vec<Vec<Value>> {
        by_partition(|_| vec![served(Utc::now(), &dead(number))])
    }

    fn ordinary(&self, from: i64) -> Vec<Value> {
        let key = |second: i64| if second % 2 == 0 { LIVING } else { SCANNER };
        (0..40).map(|second| served(self.at(from + second * 2), key(second))).collect()
    }

    fn guesses(&self, partition: usize, half: usize) -> impl Iterator<Item = Value> + '_ {
        (0..GUESSES).map(move |number| {
            let key = format!("ck_live_{:032x}", 0xfeed_0000 + partition * 1_000 + half * 100 + number);
            let mut request = request(self.at(100), &key, 401);
            request["client_address"] = "198.51.100.9".into();
            request
        })
    }

    fn at(&self, second: i64) -> DateTime<Utc> {
        self.base + TimeDelta::seconds(second)
    }
}

fn dead(number: usize) -> String {
    format!("ck_live_{:032x}", 0xdead_0000_u64 + number as u64)
}

fn by_partition(requests: impl Fn(usize) -> Vec<Value>) -> Vec<Vec<Value>> {
    let count = usize::try_from(PARTITIONS).expect("a count");
    (0..count).map(requests).collect()
}

/// In canonical form.
fn request(at: DateTime<Utc>, key: &str, status: u16) -> Value {
    json!({
        "event_at": at.to_rfc3339(), "status": status, "credential": key, "method": "GET", "path": "/v1/orders",
        "route": "orders", "client_address": "203.0.113.7",
    })
}

fn served(at: DateTime<Utc>, key: &str) -> Value {
    let mut request = request(at, key, 200);
    request["upstream_status"] = 200.into();
    request
}

fn missing(at: DateTime<Utc>, path: &str) -> Value {
    let mut request = request(at, SCANNER, 404);
    request["upstream_status"] = 404.into();
    request["path"] = path.into();
    request.as_object_mut().expect("an object").remove("route");
    request
}
