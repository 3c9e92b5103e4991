"""Alerts against the truth, by the rules of `src/core/keymisuse/score`."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SCORED_FROM = 1_773_014_400 + 14 * 86_400
SCORED_DAYS = 14
GRACE = 15 * 60
AT_ONCE = 5 * 60

# Families that are right for a kind of attack.
RIGHT = {
    "volume_spike": {"volume"},
    "stolen_key": {"theft"},
    "unauthorised_endpoints": {"probing"},
    "brute_force": {"guessing"},
    "key_guessing": {"guessing"},
    "credential_stuffing": {"guessing"},
    "dormant_key": {"theft"},
    "revoked_key": {"dead_key"},
    "shared_key": {"theft"},
    "enumeration": {"probing"},
    "path_scanning": {"probing"},
    "exfiltration": {"volume"},
    "off_hours": {"theft", "volume"},
    "failure_shift": {"failure"},
    "token_spike": {"volume"},
    "compound_theft": {"theft", "probing", "volume"},
    "population_fault": {"failure"},
}


@dataclass(frozen=True)
class Alert:
    """Raised at a time (seconds) about a key or a source; families are what it may be taken to claim."""

    at: float
    kind: str
    entity: str
    families: frozenset[str]


@dataclass
class Truth:
    incidents: list[dict]
    keys: int

    @classmethod
    def read(cls, folder: Path, keys: int) -> "Truth":
        return cls([json.loads(line) for line in (folder / "truth.ndjson").read_text().splitlines()], keys)

    def score(self, method: str, alerts: list[Alert]) -> dict:
        alerts = [alert for alert in alerts if alert.at >= SCORED_FROM]
        all_of, found_of, right = Counter(), Counter(), set()
        for incident in self.incidents:
            all_of[incident["grade"]] += 1
            matching = [number for number, alert in enumerate(alerts) if matches(incident, alert)]
            right.update(matching)
            found_of[incident["grade"]] += any(alerts[number].at <= deadline(incident) for number in matching)
        wrong = len(alerts) - len(right)
        return {
            "method": method,
            "recall": {grade: found_of[grade] / all_of[grade] for grade in all_of},
            "alerts": len(alerts),
            "precision": len(right) / len(alerts) if alerts else 1.0,
            "false_per_1000_key_days": 1_000 * wrong / (self.keys * SCORED_DAYS),
        }


def matches(incident: dict, alert: Alert) -> bool:
    names = incident["keys"] if alert.kind == "key" else incident["sources"]
    in_time = incident["start_us"] / 1e6 <= alert.at <= incident["end_us"] / 1e6 + GRACE
    return in_time and alert.entity in names and bool(RIGHT[incident["kind"]] & alert.families)


def deadline(incident: dict) -> float:
    if incident["kind"] in ("dormant_key", "revoked_key"):
        return incident["first_request_us"] / 1e6 + AT_ONCE
    return incident["end_us"] / 1e6 + GRACE
