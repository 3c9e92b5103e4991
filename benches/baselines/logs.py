"""Log lines of both gateways, reduced to what the baselines look at. One pass, a few hundred bytes a key and hour."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

START = 1_773_014_400  # 2026-03-09T00:00:00Z, seconds
HOURS = 28 * 24
LEARN_HOURS = 14 * 24
REFUSED = (401, 403)


@dataclass
class Logs:
    """What was counted. Times are seconds since the epoch."""

    keys: list[str]
    # Of each key and hour: requests, refusals, response bytes.
    requests: np.ndarray
    refusals: np.ndarray
    bytes: np.ndarray
    # Refused or missing requests: status → (kind, entity) → times.
    failures: dict[int, dict[tuple[str, str], list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    # The first time that a key came from a network.
    first_seen: list[tuple[float, str]] = field(default_factory=list)
    lines: int = 0


def network_of(address: str) -> str:
    """The /24, or the /56 of IPv6: what the truth file calls a source."""
    if ":" not in address:
        return address.rsplit(".", 1)[0] + ".0/24"
    upper = (address.split("::")[0].split(":") + ["0"] * 4)[:4]
    upper[3] = format(int(upper[3] or "0", 16) & 0xFF00, "x")
    while upper and upper[-1] == "0":
        upper.pop()
    return ":".join(upper) + "::/56"


def read_logs(files: list[Path], keys_file: Path) -> Logs:
    rows = [orjson.loads(line) for line in keys_file.read_bytes().splitlines()]
    number_of = {row["key"]: number for number, row in enumerate(rows)}
    shape = (len(rows), HOURS)
    logs = Logs([row["key_id"] for row in rows], np.zeros(shape), np.zeros(shape), np.zeros(shape))
    seen: set[tuple[int, str]] = set()
    for file in files:
        with file.open("rb") as lines:
            for line in lines:
                count(logs, orjson.loads(line), number_of, seen)
    return logs


def count(logs: Logs, line: dict, number_of: dict[str, int], seen: set[tuple[int, str]]) -> None:
    logs.lines += 1
    at = (line["start_time"] if "start_time" in line else line["started_at"]) / 1_000
    headers, status = line["request"]["headers"], line["response"]["status"]
    source = network_of(line["client_ip"])
    key = number_of.get(credential(headers))
    hour = int((at - START) // 3_600)
    if key is not None:
        if (key, source) not in seen:
            seen.add((key, source))
            logs.first_seen.append((at, logs.keys[key]))
        if 0 <= hour < HOURS:
            logs.requests[key, hour] += 1
            logs.refusals[key, hour] += status in REFUSED
            logs.bytes[key, hour] += line["response"]["size"]
    if status in (401, 403, 404):
        logs.failures[status]["source", source].append(at)
        if key is not None:
            logs.failures[status]["key", logs.keys[key]].append(at)


def credential(headers: dict) -> str:
    """The key, also the one in whose name a request is signed."""
    signature = headers.get("authorization", "")
    if signature.startswith("Signature "):
        return signature.split('"', 2)[1]
    return headers.get("x-api-key") or headers.get("apikey") or ""
