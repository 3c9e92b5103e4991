#!/usr/bin/env python3
"""Every report beside DuckDB: the same statement, the same Parquet files, the same threads, one sitting.

usage: reports.py --binary target/release/claviger [--lake DIR | --rows 1000000] [--threads 2] [--rounds 3] [--only NAME…]

Without --lake it makes one of the comparisons' log. Takes the best of --rounds of each contender, in turns so that a busy moment
of the machine hits both. Claviger is timed from outside as a whole process that opens the lake; DuckDB from after its import, over
the files that the tables' logs say are active: if anything that favours DuckDB. Prints seconds, and the ratio of DuckDB's time to
ours, so above 1 is faster than DuckDB; exits with 1 when the two disagree on the number of rows. Measure a release build: the
dev profile does not optimise the query engine.
"""

import argparse
import datetime
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from sitting import CACHE, HERE, enter_environment, first_cpus, lake_reader, make_data, measure

QUERIES = HERE.parent.parent / "queries"

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

# What the engines call differently.
MACROS = """
create macro date_bin(width, moment) as time_bucket(width, moment);
create macro regexp_like(value, pattern) as regexp_matches(value, pattern);
create macro approx_percentile_cont(value, part) as quantile_cont(value, part);
"""


def span(text: str) -> datetime.timedelta:
    return datetime.timedelta(**{UNITS[text[-1]]: int(text[:-1])})


def defaults(statement: str, now: datetime.datetime) -> dict | None:
    """Values for the parameters that a report uses, or None where one must be given."""
    values = {}
    for name, kind, default in re.findall(r"^-- parameter: (\S+) +(\S+) +(\S+) ", statement, re.MULTILINE):
        if default == "required":
            return None
        if default == "null":
            values[name] = None
        elif kind == "time":
            at = now if default == "now" else now + (-1 if default[0] == "-" else 1) * span(default[1:])
            values |= {name: at, f"{name}_date": at.strftime("%Y-%m-%d")}
        elif kind == "duration":
            values[name] = span(default)
        else:
            values[name] = int(default) if kind.startswith("integer") else default
    body = re.sub(r"^--.*$", "", statement, flags=re.MULTILINE)
    used = set(re.findall(r"\$(\w+)", body))
    return {name: value for name, value in values.items() if name in used}


def duckdb_tables(lake: Path, threads: int):
    """A connection in which every table that holds rows is a view over its active files."""
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    connection.execute(MACROS)
    for table in sorted(path.name for path in lake.iterdir() if (path / "_delta_log").is_dir()):
        files = [str(file) for file in lake_reader().replay(lake / table).files()]
        if files:
            source = f"read_parquet({files}, hive_partitioning = true, hive_types = {{'date': varchar}}, union_by_name = true)"
            columns = connection.execute(f"describe select * from {source}").fetchall()
            # Its functions on zoned times are an extension that it downloads; ours are UTC all the same.
            times = [column[0] for column in columns if column[1] == "TIMESTAMP WITH TIME ZONE"]
            plain = ", ".join(f'"{time}"::timestamp as "{time}"' for time in times)
            connection.execute(f"create view {table} as select * replace ({plain}) from {source}")
    return connection


def newest_request(lake: Path, threads: int) -> datetime.datetime:
    """The present of the lake, to the second: what relative times are relative to."""
    newest = duckdb_tables(lake, threads).execute("select max(event_at) from events").fetchone()[0]
    return newest.replace(microsecond=0) + datetime.timedelta(seconds=1)


def peer(name: str, lake: Path, now: str, threads: int) -> None:
    """One report in DuckDB, as a process of its own."""
    connection = duckdb_tables(lake, threads)
    statement = (QUERIES / f"{name}.sql").read_text()
    values = defaults(statement, datetime.datetime.fromisoformat(now))
    begin = time.perf_counter()
    # A word of its grammar, and a column of ours.
    rows = connection.execute(re.sub(r"\bat\b", '"at"', statement), values).fetchall()
    print(json.dumps({"seconds": time.perf_counter() - begin, "rows": len(rows)}))


def run_claviger(binary: Path, name: str, statement: str, lake: Path, now: datetime.datetime, cpus: str) -> tuple[float, int | None]:
    """Seconds, and rows or None where it refused to go on."""
    command = ["taskset", "-c", cpus, binary, "report", "--lake", lake, name, "--output", "ndjson"]
    for parameter, value in (defaults(statement, now) or {}).items():
        if isinstance(value, datetime.datetime):
            command += ["--param", f"{parameter}={value.strftime('%Y-%m-%dT%H:%M:%SZ')}"]
    begin = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: {done.stderr.strip()}", file=sys.stderr)
        return time.perf_counter() - begin, None
    return time.perf_counter() - begin, len(done.stdout.splitlines())


def make_lake(arguments: argparse.Namespace, cpus: str) -> Path:
    folder = make_data(arguments.cache, arguments.rows)
    lake = arguments.cache / "scratch/report-lake"
    shutil.rmtree(lake, ignore_errors=True)
    measure([arguments.binary, "replay", "--json", "--identity", folder / "identity", "--lake", lake, folder / "access.ndjson"], cpus)
    return lake


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path)
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--peer", nargs=2, metavar=("NAME", "NOW"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    enter_environment(arguments.cache)
    if arguments.peer:
        return peer(arguments.peer[0], arguments.lake, arguments.peer[1], arguments.threads)

    cpus = first_cpus(arguments.threads)
    lake = arguments.lake or make_lake(arguments, cpus)
    now = newest_request(lake, arguments.threads)
    names = arguments.only or sorted(path.stem for path in QUERIES.glob("*.sql"))
    print(f"{'report':22}{'rows':>7}{'claviger s':>12}{'duckdb s':>10}{'ratio':>7}")
    wrong = []
    for name in names:
        statement = (QUERIES / f"{name}.sql").read_text()
        if defaults(statement, now) is None:
            print(f"{name:22}{'needs a subject':>36}")
            continue
        ours, theirs = [], []
        command = [sys.executable, __file__, "--lake", lake, "--threads", arguments.threads, "--peer", name, now.isoformat()]
        for _ in range(arguments.rounds):
            seconds, rows = run_claviger(arguments.binary, name, statement, lake, now, cpus)
            if rows is None:
                break
            ours.append(seconds)
            ended = subprocess.run(["taskset", "-c", cpus, *map(str, command)], capture_output=True, text=True)
            if ended.returncode:
                break
            report = json.loads(ended.stdout)
            theirs.append(report["seconds"])
        if not ours:
            print(f"{name:22}{'refused, see above':>36}")
            continue
        if not theirs:
            errors = [line for line in ended.stderr.splitlines() if "Error" in line] or ["no word"]
            reason = "a table has no rows" if "does not exist" in errors[-1] else errors[-1][:60]
            print(f"{name:22}{rows:7}{min(ours):12.3f}  {reason}")
            continue
        if rows != report["rows"]:
            wrong.append(f"{name}: {rows} rows here, {report['rows']} there")
        print(f"{name:22}{rows:7}{min(ours):12.3f}{min(theirs):10.3f}{min(theirs) / min(ours):7.2f}")
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
