"""`bundle` as a user meets it: made from the lab's reports, redacted, and judged the same on another machine."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import estates
from commands.bundling import Gathering
from commands.output import Terminal
from hostcheck.model import Accelerator, Arrival, Asked, Evidence, HostView, VmView
from hostcheck.report import ReportError, decode
from reports.bundle import Bundle
from reports.bundle.aliases import Aliases
from reports.bundle.cleaning import redacted, reserved
from reports.bundle.file import read
from reports.bundle.redact import Redactor
from reports.packing import unpacked
from reports.store import Entry, Store
from reports.store.transfer import export

ROOT = Path(__file__).parents[3]
LAB = sorted((ROOT / "tests/fixtures").glob("judged/*.report.json")) + sorted(
    ROOT.glob("tests/fixtures/reports/*.json")
)
"""Recorded in the lab: real kernels under emulated CPUs, looked at by the agent; PROVENANCE beside them says how."""
SECRET, UUID = "tr0ub4dor-and-3", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
HOST, VMS = "kvm01.dc1.acme.example", ("sap", "quiet")
NAMES = ("kvm01", "kvm42", ".dc1", "acme", "alice", "10.20.30.", "52:54:00:ab", "czj3", "payroll", "0202020202", UUID)


def nestproof(*arguments: str, state: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"], "NESTPROOF_STATE": str(state), "HOME": str(state), "LANG": "C.UTF-8",
        "SOURCE_DATE_EPOCH": "1763800000", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    argv = [sys.executable, "-m", "nestproof", *arguments]
    return subprocess.run(
        argv, cwd=state, capture_output=True, text=True, timeout=180, check=False, env=environment | env
    )


def lab_reports() -> Iterator[dict[str, Any]]:
    for path in LAB:
        try:
            decode(path.read_bytes())
        except ReportError:
            continue
        yield json.loads(path.read_bytes())


def of_somebody(report: dict[str, Any], number: int) -> bytes:
    """The report of a machine in the lab, as if it were one of a company's, with all that should not leave it."""
    name = name_of(number)
    report["subject"] |= {"hostname": name, "machine_id": f"{number:02}" * 16, "dmi_uuid": UUID}
    report["facts"]["machine.dmi"].setdefault("value", {})["product_serial"] = serial_of(number)
    identity = report["facts"].get("process.identity", {}).get("value") or {}
    if identity.get("uid", 0) >= 1000:
        identity["user"] = "alice"
    log = report["facts"].setdefault("kernel.log", {"status": "ok", "source": "/dev/kmsg", "ms": 0.1})
    log["value"] = [
        *(log.get("value") or []),
        f"nfs: server 10.20.30.{number} of {name} not responding",
        f"virtio_net: 52:54:00:ab:cd:{number:02x} on {name[:5]}, serial {serial_of(number)}, home /home/alice/x",
        f"Kernel command line: root=UUID={UUID} rd.iscsi.password={SECRET}",
    ]
    return json.dumps(report).encode()


def name_of(number: int) -> str:
    return f"kvm{number:02}.dc1.acme.example"


def serial_of(number: int) -> str:
    return f"CZJ3-{number:04}-XK"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of somebody who has every machine of the lab, and two VMs; brought there by `store import`."""
    directory = tmp_path_factory.mktemp("office")
    provider = f"libvirt qemu+ssh://alice@{HOST}/system"
    written = "/home/alice/vm.yaml:3"
    view = VmView("payroll/sap", provider, True, Asked.ON, written, "svm", True, Accelerator.KVM)
    silent = VmView("payroll/quiet", provider, True, Asked.OFF)
    vm = (ROOT / "tests/fixtures/judged/tcg-amd-nested.report.json").read_bytes()
    why = f"{HOST} is down"
    entries = [
        *(Entry(name_of(number), "host", 1e9 + number, report=of_somebody(report, number))
          for number, report in enumerate(lab_reports(), 1)),
        Entry("payroll/sap", "vm", 2e9, HOST, provider, vm, view=view),
        Entry("payroll/quiet", "vm", 2e9, HOST, provider, None, Arrival.SILENT, why, silent),
    ]  # fmt: skip
    export(entries, directory / "lab.jsonl.zst", "1")
    done = nestproof("store", "import", "lab.jsonl.zst", state=directory)
    assert f"{len(entries)} new reports" in done.stderr, done.stderr
    return directory


@pytest.fixture(scope="module")
def sent(office: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The redacted bundle of everything that the office keeps, on another machine, where nothing else of it is."""
    with Store.open(office / "reports.sqlite3") as store:
        names = store.names()
    done = nestproof("bundle", *names, "--redact", "-o", "case.tar.zst", state=office)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "case.tar.zst\n" and "names were replaced" in done.stderr
    assert (office / "case.tar.zst").stat().st_mode & 0o777 == 0o600
    return Path(shutil.copy(office / "case.tar.zst", tmp_path_factory.mktemp("elsewhere")))


@pytest.fixture(scope="module")
def aliases(office: Path, sent: Path) -> dict[str, dict[str, str]]:
    """Kind -> name -> what it is called in the bundle."""
    return json.loads((office / "redaction-map.json").read_text())["aliases"]  # type: ignore[no-any-return]


def members(path: Path) -> dict[str, str]:
    """Every file of a bundle by its name there."""
    with unpacked(path, 1 << 30) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        found = {member.name: (tar.extractfile(member) or stream).read().decode() for member in tar}
    page = found["nestproof-bundle/index.html"]
    assert page.count('<script type="application/json"') == 2  # nothing in it is packed, so it can be looked through
    return found


def judged(document: str) -> dict[str, Any]:
    """Machine -> its verdicts, its first broken link and why, every link and every finding."""
    return {
        f"{chain['kind']} {chain['subject']}": (
            (chain["runs_guests"]["verdict"], chain["guests_nest"]["verdict"], chain.get("broken")),
            [link["summary"] for link in chain["links"] if link["link"] == chain.get("broken")],
            {link["link"]: (link["status"], link.get("check")) for link in chain["links"]},
            {finding["check"]: (finding["status"], finding.get("follows")) for finding in chain.get("findings", [])},
        )
        for chain in json.loads(document)["chains"]
    }


def test_what_was_sent_is_judged_elsewhere_as_it_is_here(
    office: Path, sent: Path, aliases: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    said_here = nestproof("matrix", "--format", "json", state=office).stdout
    here = judged(said_here.replace("alice may not", f"{aliases['user']['alice']} may not"))
    shown = nestproof("show", str(sent), "--format", "json", state=tmp_path)
    assert shown.returncode == 0 and "names replaced" in shown.stderr
    there = judged(shown.stdout)
    assert len(there) == len(here) > 60
    assert len({said[0] for said in there.values()}) > 10
    called = aliases["host"] | {f"payroll/{name}": aliases["vm"]["payroll"] + f"/{aliases['vm'][name]}" for name in VMS}
    for machine, said in here.items():
        kind, name = machine.split()
        assert there.pop(f"{kind} {called[name]}") == said, machine
    assert not there


def test_no_name_and_no_secret_leaves(sent: Path) -> None:
    found = members(sent)
    assert len(found) > 60
    for file, text in found.items():
        for name in (*NAMES, SECRET):
            assert name.lower() not in f"{file} {text}".lower(), (name, file)
    assert read(sent).redacted


def test_a_name_is_the_same_one_in_every_file(sent: Path, aliases: dict[str, dict[str, str]]) -> None:
    bundle, page = read(sent), members(sent)["nestproof-bundle/index.html"]
    hosts = {name_of(number): number for number in range(1, 100)} & aliases["host"].keys()
    assert len(hosts) > 60 and len({aliases["host"][name] for name in hosts}) == len(hosts)
    reports = {subject.name: json.loads(bundle.files[subject.report]) for subject in bundle.subjects if subject.report}
    for name in hosts:
        alias, number = aliases["host"][name], int(name[3:5])
        report = reports[alias]
        serial, mac = aliases["serial"][serial_of(number).lower()], aliases["mac"][f"52:54:00:ab:cd:{number:02x}"]
        assert report["subject"]["hostname"] == alias
        assert report["subject"]["dmi_uuid"] == aliases["uuid"][UUID]
        assert report["facts"]["machine.dmi"]["value"]["product_serial"] == serial
        assert report["facts"]["kernel.log"]["value"][-3:] == [
            f"nfs: server {aliases['ipv4'][f'10.20.30.{number}']} of {alias} not responding",
            f"virtio_net: {mac} on {alias}, serial {serial}, home /home/{aliases['user']['alice']}/x",
            f"Kernel command line: root=UUID={aliases['uuid'][UUID]} rd.iscsi.password=[removed]",
        ]
        assert f'"{alias}"' in page
    hosts_of_vms = {subject.host for subject in bundle.subjects if subject.kind == "vm"}
    assert hosts_of_vms == {aliases["host"][HOST]}


def test_the_map_stays_and_turns_the_names_back(office: Path, sent: Path, aliases: dict[str, dict[str, str]]) -> None:
    path = office / "redaction-map.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(sent.parent.iterdir()) == [sent]
    shown = nestproof("show", str(sent), state=office).stdout
    assert aliases["host"][HOST] in shown
    again = nestproof("bundle", "payroll/sap", "--redact", "-o", "again.tar.gz", state=office)
    assert again.returncode == 0, again.stderr
    assert json.loads(path.read_text())["aliases"]["host"] == aliases["host"]


def test_the_same_input_gives_the_same_file(office: Path, tmp_path: Path) -> None:
    for name in ("1.tar.zst", "2.tar.zst"):
        done = nestproof("bundle", HOST, "--redact", "--map", str(tmp_path / "m"), "-o", name, state=office)
        assert done.returncode == 0, done.stderr
    # the command line is not in a redacted bundle
    assert (office / "1.tar.zst").read_bytes() == (office / "2.tar.zst").read_bytes()


def test_a_hidden_secret_stops_the_command_and_can_be_left_out(office: Path, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    assert nestproof("agent", "run", "--capture", str(capture), state=tmp_path).returncode == 0
    (capture / "etc" / "userdata").write_bytes(base64.b64encode(b"#cloud-config\npassword: hunter2-of-alice\n"))
    done = nestproof("bundle", str(capture), "-o", "x.tar.zst", state=tmp_path)
    assert done.returncode == 3 and "etc/userdata: a password or token (base64)" in done.stderr
    assert "hunter2" not in done.stderr and not (tmp_path / "x.tar.zst").exists()
    done = nestproof("bundle", str(capture), "--omit", "*/userdata", "-o", "x.tar.zst", state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out: subjects/00001/capture/etc/userdata: omitted" in done.stderr
    assert len(read(tmp_path / "x.tar.zst").files) > 20


def test_a_secret_of_the_environment_goes(office: Path) -> None:
    done = nestproof("bundle", name_of(2), "-o", "env.tar", state=office, PROXMOX_PASSWORD="52:54:00:ab:cd:02")
    assert done.returncode == 0, done.stderr
    assert b"52:54:00:ab:cd:02" not in (office / "env.tar").read_bytes()


def test_this_machine_comes_with_all_that_was_read(tmp_path: Path) -> None:
    done = nestproof("bundle", state=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("nestproof-*.tar.zst")
    files = read(path).files
    assert {"subjects/00001/report.json", "subjects/00001/versions.json"} <= files.keys()
    assert "subjects/00001/capture/proc/cpuinfo" in files
    assert json.loads(files["subjects/00001/versions.json"])["nestproof"]
    assert "left out: subjects/00001/kernel.log" in done.stderr or "subjects/00001/kernel.log" in files
    imported = nestproof("store", "import", str(path), state=tmp_path)
    assert "1 new reports" in imported.stderr
    assert nestproof("compare", str(path), "now", state=tmp_path).returncode == 0


def test_a_link_in_a_recording_is_not_followed(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    assert nestproof("agent", "run", "--capture", str(capture), state=tmp_path).returncode == 0
    (tmp_path / "outside").write_text("nothing for anybody")
    (capture / "link").symlink_to(tmp_path / "outside")
    (capture / "folder").symlink_to(tmp_path)
    done = nestproof("bundle", str(capture), "-o", "x.tar", state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "capture/link: no plain file" in done.stderr
    assert b"nothing for anybody" not in (tmp_path / "x.tar").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["bundle", "-o", "x.zip"], "ends in one of .tar.zst"),
        (["bundle", "local", "-o", "/proc/nowhere/x.tar"], "cannot write /proc/nowhere/x.tar"),
        (["bundle", "missing.yaml", "-o", "x.tar"], "missing.yaml"),
        (["bundle", "missing.json", "-o", "x.tar"], "missing.json: no such file"),
        (["bundle", "missing.tar.zst", "-o", "x.tar"], "missing.tar.zst: no such file"),
        (["bundle", "sent/case", "-o", "x.tar"], "sent/case: no such file, and nothing is kept"),
        (["show", "missing.tar.zst"], "missing.tar.zst: no such file"),
        (["check", "missing.json"], "missing.json: the name of a file, not of a host"),
        (["show", "broken.tar.gz"], "broken.tar.gz is damaged or cut off"),
        (["show", "broken.tar.zst"], "broken.tar.zst is damaged or cut off"),
        (["compare", "broken.tar.zst"], "broken.tar.zst is damaged or cut off"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_or_read_is_one_line(tmp_path: Path, arguments: list[str], why: str) -> None:
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\3 broken")
    (tmp_path / "broken.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd\0")
    done = nestproof(*arguments, state=tmp_path)
    assert done.returncode == 2 and why in done.stderr and "Traceback" not in done.stderr


class Api:
    """A cluster with two hosts and a VM on the second."""

    name = "proxmox pve.acme.example"

    def hosts(self, progress: object) -> tuple[HostView, ...]:
        return tuple(HostView(f"dc1/pve{number}", self.name, feature="svm") for number in (1, 2))

    def vms(self, progress: object, name: str = "") -> tuple[VmView, ...]:
        return (
            VmView(
                "dc1/Pay Roll 7", self.name, True, Asked.ON, evidence=(Evidence("pve2", "on pve2"),), host="dc1/pve2"
            ),
        )

    def close(self) -> None:
        pass


def test_what_an_api_says_is_taken_in_and_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estates, "open_estate", lambda spec: Api())
    full = Bundle("1", "nestproof bundle", 1.0)
    Gathering(full, Terminal(), 1.0).estates(["proxmox://pve.acme.example"])
    assert [entry.name for entry in full.entries()] == ["dc1/pve1", "dc1/pve2", "dc1/Pay Roll 7"]
    clean = redacted(full, Redactor(Aliases(), reserved(full)))
    one, two, vm = clean.entries()
    assert vm.host == two.name == vm.view.host and one.name != two.name  # type: ignore[union-attr]
    everything = repr(clean).lower()
    for name in ("pve1", "pve2", "pay roll", "acme", "dc1"):
        assert name not in everything, name
