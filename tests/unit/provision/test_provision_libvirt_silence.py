"""From what was seen of a silent VM to the one cause; the guest's words are hostile."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from hostcheck.model import Silence
from provision.providers.libvirt.channels import ConsoleFrame
from provision.providers.libvirt.console import KEPT, harmless, last_line, this_boot
from provision.providers.libvirt.silence import Seen, silence

BOOT = "[    0.0] Linux version 6.1.0\n[    9.0] systemd[1]: Reached target Basic System\n"
FINISHED = "Cloud-init v. 22.4.2 finished at Sun. Datasource DataSourceNoCloud [seed=/dev/vdb]. Up 24 seconds\n"
NO_SEED = "Cloud-init v. 22.4.2 finished at Sun. Datasource DataSourceNone. Up 24 seconds\n"
NO_PYTHON = "nestproof: no Python 3.6 or later on this machine: nothing was proven\n"
FAILED = "[    9.5] nestproof-agent[203]: OSError: [Errno 28] No space left on device\n"
UNIT = "systemd[1]: nestproof-agent.service: Main process exited, code=exited, status=1/FAILURE\n"


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        (Seen("", True), Silence.NEVER_BOOTED),
        (Seen("", False), Silence.UNKNOWN),
        (Seen(BOOT, True), Silence.BOOTING),
        (Seen(BOOT, True, earlier=True), Silence.EARLIER_BOOT),
        (Seen(BOOT + FINISHED, True, earlier=True), Silence.AGENT_GONE),
        (Seen(BOOT + NO_SEED, True), Silence.NO_SEED),
        (Seen(BOOT + FINISHED + NO_PYTHON, True), Silence.NO_PYTHON),
        (Seen(BOOT + FAILED, True), Silence.AGENT_FAILED),
        (Seen(BOOT + UNIT + FINISHED, True, port_held=False), Silence.AGENT_FAILED),
        (Seen(BOOT + FINISHED, True, port_held=False), Silence.AGENT_GONE),
        (Seen(BOOT + FINISHED, True, port_held=None), Silence.AGENT_GONE),
        (Seen(BOOT + FINISHED, True, port_held=True), Silence.CHANNEL_BLOCKED),
        (Seen(BOOT, True, agent_installed=False), Silence.NO_SEED),
        (Seen(BOOT, True, agent_installed=True), Silence.AGENT_GONE),
        (Seen("", False, agent_installed=True), Silence.AGENT_GONE),
        (Seen(BOOT + FINISHED, True, port_missing=True), Silence.CHANNEL_MISSING),
        (Seen(BOOT + FINISHED, True, damaged="a report that was damaged"), Silence.DAMAGED),
    ],
)
def test_each_cause(seen: Seen, cause: Silence) -> None:
    fault = silence(seen, 900)
    assert fault.silence is cause
    assert str(fault).startswith("no report within 900 s: ")
    assert "\n" not in str(fault)
    assert fault.hint


@pytest.mark.parametrize(
    ("seen", "says", "hint"),
    [
        (
            Seen(BOOT + NO_SEED, True, seed_bus="sata"),
            "seed: somebody put its seed on the sata bus, which Debian's",
            "virtio",
        ),
        (Seen(BOOT + NO_SEED, True, seed_bus="scsi"), "seed: somebody put its seed on the scsi bus", "virtio"),
        (Seen(BOOT + NO_SEED, True, seed_bus=""), "seed: somebody took its seed out of the domain", "destroy"),
        (Seen(BOOT, True, seed_bus="sata"), "no agent answers on port", "apply the manifests again"),
        (
            Seen(BOOT, True, agent_installed=False, seed_bus="sata"),
            "the seed: somebody put its seed on the sata",
            "virtio",
        ),
    ],
)
def test_a_seed_that_is_not_where_it_was_put_is_named(seen: Seen, says: str, hint: str) -> None:
    fault = silence(seen, 9)
    assert says in str(fault) and "its seed" in str(fault)
    assert hint in fault.hint


def test_what_the_agent_said_last_is_told() -> None:
    assert "its agent failed: OSError: [Errno 28] No space left" in str(silence(Seen(BOOT + FAILED, True), 9))
    assert "Main process exited" in str(silence(Seen(BOOT + FAILED + UNIT, True), 9))


@given(st.binary(max_size=2000))
def test_no_console_breaks_it(data: bytes) -> None:
    fault = silence(Seen(harmless(data), True), 1)
    assert "\n" not in str(fault)
    assert len(str(fault)) < 600


class Text:
    whole = True

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text


def frame(body: bytes) -> str:
    return f"NESTPROOF-REPORT/1 {len(body)} {hashlib.sha256(body).hexdigest()}\n{body.decode()}\n"


def test_the_last_whole_report_on_a_console_counts() -> None:
    torn = frame(b'{"third":3}').replace("3", "4", 1).replace("third", "thirt")
    said = BOOT + frame(b'{"first":1}') + "login: \n" + frame(b'{"second":2}') + torn
    channel = ConsoleFrame(Text(said))
    assert channel.poll() == b'{"second":2}'
    damaged = ConsoleFrame(Text(BOOT + torn))
    assert damaged.poll() is None
    assert damaged.fault


def test_a_report_on_the_console_is_not_what_the_guest_said_last() -> None:
    assert last_line(BOOT + "login:\n" + frame(b'{"a":1}')) == "login:"


@given(st.binary(max_size=3000))
def test_a_report_is_found_behind_anything(noise: bytes) -> None:
    said = harmless(noise)[-KEPT:] + "\n" + frame(b'{"a":1}')
    assert ConsoleFrame(Text(said)).poll() == b'{"a":1}'


@pytest.mark.parametrize(
    "again",
    [
        "[    0.000000] Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)",
        "SeaBIOS (version 1.16.2-debian-1.16.2-1)",
        'BdsDxe: loading Boot0001 "UEFI Misc Device"',
        "Booting from Hard Disk...",
        "                             GNU GRUB  version 2.06-13",
        "[   12.1] cloud-init[300]: Cloud-init v. 22.4.2 running 'init-local' at Sun, 01 Jan 2023. Up 12.1 seconds.",
    ],
)
def test_a_report_of_an_earlier_boot_proves_nothing(again: str) -> None:
    """A guest that reported, was restarted and hangs is not proven by what it said before."""
    report = frame(b'{"a":1}')
    channel = ConsoleFrame(Text(f"{again}\n{FINISHED}{report}"))
    assert (channel.poll(), channel.earlier) == (b'{"a":1}', False)
    hangs = ConsoleFrame(Text(f"{again}\n{FINISHED}{report}{again}\n"))
    assert (hangs.poll(), hangs.earlier) == (None, True)
    silent = ConsoleFrame(Text(f"{report}{again}\n{FINISHED}"))
    assert (silent.poll(), silent.earlier) == (None, True)
    twice = ConsoleFrame(Text(frame(b'{"a":2}') + f"{again}\n{report}"))
    assert (twice.poll(), twice.earlier) == (b'{"a":1}', False)


def test_what_was_said_in_an_earlier_boot_is_no_evidence() -> None:
    assert this_boot(f"{BOOT}{NO_SEED}{BOOT}{FINISHED}") == f"{BOOT}{FINISHED}"
    assert this_boot(NO_SEED) == NO_SEED
