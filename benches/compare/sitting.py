"""What the comparisons share: a Python with the peers, the data, and a way to time a process from outside."""

import json
import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVICES = HERE.parent.parent / "tests/services"
CACHE = Path.home() / ".cache/claviger/compare"


def enter_environment(cache: Path) -> None:
    """Continues in a Python that has `requirements.txt`, made on first use."""
    home = cache / "python"
    if Path(sys.prefix) == home.resolve():
        return
    wanted = (HERE / "requirements.txt").read_text()
    stamp = home / "requirements.txt"
    if not stamp.is_file() or stamp.read_text() != wanted:
        venv.create(home, with_pip=True, clear=True)
        pip = [home / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    python = home / "bin/python"
    os.execv(python, [str(python), *sys.argv])


def make_data(cache: Path, rows: int, per_second: int | None = None) -> Path:
    """The folder that `generate.py` writes, from an earlier run if there is one. The log is in the page cache afterwards."""
    folder = cache / (f"rows-{rows}-at-{per_second}" if per_second else f"rows-{rows}")
    if not (folder / "truth.json").is_file():
        pace = ["--per-second", str(per_second)] if per_second else []
        subprocess.run([sys.executable, HERE / "generate.py", folder, str(rows), *pace], check=True)
    subprocess.run(["cat", folder / "access.ndjson"], stdout=subprocess.DEVNULL, check=True)
    return folder


def first_cpus(count: int) -> str:
    return ",".join(map(str, sorted(os.sched_getaffinity(0))[:count]))


@dataclass
class Ended:
    """A process that ran to its end."""

    seconds: float
    peak_bytes: int
    report: dict


def measure(command: list, cpus: str) -> Ended:
    """Runs `command` pinned to `cpus`; it must print one JSON object and end with 0."""
    begin = time.perf_counter()
    child = subprocess.Popen(["taskset", "-c", cpus, *map(str, command)], stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"exit code {code}: {' '.join(map(str, command))}")
    return Ended(seconds, usage.ru_maxrss * 1024, json.loads(output))


def lake_reader():
    """The reader that shares no code with the writer."""
    sys.path.insert(0, str(SERVICES))
    import read_lake

    return read_lake
