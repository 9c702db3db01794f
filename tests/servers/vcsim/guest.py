"""What stands for the guest of the simulator: cloud-init and VMware Tools in one.

    guest.py agent               run the agent of the user-data, here, and send what it reports
    guest.py recorded FILE       send a report that was recorded in the lab, as the VM that the user-data names

It reads the guestinfo variables (JSON) and prints those that VMware Tools would set.
"""

import base64
import gzip
import json
import re
import subprocess
import sys
import tempfile
from email import message_from_bytes
from pathlib import Path

KEY = "guestinfo.nestproof.report"


def decoded(variables: dict[str, str], name: str) -> bytes:
    """As cloud-init's DataSourceVMware reads a variable."""
    value = variables[f"guestinfo.{name}"]
    encoding = variables.get(f"guestinfo.{name}.encoding", "")
    if encoding in ("gzip+base64", "gz+b64"):
        return gzip.decompress(base64.b64decode(value))
    if encoding in ("base64", "b64"):
        return base64.b64decode(value)
    return value.encode()


def boothook(user_data: bytes) -> str:
    """The part that installs the agent."""
    for part in message_from_bytes(user_data).walk():
        if part.get_content_type() == "text/cloud-boothook":
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload.decode()
    raise SystemExit("no boothook in the user-data")


def agent_report(hook: str, vm: str) -> bytes:
    """What the agent of the boothook reports of this machine."""
    found = re.search(r"\n((?:[A-Za-z0-9+/]{76}\n){10,}[A-Za-z0-9+/=]{1,76}\n)", hook)
    assert found is not None, "no agent in the boothook"
    with tempfile.TemporaryDirectory() as directory:
        agent = Path(directory) / "agent"
        agent.write_bytes(base64.b64decode(found[1]))
        return subprocess.run(
            [sys.executable, agent, "--json", "--vm", vm], check=True, capture_output=True, timeout=120
        ).stdout


def main() -> None:
    variables = json.load(sys.stdin)
    json.loads(decoded(variables, "metadata"))
    hook = boothook(decoded(variables, "userdata"))
    found = re.search(r"--vm (\S+)", hook)
    assert found is not None
    assert "--send" in hook and "guestinfo" in hook, "the agent is not told to send by guestinfo"
    if sys.argv[1] == "agent":
        report = agent_report(hook, found[1])
    else:
        body = json.loads(Path(sys.argv[2]).read_bytes())
        body["subject"]["vm"] = sys.argv[3] if len(sys.argv) > 3 else found[1]
        report = json.dumps(body).encode()
    packed = base64.b64encode(gzip.compress(report, 9)).decode()
    print(json.dumps({KEY: packed, f"{KEY}.encoding": "gzip+base64"}))


main()
