"""A lab that is talked to: a shell on its serial line, so that what is run next may depend on what was seen."""

import base64
import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab_machines import Done, Job, Lab, bochs_command, in_terminal, tcg_command

# In the lab: takes scripts as lines of base64, each ended by a line `run`, and runs one after the other
SHELL = r"""
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
dmesg -n 1
stty -F /dev/ttyS0 raw -echo
exec 3</dev/ttyS0
echo; echo LAB-READY
while read -r line <&3; do
  case "$line" in
  run) base64 -d </tmp/.script >/tmp/script; rm -f /tmp/.script
       echo "LAB-BEGIN job"; dash /tmp/script 2>&1; status=$?; echo; echo "LAB-STATUS job $status";;
  end) break;;
  *) echo "$line" >>/tmp/.script;;
  esac
done
"""
WIDTH = 512
TIED = ["setpriv", "--pdeathsig", "KILL", "--"]  # whatever ends the test ends the emulator


class Broken(Exception):
    """The lab ended or fell silent; the message has the end of its console."""


class Session:
    """The shell of a booted lab."""

    def __init__(self, line: socket.socket, seconds: float) -> None:
        self.line = line
        self.line.settimeout(seconds)
        self.console = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Read the console up to a pattern, and forget it up to there. Raises Broken."""
        while not (found := re.search(pattern, self.console, re.S | re.M)):
            try:
                more = self.line.recv(65536)
            except OSError as e:
                raise Broken(f"no answer: {e}; its console ends with:\n{self.console[-2000:]}") from e
            if not more:
                raise Broken(f"it ended; its console ends with:\n{self.console[-2000:]}")
            self.console += more.decode("utf-8", "replace").replace("\r", "")
        self.console = self.console[found.end() :]
        return found

    def run(self, script: str) -> Done:
        """Run a shell script and return what it printed on both streams. Raises Broken."""
        text = base64.b64encode(script.encode()).decode()
        lines = [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)]
        self.line.sendall("".join(f"{line}\n" for line in [*lines, "run"]).encode())
        found = self.until(r"^LAB-BEGIN job\n(.*?)\nLAB-STATUS job (\d+)$")
        return Done(int(found[2]), found[1].strip())


@contextlib.contextmanager
def session(lab: Lab, directory: Path, emulator: str, firmware_off: bool = False) -> Iterator[Session]:
    """Boot a lab under `tcg` or `bochs` and give its shell; the machine ends with the block. Raises Broken."""
    lab = replace(lab, jobs=(Job("session", SHELL),))
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        port = server.getsockname()[1]
        if emulator == "tcg":
            command = tcg_command(lab, directory, f"tcp:127.0.0.1:{port}")
            child = stack.enter_context(process(TIED + command, directory))
        else:
            command = bochs_command(lab, directory, firmware_off, f"mode=socket-client, dev=localhost:{port}")
            child = stack.enter_context(in_terminal(TIED + command, directory))
        server.settimeout(1)
        line = accept(server, child)
        with line:
            talk = Session(line, lab.seconds)
            talk.until(r"^LAB-READY$")
            yield talk


@contextlib.contextmanager
def process(command: list[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run an emulator until the block ends."""
    with (directory / "emulator.log").open("wb") as log:
        child = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield child
        finally:
            child.kill()
            child.wait()


def accept(server: socket.socket, child: subprocess.Popen[bytes]) -> socket.socket:
    """Return the emulator's end of the serial line, as soon as it has connected. Raises Broken."""
    while child.poll() is None:
        with contextlib.suppress(TimeoutError):
            return server.accept()[0]
    raise Broken(f"the emulator ended with status {child.returncode}")
