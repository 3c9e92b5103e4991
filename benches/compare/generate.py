#!/usr/bin/env python3
"""Writes an access log and the identities that explain it, so that several engines can do the same work on them.

usage: generate.py DIR ROWS [--seed N] [--keys N] [--per-second N]
writes: DIR/access.ndjson   APISIX kafka-logger lines, about 930 bytes each, an hour of traffic or what --per-second makes of it
        DIR/identity/       a canonical identity folder: keys, principals, tenants, snapshot.json
        DIR/flat.ndjson     the same identities, one flat row a key, for engines that need a plain join
        DIR/truth.json      rows by cause, as generated; "" counts the requests that were served
needs: numpy

One key in ten is out of order in one of five ways, and every request with such a key is refused. Of the served ones each 101st
is rate-limited; each 997th request carries a key that nobody ever issued. Keys are drawn from a Zipf law, so a few carry most traffic.
"""

import argparse
import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

BEGIN_MS = 1_795_428_000_000  # 2026-11-23T10:00:00Z
HOUR_MS = 3_600_000
TENANTS, UNPAID_TENANTS, PRINCIPALS, ADDRESSES = 500, 20, 9_000, 4_000
LINES_AT_ONCE = 10_000

# What may be out of order, how often, and the HTTP status with which the gateway refuses it.
FATES = {
    "": (0.90, 200),
    "key_revoked": (0.03, 401),
    "key_expired": (0.02, 401),
    "user_deactivated": (0.02, 401),
    "user_deleted": (0.01, 401),
    "account_suspended_billing": (0.02, 403),
}
PRINCIPAL_STATUS = {"user_deactivated": "deactivated", "user_deleted": "deleted"}

ROUTES = [
    ("GET", "/v1/orders"),
    ("GET", "/v1/orders/{id}"),
    ("POST", "/v1/orders"),
    ("GET", "/v1/customers/{id}"),
    ("PUT", "/v1/customers/{id}"),
    ("DELETE", "/v1/orders/{id}"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/reports/daily"),
    ("POST", "/v1/events"),
]
AGENTS = [
    "python-requests/2.32.3",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "axios/1.7.9",
    "curl/8.11.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
]


def instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Company:
    """Keys with their owners, each with its fate."""

    def __init__(self, rng: np.random.Generator, seed: int, count: int):
        self.fates = rng.choice(list(FATES), size=count, p=[share for share, _ in FATES.values()]).tolist()
        self.keys = [f"ck_live_{hashlib.sha256(f'{seed}:{key}'.encode()).hexdigest()[:32]}" for key in range(count)]
        self.principals = [self._principal(key, fate) for key, fate in enumerate(self.fates)]
        self.tenants = [self._tenant(key, fate) for key, fate in enumerate(self.fates)]

    @staticmethod
    def _principal(key: int, fate: str) -> str:
        """Keys in order share principals; whose account is the cause has one of its own."""
        return f"p-{key % PRINCIPALS}" if fate in ("", "key_revoked", "key_expired") else f"p-own-{key}"

    @staticmethod
    def _tenant(key: int, fate: str) -> str:
        return f"t-unpaid-{key % UNPAID_TENANTS}" if fate == "account_suspended_billing" else f"t-{key % TENANTS}"

    def key_rows(self, since: str):
        for number, (key, fate) in enumerate(zip(self.keys, self.fates)):
            row = {
                "key_id": f"key_{number}",
                "key": key,
                "environment": "prod",
                "principal_id": self.principals[number],
                "tenant_id": self.tenants[number],
                "scopes": ["read", "write"],
                "created_at": since,
                "status": "revoked" if fate == "key_revoked" else "active",
            }
            if fate == "key_revoked":
                row["revoked_at"] = since
            if fate == "key_expired":
                row["expires_at"] = since
            yield row

    def principal_rows(self, since: str):
        shared = {f"p-{number}": (f"t-{number % TENANTS}", "") for number in range(PRINCIPALS)}
        own = {owner: (tenant, fate) for owner, tenant, fate in zip(self.principals, self.tenants, self.fates) if owner not in shared}
        for owner, (tenant, fate) in (shared | own).items():
            row = {"principal_id": owner, "name": f"svc-{owner}", "kind": "service", "tenant_id": tenant}
            row["status"] = PRINCIPAL_STATUS.get(fate, "active")
            if row["status"] != "active":
                row["status_since"] = since
            yield row

    def tenant_rows(self, since: str):
        for number in range(TENANTS):
            yield {"tenant_id": f"t-{number}", "status": "active"}
        for number in range(UNPAID_TENANTS):
            yield {"tenant_id": f"t-unpaid-{number}", "status": "suspended", "status_reason": "billing", "status_since": since}

    def flat_rows(self):
        for number, (key, fate) in enumerate(zip(self.keys, self.fates)):
            owner = {"key_id": f"key_{number}", "principal": self.principals[number], "tenant": self.tenants[number]}
            yield {"key": key, **owner, "istatus": fate or "active"}


class Traffic:
    """Requests of `span_ms`. Everything random is drawn at once, so that a seed means the same log everywhere."""

    def __init__(self, rng: np.random.Generator, company: Company, rows: int, span_ms: int):
        self.company, self.rows = company, rows
        self.key = ((rng.zipf(1.15, rows) - 1) % len(company.keys)).tolist()
        self.at_ms = (BEGIN_MS + np.sort(rng.integers(0, span_ms, rows))).tolist()
        self.latency_ms = rng.gamma(2.0, 18.0, rows).tolist()
        self.response_bytes = rng.integers(120, 20_000, rows).tolist()
        self.route = rng.integers(0, len(ROUTES), rows).tolist()
        self.agent = rng.integers(0, len(AGENTS), rows).tolist()
        self.address = rng.integers(0, ADDRESSES, rows).tolist()
        self.entity = rng.integers(1, 10_000_000, rows).tolist()

    def outcome(self, row: int) -> tuple[str, int, str]:
        """The key that was sent, the status, and the true cause."""
        if row % 997 == 0:
            return f"ck_live_{0xDEAD << 96 | row:032x}", 401, "unknown_key"
        number = self.key[row]
        key, fate = self.company.keys[number], self.company.fates[number]
        if not fate and row % 101 == 0:
            return key, 429, "rate_limited"
        return key, FATES[fate][1], fate

    def line(self, row: int) -> tuple[str, str]:
        """One log line, in the order in which APISIX is seen to write its fields, and the cause."""
        key, status, cause = self.outcome(row)
        route = self.route[row]
        method, template = ROUTES[route]
        uri = f"{template.replace('{id}', str(self.entity[row]))}?page={row % 50}"
        latency = self.latency_ms[row]
        address = f"10.{self.address[row] >> 8}.{self.address[row] & 255}.7"
        request_id = f"{row * 2_654_435_761 % 2**64:016x}{self.at_ms[row]:016x}"
        known = status in (200, 429)
        consumer = f'"consumer":{{"username":"{self.company.principals[self.key[row]]}"}},' if known else ""
        upstream = f'"upstream":"172.19.0.{route + 2}:8080","upstream_latency":{latency * 0.9:.1f},' if status == 200 else ""
        line = (
            f'{{"client_ip":"{address}","start_time":{self.at_ms[row]},"latency":{latency:.3f},"apisix_latency":{latency * 0.1:.3f},'
            f'{upstream}{consumer}"service_id":"svc_{route}","route_id":"r{route}",'
            f'"request":{{"method":"{method}","uri":"{uri}","url":"http://api.example.com:9080{uri}",'
            f'"size":{300 + route},"querystring":{{"page":"{row % 50}"}},'
            f'"headers":{{"host":"api.example.com","user-agent":"{AGENTS[self.agent[row]]}","accept":"application/json",'
            f'"x-api-key":"{key}","x-request-id":"{request_id}","x-forwarded-for":"{address}",'
            f'"content-type":"application/json","accept-encoding":"gzip, deflate, br"}}}},'
            f'"response":{{"status":{status},"size":{self.response_bytes[row]},"headers":{{"content-type":"application/json",'
            f'"server":"APISIX/3.14.1","connection":"close","date":"Mon, 23 Nov 2026 10:00:00 GMT"}}}},'
            f'"server":{{"hostname":"apisix-7d9f","version":"3.14.1"}}}}\n'
        )
        return line, cause


def write_rows(path: Path, rows) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write_log(path: Path, traffic: Traffic) -> Counter:
    truth = Counter()
    with path.open("w") as file:
        for begin in range(0, traffic.rows, LINES_AT_ONCE):
            batch = [traffic.line(row) for row in range(begin, min(begin + LINES_AT_ONCE, traffic.rows))]
            file.write("".join(line for line, _ in batch))
            truth.update(cause for _, cause in batch)
    return truth


def generate(out: Path, rows: int, seed: int = 1, keys: int = 50_000, span_ms: int = HOUR_MS) -> None:
    rng = np.random.default_rng(seed)
    company = Company(rng, seed, keys)
    traffic = Traffic(rng, company, rows, span_ms)
    identity = out / "identity"
    identity.mkdir(parents=True, exist_ok=True)
    since = instant(BEGIN_MS - 30 * 24 * HOUR_MS)
    snapshot = {"as_of": instant(BEGIN_MS - HOUR_MS), "source": "generate.py", "environment": "prod"}
    (identity / "snapshot.json").write_text(json.dumps(snapshot))
    write_rows(identity / "keys.ndjson", company.key_rows(since))
    write_rows(identity / "principals.ndjson", company.principal_rows(since))
    write_rows(identity / "tenants.ndjson", company.tenant_rows(since))
    write_rows(out / "flat.ndjson", company.flat_rows())
    truth = write_log(out / "access.ndjson", traffic)
    # Last, and complete or absent: its presence says that the folder is whole.
    (out / "truth.json").write_text(json.dumps(dict(truth.most_common()), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes an access log and the identities that explain it.")
    parser.add_argument("out", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keys", type=int, default=50_000)
    parser.add_argument("--per-second", type=int, help="requests a second; without it the rows are spread over an hour")
    arguments = parser.parse_args()
    span_ms = arguments.rows * 1_000 // arguments.per_second if arguments.per_second else HOUR_MS
    generate(arguments.out, arguments.rows, arguments.seed, arguments.keys, span_ms)
    truth = json.loads((arguments.out / "truth.json").read_text())
    megabytes = (arguments.out / "access.ndjson").stat().st_size / 1e6
    print(f"{arguments.rows} rows, {megabytes:.0f} MB, {arguments.rows - truth.get('', 0)} refused")


if __name__ == "__main__":
    main()
