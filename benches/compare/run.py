#!/usr/bin/env python3
"""Claviger beside DuckDB, ClickHouse and Polars: the same log, the same threads, one sitting.

usage: run.py --binary target/release/claviger [--rows 1000000] [--threads 2] [--rounds 3] [--only NAME…] [--json]

Makes the data and a Python environment with the peers once (in --cache), then takes the best of --rounds of each contender, in turns
so that a busy moment of the machine hits all alike. Prints MB/s of log read, the ratio to the fastest peer, the size of the
Parquet written and peak memory, and checks that the causes in the lake are those that the generator put in. Exits with 1
when they are not. Claviger is timed from outside as a whole process, the peers from after their imports: if anything that favours them.
"""

import argparse
import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from sitting import CACHE, HERE, enter_environment, first_cpus, lake_reader, make_data, measure

PEERS = ("duckdb", "clickhouse", "polars")


@dataclass
class Run:
    """One contender's work, once."""

    name: str
    seconds: float
    parquet_bytes: int
    peak_bytes: int
    report: dict


def run_peer(name: str, folder: Path, scratch: Path, threads: int, cpus: str) -> Run:
    out = scratch / f"{name}.parquet"
    out.unlink(missing_ok=True)
    ended = measure([sys.executable, HERE / "peers.py", name, folder, out, "--threads", threads], cpus)
    return Run(name, ended.report["seconds"], out.stat().st_size, ended.peak_bytes, ended.report)


def run_claviger(binary: Path, folder: Path, scratch: Path, cpus: str) -> Run:
    lake = scratch / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    command = [binary, "replay", "--identity", folder / "identity", "--lake", lake, folder / "access.ndjson", "--json"]
    ended = measure(command, cpus)
    parquet_bytes = sum(file.stat().st_size for file in live_files(lake))
    return Run("claviger", ended.seconds, parquet_bytes, ended.peak_bytes, ended.report)


def live_files(lake: Path) -> list[Path]:
    return lake_reader().replay(lake / "events").files()


def disagreements(folder: Path, lake: Path, run: Run, rows: int) -> list[str]:
    """How the lake differs from what was generated."""
    import duckdb

    truth = json.loads((folder / "truth.json").read_text())
    found = dict(
        duckdb.execute(
            "SELECT coalesce(cause::VARCHAR, ''), count(*) FROM read_parquet(?, hive_partitioning = false) GROUP BY 1",
            [[str(file) for file in live_files(lake)]],
        ).fetchall()
    )
    wrong = [
        f"{cause or 'served'}: {truth.get(cause, 0)} generated, {found.get(cause, 0)} in the lake"
        for cause in sorted(truth | found)
        if truth.get(cause, 0) != found.get(cause, 0)
    ]
    if (run.report["frames"], run.report["rejects"]) != (rows, 0):
        wrong.append(f"{rows} lines written, {run.report['frames']} read, {run.report['rejects']} rejected")
    return wrong


def print_table(best: dict[str, Run], log_bytes: int) -> None:
    peers = [best[name] for name in PEERS if name in best]
    print(f"\n{'':12}{'seconds':>9}{'MB/s':>8}{'ratio':>8}{'Parquet MB':>12}{'peak MB':>9}")
    for run in sorted(best.values(), key=lambda run: run.seconds):
        ratio = f"{min(peer.seconds for peer in peers) / run.seconds:.2f}" if peers else "–"
        print(
            f"{run.name:12}{run.seconds:9.2f}{log_bytes / 1e6 / run.seconds:8.0f}{ratio:>8}"
            f"{run.parquet_bytes / 1e6:12.1f}{run.peak_bytes / 1e6:9.0f}"
        )
    print("ratio: the fastest peer's time by this one's, so above 1 is faster than every peer")
    if peers and "claviger" in best:
        smallest = min(peer.parquet_bytes for peer in peers)
        print(f"Parquet: {best['claviger'].parquet_bytes / smallest:.2f} of the smallest peer's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, help="the claviger to measure; without it only the peers run")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=("claviger", *PEERS), default=("claviger", *PEERS))
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", action="store_true", help="print the best runs as JSON instead of a table")
    arguments = parser.parse_args()
    enter_environment(arguments.cache)

    folder = make_data(arguments.cache, arguments.rows)
    scratch = arguments.cache / "scratch"
    scratch.mkdir(exist_ok=True)
    cpus = first_cpus(arguments.threads)
    log = folder / "access.ndjson"

    best: dict[str, Run] = {}
    wrong: list[str] = []
    for round_number in range(1, arguments.rounds + 1):
        for name in arguments.only:
            if name != "claviger":
                run = run_peer(name, folder, scratch, arguments.threads, cpus)
            elif arguments.binary:
                run = run_claviger(arguments.binary, folder, scratch, cpus)
                wrong = disagreements(folder, scratch / "lake", run, arguments.rows)
            else:
                continue
            print(f"round {round_number}: {name} {run.seconds:.2f} s", file=sys.stderr)
            if name not in best or run.seconds < best[name].seconds:
                best[name] = run

    if arguments.json:
        json.dump({"log_bytes": log.stat().st_size, "runs": [asdict(run) for run in best.values()], "wrong": wrong}, sys.stdout, indent=1)
    else:
        print_table(best, log.stat().st_size)
        if "claviger" in best and not wrong:
            print("causes: every one as generated")
    if wrong:
        print("causes differ:", *wrong, sep="\n  ", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
