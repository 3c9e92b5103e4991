//! The log of accesses on a real lake: nothing lost, nothing forked, and every change of it named.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use claviger::audit::{AuditLog, AuditOptions, chain_state, prove};
use claviger::lake::Lake;
use claviger::signing::Signer;
use claviger_core::audit::{Access, Action};
use claviger_core::prove::{Digest, Hash, inclusion_holds, leaf_hash, unhex};
use tokio::task::JoinHandle;

use crate::export::{change, copy_folder, exchange_lines, judged, public_key};
use crate::lake::{ingest, open};

const START: i64 = 1_795_500_000_000_000;
const HOUR: i64 = 3_600_000_000;

/// A lake, its key, and a clock that tests set.
struct World {
    folder: tempfile::TempDir,
    lake: Lake,
    signer: Arc<Signer>,
    clock: Arc<AtomicI64>,
}

/// A log and its task.
struct Running {
    log: AuditLog,
    task: JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(&folder.path().join("lake")).await;
        ingest(&lake, &[(0, 10)]).await;
        let (signer, _made) = Signer::read_or_make(&folder.path().join("key.pem")).unwrap();
        Self { folder, lake, signer: Arc::new(signer), clock: Arc::new(AtomicI64::new(START)) }
    }

    async fn run(&self) -> Running {
        let clock = Arc::clone(&self.clock);
        let options = AuditOptions {
            commit_every: Duration::from_millis(20),
            clock: Arc::new(move || clock.load(Ordering::Relaxed)),
            ..AuditOptions::default()
        };
        let (log, task) = AuditLog::open(self.lake.clone(), Arc::clone(&self.signer), options).await.unwrap();
        let run = async move { task.run().await.unwrap() };
        #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
        Running { log, task: tokio::spawn(run) }
    }

    fn at_hour(&self, hour: i64) {
        self.clock.store(START + hour * HOUR, Ordering::Relaxed);
    }

    fn proofs(&self) -> PathBuf {
        self.folder.path().join("lake/audit_proof")
    }

    fn key(&self) -> PathBuf {
        public_key(self.folder.path(), &self.signer)
    }
}

impl Running {
    async fn finish(self) {
        self.log.finish().await;
        self.task.await.unwrap();
    }
}

fn access(tenant: &str, what: &str) -> Access {
    Access { tenant: tenant.to_owned(), who: "token k2".to_owned(), ..Access::of_log(Action::Query, what.to_owned()) }
}

/// Waits until a chain has a digest of this sequence. A lake tells nobody of its files: it is asked.
async fn digest(world: &World, tenant: &str, sequence: u64) {
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    while chain_state(&world.lake, tenant, START).await.unwrap().digest_sequence < Some(sequence) {
        assert!(tokio::time::Instant::now() < deadline, "no digest {sequence} of `{tenant}`");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Three hours with accesses of two tenants, and an hour without any.
async fn three_hours(world: &World) {
    let running = world.run().await;
    for hour in 0..3 {
        for n in 0..=hour {
            running.log.record_now(access("acme", &format!("select {hour} + {n}"))).await.unwrap();
        }
        running.log.record_now(access("globex", "canary-globex")).await.unwrap();
        world.at_hour(hour + 1);
        digest(world, "acme", u64::try_from(hour).unwrap() + 1).await;
        digest(world, "", u64::try_from(hour).unwrap() + 1).await;
    }
    running.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_on_after_a_restart_covers_quiet_hours_and_both_verifiers_agree() {
    let world = World::new().await;
    three_hours(&world).await;
    world.at_hour(5);
    let running = world.run().await;
    running.log.record(access("acme", "after the restart"));
    running.finish().await;
    for (sound, said) in judged(&world.proofs(), &world.key()) {
        assert!(sound, "{said}");
    }
    let state = chain_state(&world.lake, "acme", START).await.unwrap();
    assert_eq!((state.records, state.covered), (7, 7), "three hours with one, two and three, and one after");
    let operator = chain_state(&world.lake, "", START).await.unwrap();
    assert_eq!(operator.records, 4, "two starts, two ends");
    let lines = world.lake.audit_lines("", 1, 4).await.unwrap();
    let actions: Vec<&str> = ["start_log", "stop_log"].into_iter().filter(|action| lines.contains(action)).collect();
    assert_eq!(actions.len(), 2, "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_proven_by_its_own_line_and_a_signed_root() {
    let world = World::new().await;
    three_hours(&world).await;
    for seq in 1..=6 {
        let proof = prove(&world.lake, "acme", seq).await.unwrap().unwrap();
        let path: Vec<Hash> = proof.path.iter().map(|sibling| unhex(sibling).unwrap()).collect();
        let root = unhex(&proof.tree_root).unwrap();
        let holds = |line: &str| inclusion_holds(leaf_hash(line.as_bytes()), seq - 1, proof.tree_size, &path, &root);
        assert!(holds(&proof.record) && !holds(&proof.record.replace("k2", "k3")), "{proof:?}");
        assert_eq!(Digest::parse(proof.digest.as_bytes()).unwrap().tree.root(), root);
    }
    assert!(prove(&world.lake, "acme", 7).await.unwrap().is_none());
    assert!(prove(&world.lake, "nobody", 1).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_lake_continue_one_chain_without_a_fork_or_a_gap() {
    let world = World::new().await;
    let (left, right) = (world.run().await, world.run().await);
    for n in 0..6 {
        let (one, two) = tokio::join!(
            left.log.record_now(access("acme", &format!("left {n}"))),
            right.log.record_now(access("acme", &format!("right {n}"))),
        );
        one.unwrap();
        two.unwrap();
    }
    tokio::join!(left.finish(), right.finish());
    let lines = world.lake.audit_lines("acme", 1, 100).await.unwrap();
    assert_eq!(lines.lines().count(), 12);
    for n in 0..6 {
        for side in ["left", "right"] {
            assert_eq!(lines.matches(&format!("\"{side} {n}\"")).count(), 1, "{lines}");
        }
    }
    let world_key = world.key();
    for (sound, said) in judged(&world.proofs(), &world_key) {
        assert!(sound, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_a_crash_left_unsigned_is_signed_and_one_of_somebody_else_is_not() {
    let world = World::new().await;
    three_hours(&world).await;
    let newest = newest_digest(&world.proofs().join("acme"));
    let signature = newest.with_extension("digest.sig");
    std::fs::remove_file(&signature).unwrap();
    world.run().await.finish().await;
    for (sound, said) in judged(&world.proofs(), &world.key()) {
        assert!(sound, "{said}");
    }
    let newest = newest_digest(&world.proofs().join("acme"));
    std::fs::remove_file(newest.with_extension("digest.sig")).unwrap();
    change(&newest, |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        *bytes = text
            .replace("# origin: main", "# origin: mine")
            .replace("# previous-digest: ", "# previous-digest: 0")
            .into_bytes();
    });
    let options = AuditOptions::default();
    let (log, task) = AuditLog::open(world.lake.clone(), Arc::clone(&world.signer), options).await.unwrap();
    drop(log);
    assert!(task.run().await.is_err_and(|error| error.to_string().contains("not sound")));
    assert!(!newest.with_extension("digest.sig").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_cannot_continue_the_chains() {
    let world = World::new().await;
    three_hours(&world).await;
    let (stranger, _made) = Signer::read_or_make(&world.folder.path().join("stranger.pem")).unwrap();
    let opened = AuditLog::open(world.lake.clone(), Arc::new(stranger), AuditOptions::default()).await;
    assert!(opened.is_err_and(|error| error.to_string().contains("another key")));
}

/// Something done to the chains, and what both verifiers must say of it.
type Case = (&'static str, fn(&Path), &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn both_verifiers_name_each_change_of_a_chain() {
    let world = World::new().await;
    three_hours(&world).await;
    let key = world.key();
    let cases: [Case; 9] = [
        (
            "a flipped byte of a record",
            |chain| change(&records(chain, 2), |bytes| bytes[30] ^= 1),
            "bytes were changed",
        ),
        ("a dropped segment", |chain| std::fs::remove_file(records(chain, 2)).unwrap(), "is missing"),
        (
            "a cut segment",
            |chain| change(&records(chain, 2), |bytes| bytes.truncate(bytes.len() / 2)),
            "its end was cut off",
        ),
        ("records exchanged", |chain| change(&records(chain, 2), exchange_lines), "was reordered"),
        ("a dropped digest", |chain| drop_digest(chain, 2), "missing"),
        (
            "a flipped byte of a digest",
            |chain| change(&digest_at(chain, 2), |bytes| bytes[50] ^= 1),
            "it or its signature was changed",
        ),
        ("digests exchanged", exchange_digests, "reordered"),
        ("an old digest in the newest's place", replay_digest, "replayed"),
        ("signed by a foreign key", sign_by_a_stranger, "signed by a foreign key"),
    ];
    for (what, tamper, expected) in cases {
        let copy = world.folder.path().join("copy");
        copy_folder(&world.proofs(), &copy);
        tamper(&copy.join("acme"));
        for (sound, said) in judged(&copy, &key) {
            assert!(!sound && said.contains(expected), "{what}: {said}");
        }
        std::fs::remove_dir_all(&copy).unwrap();
    }
}

fn digest_at(chain: &Path, sequence: u64) -> PathBuf {
    chain.join(format!("digests/{sequence:010}.digest"))
}

fn newest_digest(chain: &Path) -> PathBuf {
    let names = std::fs::read_dir(chain.join("digests")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|extension| extension == "digest")).max().unwrap()
}

fn records(chain: &Path, sequence: u64) -> PathBuf {
    let digest = Digest::parse(&std::fs::read(digest_at(chain, sequence)).unwrap()).unwrap();
    chain.join(digest.segment.unwrap().path)
}

fn drop_digest(chain: &Path, sequence: u64) {
    std::fs::remove_file(digest_at(chain, sequence)).unwrap();
    std::fs::remove_file(digest_at(chain, sequence).with_extension("digest.sig")).unwrap();
}

fn exchange_digests(chain: &Path) {
    for extension in ["digest", "digest.sig"] {
        let [two, three] = [2, 3].map(|sequence| digest_at(chain, sequence).with_extension(extension));
        std::fs::rename(&two, chain.join("aside")).unwrap();
        std::fs::rename(&three, &two).unwrap();
        std::fs::rename(chain.join("aside"), &three).unwrap();
    }
}

fn replay_digest(chain: &Path) {
    for extension in ["digest", "digest.sig"] {
        std::fs::copy(digest_at(chain, 2).with_extension(extension), digest_at(chain, 3).with_extension(extension))
            .unwrap();
    }
}

fn sign_by_a_stranger(chain: &Path) {
    let aside = tempfile::tempdir().unwrap();
    let (stranger, _made) = Signer::read_or_make(&aside.path().join("key.pem")).unwrap();
    let path = digest_at(chain, 2);
    let mut digest = Digest::parse(&std::fs::read(&path).unwrap()).unwrap();
    digest.key = stranger.public().id();
    let text = digest.to_text().into_bytes();
    std::fs::write(path.with_extension("digest.sig"), stranger.sign(&text).0).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_says_otherwise_than_its_chain_is_named() {
    use claviger::verify::{Known, verify};

    let world = World::new().await;
    three_hours(&world).await;
    let lake = world.folder.path().join("lake");
    let faults = async || verify(&lake, &Known::default()).await.unwrap().faults;
    assert_eq!(faults().await, Vec::<String>::new());
    // The rows of one commit go, as if nobody had ever asked.
    let log = lake.join("audit/_delta_log");
    let mut commits: Vec<PathBuf> = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    commits.sort();
    change(&commits[2], |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        *bytes = text.lines().filter(|line| !line.contains("\"add\"")).collect::<Vec<_>>().join("\n").into_bytes();
    });
    let said = faults().await;
    assert!(said.iter().any(|fault| fault.contains("otherwise than they were signed")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_carries_its_tenants_chain_and_a_head_that_later_histories_must_pass_through() {
    use claviger::export::{FILE_BYTES_MAX, Output, Request, export};
    use claviger::verify::{Known, verify};
    use claviger_core::access::TenantScope;
    use claviger_core::prove::Scope;

    let world = World::new().await;
    three_hours(&world).await;
    let scope = Scope { from_us: START, to_us: START + 2 * HOUR, ..Scope::default() };
    let request = Request { scope, output: Output::Ndjson, file_bytes: FILE_BYTES_MAX };
    let folder = world.folder.path().join("trail");
    let acme = TenantScope::One("acme".to_owned());
    let exported = export(&world.lake, &request, &acme, &world.signer, &folder, |_| ()).await.unwrap();
    let accesses = exported.manifest.counts.iter().find(|count| count.what == "accesses").unwrap();
    assert_eq!(accesses.exported, 3, "one in the first hour, two in the second");
    assert!(!folder.join("accesses/globex").exists() && !folder.join("accesses/-").exists());
    for (sound, said) in judged(&folder, &world.key()) {
        assert!(sound, "{said}");
    }
    let head = exported.manifest.newest[0].clone();
    let known = |head| Known { key: Some(*world.signer.public()), heads: vec![head] };
    let lake = world.folder.path().join("lake");
    assert_eq!(verify(&lake, &known(head.clone())).await.unwrap().faults, Vec::<String>::new());
    let mut other = head.clone();
    other.digest[0] ^= 1;
    let forked = verify(&lake, &known(other)).await.unwrap().faults;
    assert!(forked.len() == 1 && forked[0].contains("forked"), "{forked:?}");
    let newer = claviger_core::prove::Head { sequence: head.sequence + 1, ..head };
    let old = verify(&lake, &known(newer)).await.unwrap().faults;
    assert!(old.len() == 1 && old[0].contains("old head"), "{old:?}");
}
