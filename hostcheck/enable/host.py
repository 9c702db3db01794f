"""The host that is changed: what can be asked of it and done to it, here or through ssh as root."""

import asyncio
import base64
import shlex
import sys
from importlib.resources import files
from typing import Protocol

import msgspec

from hostcheck.enable.state import CONF, RECORD, StateError, Survey, decode_survey
from hostcheck.enable.steps import RENEW, Step, command, script
from hostcheck.local import local_report
from hostcheck.process import Finished, ProcessError, run
from hostcheck.reach.ssh import PYTHONS, TRANSPORT, Ssh, reach
from hostcheck.reach.targets import Target
from hostcheck.report import Report

ANSWER = b"NESTPROOF-ANSWER "
QUESTION_SECONDS = 60
STEP_SECONDS = 900
"""An initial RAM disk takes minutes on a slow machine."""

INITRAMFS = """
r=$(uname -r); image=; tool=
for f in /boot/initrd.img-$r /boot/initramfs-$r.img /boot/initrd-$r; do [ -e "$f" ] && image=$f; done
if [ -z "$image" ]; then echo 'NESTPROOF-ANSWER '; exit 0; fi
has() { command -v "$1" >/dev/null && command -v "$2" >/dev/null; }
if has lsinitramfs update-initramfs; then list=lsinitramfs tool=update-initramfs
elif has lsinitrd dracut; then list=lsinitrd tool=dracut
else echo 'NESTPROOF-ANSWER '; exit 0; fi
if $list "$image" 2>/dev/null | grep -q '/kvm[-_]\\(intel\\|amd\\)[.]ko'; then echo "NESTPROOF-ANSWER $tool"
else echo 'NESTPROOF-ANSWER '; fi
"""
"""Which tool has to renew the initial RAM disk; nothing when that brings no vendor module along."""


class HostError(Exception):
    """The host could not be asked, or a step failed; the message is one line."""


class Host(Protocol):
    """What planning and applying need. Every method raises HostError."""

    def report(self) -> Report: ...

    def survey(self) -> Survey: ...

    def do(self, step: Step) -> None: ...


class Shell(Protocol):
    """A shell of root on some machine. `run` raises HostError when there was no answer to be had."""

    @property
    def pythons(self) -> tuple[str, ...]: ...

    def run(self, text: str, seconds: float) -> Finished: ...

    def report(self) -> Report: ...


class Here:
    """This machine, as the user who runs nestproof."""

    pythons = (shlex.quote(sys.executable),)

    def run(self, text: str, seconds: float) -> Finished:
        try:
            return run(["/bin/sh", "-c", text], timeout=seconds)
        except ProcessError as e:
            raise HostError(str(e)) from e

    def report(self) -> Report:
        return local_report()


class There:
    """A host behind ssh, as root: by logging in so, else by `sudo -n`."""

    pythons = PYTHONS

    def __init__(self, target: Target, config: str = "", timeout: float = 60.0) -> None:
        """`config` stands in for the user's ssh configuration; `timeout` in seconds is for one report."""
        self._target = target
        self._config = config
        self._timeout = timeout
        self._prefix = ""
        who = self.run("id -u", QUESTION_SECONDS)
        if who.code:
            raise HostError(f"{target.name}: {who.last_words}")
        self._sudo = who.stdout.split()[-1:] != [b"0"]
        self._prefix = "sudo -n " if self._sudo else ""

    def run(self, text: str, seconds: float) -> Finished:
        packed = base64.b64encode(text.encode()).decode()
        line = f"exec {self._prefix}/bin/sh -c 'eval \"$(echo {packed} | base64 -d)\"'"
        argv = Ssh(config=self._config).argv(self._target, line)
        try:
            done = run(argv, timeout=seconds)
        except ProcessError as e:
            raise HostError(f"{self._target.name}: {e}") from e
        if done.code == TRANSPORT:
            raise HostError(f"{self._target.name}: {done.last_words}")
        return done

    def report(self) -> Report:
        reached = asyncio.run(reach(self._target, Ssh(config=self._config, sudo=self._sudo), self._timeout))
        if reached.report is None:
            raise HostError(f"{self._target.name}: {reached.fault}")
        return reached.report


class ShellHost:
    """A host on which scripts are run."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def report(self) -> Report:
        return self._shell.report()

    def survey(self) -> Survey:
        code = base64.b64encode((files("hostcheck.enable") / "survey.py").read_bytes()).decode()
        start = f"'import base64;exec(base64.b64decode(\"{code}\").decode())' {CONF} {RECORD}"
        attempts = "".join(
            f"{python} -I -S -c pass >/dev/null 2>&1 && exec {python} -I -S -c {start}\n"
            for python in self._shell.pythons
        )
        try:
            found = decode_survey(self._ask(attempts + "echo no Python 3 >&2; exit 127").decode("utf-8", "replace"))
        except StateError as e:
            raise HostError(str(e)) from e
        tool = self._ask(INITRAMFS).decode("ascii", "replace")
        return msgspec.structs.replace(found, initramfs=tool if tool in RENEW else "")

    def do(self, step: Step) -> None:
        done = self._shell.run(script(step), STEP_SECONDS)
        if done.code:
            raise HostError(f"`{command(step)}` failed: {done.last_words}")

    def _ask(self, text: str) -> bytes:
        """The last line that is an answer; a login may have printed others before it."""
        done = self._shell.run(text, QUESTION_SECONDS)
        lines = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
        if not lines:
            raise HostError(f"the host could not be looked at: {done.last_words}")
        return lines[-1].removeprefix(ANSWER)
