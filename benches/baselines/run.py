#!/usr/bin/env python3
"""Common ways to find misused API keys, on the files of KeyMisuseBench, scored as Claviger is.

usage: run.py DIR [--logs PATTERN] [--json]

DIR is what `claviger bench keymisuse --out DIR` leaves: the gateways' log lines (PATTERN below it, by default `gateway*.ndjson`),
`identity/keys.ndjson`, `truth.ndjson` and `benign.ndjson`. Prints one table; its rows are comparable, since every method
that has a threshold gets the one with which it raises one false alert in 1 000 key-days on the second week, which is free of attacks.
The fixed packs have their vendors' thresholds and no such choice. All are silent about an entity for twelve hours after an alert.
"""

import argparse
import json
import sys
from pathlib import Path

import fixed
import hourly
from evaluate import Truth
from logs import read_logs

BUDGET = 1.0  # false alerts in 1 000 key-days


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--logs", default="gateway*.ndjson")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    logs = read_logs(sorted(options.folder.glob(options.logs)), options.folder / "identity/keys.ndjson")
    if not logs.lines:
        print(f"no log lines in {options.folder}/{options.logs}: name the files with --logs", file=sys.stderr)
        return 2
    truth = Truth.read(options.folder, keys=len(logs.keys))
    rows = [truth.score(name, alerts) for name, alerts in fixed.packs(logs).items()]
    rows += [truth.score(name, alerts) for name, alerts in hourly.methods(logs, BUDGET).items()]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    print("| method | easy | medium | hard | precision | false alerts in 1 000 key-days |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        recall = " | ".join(f"{row['recall'][grade]:.2f}" for grade in ("easy", "medium", "hard"))
        print(f"| {row['method']} | {recall} | {row['precision']:.2f} | {row['false_per_1000_key_days']:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
