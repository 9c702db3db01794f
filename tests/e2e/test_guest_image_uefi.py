"""The guest image under UEFI, by its own disk alone: what a guest of the demo must find, asked in the guest itself.

Booting by BIOS is what the guests of test_apply_nested do.
"""

from concurrent.futures import Future

import pytest

pytestmark = [pytest.mark.e2e]


@pytest.fixture(scope="module")
def answers(uefi_answers: Future[dict[str, str]]) -> dict[str, str]:
    """What the guest says of itself on its serial console before it powers off."""
    return uefi_answers.result()


def test_the_guest_saw_its_seed_in_every_stage(answers: dict[str, str]) -> None:
    assert answers["written"] == "by-the-init-stage"
    assert answers["stages"] == "4"
    assert answers["failed"] == "0"


def test_the_guest_can_run_guests(answers: dict[str, str]) -> None:
    assert answers["kvm"] == "character-special-file-kvm"
    assert answers["nested"] == "1"


def test_the_guest_has_a_port_for_its_report(answers: dict[str, str]) -> None:
    assert answers["port"] == "org.nestproof.report.0"


def test_the_disk_boots_under_uefi_and_its_root_grows(answers: dict[str, str]) -> None:
    assert answers["firmware"] == "/sys/firmware/efi"
    assert int(answers["root-mib"]) > 4096


def test_each_guest_is_somebody_and_nobody_can_log_in(answers: dict[str, str]) -> None:
    assert answers["identity"] == "33"
    assert answers["passwords"] == "0"
