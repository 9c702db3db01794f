"""The book of remedies: what is printed can be pasted, fits the place, and says what it needs."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from check_cases import CASES
from hypothesis import given
from hypothesis import strategies as st
from machines import report

from hostcheck.checks import catalogue
from hostcheck.facts import Facts
from hostcheck.judge import judge
from hostcheck.model import Needs, Remedy, Where
from hostcheck.remedies.book import Recipe, book
from hostcheck.remedies.modules import FIX_OPTION, NESTED_EDIT, UNBLOCK
from hostcheck.remedies.proved import NOT_PROVED, PROVED, why_not_proved

FIRMWARE = re.compile(r"bios|firmware set-up|uefi", re.IGNORECASE)
GIVEN = [
    (case, remedy) for case in CASES for finding in judge(report(case.facts)).findings for remedy in finding.remedies
]


def test_every_remedy_has_a_general_form_without_places_left() -> None:
    for name, recipe in book().items():
        general = recipe.general
        assert general.id == name and general.title
        assert "{" not in general.title + general.then or name == "vm.kubevirt"
        assert general.title[-1] not in ".:"


def test_the_table_of_proofs_speaks_of_remedies_that_exist() -> None:
    assert set(PROVED) <= set(book())
    for each in book():
        assert bool(why_not_proved(each)) == (each not in PROVED)
        assert "no test" not in why_not_proved(each), each
    for begin in NOT_PROVED:
        assert any(each.startswith(begin) for each in book() if each not in PROVED), begin


def test_what_stops_vms_or_the_machine_says_so() -> None:
    for recipe in book().values():
        if recipe.needs in (Needs.RELOAD, Needs.REBOOT, Needs.POWER_CYCLE) and recipe.id != "module.fix-option":
            assert recipe.risk, recipe.id
        if any("modprobe -r" in command for command in recipe.commands):
            assert recipe.needs is Needs.RELOAD, recipe.id


def test_every_given_remedy_is_of_the_book() -> None:
    for _, remedy in GIVEN:
        assert remedy.id in book()


def test_inside_a_vm_nobody_is_sent_to_the_firmware() -> None:
    seen = 0
    for case, remedy in GIVEN:
        if Facts(report(case.facts)).is_vm:
            seen += 1
            assert remedy.where is not Where.HOST_FIRMWARE
            assert not FIRMWARE.search(remedy.title + " ".join(remedy.commands)), (case.check, remedy)
    assert seen > 20


def test_in_a_vm_that_was_provisioned_the_shell_is_the_guests() -> None:
    case = next(case for case in CASES if case.remedies == ("module.load",))
    host = judge(report(case.facts)).finding("kvm.module")
    guest = judge(report(case.facts, vm="default/vm")).finding("kvm.module")
    assert host is not None and host.remedies[0].where is Where.HOST_SHELL
    assert guest is not None and guest.remedies[0].where is Where.GUEST_SHELL


HOSTILE = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=30) | st.sampled_from(
    ["$(reboot)", "`id`", "a; rm -rf /", "' || id '", "\n id", "{module}", "%s", "-rf", "{0.__class__}"]
)


@given(HOSTILE)
def test_what_a_report_says_stays_one_word_of_the_shell(text: str) -> None:
    """A guest writes its own report: what it calls its users and files must not become commands of who mends it."""
    for recipe in book().values():
        for command, calm in zip(filled(recipe, text).commands, filled(recipe, "x").commands, strict=True):
            assert len(shlex.split(command)) == len(shlex.split(calm)), command
            assert not set(command) - set(calm) & set("$`;|&<>\n"), command


def filled(recipe: Recipe, text: str, **others: str) -> Remedy:
    places = ("module", "parameter", "value", "source", "pattern", "user", "group", "path", "name", "kind", "feature")
    return recipe.fill(Facts(report({})), **(dict.fromkeys(places, text) | others))


@pytest.mark.parametrize(
    ("recipe", "before", "after"),
    [
        (NESTED_EDIT, "options kvm_intel nested=0 ept=1\n", "options kvm_intel nested=1 ept=1\n"),
        (UNBLOCK, "blacklist kvm-intel\nblacklist pcspkr\n", "#blacklist kvm-intel\nblacklist pcspkr\n"),
        (UNBLOCK, "  install kvm_intel /bin/false\n", "#  install kvm_intel /bin/false\n"),
    ],
)
def test_the_edits_of_files_do_what_they_say(recipe: Recipe, before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / "kvm.conf"
    file.write_text(before)
    values = {"module": "kvm_intel", "source": str(file), "pattern": "kvm[-_]intel"}
    remedy = recipe.fill(Facts(report({})), **values)
    subprocess.run(["sh", "-c", remedy.commands[0]], check=True)
    assert file.read_text() == after


def test_fixing_an_option(tmp_path: Path) -> None:
    file = tmp_path / "kvm.conf"
    file.write_text("options kvm_amd nested=Y npt=1\n")
    values = {"module": "kvm_amd", "source": str(file), "parameter": "nested", "value": "Y"}
    subprocess.run(["sh", "-c", FIX_OPTION.fill(Facts(report({})), **values).commands[0]], check=True)
    assert file.read_text() == "options kvm_amd nested=1 npt=1\n"


def test_every_check_that_can_fail_and_be_mended_names_remedies() -> None:
    unmendable = {"nested.run", "nested.paging"}
    for check in catalogue():
        if check.severity.value == "blocks" and check.id not in unmendable:
            assert check.remedies, check.id


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("user", "-rf"), ("user", "a b"), ("user", "$(id)"), ("module", "x/e"), ("parameter", "../../cron.d/x"),
        ("source", "/etc/modprobe.d/../passwd"), ("source", "etc/x"), ("source", "/etc/a b"), ("group", ""),
    ],
)  # fmt: skip
def test_a_value_that_could_be_more_than_a_word_is_left_to_the_reader(place: str, text: str) -> None:
    for recipe in book().values():
        hostile, open_ = filled(recipe, "x", **{place: text}), filled(recipe, "x", **{place: place.upper()})
        if place == "source":
            assert ".." not in " ".join(hostile.commands)
        assert hostile.commands == open_.commands or place == "source"
