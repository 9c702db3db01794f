"""What goes wrong on a Proxmox cluster, one thing at a time: said in one line, mended by applying again."""

import contextlib
import itertools
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from pve_lab import PVE_8, PVE_9_1, PveLab, actions, lab, quiet, template
from pve_server import AMD, INTEL, SECRET, TOKEN, documented
from vm_factory import tiny_image

from agent.channels.local import REPORT
from hostcheck.model import Arrival, Silence
from hostcheck.report import decode
from provision.patience import BOUND
from provision.provider import NoReport, ProviderError
from provision.providers.proxmox import changes, media, tasks
from provision.proving import hear


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def cluster(tmp_path: Path, disk: Path) -> Iterator[PveLab]:
    """Two nodes of AMD, one of Intel, on the newest version."""
    nodes = {"pve1": AMD, "pve2": {**AMD, "memory": 128 << 30}, "pve3": {**INTEL, "memory": 32 << 30}}
    with lab(tmp_path, disk, PVE_9_1, nodes=nodes) as made:
        yield made


def fails(what: Callable[[], object], match: str) -> ProviderError:
    with pytest.raises(ProviderError, match=match) as caught:
        what()
    assert "\n" not in str(caught.value)
    return caught.value


# ------------------------------------------------------------------------------------------------------- privileges


@pytest.mark.parametrize("version", [PVE_8, PVE_9_1])
def test_every_documented_privilege_is_needed_and_its_lack_is_named(tmp_path: Path, disk: Path, version: str) -> None:
    """Without any single one of them something fails or is said, naming it; with all of them nothing does."""
    granted = documented(version)
    with lab(tmp_path, disk, version) as made:
        made.pve.set(behaviour={"default.other": "console"})
        everything = {privilege for _user, _path, privileges in granted for privilege in privileges}
        silent = {"VM.Audit", "Datastore.AllocateSpace"}  # without it things are not there at all
        for lacking in sorted(everything):
            acl = {TOKEN: [[path, [p for p in privileges if p != lacking]] for _user, path, privileges in granted]}
            made.pve.call("set_acl", acl)
            said = live(made)
            made.pve.call("set_acl", {TOKEN: [[path, privileges] for _user, path, privileges in granted]})
            for name in ("tiny", "other"):
                made.provider.destroy("default", name)
            made.pve.call("sweep")
            assert said, f"nothing misses {lacking}"
            assert lacking in silent or lacking in " ".join(said), (lacking, said)
        assert live(made) == []


def live(made: PveLab) -> list[str]:
    """A whole life of two VMs, from an image and from a template; what was complained of."""
    complaints: list[str] = []

    def listen(line: str) -> None:
        if "stays" in line:
            complaints.append(line)

    try:
        for vm in (made.vm(), made.vm(name="other", image=template())):
            plan = made.provider.plan(vm)
            complaints += [note for note in plan.notes if note.startswith("could not look")]
            made.provider.apply(plan, quiet)
            made.provider.fetch_report(vm, 5, listen)
            made.provider.apply(made.provider.plan(made.vm(name=vm.name, image=vm.image, disk_gib=2, cpus=2)), quiet)
            made.provider.destroy("default", vm.name)
    except ProviderError as e:
        complaints.append(f"{e} | {e.hint}")
    return complaints


def test_a_permission_error_has_the_command_that_mends_it(cluster: PveLab) -> None:
    granted = [[path, privileges] for _user, path, privileges in documented(PVE_9_1) if not path.startswith("/sdn")]
    cluster.pve.call("set_acl", {TOKEN: granted})
    fault = fails(lambda: cluster.apply(cluster.vm()), rf"^{TOKEN} lacks SDN\.Use on /sdn/zones/localnet/vmbr0")
    assert f"pveum acl modify /sdn/zones/localnet/vmbr0 --tokens '{TOKEN}' --roles NestproofBridges" in fault.hint


# ------------------------------------------------------------------------------------------------ many at the same time


MANY = """
import pickle, sys
from concurrent.futures import ThreadPoolExecutor
from provision.providers.proxmox.provider import open_endpoint
vms = pickle.load(sys.stdin.buffer)
provider = open_endpoint(vms[0].provider)
print("ready", flush=True)
sys.stdin.buffer.read()
with ThreadPoolExecutor(len(vms)) as pool:
    list(pool.map(lambda vm: provider.apply(provider.plan(vm), lambda line: None), vms))
print("done", flush=True)
"""


def test_fifty_applies_at_once_get_fifty_numbers(cluster: PveLab) -> None:
    """Of eight processes that know nothing of each other, with six or seven threads each."""
    names = [f"vm{number}" for number in range(50)]
    with contextlib.ExitStack() as running:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started = [running.enter_context(subprocess.Popen([sys.executable, "-c", MANY], **pipes)) for _ in range(8)]
        for number, process in enumerate(started):
            pickle.dump([cluster.vm(name=name, power_on=False) for name in names[number::8]], process.stdin)
            process.stdin.flush()
        assert {process.stdout.readline() for process in started} == {b"ready\n"}
        for process in started:
            process.stdin.close()
        assert {process.stdout.read() for process in started} == {b"done\n"}
    state = cluster.pve.state()
    made = [vm for vm in state["vms"] if not vm["template"]]
    assert sorted(vm["name"] for vm in made) == sorted(f"default.{name}" for name in names)
    assert len({vm["vmid"] for vm in made}) == 50
    assert sum("import/" in volume for volume in state["disks"]) == 1, "the image is uploaded once"
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda name: cluster.provider.destroy("default", name), names))
    assert [volume for volume in cluster.pve.state()["disks"] if "base-900" not in volume] == []


def test_the_same_vm_applied_twice_at_once_is_one_vm(cluster: PveLab) -> None:
    vm = cluster.vm()
    plans = [cluster.provider.plan(vm) for _ in range(4)]
    faults: list[ProviderError] = []

    def one(number: int) -> None:
        try:
            cluster.provider.apply(plans[number], quiet)
        except ProviderError as e:
            faults.append(e)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cluster.apply(vm)
    assert cluster.pve.vm("default.tiny")["status"] == "running"


# ---------------------------------------------------------------------------------------------------- broken off


APPLY = """
import os, sys, pickle
from provision.providers.proxmox.provider import open_endpoint
vm = pickle.loads(sys.stdin.buffer.read())
provider = open_endpoint(vm.provider)
provider.apply(provider.plan(vm), lambda line: print(line, flush=True))
print("done", flush=True)
"""


@pytest.mark.parametrize(
    "at", ["uploading tiny.img", "making the VM", "growing", "uploading the seed", "starting", "done"]
)
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(cluster: PveLab, at: str) -> None:
    vm = cluster.vm(disk_gib=2)
    with subprocess.Popen([sys.executable, "-c", APPLY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps(vm))
        process.stdin.close()
        for line in process.stdout:
            if line.decode().startswith(at):
                break
        else:
            pytest.fail(f"it never came to {at!r}")
        process.kill()
    plan, _ = cluster.apply(vm)
    made = cluster.pve.vm("default.tiny")
    assert made["status"] == "running", actions(plan)
    assert "size=2G" in made["config"]["scsi0"]
    assert cluster.provider.fetch_report(vm, 60, quiet)
    cluster.provider.destroy("default", "tiny")
    assert [volume for volume in cluster.pve.state()["disks"] if "base-900" not in volume] == []


def test_a_task_that_an_earlier_run_started_is_followed_and_not_started_again(tmp_path: Path, disk: Path) -> None:
    with lab(tmp_path, disk, PVE_9_1, time_scale=1.0) as made:
        made.apply(made.vm(power_on=False))
        number = made.pve.vm("default.tiny")["vmid"]
        made.pve.set(vm=number, start_secs=3)
        headers = {"Authorization": f"PVEAPIToken={TOKEN}={SECRET}"}
        url = f"https://127.0.0.1:{made.pve.port}/api2/json/nodes/pve1/qemu/{number}/status/start"
        requests.post(url, headers=headers, verify=str(made.pve.ca), timeout=30).raise_for_status()
        _, said = made.apply(made.vm())
        assert "waiting for a task that is running already" in said
        assert made.pve.vm("default.tiny")["status"] == "running"
        assert [kind for kind, _, _ in made.pve.state()["tasks"]].count("qmstart") == 1


def test_a_seed_that_a_killed_run_had_not_attached_is_removed_as_well(
    cluster: PveLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(changes, "with_seed", killed)
    with pytest.raises(KeyboardInterrupt):
        cluster.apply(cluster.vm())
    assert any("iso/nestproof" in volume for volume in cluster.pve.state()["disks"])
    cluster.provider.destroy("default", "tiny")
    assert [volume for volume in cluster.pve.state()["disks"] if "base-900" not in volume] == []


def test_an_api_that_restarts_is_waited_for(cluster: PveLab) -> None:
    vm = cluster.vm(power_on=False)
    cluster.apply(vm)
    cluster.pve.call("outage", 2.0)
    assert cluster.provider.observe(vm) is not None


def test_an_api_that_is_gone_while_something_is_changed_is_said_and_nothing_is_done_twice(cluster: PveLab) -> None:
    vm = cluster.vm()
    plan = cluster.provider.plan(vm)
    cluster.pve.call("drop_after", "POST", "/nodes/pve2/qemu")
    fails(lambda: cluster.provider.apply(plan, quiet), r"127\.0\.0\.1:\d+: cannot be reached")
    cluster.apply(vm)
    assert cluster.pve.vm("default.tiny")["status"] == "running"


def test_tasks_that_hang_die_or_fail_are_told_apart(cluster: PveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.apply(cluster.vm(power_on=False))
    start = cluster.vm()
    for ending, says in (
        ({"exit": "unexpected status"}, "task qmstart on pve2: its worker died before it could say how it ended"),
        ({"exit": "start failed: QEMU exited with code 1"}, "QEMU exited with code 1"),
        ({"exit": "got no worker upid - start worker failed"}, "start worker failed"),
    ):
        cluster.pve.set(task_faults={"qmstart": ending})
        fails(lambda: cluster.apply(start), says)
    monkeypatch.setattr(tasks, "LIMIT", 1.0)
    cluster.pve.set(task_faults={"qmstart": {"hang": True}})
    fails(lambda: cluster.apply(start), r"task qmstart on pve2 has not ended within 1 s")


def test_a_start_with_warnings_is_not_ok_and_an_ignored_nesting_fails(cluster: PveLab) -> None:
    cluster.pve.set(task_faults={"qmstart": {"warn": "no efidisk configured! Using temporary efivars disk."}})
    _, said = cluster.apply(cluster.vm())
    assert any("Proxmox warns: no efidisk configured" in line for line in said)
    cluster.provider.destroy("default", "tiny")
    ignored = "ignoring 'nested-virt' CPU flag - unable to resolve from host CPU flags"
    cluster.pve.set(task_faults={"qmstart": {"warn": ignored}})
    fault = fails(lambda: cluster.apply(cluster.vm()), r"^vm\.yaml:14:5: VM \d+ on pve2 was started without nesting")
    assert fault.refused
    seen = cluster.provider.observe(cluster.vm())
    assert seen is not None
    assert seen.got is False
    assert any(ignored in each.text for each in seen.evidence)


# ------------------------------------------------------------------------------------------------- the cluster's state


def test_a_node_that_is_offline_stops_only_its_own_vms(cluster: PveLab) -> None:
    cluster.apply(cluster.vm())
    assert cluster.pve.vm("default.tiny")["node"] == "pve2"
    cluster.pve.call("set_node_offline", "pve2")
    fault = fails(lambda: cluster.provider.plan(cluster.vm()), r"VM \d+ is on pve2, which is offline")
    assert "bring pve2 back" in fault.hint
    cluster.apply(cluster.vm(name="other"))
    assert cluster.pve.vm("default.other")["node"] == "pve1"
    cluster.pve.call("set_node_offline", "pve2", False)
    assert actions(cluster.provider.plan(cluster.vm())) == ["keep VM"]


def test_a_node_that_is_lost_while_its_task_runs_is_said_and_gone_on_with_later(tmp_path: Path, disk: Path) -> None:
    with lab(tmp_path, disk, PVE_9_1, time_scale=1.0) as made:
        made.apply(made.vm(power_on=False))
        made.pve.set(vm=made.pve.vm("default.tiny")["vmid"], start_secs=4)
        plan = made.provider.plan(made.vm())

        def lose(line: str) -> None:
            if line == "starting":
                threading.Timer(1.0, made.pve.call, ("set_node_offline", "pve1")).start()

        fails(lambda: made.provider.apply(plan, lose), "task qmstart on pve1: how it ended is not known: the node does")
        made.pve.call("set_node_offline", "pve1", False)
        made.apply(made.vm())
        assert made.pve.vm("default.tiny")["status"] == "running"


def test_lost_quorum_and_locks_are_explained(cluster: PveLab) -> None:
    cluster.pve.call("lose_quorum")
    fault = fails(lambda: cluster.apply(cluster.vm()), "the cluster has lost its quorum")
    assert "pvecm status" in fault.hint
    cluster.pve.call("regain_quorum")
    cluster.apply(cluster.vm())
    number = cluster.pve.vm("default.tiny")["vmid"]
    cluster.pve.call("snapshot_lock", number, "backup")
    fault = fails(lambda: cluster.apply(cluster.vm(cpus=2)), "is locked: a backup of it is running")
    assert f"qm unlock {number}" in fault.hint
    cluster.pve.call("unlock", number)
    cluster.apply(cluster.vm(cpus=2))


def test_a_full_storage_is_told_before_where_that_is_possible(cluster: PveLab) -> None:
    cluster.pve.set(storage="local-lvm", type="dir", avail=1 << 20)
    fault = fails(
        lambda: cluster.provider.plan(cluster.vm()), r"storage local-lvm on pve\d has 0 GiB left, the VM needs 1"
    )
    assert fault.refused
    cluster.pve.set(storage="local-lvm", type="lvmthin", avail=4)
    fails(lambda: cluster.apply(cluster.vm()), "the storage is full: .*No space left on device")
    cluster.pve.set(storage="local-lvm", avail=500 << 30)
    cluster.apply(cluster.vm())


def test_storages_that_lack_a_content_are_named_with_the_command(cluster: PveLab) -> None:
    cluster.pve.set(storage="local", content="iso,backup")
    fault = fails(lambda: cluster.provider.plan(cluster.vm()), "no storage on pve2 takes disk images by the API")
    assert "pvesm set local --content" in fault.hint
    cluster.pve.set(storage="local", content="backup,import")
    fails(lambda: cluster.provider.plan(cluster.vm()), "no storage on pve2 takes iso content")
    cluster.pve.set(storage="local", content="iso,import")
    cluster.pve.set(storage="local-lvm", content="rootdir")
    fails(lambda: cluster.provider.plan(cluster.vm()), "no storage on pve2 takes disks of VMs")


def test_an_upload_that_is_damaged_is_refused_by_the_server(cluster: PveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = media.Media._upload

    def damaged(self: media.Media, node: str, volume: media.Volume, file: object, sha256: str, said: object) -> None:
        upload(self, node, volume, file, "0" * 64, said)  # type: ignore[arg-type]

    monkeypatch.setattr(media.Media, "_upload", damaged)
    fails(lambda: cluster.apply(cluster.vm()), "checksum mismatch")


# -------------------------------------------------------------------------------------------------------- the guest


@pytest.mark.parametrize(
    ("behaviour", "arrival", "says"),
    [
        ("no-agent", Arrival.SILENT, "the QEMU guest agent does not answer yet"),
        ("no-seed", Arrival.SILENT, "the QEMU guest agent answers, but there is no report yet"),
        ("silent", Arrival.SILENT, "there is no report yet"),
        ("garbage", Arrival.REFUSED, "its report is refused"),
        ("huge", Arrival.SILENT, "at most 65536 are accepted"),
        ("foreign", Arrival.REFUSED, "it claims to be of 'default/somebody-else'"),
    ],
)
def test_a_guest_that_does_not_do_its_part(cluster: PveLab, behaviour: str, arrival: Arrival, says: str) -> None:
    cluster.pve.set(behaviour={"*": behaviour})
    cluster.apply(cluster.vm())
    heard = hear(cluster.provider, cluster.vm(), 1, quiet)
    assert heard.arrival is arrival
    assert says in heard.detail
    assert heard.report is None


def test_a_guest_that_is_getting_on_is_waited_for_longer(cluster: PveLab) -> None:
    cluster.pve.set(behaviour={"*": "silent"})
    cluster.apply(cluster.vm())
    stages = (None, {"files": {}}, {"files": {REPORT: ""}})
    (vmid,) = (vm["vmid"] for vm in cluster.pve.state()["vms"] if not vm["template"])
    heard = threading.Event()

    def boot() -> None:
        for step in itertools.count():
            cluster.pve.set(vm=vmid, agent=stages[step % len(stages)])
            if heard.wait(0.7):
                return

    booting = threading.Thread(target=boot)
    booting.start()
    try:
        silent = hear(cluster.provider, cluster.vm(), 3, quiet)
    finally:
        heard.set()
        booting.join()
    waited = re.search(r"no report within (\d+) s", silent.detail)
    assert waited is not None, silent.detail
    assert 3 < int(waited[1]) <= BOUND * 3 + 2, silent.detail


def test_without_a_guest_agent_the_report_is_heard_on_the_console(cluster: PveLab) -> None:
    cluster.pve.set(behaviour={"*": "console"})
    cluster.apply(cluster.vm())
    heard = hear(cluster.provider, cluster.vm(), 20, quiet)
    assert heard.report is not None, heard.detail
    assert decode(heard.report).subject.vm == "default/tiny"


def test_a_console_that_may_not_be_listened_to_is_no_failure_and_is_said(cluster: PveLab) -> None:
    lacking = [[path, [p for p in given if p != "VM.Console"]] for _user, path, given in documented(PVE_9_1)]
    cluster.pve.call("set_acl", {TOKEN: lacking})
    cluster.apply(cluster.vm())
    assert cluster.provider.fetch_report(cluster.vm(), 20, quiet)
    cluster.pve.set(behaviour={"*": "console"})
    cluster.apply(cluster.vm(name="other"))
    fault = fails(lambda: cluster.provider.fetch_report(cluster.vm(name="other"), 1, quiet), "its console cannot be")
    assert "VM.Console" in str(fault)
    assert isinstance(fault, NoReport)
    assert fault.silence is Silence.BOOTING


def test_a_vm_that_is_not_there(cluster: PveLab) -> None:
    fails(lambda: cluster.provider.fetch_report(cluster.vm(), 1, quiet), "it does not exist at proxmox://127")
