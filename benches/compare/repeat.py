#!/usr/bin/env python3
"""Writes generate.py's log to standard output again and again, each time an hour later and with request ids of its own.

usage: repeat.py DIR TIMES | claviger replay --identity DIR/identity --lake LAKE -

So a lake of 50 million rows needs no log of 45 GB on disk. A log that was made with --per-second is repeated with gaps.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HOUR_MS = 3_600_000
PIECE_BYTES = 32 << 20
TIME = re.compile(rb'"start_time":(\d+)')
# The first of 32 digits, which generate.py leaves at 0.
REQUEST_ID = b'"x-request-id":"0000'


def pieces(log: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes at once."""
    with log.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece + file.readline()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("times", type=int)
    arguments = parser.parse_args()
    for time in range(arguments.times):
        for piece in pieces(arguments.folder / "access.ndjson"):
            piece = piece.replace(REQUEST_ID, b'"x-request-id":"%04x' % time)
            later = lambda match: b'"start_time":%d' % (int(match[1]) + time * HOUR_MS)
            sys.stdout.buffer.write(TIME.sub(later, piece))


if __name__ == "__main__":
    main()
