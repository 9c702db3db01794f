"""A real PostgreSQL of the tests' own: made in a temporary directory, run as an unprivileged user, on loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

ACCOUNT = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this one."""
PASSWORD = "se%3Acret%2Fword"
QUICK = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB"


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    numbers: Iterator[int]

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://tester:{password}@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """The URL of a new and empty database."""
        name = f"db{next(self.numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)


def programs() -> Path | None:
    """Where the newest server's programs are; Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def running(programs: Path) -> Iterator[Postgres]:
    """A server that is gone when the context ends."""
    user = ACCOUNT if os.geteuid() == 0 else None
    # not pytest's directory: its parents are closed to other users; and a socket's path has to be short
    directory = Path(tempfile.mkdtemp(prefix="np-pg-", dir="/tmp"))
    try:
        secret = directory / "password"
        secret.write_text("se:cret/word\n")
        if user:
            for path in (directory, secret):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)

        def run(*argv: str) -> None:
            subprocess.run(argv, user=user, cwd=directory, check=True, stdout=subprocess.DEVNULL, timeout=180)

        data, port = directory / "data", _free_port()
        run(f"{programs}/initdb", "-D", f"{data}", "-U", "tester", "-A", "scram-sha-256", "--pwfile", f"{secret}",
            "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync")  # fmt: skip
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {directory} {QUICK}"
        run(f"{programs}/pg_ctl", "-D", f"{data}", "-w", "-t", "120", "-l", f"{directory}/log", "-o", options, "start")
        try:
            yield Postgres(port, count(1))
        finally:
            run(f"{programs}/pg_ctl", "-D", f"{data}", "-w", "-t", "60", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
