"""100,000 reports: the store beside the raw cost of reading the same rows, in SQLite and PostgreSQL, in one run.

    python benchmarks/store/run.py [--reports 100000] [--machines 5000] [--rounds 3]

Every step runs in a process of its own, so that its peak memory is its own. `raw` asks the driver alone (sqlite3,
psycopg) for the newest row of each machine, by one query on the same index, and reads every column: what no program
that needs those reports can do without. `latest` is what the store hands out, `matrix` is `nestproof matrix`'s work on
top of it: every report judged, laid out and printed as text; `again` is the same with the judgements remembered.
Medians of the rounds.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
NEWEST = """
SELECT e.* FROM (SELECT kind, name, max(received) AS newest FROM entries GROUP BY kind, name) AS n
JOIN entries AS e ON e.kind = n.kind AND e.name = n.name AND e.received = n.newest
"""


def fill(where: str, reports: int, machines: int) -> None:
    """Real reports of the lab, each under the names of many machines and at many times."""
    from reports.store import Entry, Store

    bodies = [path.read_bytes() for path in sorted((ROOT / "tests/fixtures/judged").glob("*.report.json"))]
    with Store.open(where) as store:
        store.merge(
            Entry(f"kvm{n % machines:05}", "host", float(n), report=bodies[n % machines % len(bodies)])
            for n in range(reports)
        )


def raw(where: str) -> int:
    if "://" in where:
        import psycopg

        with psycopg.connect(where) as server, server.cursor("newest") as rows:
            rows.itersize = 200
            rows.execute(NEWEST.encode())
            return sum(len(row[6] or b"") for row in rows)
    import sqlite3

    file = sqlite3.connect(where)
    read = sum(len(row[6] or b"") for row in file.execute(NEWEST))
    file.close()
    return read


def latest(where: str) -> int:
    from reports.store import Store

    with Store.open(where) as store:
        return sum(len(entry.report or b"") for entry in store.latest())


def matrix(where: str) -> int:
    from commands.judging import chains
    from hostcheck.policy import Policy
    from reports.matrix import Provenance, build
    from reports.store import Store
    from reports.text import matrix_text

    with Store.open(where) as store:
        return len(matrix_text(build(chains(store.latest(), Policy()), Provenance("1", "benchmark", 0.0))))


STEPS = {"raw": raw, "latest": latest, "matrix": matrix, "again": matrix}


def step(name: str, where: str, cache: Path) -> tuple[float, float]:
    """Seconds without the start of Python, and MiB at the peak."""
    if name == "matrix":
        shutil.rmtree(cache, ignore_errors=True)
    argv = [sys.executable, __file__, "--step", name, "--where", where]
    seconds, peak = subprocess.run(
        argv, capture_output=True, text=True, check=True, env=os.environ | {"NESTPROOF_CACHE": str(cache)}
    ).stdout.split()
    return float(seconds), float(peak)


def measure(database: str, where: str, cache: Path, rounds: int, reports: int, machines: int) -> None:
    begin = time.perf_counter()
    fill(where, reports, machines)
    print(f"{database}: {reports} reports of {machines} machines, filled in {time.perf_counter() - begin:.0f} s")
    base = 0.0
    for name in STEPS:
        taken = [step(name, where, cache) for _ in range(rounds)]
        seconds = statistics.median(took for took, _ in taken)
        peak = max(memory for _, memory in taken)
        base = base or seconds
        print(f"  {name:8} {seconds:7.3f} s  {seconds / base:6.1f} x raw  {peak:6.0f} MiB at the peak", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--machines", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--where", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        begin = time.perf_counter()
        STEPS[options.step](options.where)
        print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    import postgres_server

    size = (options.rounds, options.reports, options.machines)
    with tempfile.TemporaryDirectory(prefix="store-") as directory:
        measure("SQLite", f"{directory}/reports.sqlite3", Path(directory) / "cache", *size)
    programs = postgres_server.programs()
    if programs is None:
        print("PostgreSQL: initdb is not installed; it comes with the package postgresql")
        return
    with postgres_server.running(programs) as server, tempfile.TemporaryDirectory(prefix="store-") as directory:
        measure("PostgreSQL", server.fresh(), Path(directory) / "cache", *size)


if __name__ == "__main__":
    main()
