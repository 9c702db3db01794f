"""Every other refusal, warning and limit of the Proxmox provider, each said in one line with what to do."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_fields
from pve_lab import PVE_8, PVE_9_1, PveLab, actions, lab, quiet, template
from pve_server import PASSWORD, SECRET, TOKEN, documented
from vm_factory import IMAGE, net, tiny_image

from hostcheck.judge import judge
from hostcheck.model import Asked, Silence
from hostcheck.report import decode
from provision.model import Firmware, HttpRequest, ImageSpec, Limits, NetworkKind, ProviderSpec
from provision.provider import NoReport, Power, ProviderError
from provision.providers import open_estate, open_provider
from provision.providers.proxmox import api, console, vmid
from provision.proving import hear

GONE = "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Iterator[PveLab]:
    with lab(tmp_path_factory.mktemp("pve"), disk, PVE_9_1, users={"ann@pve": PASSWORD}) as made:
        made.pve.call("add_template", 901, "small", "pve1", "local-lvm", efidisk0="local-lvm:base-901-disk-1,size=4M")
        yield made


@pytest.fixture
def cluster(server: PveLab) -> Iterator[PveLab]:
    """Without a VM, and in its right mind, before and after."""
    yield server
    server.pve.set(answers={}, failures={}, behaviour={}, stubborn=False, hangs_up=False, tfa=False)
    server.pve.call("set_acl", {TOKEN: [[path, privileges] for _user, path, privileges in documented(PVE_9_1)]})
    for name in ("tiny", "other"):
        server.provider.destroy("default", name)


def fails(what: Callable[[], object], match: str) -> ProviderError:
    with pytest.raises(ProviderError, match=match) as caught:
        what()
    assert "\n" not in str(caught.value)
    return caught.value


def running(cluster: PveLab, **changes: Any) -> int:
    cluster.apply(cluster.vm(**changes))
    return int(cluster.pve.vm("default.tiny")["vmid"])


# ------------------------------------------------------------------------------------------------ what is refused


def test_what_a_plan_refuses_with_the_place_that_asks_for_it(cluster: PveLab) -> None:
    secure = {"firmware": Firmware.UEFI, "secure_boot": True, "image": template(901), "disk_gib": 2}
    placed = with_fields(cluster.vm().placement, datastore="nosuch")
    for changes, says in (
        ({"image": template(), "disk_gib": 0}, r"^vm\.yaml:16:5: a disk of 0 GiB is smaller than its image debian"),
        ({"networks": (net("vmbr9", NetworkKind.BRIDGE),)}, "pve1 has no bridge vmbr9"),
        ({"user_data": "no cloud-config"}, r"^vm\.yaml:"),
        ({"placement": placed}, "storage nosuch on pve1 is not there, or you may not see it"),
        ({"placement": with_fields(placed, datastore="local")}, "storage local on pve1 takes no disks of VMs"),
    ):
        fault = fails(partial(cluster.provider.plan, cluster.vm(**changes)), says)
        assert fault.refused, says
    cluster.apply(cluster.vm(**{**secure, "secure_boot": False}))
    assert "pre-enrolled-keys" not in cluster.pve.vm("default.tiny")["config"]["efidisk0"]
    fault = fails(lambda: cluster.provider.plan(cluster.vm(**secure)), "has no keys enrolled, and only a new one can")
    assert "pre-enrolled-keys=1" in fault.hint


def test_a_custom_model_takes_a_privilege_of_its_own_and_brings_its_flags(cluster: PveLab) -> None:
    cluster.pve.set(models={"mine": {"reported-model": "EPYC", "flags": "+svm"}})
    vm = cluster.vm(extra_config={"proxmox.cpu": "custom-mine"})
    fault = fails(lambda: cluster.apply(vm), rf"^{TOKEN} lacks Mapping\.Use on /mapping/cpu/mine")
    assert f"pveum acl modify /mapping/cpu/mine --tokens '{TOKEN}'" in fault.hint
    granted = [[path, privileges] for _user, path, privileges in documented(PVE_9_1)]
    cluster.pve.call("set_acl", {TOKEN: [*granted, ["/mapping/cpu/mine", ["Mapping.Use"]]]})
    cluster.apply(vm)
    assert cluster.pve.vm("default.tiny")["config"]["cpu"] == "custom-mine"
    heard = hear(cluster.provider, vm, 60, quiet)
    assert heard.view.asked is Asked.UNSTATED, "its flags are not ours to know"
    assert heard.report is not None
    assert judge(decode(heard.report)).runs_guests.verdict.works


def test_a_name_that_two_templates_have(cluster: PveLab) -> None:
    cluster.pve.call("add_template", 902, "debian-12", "pve1", "local-lvm")
    try:
        twice = cluster.vm(image=template(None, template="debian-12"))  # type: ignore[arg-type]
        fault = fails(lambda: cluster.provider.plan(twice), r"'debian-12' is there more than once \(900, 902\)")
        assert fault.hint == "name it by templateID"
    finally:
        cluster.pve.call("forget", 902)


def test_a_template_that_goes_away_while_it_is_looked_at(cluster: PveLab) -> None:
    cluster.pve.call("fail", "GET", "/qemu/900/pending", 500, GONE, times=1)
    fails(lambda: cluster.provider.plan(cluster.vm(image=template())), r"vm\.yaml:20:3: template 900 went away")


def test_numbers_that_run_out(cluster: PveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = cluster.provider.plan(cluster.vm())
    monkeypatch.setattr(vmid, "TRIES", 3)
    cluster.pve.call("fail", "POST", "/nodes/pve1/qemu", 500, "unable to create VM 100: config file already exists")
    fails(lambda: cluster.provider.apply(plan, quiet), "no free VM number was to be had in 3 tries")
    cluster.pve.set(failures={}, answers={"/cluster/nextid": vmid.LARGEST + 1})
    fails(lambda: cluster.provider.apply(plan, quiet), "the cluster has no VM numbers left")


# ------------------------------------------------------------------------------------- running VMs and what they take


def test_what_a_running_vm_takes_up_at_once_and_what_it_does_not(cluster: PveLab) -> None:
    number = running(cluster)
    limited = cluster.vm(limits=Limits(cpu_limit=1000))
    plan, _ = cluster.apply(limited)
    assert (plan.power, actions(plan)) == (Power.UNTOUCHED, ["configure VM"])
    assert cluster.pve.vm("default.tiny")["pending"] == {}
    cluster.pve.set(stubborn=True)
    fault = fails(lambda: cluster.apply(cluster.vm(limits=Limits(cpu_limit=3000))), "cpulimit take effect after a stop")
    assert "plan again" in fault.hint
    cluster.pve.set(stubborn=False)
    cluster.apply(limited)
    other = cluster.vm(limits=Limits(cpu_limit=1000), networks=(net("vmbr1", NetworkKind.BRIDGE),))
    config = cluster.pve.vm("default.tiny")["config"]
    assert cluster.provider.plan(other).power is Power.UNTOUCHED
    cluster.pve.set(vm=number, config={**config, "hotplug": "0"})
    assert cluster.provider.plan(other).power is Power.POWER_CYCLE, "this one has no hot-plug"


def test_a_key_that_somebody_takes_away_waits_and_is_kept(cluster: PveLab) -> None:
    number = running(cluster, limits=Limits(memory_reservation_mib=32))
    cluster.pve.set(vm=number, pending={"balloon": None})
    plan = cluster.provider.plan(cluster.vm(limits=Limits(memory_reservation_mib=32)))
    assert [(d.setting, d.observed, d.wanted) for d in plan.differences] == [
        ("balloon", "32, and none from its next cold start", "32"),
    ]  # fmt: skip


def test_the_double_of_another_run_is_removed_and_the_older_one_stays(cluster: PveLab) -> None:
    number = running(cluster)
    made = cluster.pve.vm("default.tiny")["config"]
    double = {key: made[key] for key in ("description", "tags", "cores")}
    double["description"] = double["description"].replace(f'"vmid":{number}', '"vmid":777')
    cluster.pve.call("add_vm", 777, "default.tiny", node="pve1", status="stopped", config=double)
    _, said = cluster.apply(cluster.vm())
    assert "removing VM 777, which another run made at the same time" in said
    assert cluster.pve.vm("default.tiny")["vmid"] == number


@pytest.mark.parametrize("version", [PVE_8, PVE_9_1])
def test_qemu_itself_tells_what_the_running_vm_got_where_it_may_be_asked(
    tmp_path: Path, disk: Path, version: str
) -> None:
    """Sys.Modify on / is what docs/proxmox.md names; what is given below it has to say it again."""
    grants = [[user, path, [*given, "Sys.Modify"]] for user, path, given in documented(version)]
    with lab(tmp_path, disk, version, grants=[*grants, [TOKEN, "/", ["Sys.Modify"]]]) as made:
        for nested in (True, False):
            vm = made.vm(nested=nested)
            made.apply(vm)
            seen = made.provider.observe(vm)
            assert seen is not None
            assert (seen.asked, seen.got) == (Asked.ON if nested else Asked.OFF, nested)
            said = {each.source: each.text for each in seen.evidence}
            assert said["QEMU monitor (qom-get)"] == f"svm={str(nested).lower()}"
        made.pve.set(node="pve1", nested=False)
        made.apply(made.vm(nested=False, power_on=False))
        made.pve.set(answers={"/monitor": "Error: Property 'svm' not found"})
        made.apply(made.vm(nested=False))
        seen = made.provider.observe(made.vm(nested=False))
        assert seen is not None
        assert any("answered \"Error: Property 'svm' not found\"" in each.text for each in seen.evidence)


# ------------------------------------------------------------------------------------------------------- the guest


def test_how_far_a_guest_has_come_by_what_its_agent_answers(cluster: PveLab) -> None:
    number = running(cluster)
    read = f"/qemu/{number}/agent/file-read"
    for failure, says, silence in (
        ((500, "VM 100 qmp command 'guest-file-read' failed - got timeout"), "does not answer yet", Silence.BOOTING),
        ((500, "Agent error: it is full"), "Agent error: it is full", Silence.UNKNOWN),
    ):
        cluster.pve.call("fail", "GET", read, *failure)
        fault = fails(lambda: cluster.provider.fetch_report(cluster.vm(), 0.5, quiet), says)
        assert isinstance(fault, NoReport)
        assert fault.silence is silence
    cluster.pve.call("fail", "GET", read, 400, "Parameter verification failed.")
    fails(lambda: cluster.provider.fetch_report(cluster.vm(), 0.5, quiet), "Parameter verification failed")
    cluster.pve.set(failures={}, answers={read: {"content": "\n"}})
    fails(lambda: cluster.provider.fetch_report(cluster.vm(), 0.5, quiet), "the report in the guest is empty so far")
    cluster.pve.set(answers={read: {"content": "{}", "truncated": True}})
    fault = fails(lambda: cluster.provider.fetch_report(cluster.vm(), 0.5, quiet), "2 bytes or more; at most 65536")
    assert isinstance(fault, NoReport)
    assert fault.silence is Silence.DAMAGED
    cluster.pve.set(answers={})
    cluster.pve.set(vm=number, qmpstatus="paused")
    fault = fails(lambda: cluster.provider.fetch_report(cluster.vm(), 1, quiet), "no report: it is paused")
    assert f"qm status {number} --verbose" in fault.hint
    config = {**cluster.pve.vm("default.tiny")["config"], "agent": "0"}
    cluster.pve.set(vm=number, qmpstatus="running", config=config)
    fails(lambda: cluster.provider.fetch_report(cluster.vm(), 1, quiet), "the VM has no guest agent device")


def test_a_console_that_ends_is_said_and_one_that_goes_on_is_kept_alive(
    cluster: PveLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "KEEP_ALIVE", 0.0)
    cluster.pve.set(behaviour={"*": "no-agent"})
    running(cluster)
    fails(lambda: cluster.provider.fetch_report(cluster.vm(), 1.5, quiet), "its console ends with: .*Linux version")
    assert cluster.pve.state()["kept_alive"] > 0
    cluster.pve.set(hangs_up=True)
    heard = []
    real = console.Console.report

    def listen(self: console.Console) -> bytes | None:
        found = real(self)
        heard.append(self.why)
        return found

    monkeypatch.setattr(console.Console, "report", listen)
    fails(lambda: cluster.provider.fetch_report(cluster.vm(), 1.5, quiet), "no report within")
    assert heard[-1] == "it was closed"


def test_a_report_may_be_fetched_again_and_what_is_gone_already_is_not_missed(cluster: PveLab) -> None:
    running(cluster)
    assert cluster.provider.fetch_report(cluster.vm(), 60, quiet)
    assert cluster.provider.fetch_report(cluster.vm(), 60, quiet)
    cluster.pve.call("sweep")
    assert cluster.provider.destroy("default", "tiny")[1:] == (), "the upload was gone"


# ----------------------------------------------------------------------------------------- a server that makes trouble


def test_answers_that_make_no_sense_are_said_as_such(cluster: PveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.pve.set(answers={"/cluster/resources": {"a": 1}})
    fails(lambda: cluster.provider.plan(cluster.vm()), r"GET /cluster/resources: an answer that makes no sense: Expect")
    cluster.pve.set(answers={})
    plan = cluster.provider.plan(cluster.vm(power_on=False))
    cluster.pve.set(answers={"/nodes/pve1/qemu": "\x1b[2Jdone"})
    fails(lambda: cluster.provider.apply(plan, quiet), r"Proxmox answered '\[2Jdone' in place of a task")
    for name, value in (("PROXMOX_USER", "ann@pve"), ("PROXMOX_PASSWORD", PASSWORD)):
        monkeypatch.setenv(name, value)
    spec = ProviderSpec("pve", "proxmox", cluster.endpoint, None, ca=cluster.pve.ca.read_text())
    cluster.pve.set(answers={"/access/ticket": {"ticket": 7}})
    fails(lambda: open_provider(spec), "an answer to the login that makes no sense")


def test_a_second_factor(cluster: PveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PROXMOX_USER", "ann@pve"), ("PROXMOX_PASSWORD", PASSWORD)):
        monkeypatch.setenv(name, value)
    spec = ProviderSpec("pve", "proxmox", cluster.endpoint, None, ca=cluster.pve.ca.read_text())
    cluster.pve.set(tfa=True)
    fault = fails(lambda: open_provider(spec), "ann@pve needs a second factor")
    assert "PROXMOX_VE_OTP" in fault.hint
    monkeypatch.setenv("PROXMOX_VE_OTP", "000000")
    fails(lambda: open_provider(spec), "ann@pve is not let in")
    monkeypatch.setenv("PROXMOX_VE_OTP", "314159")
    open_provider(spec).close()


def test_a_node_that_is_silent_is_given_up_after_a_time(cluster: PveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PATIENCE", 0.0)
    monkeypatch.setattr(api.Api._call, "__defaults__", (0.3,))
    cluster.pve.call("slow_down", 1.0)
    try:
        fails(lambda: cluster.provider.observe(cluster.vm()), r"127\.0\.0\.1:\d+: no answer within 0\.3 s \(GET")
    finally:
        cluster.pve.call("slow_down", 0.0)


def test_what_cannot_be_looked_at_is_unknown_and_stops_nothing_else(cluster: PveLab) -> None:
    cluster.apply(cluster.vm(power_on=False))
    grants = [["/vms", ["VM.Audit"]]]
    cluster.pve.call("set_acl", {TOKEN: grants})
    estate = open_estate(cluster.spec)
    (view,) = estate.vms(quiet)
    assert (view.asked, view.feature) == (Asked.ON, ""), "the vendor of the node could not be asked"
    number = cluster.pve.vm("default.tiny")["vmid"]
    cluster.pve.call("fail", "GET", f"/qemu/{number}/pending", 500, GONE)
    (view,) = estate.vms(quiet)
    assert (view.asked, view.evidence[0].text) == (Asked.UNSTATED, "it went away meanwhile")
    cluster.pve.call("fail", "GET", f"/qemu/{number}/pending", 500, "it is on fire")
    (view,) = estate.vms(quiet)
    assert "it is on fire" in view.evidence[0].text
    cluster.pve.call("fail", "GET", "/nodes/pve1/status", 595, "Connection refused")
    (host,) = estate.hosts(quiet)
    assert "the node does not answer" in host.unusable
    estate.close()


def test_a_start_whose_log_cannot_be_read_still_counts_as_one_with_warnings(cluster: PveLab) -> None:
    cluster.apply(cluster.vm(power_on=False))
    cluster.pve.set(task_faults={"qmstart": {"warn": "no efidisk configured!"}})
    cluster.pve.call("fail", "GET", "/nodes/{node}/tasks/{upid}/log", 500, "no")
    _, said = cluster.apply(cluster.vm())
    assert "Proxmox warns: task ended with WARNINGS: 1" in said
    cluster.pve.set(failures={})
    cluster.pve.call("fail", "GET", "/nodes/pve1/tasks", 403, "Permission check failed")
    assert cluster.provider.observe(cluster.vm()) is not None


def test_storages_that_may_not_be_listed_and_those_that_fail_are_told_apart(cluster: PveLab) -> None:
    content = "/nodes/pve1/storage/local/content"
    cluster.pve.call("fail", "GET", content, 403, "Permission check failed")
    cluster.apply(cluster.vm(power_on=False))
    cluster.pve.call("fail", "GET", content, 500, "mount error")
    fails(lambda: cluster.apply(cluster.vm(name="other")), "mount error")


# ------------------------------------------------------------------------------------------------------- downloads


def test_an_image_behind_a_login_is_downloaded_here_and_uploaded_where_it_is_asked_for(
    cluster: PveLab, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxmox's own download knows no headers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("X-Key", ""))
            self.send_response(200 if seen[-1] == SECRET else 403)
            self.end_headers()
            self.wfile.write(disk.read_bytes() if seen[-1] == SECRET else b"")

        def log_message(self, format: str, *args: object) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{http.server_port}/disk.raw"
    source = ImageSpec("debian", None, url, "raw", None, IMAGE, storage="local", request=HttpRequest({"X-Key": SECRET}))
    vm = cluster.vm(image=source)
    plan, _ = cluster.apply(vm)
    http.shutdown()
    http.server_close()
    assert (actions(plan)[0], seen) == ("download image", [SECRET])
    assert any(volume.startswith("local:import/nestproof-") for volume in cluster.pve.state()["disks"])
    assert SECRET not in repr(plan) + str(cluster.pve.state()["requests"])
    assert actions(cluster.provider.plan(vm)) == ["keep VM"]
