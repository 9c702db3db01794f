"""cloud-init itself reads what the agent's part is sent in. Its code is Debian's, unpacked and not installed."""

import os
import subprocess
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
from lab_artefacts import unpacked

from agent.cloudinit import user_data_part

pytestmark = pytest.mark.lab
PACKAGES = (
    "cloud-init python3-yaml python3-jinja2 python3-markupsafe python3-jsonschema python3-attr python3-pyrsistent "
    "python3-configobj python3-six python3-requests python3-urllib3 python3-idna python3-certifi python3-chardet "
    "python3-oauthlib python3-jsonpatch python3-json-pointer python3-blinker python3-charset-normalizer"
)
TAKE_APART = """
import sys
from cloudinit import handlers, user_data
from cloudinit.handlers.boot_hook import BootHookPartHandler
message = user_data.UserDataProcessor(None).process(sys.stdin.read())
class Paths:
    def get_ipath_cur(self, name): return sys.argv[1]
    get_ipath = get_ipath_cur
hook = BootHookPartHandler(Paths(), None)
for part in message.walk():
    if part.get_content_maintype() == "text":
        text = part.get_payload(decode=True).decode()
        print(part.get_content_type(), len(text))
        if part.get_content_type() in hook.list_types():
            with open(hook._write_part(text, "nestproof"), "rb") as f:
                print(f.readline().decode().strip())
"""


def test_a_user_s_cloud_config_and_the_part_come_out_as_they_went_in(tmp_path: Path) -> None:
    tree = unpacked("cloud-init", PACKAGES.split())
    message = MIMEMultipart()
    user = "#cloud-config\npackages: [tree]\n"
    message.attach(MIMEText(user, "cloud-config", "utf-8"))
    message.attach(MIMEText(user_data_part("a/b"), "cloud-boothook", "utf-8"))
    done = subprocess.run(
        ["/usr/bin/python3", "-S", "-c", TAKE_APART, tmp_path],
        input=message.as_string(),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tree / "usr/lib/python3/dist-packages")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"text/cloud-config {len(user)}",
        f"text/cloud-boothook {len(user_data_part('a/b'))}",
        "#!/bin/sh",
    ]
