"""Rules with fixed thresholds, as products ship them, and "first seen" without a rate of novelty."""

from collections import defaultdict

from evaluate import Alert
from logs import LEARN_HOURS, START, Logs

MINUTE = 60
SILENCE = 12 * 60 * MINUTE


def packs(logs: Logs) -> dict[str, list[Alert]]:
    return {
        "fixed pack: Panther (20 refused in 60 min, 15 denied in 10, 10 × 403 in 30)": (
            burst(logs, (401, 403), 20, 60 * MINUTE, {"guessing", "dead_key"})
            + burst(logs, (403,), 15, 10 * MINUTE, {"probing"})
            + burst(logs, (403,), 10, 30 * MINUTE, {"probing"})
        ),
        "fixed pack: 42Crunch shapes (20 × 403, 20 × 401, 20 × 404 in 5 min)": (
            burst(logs, (403,), 20, 5 * MINUTE, {"probing"})
            + burst(logs, (401,), 20, 5 * MINUTE, {"guessing", "dead_key"})
            + burst(logs, (404,), 20, 5 * MINUTE, {"probing"})
        ),
        "first seen: a network that the key never used": first_seen(logs),
    }


def burst(logs: Logs, statuses: tuple[int, ...], count: int, window: int, families: set[str]) -> list[Alert]:
    """So many of these statuses of one source or one key within a window."""
    times = defaultdict(list)
    for status in statuses:
        for entity, at in logs.failures[status].items():
            times[entity] += at
    alerts = []
    for (kind, name), at in times.items():
        at.sort()
        quiet_until = 0.0
        for last in range(count - 1, len(at)):
            if at[last] >= quiet_until and at[last] - at[last - count + 1] <= window:
                alerts.append(Alert(at[last], kind, name, frozenset(families)))
                quiet_until = at[last] + SILENCE
    return alerts


def first_seen(logs: Logs) -> list[Alert]:
    alerts, quiet_until = [], defaultdict(float)
    for at, key in sorted(logs.first_seen):
        if at >= START + LEARN_HOURS * 3_600 and at >= quiet_until[key]:
            alerts.append(Alert(at, "key", key, frozenset({"theft"})))
            quiet_until[key] = at + SILENCE
    return alerts
