"""Waivers of the policy on what lint finds, as a user meets them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from commands.failures import Failure
from nestproof import cli

EXAMPLE = str(Path(__file__).parents[3] / "examples/nested-vm.yaml")
PREFIX = "static-address-prefix"
WAIVER = '[[waivers]]\ncheck = "{}"\nreason = "known"\nowner = "lab"\nexpires = {}\n'


@pytest.mark.parametrize(
    ("rule", "expires", "code"),
    [(PREFIX, "2999-01-31", 0), (PREFIX, "2020-01-31", 4), ("vbs-needs-uefi", "2999-01-31", 4)],
)
def test_a_waived_warning_is_shown_and_not_counted(rule: str, expires: str, code: int, tmp_path: Path) -> None:
    policy, manifest = tmp_path / "policy.toml", tmp_path / "vm.yaml"
    policy.write_text(WAIVER.format(rule, expires))
    manifest.write_text(Path(EXAMPLE).read_text() + "  networks: [{name: default, ipAddress: 192.0.2.7}]\n")
    arguments = ["lint", str(manifest), "--fail-on", "warn", "--policy", str(policy)]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    line = next(line for line in result.stdout.splitlines() if f"[{PREFIX}]" in line)
    waived = ": waived: " in line and line.endswith("(known; lab, until 2999-01-31)")
    assert waived == (code == 0)
    assert (", 1 waived" in result.stderr) == (code == 0)
    assert result.return_value == code


def test_a_rule_of_form_can_be_waived_too(tmp_path: Path) -> None:
    """It used to be `no check or rule`."""
    policy, manifest = tmp_path / "policy.toml", tmp_path / "vm.yaml"
    policy.write_text(WAIVER.format("kubectl-boolean", "2999-01-31"))
    manifest.write_text(Path(EXAMPLE).read_text().replace('powerState: "On"', "powerState: On"))
    arguments = ["lint", str(manifest), "--fail-on", "warn", "--policy", str(policy)]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert result.return_value == 0 and ", 1 waived" in result.stderr


def test_an_error_is_not_waived(tmp_path: Path) -> None:
    policy, manifest = tmp_path / "policy.toml", tmp_path / "vm.yaml"
    policy.write_text(WAIVER.format("vbs-needs-uefi", "2999-01-31"))
    text = Path(EXAMPLE).read_text()
    manifest.write_text(text.replace("nestedVirtualization: true", "virtualizationBasedSecurity: true"))
    result = CliRunner().invoke(cli, ["lint", str(manifest), "--policy", str(policy)], standalone_mode=False)
    assert result.return_value == 2 and "error: " in result.stdout


def test_a_waiver_of_no_rule_is_one_line(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(WAIVER.format("vbs-needs-uefy", "2999-01-31"))
    result = CliRunner().invoke(cli, ["lint", EXAMPLE, "--policy", str(policy)], standalone_mode=False)
    assert isinstance(result.exception, Failure)
    said = str(result.exception)
    assert "policy.toml:2: there is no check or rule 'vbs-needs-uefy'; did you mean vbs-needs-uefi?" in said
