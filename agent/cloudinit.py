"""Makes the part of a cloud-init user-data that installs the agent. Runs on the controller.

The part is a *boothook*: cloud-init runs it early on every boot, whatever else the user's cloud-config says, and
nothing of the user's is merged with it or replaced by it.
"""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from agent import VERSION
from agent.boothook import BOOTHOOK
from agent.build import NAME, agent_bytes
from agent.channels.deliver import sender
from agent.fallback import FALLBACK

PORT = "org.nestproof.report.0"  # the virtio-serial port of design and documentation
_NAME = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_VM = re.compile(f"{_NAME}/{_NAME}")
_PORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CHANNEL = re.compile(r"[A-Za-z0-9:/._~+=-]{1,1000}")  # nothing that a shell or systemd would read
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")  # RFC 6750, b64token
_PEM = re.compile(r"(-----(BEGIN|END) CERTIFICATE-----|[A-Za-z0-9+/=]*)")


def user_data_part(
    vm: str = "",
    port: str = PORT,
    send: Sequence[str] = (),
    token: str | None = None,
    ca: str | None = None,
    every: int | None = None,
    kept: Path | None = None,
) -> str:
    """Return the text of one part of type ``text/cloud-boothook`` that installs and starts the agent.

    ``vm`` is ``namespace/name`` and comes back as ``subject.vm`` of every report, null without it. ``port`` is the
    virtio-serial port on which the host asks for reports. ``send`` names further channels
    (agent/channels/deliver.py): the agent sends by them after boot, when something has changed, and looks every
    ``every`` seconds. ``token`` is the secret of this one VM for an https channel, ``ca`` the PEM text of the only
    authority to trust. ``kept`` is a directory of this user's where the agent is kept for the next time. ValueError
    when one of them is not of its form: they go into a shell script.
    """
    if vm and not _VM.fullmatch(vm):
        raise ValueError(f"not namespace/name of a virtual machine: {vm!r}")
    if not _PORT.fullmatch(port):
        raise ValueError(f"not the name of a virtio-serial port: {port!r}")
    options = f"--vm {vm} --watch --serve-port {port}" if vm else f"--watch --serve-port {port}"
    for channel in send:
        if not _CHANNEL.fullmatch(channel):
            raise ValueError(f"not a channel: {channel!r}")
        sender(channel, None, None)
    if send:
        options += f" --send {','.join(send)}"
    secrets = []
    if token is not None:
        if not _TOKEN.fullmatch(token):
            raise ValueError("not a bearer token")  # and it is not shown: it is a secret
        secrets.append(f"    keep \"$dir/token\" 600 <<'END'\n{token}\nEND")
        options += " --token-file $dir/token"
    if ca is not None:
        lines = ca.strip().splitlines()
        if not lines or not lines[0].startswith("-----BEGIN") or not all(map(_PEM.fullmatch, lines)):
            raise ValueError("not the PEM text of certificates")
        secrets.append("    keep \"$dir/ca.pem\" 644 <<'END'\n" + "\n".join(lines) + "\nEND")
        options += " --ca-file $dir/ca.pem"
    if every is not None:
        options += f" --every {int(every)}"
    text = base64.b64encode(agent_bytes(kept)).decode("ascii")
    words = {
        "@NAME@": NAME,
        "@AGENT@": "\n".join(text[n : n + 76] for n in range(0, len(text), 76)),
        "@SECRETS@": "\n".join(secrets),
        "@OPTIONS@": options,
        "@FALLBACK@": FALLBACK.replace("@VERSION@", VERSION).strip(),
        "@VM@": vm,
        "@PORT@": port,
    }
    return re.sub("|".join(words), lambda match: words[match[0]], BOOTHOOK)
