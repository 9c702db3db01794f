"""A system libvirtd that leaves this machine's alone: of this machine's programs, or of a root of another version."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from private_libvirt import WORLD

ENTER = r"""
root=$1
shift
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/tmp"
mkdir -p "$root$1"
mount --bind "$1" "$root$1"
exec chroot "$root" sh -ec "$0" sh "$@"
"""
"""Into a root, where the daemon's own directory has the path that it has outside."""
DAEMON = (
    r"""
controllers=
for top in /sys/fs/cgroup/cpu /sys/fs/cgroup; do  # version 1, version 2
    if mkdir $top/nestproof-probe; then controllers='"cpu", "cpuacct", "cpuset"'; rmdir $top/nestproof-probe; break; fi
done 2>/dev/null
"""
    + WORLD
    + r"""
ln -s "$1/run/libvirt-sock" /run/libvirt/libvirt-sock  # where a client that sees the same /run looks for it
ip link set lo up && ip link add name nestbr0 type bridge && ip link set nestbr0 up
cat >"$1/libvirtd.conf" <<END
listen_tls = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_dir = "$1/run"
log_outputs = "3:file:$1/libvirtd.log"
END
exec libvirtd --config "$1/libvirtd.conf" --pid-file "$1/libvirtd.pid"
"""
)
"""A system libvirtd with its own empty /run, /var and /etc/libvirt, and its own network, so that it leaves this
machine's alone: there is a bridge `nestbr0`, and cgroups where this machine lets root make any."""

BRIDGED = "<network><name>bridged</name><forward mode='bridge'/><bridge name='nestbr0'/></network>"

REAPED = """
import os, sys
from provision.providers.libvirt.reaping import supervise
supervise()
os.execvp(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def private_libvirtd(place: Path, root: Path) -> Iterator[str]:
    """Its URI, while it runs; what it has is below `place`, its pool `default` in `place/pool`. Takes root's rights."""
    for name in ("run", "pool"):
        (place / name).mkdir()
    script = [ENTER, DAEMON, str(root), str(place)] if root != Path("/") else [DAEMON, "sh", str(place)]
    inside = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-ec", *script]
    with (
        (place / "started.log").open("wb") as said,
        subprocess.Popen([sys.executable, "-c", REAPED, *inside], stderr=said) as process,
    ):
        try:
            for _ in range(300):
                if (place / "run/libvirt-sock").exists() or process.poll() is not None:
                    break
                time.sleep(0.1)
            endpoint = f"qemu:///system?socket={place}/run/libvirt-sock"
            virsh = f"virsh -q -c {shlex.quote(endpoint)}"
            made = subprocess.run(
                [
                    "sh",
                    "-ec",
                    f"{virsh} pool-define-as default dir --target {place}/pool && {virsh} pool-start default && "
                    f'echo "{BRIDGED}" | {virsh} net-define /dev/stdin && {virsh} net-start bridged',
                ],
                check=False,
                capture_output=True,
                text=True,
            )
            assert made.returncode == 0, made.stderr + (place / "started.log").read_text(errors="replace")
            yield endpoint
        finally:
            process.terminate()
            process.wait(90)  # it gives its own workers half a minute
