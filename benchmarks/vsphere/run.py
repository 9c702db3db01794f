"""A fleet of a vCenter read by nestproof and by a straightforward pyvmomi script: `python benchmarks/vsphere/run.py`.

Both read the same properties of every host and every VM of a simulated vCenter (50 hosts, 1,000 VMs), in turns; the
median of the rounds and the number of requests are told. The simulator answers in well under a millisecond: with a real
network, each request costs its round trip on top.
"""

import argparse
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from pyVim.connect import Disconnect, SmartConnect  # noqa: E402
from pyVmomi import vim  # noqa: E402
from vcsim_server import ESXI_8, VCenter, start  # noqa: E402 - the server of the contract tests

from provision.model import Credentials, ProviderSpec  # noqa: E402
from provision.providers.vsphere.hosts import HOST  # noqa: E402
from provision.providers.vsphere.observe import FLEET  # noqa: E402
from provision.providers.vsphere.provider import open_estate  # noqa: E402


def ours(vc: VCenter) -> int:
    spec = ProviderSpec("vc", "vsphere", vc.url, None, Credentials("here", username="user", password="pass"), ca=vc.ca)
    estate = open_estate(spec)
    found = len(estate.hosts(lambda _: None)) + len(estate.vms(lambda _: None))
    estate.close()
    return found


def straightforward(vc: VCenter) -> int:
    """As in many a script: a container view, and then attribute after attribute."""
    context = ssl.create_default_context(cafile=str(vc.certificate))
    instance = SmartConnect(host="127.0.0.1", port=vc.port, user="user", pwd="pass", sslContext=context)
    content = instance.RetrieveContent()
    found = 0
    for kind, paths in ((vim.HostSystem, HOST), (vim.VirtualMachine, FLEET)):
        view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
        for managed in view.view:
            for path in paths:
                value: Any = managed
                for name in path.split("."):
                    value = getattr(value, name, None) if value is not None else None
            found += 1
        view.Destroy()
    Disconnect(instance)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--vms", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        hosts = [ESXI_8] * options.hosts
        vc = start(Path(place), hosts=hosts, machines=options.vms, templates=[])
        contenders: dict[str, Callable[[VCenter], int]] = {"nestproof": ours, "attribute by attribute": straightforward}
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        requests: dict[str, int] = {}
        try:
            for _ in range(options.rounds):
                for name, read in contenders.items():
                    vc.calls()
                    began = time.perf_counter()
                    assert read(vc) == options.hosts + options.vms
                    seconds[name].append(time.perf_counter() - began)
                    requests[name] = sum(vc.calls().values())
        finally:
            vc.stop()
    for name in contenders:
        taken = seconds[name]
        print(
            f"{name:24} {requests[name]:6} requests  median {statistics.median(taken):6.2f} s "
            f"({min(taken):.2f} to {max(taken):.2f}, {len(taken)} rounds)"
        )


main()
