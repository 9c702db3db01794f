"""The part of cloud-init under a real OpenRC: Debian's, laid over this system in a namespace of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from lab_artefacts import unpacked

from agent.cloudinit import user_data_part

pytestmark = [pytest.mark.lab, pytest.mark.root]
NAMESPACE = """
set -e
mount -t tmpfs none /mnt
mkdir /mnt/up /mnt/work /mnt/whole
cp -a {tree} /mnt/tree
# packages of Debian 12 still say /sbin where the system has merged it into /usr
for d in bin sbin lib; do
    [ -d /mnt/tree/$d ] || continue
    mkdir -p /mnt/tree/usr/$d
    cp -a /mnt/tree/$d/. /mnt/tree/usr/$d/
    rm -r /mnt/tree/$d
done
mount -t overlay overlay -o lowerdir=/mnt/tree:/,upperdir=/mnt/up,workdir=/mnt/work /mnt/whole
mount --rbind /dev /mnt/whole/dev
mount --rbind /sys /mnt/whole/sys
mount -t proc proc /mnt/whole/proc
mount -t tmpfs none /mnt/whole/run
cp {hook} /mnt/whole/hook
exec chroot /mnt/whole /bin/sh -c '
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /run/openrc
openrc sysinit >/dev/null 2>&1
echo default >/run/openrc/softlevel
sh /hook
for i in $(seq 300); do [ -s /run/nestproof/report.json ] && break; sleep 0.1; done
sh /hook
rc-service nestproof-agent status
rc-update show default
echo "PROCESSES $(pgrep -cf "^/usr/bin/python3.*[-]-serve-port")"
grep -o "\\"vm\\": \\"a/b\\"" /run/nestproof/report.json
python3 -I -S /usr/local/lib/nestproof/nestproof-agent.pyz --uninstall
for i in $(seq 300); do pgrep -f "[-]-serve-port org" >/dev/null || break; sleep 0.1; done
echo "LEFT $(pgrep -cf "[-]-serve-port org")"
find /etc/init.d/nestproof-agent /usr/local/lib/nestproof /etc/runlevels/default/nestproof-agent 2>/dev/null | wc -l
'
"""


def test_installs_runs_and_is_removed(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1)")
    tree = unpacked("openrc", ["openrc", "librc1", "libeinfo1"])
    (tmp_path / "hook").write_text(user_data_part("a/b"))
    script = NAMESPACE.format(tree=tree, hook=tmp_path / "hook")
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    said = done.stdout
    assert "status: started" in said, said + done.stderr
    assert "nestproof-agent" in said
    assert "PROCESSES 2" in said
    assert '"vm": "a/b"' in said
    assert "removed /etc/init.d/nestproof-agent" in said
    assert said.rstrip().endswith("LEFT 0\n0")
