# Each recipe is plain cargo lines; `.ci/run` runs the same ones.

_list:
    @just --list --unsorted

# The core's tests, for every save: seconds
quick:
    cargo test -p claviger-core

# Does everything compile?
check:
    cargo build --workspace --all-targets

# All tests. Services are embedded unless the environment names real ones (CLAVIGER_TEST_KAFKA)
test:
    cargo test

# Formatting and clippy, as strict as CI
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Accepts the snapshots as they are now: read the diff before committing it
golden:
    INSTA_UPDATE=always cargo test -p claviger-core
    INSTA_UPDATE=always cargo test --test it reports

# Events per second by room. The side-by-side run is benches/compare/run.py
bench:
    cargo bench -p claviger-core

# The whole product on this machine
demo:
    cargo run -- demo

# The dashboard's types and tests in Chromium, the binary's demo among them once it is built
web:
    CLAVIGER_TEST_BINARY=${CARGO_TARGET_DIR:-$PWD/target}/debug/claviger tests/web/run.sh

# Licences, sources and doubled crates of the dependency tree
deny:
    cargo deny check licenses bans sources

# Known vulnerabilities. Needs the network, so it is not part of `ci`
advisories:
    cargo deny check advisories

# What CI runs, with the services that this machine has
ci: lint quick test deny
