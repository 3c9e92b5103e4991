#!/usr/bin/env python3
"""Reads a lake without any code of Claviger's, and says what is in it: the second opinion of the crash tests.

usage: read_lake.py LAKE              figures by topic and partition, as JSON on standard output
       read_lake.py LAKE --files events   the table's live Parquet files, one path a line

Replays `_delta_log/*.json` itself (add, remove, txn) and reads the Parquet files with DuckDB. It checks and
does not interpret: holes and doubled rows are printed, and the caller decides what they mean. A log it cannot replay
from the first version on, or whose features it does not know, is an error (exit code 3), never a guess.

needs: duckdb (PyPI)
"""

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

TABLES = ("events", "rejects")
# What identifies a row: one frame may hold several requests.
COORDINATES = {"topic": "VARCHAR", "partition": "INTEGER", "offset": "BIGINT", "part": "INTEGER"}
# How many holes or doubled rows are listed by a partition; all are counted.
LISTED_MAX = 20


class Unreadable(Exception):
    """The table is not what this reader can vouch for."""


@dataclass
class Table:
    """A Delta table at its newest version."""

    root: Path
    version: int = -1
    live: dict[str, dict] = field(default_factory=dict)
    transactions: dict[str, int] = field(default_factory=dict)

    def files(self) -> list[Path]:
        return [self.root / unquote(path) for path in self.live]

    def apply(self, action: dict, version: int) -> None:
        match action:
            case {"add": add}:
                if add.get("deletionVector"):
                    raise Unreadable(f"{self.root}: version {version} has deletion vectors, which hide rows from this reader")
                if add["path"] in self.live:
                    raise Unreadable(f"{self.root}: version {version} adds {add['path']}, which is live already")
                self.live[add["path"]] = add.get("partitionValues") or {}
            case {"remove": remove}:
                if self.live.pop(remove["path"], None) is None:
                    raise Unreadable(f"{self.root}: version {version} removes {remove['path']}, which is not live")
            case {"txn": txn}:
                self.transactions[txn["appId"]] = txn["version"]
            case {"metaData": metadata}:
                if (metadata.get("configuration") or {}).get("delta.columnMapping.mode", "none") != "none":
                    raise Unreadable(f"{self.root}: version {version} maps column names, which this reader does not")


def replay(root: Path) -> Table:
    """The table in `root`, from every commit since the first."""
    log = root / "_delta_log"
    commits = {int(path.stem): path for path in log.glob("*.json") if path.stem.isdigit()}
    if not commits:
        raise Unreadable(f"{root}: no commits in {log}")
    missing = sorted(set(range(max(commits) + 1)) - set(commits))
    if missing:
        raise Unreadable(f"{root}: commits {missing[:10]} are missing: cleaned up or lost, so the rows cannot be vouched for")
    table = Table(root)
    for version in sorted(commits):
        lines = commits[version].read_text().splitlines()
        if not lines:
            raise Unreadable(f"{root}: commit {version} is empty")
        for line in lines:
            table.apply(json.loads(line), version)
        table.version = version
    absent = [path for path in table.files() if not path.is_file()]
    if absent:
        raise Unreadable(f"{root}: {len(absent)} live files do not exist, {absent[0].name} among them")
    return table


def rows_sql(table: Table, number: int) -> list[str]:
    """One SELECT of (source, coordinates) for each set of files that share the partition values among them."""
    groups: dict[tuple, list[str]] = {}
    for path, values in table.live.items():
        known = tuple(sorted((name, value) for name, value in values.items() if name in COORDINATES))
        groups.setdefault(known, []).append(str(table.root / unquote(path)))
    selects = []
    for known, paths in groups.items():
        fixed = dict(known)
        columns = [
            f"{literal(fixed[name])}::{kind} AS {quoted(name)}" if name in fixed else f"{quoted(name)}::{kind} AS {quoted(name)}"
            for name, kind in COORDINATES.items()
        ]
        listed = ", ".join(literal(path) for path in paths)
        selects.append(f"SELECT {number} AS source, {', '.join(columns)} FROM read_parquet([{listed}], hive_partitioning = false)")
    return selects


def literal(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def declared_gaps(table: Table) -> dict[tuple, list]:
    """[begin, end) of offsets that were gone before anyone could read them, by topic and partition."""
    import duckdb

    gaps: dict[tuple, list] = {}
    if table.live:
        listed = ", ".join(literal(str(path)) for path in table.files())
        rows = f'SELECT topic, partition, "begin", "end" FROM read_parquet([{listed}], hive_partitioning = false) ORDER BY ALL'
        for topic, partition, begin, end in duckdb.sql(rows).fetchall():
            gaps.setdefault((topic, partition), []).append((begin, end))
    return gaps


def figures(tables: dict[str, Table], gaps: dict[tuple, list]) -> list[dict]:
    """What each partition holds, over all tables together."""
    import duckdb

    selects = [select for number, table in enumerate(tables.values()) for select in rows_sql(table, number)]
    if not selects:
        return []
    db = duckdb.connect()
    db.execute("CREATE TABLE rows AS " + " UNION ALL ".join(selects))
    counts = ", ".join(f"count(*) FILTER (source = {number}) AS {name}" for number, name in enumerate(tables))
    partitions = db.execute(
        f"""SELECT topic, partition, {counts}, count(*) AS rows, count(DISTINCT ("offset", part)) AS "distinct",
                   count(DISTINCT "offset") AS offsets,
                   min("offset") AS min, max("offset") AS max
            FROM rows GROUP BY ALL ORDER BY topic, partition"""
    )
    names = [column[0] for column in partitions.description]
    found = [dict(zip(names, row)) for row in partitions.fetchall()]
    for partition in found:
        key = [partition["topic"], partition["partition"]]
        # [from, to): offsets between the first and the last that no row has.
        holes = db.execute(
            """SELECT "offset" + 1, next FROM (
                   SELECT "offset", lead("offset") OVER (ORDER BY "offset") AS next
                   FROM (SELECT DISTINCT "offset" FROM rows WHERE topic = ? AND partition = ?))
               WHERE next > "offset" + 1 ORDER BY "offset" """,
            key,
        ).fetchall()
        # [offset, part, copies]: the same coordinates more than once, in one table or in two.
        duplicates = db.execute(
            """SELECT "offset", part, count(*) FROM rows WHERE topic = ? AND partition = ?
               GROUP BY "offset", part HAVING count(*) > 1 ORDER BY "offset", part""",
            key,
        ).fetchall()
        partition["declared_gaps"] = gaps.get(tuple(key), [])
        partition["missing_offsets"] = sum(to - begin for begin, to in holes)
        partition["holes"] = holes[:LISTED_MAX]
        partition["duplicate_rows"] = sum(copies - 1 for _, _, copies in duplicates)
        partition["duplicates"] = duplicates[:LISTED_MAX]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads a lake independently and prints what is in it.")
    parser.add_argument("lake", type=Path)
    parser.add_argument("--files", metavar="TABLE", help="print the live Parquet files of this table instead")
    arguments = parser.parse_args()
    if arguments.files:
        print(*replay(arguments.lake / arguments.files).files(), sep="\n")
        return
    # A lake without rejects is in order; one without events is not a lake.
    tables = {name: replay(arguments.lake / name) for name in TABLES if name == "events" or (arguments.lake / name / "_delta_log").is_dir()}
    gaps = declared_gaps(replay(arguments.lake / "gaps")) if (arguments.lake / "gaps/_delta_log").is_dir() else {}
    result = {
        "tables": {
            name: {"version": table.version, "files": len(table.live), "transactions": table.transactions}
            for name, table in tables.items()
        },
        "partitions": figures(tables, gaps),
    }
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    try:
        main()
    except Unreadable as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(3)
