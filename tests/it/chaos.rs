//! `claviger run` is killed, frozen and started again under load: every produced offset is in the lake, once.
//!
//! Two processes share a group. One of them, or both, die by SIGKILL at random times and start again at once;
//! some are frozen for longer than the group waits, and then wake up as zombies. Afterwards the lake is judged twice:
//! by `claviger check-lake`, and by a reader that shares no code with it (`tests/services/read_lake.py`).
//!
//! `CLAVIGER_CHAOS_KILLS` sets how many kills, `CLAVIGER_CHAOS_SEED` repeats the choices of a run, though not
//! its timing. The embedded broker forgets what it holds too much of and forms groups slowly: there it is one process,
//! few kills and little load.

mod judge;
mod load;
mod process;

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::load::Load;
use self::process::Process;
use crate::support::kafka::Broker;
use crate::support::say;

/// How long the group waits for a silent member, where the broker allows so little; that of
/// `tests/services/kafka.sh` does.
const SESSION: Duration = Duration::from_secs(2);
const IDENTITY: &[(&str, &str)] = &[
    ("snapshot.json", r#"{"as_of":"2026-11-23T00:00:00Z","source":"test","environment":"prod"}"#),
    ("keys.ndjson", r#"{"key_id":"one","key":"ck_live_99fb6d69b97cf5643b68b5526c37f7a9","status":"revoked"}"#),
];

/// How hard it gets.
struct Scale {
    processes: usize,
    kills: u32,
    /// The mean time between two kills.
    pace: Duration,
    partitions: i32,
    messages_a_second: u32,
    session: Duration,
}

impl Scale {
    fn on(broker: &Broker) -> Self {
        let session = SESSION.max(broker.session_min());
        let mut scale = if broker.is_real() {
            // Faster, and the group would never come to rest.
            let pace = session * 13 / 10;
            Self { processes: 2, kills: 50, pace, partitions: 6, messages_a_second: 3_000, session }
        } else {
            // It forms a group three seconds after the first member came.
            let pace = Duration::from_secs(8);
            Self { processes: 1, kills: 2, pace, partitions: 2, messages_a_second: 300, session }
        };
        if let Some(kills) = variable("CLAVIGER_CHAOS_KILLS") {
            scale.kills = kills;
        }
        scale
    }
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("`{name}` is no number: {text}")))
}

#[test]
fn every_offset_is_stored_once_whatever_is_killed() {
    let broker = Broker::get();
    let scale = Scale::on(&broker);
    let seed = variable("CLAVIGER_CHAOS_SEED").unwrap_or_else(rand::random::<u64>);
    say(&format!("chaos: {} kills, CLAVIGER_CHAOS_SEED={seed}", scale.kills));
    let folder = tempfile::tempdir().expect("a folder");
    let topic = broker.topic(scale.partitions);
    write_config(folder.path(), &broker, &topic, &scale);

    let load = Load::start(&broker, &topic, scale.partitions, scale.messages_a_second);
    let mut processes = (0..scale.processes).map(|number| Process::start(folder.path(), number)).collect::<Vec<_>>();
    let deeds = torment(&mut processes, &scale, &mut StdRng::seed_from_u64(seed));
    let produced = load.stop(&broker);

    let lake = folder.path().join("lake");
    let caught_up = judge::wait_until_stored(&lake, &produced, &mut processes);
    let lives = processes.into_iter().map(Process::stop).collect::<Vec<_>>();
    judge::by_check_lake(&lake, &produced);
    judge::by_independent_reader(&lake, &topic, &produced);
    let caught_up = caught_up.as_secs_f64();
    say(&format!("chaos: {deeds}\nchaos: {produced}; the last was stored {caught_up:.1} s after the last kill"));
    lives.iter().for_each(|lives| say(&format!("chaos: {lives}")));
}

/// What was done to the processes.
#[derive(Default)]
struct Deeds {
    single: u32,
    double: u32,
    frozen: u32,
    took: Duration,
}

impl std::fmt::Display for Deeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { single, double, frozen, took } = self;
        let kills = single + double;
        write!(f, "{kills} kills ({double} of all at once), {frozen} zombies in {:.0} s", took.as_secs_f64())
    }
}

/// A kill comes at any moment with the same probability: the waits are uniform, from none to twice the pace.
fn torment(processes: &mut [Process], scale: &Scale, random: &mut StdRng) -> Deeds {
    let began = Instant::now();
    let mut deeds = Deeds::default();
    while deeds.single + deeds.double < scale.kills {
        std::thread::sleep(random.random_range(Duration::ZERO..scale.pace * 2));
        processes.iter_mut().for_each(Process::assert_runs);
        let chosen = random.random_range(0..processes.len());
        match random.random_range(0..10) {
            0 | 1 => {
                processes[chosen].freeze();
                std::thread::sleep(scale.session + random.random_range(Duration::ZERO..scale.session));
                processes[chosen].thaw();
                deeds.frozen += 1;
            }
            2 => {
                processes.iter_mut().for_each(Process::kill);
                processes.iter_mut().for_each(Process::restart);
                deeds.double += 1;
            }
            _ => {
                processes[chosen].kill();
                processes[chosen].restart();
                deeds.single += 1;
            }
        }
    }
    deeds.took = began.elapsed();
    deeds
}

/// Short intervals everywhere, so that kills meet commits, compactions and checkpoints half-way.
fn write_config(folder: &Path, broker: &Broker, topic: &str, scale: &Scale) {
    let identity = folder.join("identity");
    std::fs::create_dir(&identity).expect("a folder");
    for (name, text) in IDENTITY {
        std::fs::write(identity.join(name), text).expect("a file");
    }
    let config = format!(
        "[kafka]
brokers = ['{address}']
topics = ['{topic}']
group = '{topic}'
[kafka.options]
session.timeout.ms = {session}
heartbeat.interval.ms = {heartbeat}
[secrets]
pepper = 'a pepper for tests only'
[identity]
dirs = ['{identity}']
[lake]
uri = '{lake}'
commit_interval_ms = '300ms'
maintenance_interval_ms = '2s'
checkpoint_commits = 20
[serve]
address = '127.0.0.1:0'
[telemetry]
log_format = 'json'
log_level = 'warn,claviger=info,claviger::signals=debug'
",
        address = broker.address,
        session = scale.session.as_millis(),
        heartbeat = scale.session.as_millis() / 4,
        identity = identity.display(),
        lake = folder.join("lake").display(),
    );
    std::fs::write(folder.join("claviger.toml"), config).expect("a file");
}
