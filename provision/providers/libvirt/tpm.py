"""The authority that certifies the TPMs of an embedded driver: one of its own, below its root.

swtpm_setup would use /var/lib/swtpm-localca, which an ordinary user cannot write, and where files of root's would keep
the machine's own libvirt from ever making a TPM again. It finds its configuration by XDG_CONFIG_HOME alone
(swtpm_setup.conf(5)), which is therefore set while a VM with a TPM starts.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hostcheck.files import write_whole

VARIABLE = "XDG_CONFIG_HOME"
SETUP = """\
create_certs_tool = {tool}
create_certs_tool_config = {directory}/swtpm-localca.conf
create_certs_tool_options = {directory}/swtpm-localca.options
"""
AUTHORITY = """\
statedir = {state}
signingkey = {state}/signkey.pem
issuercert = {state}/issuercert.pem
certserial = {state}/certserial
"""
OPTIONS = """\
--platform-manufacturer nestproof
--platform-version 1
--platform-model QEMU
"""

_alone = threading.Lock()


@contextmanager
def own_authority(root: Path) -> Iterator[None]:
    """Whatever is started meanwhile certifies TPMs by the authority below `root`."""
    tool = shutil.which("swtpm_localca")
    if tool is None:  # the machine's own configuration knows better
        yield
        return
    directory = root / "etc" / "swtpm"
    state = directory / "authority"
    state.mkdir(parents=True, exist_ok=True)
    write_whole(directory / "swtpm_setup.conf", SETUP.format(tool=tool, directory=directory).encode())
    write_whole(directory / "swtpm-localca.conf", AUTHORITY.format(state=state).encode())
    write_whole(directory / "swtpm-localca.options", OPTIONS.encode())
    with _alone:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(directory)
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
