"""Tests of a key's hourly counts against its own past, each at the threshold that the budget allows."""

from collections.abc import Callable

import numpy as np

from evaluate import Alert
from logs import LEARN_HOURS, START, Logs

WEEK = 168
SILENT_HOURS = 12

# Which count, and the families that an alert on it claims.
SERIES = {
    "requests": frozenset({"volume"}),
    "refusals": frozenset({"guessing", "probing", "dead_key", "failure"}),
    "bytes": frozenset({"volume"}),
}


def rolling_z(counts: np.ndarray) -> np.ndarray:
    mean, deviation = past(counts, lambda week: (week.mean(axis=1), week.std(axis=1)))
    return (counts - mean) / np.maximum(deviation, 0.5)


def mad(counts: np.ndarray) -> np.ndarray:
    def of_week(week: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        median = np.median(week, axis=1)
        return median, 1.4826 * np.median(np.abs(week - median[:, None]), axis=1)

    median, spread = past(counts, of_week)
    return (counts - median) / np.maximum(spread, 1.0)


def own_mean(counts: np.ndarray) -> np.ndarray:
    mean, _ = past(counts, lambda week: (week.mean(axis=1), week.mean(axis=1)))
    return counts / np.maximum(mean, 1.0)


def seasonal_poisson(counts: np.ndarray) -> np.ndarray:
    """-log10 of the probability of the count, where it lies above the mean of the same hour on such days so far."""
    hours = np.arange(counts.shape[1])
    slot = hours % 24 + 24 * ((hours // 24) % 7 >= 5)
    sums, seen = np.zeros((len(counts), 48)), np.zeros(48)
    scores = np.zeros_like(counts)
    for hour, count in enumerate(counts.T):
        mean = np.maximum((sums[:, slot[hour]] + 0.5) / (seen[slot[hour]] + 1), 1e-3)
        log_p = count * np.log(mean) - mean - log_factorial(count)
        scores[:, hour] = np.where(count > mean, -log_p / np.log(10), 0)
        sums[:, slot[hour]] += count
        seen[slot[hour]] += 1
    return scores


def log_factorial(count: np.ndarray) -> np.ndarray:
    """Stirling's series: within 1e-5 from 1 on."""
    x = count + 1.0
    return (x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + 1 / (12 * x) - 1 / (360 * x**3)


METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rolling z-score, 1 week": rolling_z,
    "median and MAD, 1 week": mad,
    "multiple of the own mean, 1 week": own_mean,
    "seasonal Poisson": seasonal_poisson,
}


def past(counts: np.ndarray, of_week: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Two statistics of the week before each hour; before there is a week, what lets nothing alarm."""
    first, second = np.full_like(counts, np.inf), np.ones_like(counts)
    for hour in range(WEEK, counts.shape[1]):
        first[:, hour], second[:, hour] = of_week(counts[:, hour - WEEK : hour])
    return first, second


def methods(logs: Logs, budget: float) -> dict[str, list[Alert]]:
    allowed = budget * len(logs.keys) * 7 / 1_000
    results = {}
    for name, method in METHODS.items():
        alerts = []
        for series, families in SERIES.items():
            with np.errstate(invalid="ignore"):
                scores = np.nan_to_num(method(getattr(logs, series)), nan=0, neginf=0)
            threshold = affordable(scores[:, WEEK:LEARN_HOURS], allowed / len(SERIES))
            alerts += alarms(logs.keys, scores, threshold, families)
        results[f"{name}, at the budget"] = alerts
    return results


def affordable(scores: np.ndarray, allowed: float) -> float:
    """The lowest threshold with which the week raises no more alerts than are allowed."""
    candidates = np.unique(scores[scores > 0])
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if len(fired(scores, candidates[middle])) <= allowed:
            high = middle
        else:
            low = middle + 1
    return candidates[low] if low < len(candidates) else np.inf


def fired(scores: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Key and hour of each alert, those left out that follow within the silence."""
    kept, quiet_until = [], {}
    for key, hour in zip(*np.nonzero(scores > threshold)):
        if hour >= quiet_until.get(key, 0):
            kept.append((key, hour))
            quiet_until[key] = hour + SILENT_HOURS
    return kept


def alarms(keys: list[str], scores: np.ndarray, threshold: float, families: frozenset[str]) -> list[Alert]:
    later = scores.copy()
    later[:, :LEARN_HOURS] = 0
    return [Alert(START + (int(hour) + 1) * 3_600, "key", keys[key], families) for key, hour in fired(later, threshold)]
