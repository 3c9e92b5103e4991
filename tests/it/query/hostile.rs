//! Generated queries over two tenants: whatever a tenant asks, it is answered as if it were alone in the lake.
//!
//! Each query is asked twice: of a lake that holds everybody's rows, and of one that holds the tenant's alone. Both
//! answers must be the same, errors included. A canary of another tenant in an answer would differ, and so would a
//! count, an order, or an error that only a foreign row can cause.
//!
//! Planning dominates, and the engine is built without optimisation for tests: a run asks some of them, and
//! `CLAVIGER_TEST_HOSTILE_QUERIES=10000` all of them. `CLAVIGER_TEST_SEED` repeats a run.

mod generator;

use std::time::Instant;

use claviger::query::Queries;
use claviger_core::fault::Fault as _;

use super::tenants::{self, CANARY, ask, lines, own};
use generator::Generator;

const QUERIES: u64 = 150;
/// Every so many queries, their plans are looked at as well.
const EXPLAINED: u64 = 10;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// What the tenant is told, in a form that can be compared: rows in any order, or the error without its id.
async fn told(queries: &Queries, sql: &str) -> String {
    match ask(queries, &own(), sql).await {
        Ok(batches) => lines(&batches).join("\n"),
        Err(error) => {
            let text = format!("{error} / {}", error.hint());
            text.split(" (error ").next().unwrap().to_owned()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_answered_as_if_it_were_alone() {
    let seed = from_environment("CLAVIGER_TEST_SEED").unwrap_or(0x00C1_A516);
    let wanted = from_environment("CLAVIGER_TEST_HOSTILE_QUERIES").unwrap_or(QUERIES);
    let (shared_folder, lonely_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shared = tenants::queries(tenants::write(shared_folder.path(), true).await);
    let lonely = tenants::queries(tenants::write(lonely_folder.path(), false).await);

    let began = Instant::now();
    let (mut answered, mut failed) = (0, 0);
    for at in 0..wanted {
        let sql = Generator::new(seed.wrapping_add(at)).query();
        let among_others = told(&shared, &sql).await;
        let alone = told(&lonely, &sql).await;
        assert_eq!(among_others, alone, "seed {seed} + {at}: {sql}");
        // The text itself may name the canary: an attacker guesses.
        assert!(sql.contains(CANARY) || !among_others.contains(CANARY), "seed {seed} + {at}: {sql}\n{among_others}");
        if among_others.starts_with('+') {
            answered += 1
        } else {
            failed += 1
        }
        if at % EXPLAINED == 0 {
            let plan = told(&shared, &format!("explain verbose {sql}")).await;
            assert!(sql.contains(CANARY) || !plan.contains(CANARY), "seed {seed} + {at}: {sql}\n{plan}");
            assert!(!plan.contains(".parquet"), "seed {seed} + {at}: {sql}\n{plan}");
        }
    }
    eprintln!("{answered} queries answered, {failed} refused or failed, {:?}", began.elapsed());
    assert!(answered * 2 > wanted, "only {answered} of {wanted} were answered: the generator writes too little SQL");
}
