#!/usr/bin/env python3
"""Kafka → lake beside a bare consumer that only counts the messages of the same topic.

usage: kafka.py --binary target/release/claviger [--rows 1000000] [--partitions 4] [--rounds 3] [--per-second N] [--only-ingest] [--json]

Fills a topic once with generate.py's log, one line a message, uncompressed. Then in turns: a bare consumer (librdkafka through
confluent-kafka, in batches, nothing decoded) reads it from the start, and `claviger run` takes it into an empty lake, once with its
detectors (--role all) and once without (--role ingest): what lies between the two is what detection costs. All are
timed from their start, joining the group included, to the last message; for Claviger that is the commit that holds it. The
broker shares the machine with both. Takes the broker in CLAVIGER_TEST_KAFKA, or starts one by tests/services/kafka.sh and stops it.

The commit interval is one second here instead of five: otherwise the wait for the last commit would be much of what is measured.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sitting import CACHE, SERVICES, enter_environment, first_cpus, lake_reader, make_data

LIMIT_S = 900
ROLES = ("all", "ingest")


@dataclass
class Run:
    name: str
    seconds: float
    peak_bytes: int


def broker() -> tuple[str, bool]:
    """Its address, and whether it is ours to stop."""
    if address := os.environ.get("CLAVIGER_TEST_KAFKA"):
        return address, False
    exports = subprocess.run([SERVICES / "kafka.sh", "start"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return exports.split("CLAVIGER_TEST_KAFKA=")[1].split()[0].strip("'\""), True


def fill(address: str, log: Path, partitions: int) -> str:
    """A new topic with every line of `log`."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    topic = f"compare-{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": address, "linger.ms": 50, "batch.size": 1 << 20, "queue.buffering.max.messages": 200_000})
    failures = []
    on_delivery = lambda error, _: error and failures.append(error)
    with log.open("rb") as lines:
        for number, line in enumerate(lines):
            while True:
                try:
                    producer.produce(topic, line.rstrip(b"\n"), partition=number % partitions, on_delivery=on_delivery)
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1_000 == 0:
                producer.poll(0)
    if producer.flush(120) or failures:
        sys.exit(f"not every message was taken: {failures[:1]}")
    return topic


def consume(address: str, topic: str, rows: int) -> None:
    """The bare consumer. Run as a process of its own."""
    from confluent_kafka import Consumer

    group = f"bare-{secrets.token_hex(4)}"
    consumer = Consumer({
        "bootstrap.servers": address,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "partition.assignment.strategy": "cooperative-sticky",
    })
    consumer.subscribe([topic])
    read = 0
    while read < rows:
        messages = consumer.consume(10_000, timeout=1.0)
        if problem := next((message.error() for message in messages if message.error()), None):
            sys.exit(str(problem))
        read += len(messages)
    print(read)
    # Leaving the group is not part of reading: do not wait for it.
    sys.stdout.flush()
    os._exit(0)


def run_consumer(address: str, topic: str, rows: int, cpus: str) -> Run:
    begin = time.perf_counter()
    command = ["taskset", "-c", cpus, sys.executable, __file__, "--consume", address, topic, str(rows)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    _ = child.stdout.readline()
    seconds = time.perf_counter() - begin
    _, status, usage = os.wait4(child.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"the bare consumer ended with {code}")
    return Run("bare consumer", seconds, usage.ru_maxrss * 1024)


def write_config(scratch: Path, folder: Path, address: str, topic: str) -> Path:
    (scratch / "pepper").write_text(secrets.token_hex(32))
    # JSON texts and lists are TOML ones, too.
    options = {
        "kafka": {"brokers": [address], "topics": [topic], "group": f"compare-{secrets.token_hex(4)}"},
        "secrets": {"pepper_file": str(scratch / "pepper")},
        "identity": {"dirs": [str(folder / "identity")], "freshness_limit_ms": "876000h"},
        "lake": {"uri": str(scratch / "lake"), "commit_interval_ms": "1s"},
        "serve": {"address": "127.0.0.1:0"},
    }
    sections = [
        f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()) for section, keys in options.items()
    ]
    file = scratch / "claviger.toml"
    file.write_text("\n".join(sections))
    return file


def stored_rows(lake: Path, topic: str) -> int:
    """Frames that the newest commit accounts for: each partition's next offset, which starts at 0 in a new topic."""
    reader = lake_reader()
    try:
        table = reader.replay(lake / "events")
    except (reader.Unreadable, json.JSONDecodeError):
        return 0  # not there yet, or a commit is being written
    return sum(offset for app, offset in table.transactions.items() if topic in app)


def run_claviger(binary: Path, role: str, config: Path, scratch: Path, topic: str, rows: int, cpus: str) -> Run:
    lake = scratch / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    begin = time.perf_counter()
    child = subprocess.Popen(["taskset", "-c", cpus, binary, "run", "--role", role, "--config", config], stderr=(scratch / "claviger.log").open("w"))
    while stored_rows(lake, topic) < rows:
        if child.poll() is not None:
            sys.exit(f"claviger ended with {child.returncode}: see {scratch / 'claviger.log'}")
        if time.perf_counter() - begin > LIMIT_S:
            child.kill()
            sys.exit(f"{stored_rows(lake, topic)} of {rows} rows after {LIMIT_S} s: see {scratch / 'claviger.log'}")
        time.sleep(0.1)
    seconds = time.perf_counter() - begin
    child.send_signal(signal.SIGTERM)
    _, status, usage = os.wait4(child.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"claviger ended with {code} after SIGTERM: see {scratch / 'claviger.log'}")
    return Run(f"claviger {role}", seconds, usage.ru_maxrss * 1024)


def check(lake: Path, rows: int) -> list[str]:
    """Every offset once, no holes: in the lake of the last round."""
    reader = lake_reader()
    tables = {name: reader.replay(lake / name) for name in reader.TABLES if (lake / name / "_delta_log").is_dir()}
    partitions = reader.figures(tables, {})
    wrong = [partition for partition in partitions if partition["missing_offsets"] or partition["duplicate_rows"]]
    stored = sum(partition["offsets"] for partition in partitions)
    return [str(partition) for partition in wrong] + ([] if stored == rows else [f"{rows} produced, {stored} in the lake"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-second", type=int, help="how dense the log is in its own time: detection works a minute at a time")
    parser.add_argument("--only-ingest", action="store_true", help="leave out the run with detectors")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", action="store_true", help="print the best runs as JSON instead of a table")
    parser.add_argument("--consume", nargs=3, metavar=("BROKER", "TOPIC", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    enter_environment(arguments.cache)
    if arguments.consume:
        address, topic, rows = arguments.consume
        consume(address, topic, int(rows))

    folder = make_data(arguments.cache, arguments.rows, arguments.per_second)
    scratch = arguments.cache / "scratch-kafka"
    scratch.mkdir(exist_ok=True)
    cpus = first_cpus(arguments.threads)
    log_bytes = (folder / "access.ndjson").stat().st_size
    address, ours = broker()
    best: dict[str, Run] = {}
    wrong: list[str] = []
    try:
        topic = fill(address, folder / "access.ndjson", arguments.partitions)
        for round_number in range(1, arguments.rounds + 1):
            runs = [run_consumer(address, topic, arguments.rows, cpus)]
            for role in ROLES[arguments.only_ingest :] if arguments.binary else ():
                config = write_config(scratch, folder, address, topic)
                runs.append(run_claviger(arguments.binary, role, config, scratch, topic, arguments.rows, cpus))
                wrong += check(scratch / "lake", arguments.rows)
            for run in runs:
                print(f"round {round_number}: {run.name} {run.seconds:.2f} s", file=sys.stderr)
                if run.name not in best or run.seconds < best[run.name].seconds:
                    best[run.name] = run
    finally:
        if ours:
            subprocess.run([SERVICES / "kafka.sh", "stop"], check=False)

    if arguments.json:
        json.dump({"log_bytes": log_bytes, "runs": [asdict(run) for run in best.values()], "wrong": wrong}, sys.stdout, indent=1)
    else:
        bare = best["bare consumer"].seconds
        print(f"\n{'':15}{'seconds':>9}{'rows/s':>10}{'MB/s':>8}{'of bare':>9}{'peak MB':>9}")
        for run in best.values():
            rates = f"{arguments.rows / run.seconds:10.0f}{log_bytes / 1e6 / run.seconds:8.0f}{bare / run.seconds:9.2f}"
            print(f"{run.name:15}{run.seconds:9.2f}{rates}{run.peak_bytes / 1e6:9.0f}")
        if arguments.binary and not wrong:
            print("offsets: every one in the lake, once")
    if wrong:
        print("the lake is wrong:", *wrong, sep="\n  ", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
