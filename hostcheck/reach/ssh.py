"""One host through OpenSSH: the agent goes in by standard input, its framed report comes back, nothing is left there.

The user's own ssh configuration, agent, jump hosts and known_hosts decide how the host is reached. The remote command
uses no character that a login shell (bash, dash, csh, fish) could take for its own.
"""

import asyncio
import base64
import contextlib
import functools
from collections.abc import Mapping

import msgspec

from agent.build import STREAMED, bundle, recording
from hostcheck.frame import FrameReader
from hostcheck.reach.record import MAX_PACKED, RecordError, record_in
from hostcheck.reach.targets import Target
from hostcheck.report import Report, ReportError, decode

PYTHONS = ("python3", "/usr/libexec/platform-python", "/usr/bin/python3")
NO_PYTHON = b"NESTPROOF-NO-PYTHON"
MAX_OUTPUT = 1024 * 1024
"""Bytes of banners and other noise that are read before giving up."""
MAX_WORDS = 4096
"""Bytes of a host's own words that are kept."""
POST_QUANTUM = ("sntrup761", "mlkem768")
"""How names of key exchanges with a post-quantum part begin: 64 of the 76 ms of CPU of a connection by OpenSSH 9.2."""
ASKING = 10.0
"""Seconds for ssh to tell its configuration for a host (which may run commands of the user's: Match exec)."""
TRANSPORT = 255
"""The exit code of ssh itself, as against that of the remote command."""


class Reached(msgspec.Struct, frozen=True):
    """What came of one host: its report, or why there is none."""

    target: Target
    report: Report | None
    fault: str = ""
    record: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    """The files that the agent read there, where they were asked for."""
    record_fault: str = ""
    """Why there are none."""


class Ssh(msgspec.Struct, frozen=True):
    """How ssh is called for every host of a run."""

    config: str = ""
    """A configuration file in place of the user's (ssh -F)."""
    sudo: bool = False
    """Run the agent by `sudo -n`: more facts, where sudo asks for no password."""
    connect_timeout: int = 10
    agent_timeout: float = 10.0
    measure: bool = False
    """Also measure what exits of guests cost."""
    record: bool = False
    """Also fetch every file that the agent reads."""
    classic_kex: bool = False
    """Try key exchanges without a post-quantum part first: of those that the user's configuration permits."""

    def command(self, target: Target, kex: str = "") -> list[str]:
        """The argument list that fetches the report of one host; `kex` replaces the order of key exchanges."""
        order = ("-o", f"KexAlgorithms={kex}") if kex else ()
        return self.argv(target, remote_command(self.sudo, self.agent_timeout, self.measure, self.record), *order)

    def argv(self, target: Target, line: str, *options: str) -> list[str]:
        """The argument list that hands a line to the login shell of one host."""
        argv = ["ssh", "-T", *options, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={self.connect_timeout}"]
        argv += ["-o", "ClearAllForwardings=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no"]
        argv += ["-F", self.config] if self.config else []
        argv += ["-p", str(target.port)] if target.port else []
        argv += ["-l", target.user] if target.user else []
        return [*argv, *target.arguments, "--", target.host, line]


def remote_command(sudo: bool, timeout: float, measure: bool = False, record: bool = False) -> str:
    """The line that the remote login shell gets: find a Python, hand it the start of the agent."""
    start = (recording() if record else STREAMED) % (timeout, measure)
    code = base64.b64encode(start.encode()).decode()
    start = f'import base64;exec(base64.b64decode("{code}").decode())'
    how = "sudo -n " if sudo else ""
    attempt = f'command -v $p >/dev/null 2>&1 || continue; {how}$p -I -S -c "$1"; s=$?'
    attempt += "; [ $s = 126 ] || [ $s = 127 ] || exit $s"  # it was there, and could not be executed
    script = f"for p in {' '.join(PYTHONS)}; do {attempt}; done; "
    script += f"echo {NO_PYTHON.decode()}; exit 127"
    return f"exec /bin/sh -c '{script}' nestproof '{start}'"


async def classic_order(target: Target, ssh: Ssh) -> str:
    """The key exchanges that the user's configuration permits for a host, those with a post-quantum part last.

    Empty where ssh does not tell: then the order stays what it is.
    """
    process = await asyncio.create_subprocess_exec(
        *ssh.argv(target, "", "-G")[:-1],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), ASKING)
    except TimeoutError:
        process.kill()
        return ""
    for line in said.decode("utf-8", "replace").splitlines():
        key, _, names = line.partition(" ")
        if key == "kexalgorithms":
            return ",".join(sorted(names.split(","), key=lambda name: name.startswith(POST_QUANTUM)))
    return ""


async def reach(target: Target, ssh: Ssh, timeout: float) -> Reached:
    """Fetch the report of one host within `timeout` seconds; whatever goes wrong is a Reached that says so."""
    try:
        process = await asyncio.create_subprocess_exec(
            *ssh.command(target, await classic_order(target, ssh) if ssh.classic_kex else ""),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        return Reached(target, None, "ssh is not installed here (Debian: openssh-client)")
    try:
        return await asyncio.wait_for(_converse(target, process, ssh.record), timeout)
    except TimeoutError:
        return Reached(target, None, f"no answer within {timeout:g} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _converse(target: Target, process: asyncio.subprocess.Process, record: bool) -> Reached:
    assert process.stdin and process.stdout and process.stderr
    words = asyncio.create_task(_tail(process.stderr))
    feeding = asyncio.create_task(_feed(process.stdin))
    reader = FrameReader()
    noise = bytearray()
    sent = bytearray()
    seen, most = 0, MAX_OUTPUT + MAX_PACKED * record
    body = None
    while body is None and seen < most:
        data = await process.stdout.read(65536)
        if not data:
            break
        seen += len(data)
        sent += data if record else b""
        noise = (noise + data)[-MAX_WORDS:]
        body = reader.feed(data)
    feeding.cancel()
    if body is not None:
        words.cancel()
        try:
            reached = Reached(target, decode(body))
        except ReportError as e:
            return Reached(target, None, f"its report is refused: {e}")
        return _recorded(reached, bytes(sent)) if record else reached
    if seen >= most:
        return Reached(target, None, f"it sent {seen} bytes without a report")
    code = await process.wait()
    return Reached(target, None, _fault(code, await words, bytes(noise), reader.fault))


def _recorded(reached: Reached, sent: bytes) -> Reached:
    try:
        return msgspec.structs.replace(reached, record=record_in(sent))
    except RecordError as e:
        return msgspec.structs.replace(reached, record_fault=str(e))


@functools.cache
def payload() -> bytes:
    """The agent's sources as one block; made once, since stripping them takes longer than a host takes to answer."""
    return bundle()


async def _feed(stdin: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        stdin.write(payload())
        await stdin.drain()
        stdin.close()


async def _tail(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while data := await stream.read(65536):
        kept = (kept + data)[-MAX_WORDS:]
    return kept


def _fault(code: int, stderr: bytes, stdout: bytes, frame_fault: str) -> str:
    """ssh's own words where ssh failed, the host's where the host did."""
    said = stderr.decode("utf-8", "replace").strip().splitlines()
    last = said[-1].strip() if said else ""
    if code == TRANSPORT:
        return f"ssh: {last.removeprefix('ssh: ') or 'no connection, and no reason given'}"
    if NO_PYTHON in stdout:
        return "it has no Python 3: nothing could be proven"
    if frame_fault:
        return frame_fault
    return f"no report, exit code {code}" + (f": {last}" if last else "")
