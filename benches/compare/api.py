#!/usr/bin/env python3
"""How long the API takes over a lake at rest: diagnoses, the entity page, the overview, and every report over 24 hours.

usage: api.py --url http://127.0.0.1:7070 [--ids 40] [--rounds 4]

Start `claviger serve` over the lake first. The present is the lake's newest request. Ids and keys are taken from the lake's middle
and end. Of each report the best of --rounds is shown, with the first beside it; the engine keeps no results.
"""

import argparse
import datetime
import json
import statistics
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

SUBJECTS = {"key-history": "key", "user-history": "principal", "tenant-history": "tenant"}


@dataclass
class Answer:
    seconds: float
    status: int
    body: bytes


class Api:
    def __init__(self, url: str):
        self.url = url

    def ask(self, path: str, parameters: dict | None = None, body: dict | None = None) -> Answer:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.url + path + query, data, {"content-type": "application/json"})
        begin = time.perf_counter()
        try:
            with urllib.request.urlopen(request) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return Answer(time.perf_counter() - begin, status, text)

    def sql(self, statement: str) -> list[dict]:
        return json.loads(self.ask("/v1/sql", {"q": statement}).body)


def show(what: str, answers: list[Answer]) -> None:
    seconds = [answer.seconds for answer in answers]
    statuses = sorted({answer.status for answer in answers})
    print(f"{what:28} median {statistics.median(seconds):6.3f} s, at most {max(seconds):6.3f} s, {len(answers)} asked, status {statuses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:7070")
    parser.add_argument("--ids", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    api = Api(arguments.url)

    ends = api.sql("select count(*) as rows, min(event_at) as first, max(event_at) as last from events")[0]
    first, last = (datetime.datetime.fromisoformat(ends[end]) for end in ("first", "last"))
    now = last.replace(microsecond=0) + datetime.timedelta(seconds=1)
    text = lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")
    print(f"{ends['rows']} rows from {ends['first']} to {ends['last']}\n")

    middle = text(first + (last - first) / 2)
    found = api.sql(f"select request_id from events where event_at >= timestamp '{middle}' limit {arguments.ids}")
    show("diagnosis of a request", [api.ask("/v1/diagnose", body={"kind": "request", "id": row["request_id"]}) for row in found])
    late = text(last - datetime.timedelta(hours=1))
    refused = f"cause is not null and key_id is not null and event_at > timestamp '{late}'"
    owned = api.sql(f"select key_id, max(principal_id) as principal, max(tenant_id) as tenant from events where {refused} group by 1 limit 20")
    keys = [row["key_id"] for row in owned]
    show("diagnosis of a key", [api.ask("/v1/diagnose", body={"kind": "key", "id": key}) for key in keys])
    show("entity page of a key", [api.ask(f"/v1/entities/key/{key}") for key in keys])
    for hours in (1, 24):
        period = {"from": text(now - datetime.timedelta(hours=hours)), "to": text(now)}
        show(f"overview of {hours} h", [api.ask("/v1/overview", period) for _ in range(arguments.rounds)])

    subject = {"key": keys[0], "principal": owned[0]["principal"], "tenant": owned[0]["tenant"]}
    print(f"\n{'report':22}{'best s':>8}{'first s':>9}{'rows':>7}")
    best = {}
    for report in json.loads(api.ask("/v1/reports").body):
        name = report["name"]
        period = {"from": text(now - datetime.timedelta(hours=24)), "to": text(now)}
        about = {SUBJECTS[name]: subject[SUBJECTS[name]]} if name in SUBJECTS else {}
        answers = [api.ask(f"/v1/reports/{name}", period | about) for _ in range(arguments.rounds)]
        if any(answer.status != 200 for answer in answers):
            print(f"{name:22}refused: {json.loads(answers[-1].body)['detail']}")
            continue
        best[name] = min(answer.seconds for answer in answers)
        print(f"{name:22}{best[name]:8.3f}{answers[0].seconds:9.3f}{len(json.loads(answers[-1].body)):7}")
    for limit in (0.3, 1.0):
        print(f"{sum(seconds < limit for seconds in best.values())} of {len(best)} below {limit} s")


if __name__ == "__main__":
    main()
