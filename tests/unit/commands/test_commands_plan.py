"""A plan as people read it."""

from pathlib import Path

from msgspec.structs import replace
from vm_factory import image, tiny_image, wanted

from commands.plan import plan_texts
from provision.provider import Difference, Plan, Power, Step


def plan(tmp_path: Path, name: str, detail: str = "1 GiB") -> Plan:
    vm = replace(wanted(image(tiny_image(tmp_path))), name=name)
    return Plan(
        vm=vm, steps=(Step("create", "disk", detail),), accounts=(), notes=(), evidence=(), native=f"<vm {name}>"
    )


def test_one_vm_is_its_name_what_differs_the_steps_and_what_they_cost(tmp_path: Path) -> None:
    planned = replace(plan(tmp_path, "a"), differences=(Difference("cpus", "1", "2"),), power=Power.POWER_CYCLE)
    assert plan_texts([planned]) == [
        "default/a\n  cpus: 1 → 2\n  create   disk: 1 GiB\n"
        "  the VM runs: it is switched off and on again, a reboot from inside would not do"
    ]


def test_vms_alike_are_said_once(tmp_path: Path) -> None:
    plans = [plan(tmp_path, f"vm-{number:02}") for number in range(20)]
    plans.insert(7, plan(tmp_path, "other", "2 GiB"))
    alike, other = plan_texts(plans)
    head, *names, empty, step = alike.splitlines()
    assert (head, empty, step) == ("20 VMs alike:", "", "  create   disk: 1 GiB")
    assert " ".join(" ".join(names).split()) == ", ".join(f"default/vm-{number:02}" for number in range(20))
    assert max(map(len, names)) <= 120
    assert other == "default/other\n  create   disk: 2 GiB"
    assert len(plan_texts(plans, native=True)) == 21, "what the provider is told has each one's name in it"
