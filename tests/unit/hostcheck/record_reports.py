"""Record the reports in tests/fixtures/judged anew: `python tests/unit/hostcheck/record_reports.py tcg|bochs|here`.

Run from the repository with its environment; needs what tests/lab needs, `here` needs nothing.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[3]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests/lab")]

from lab_machines import Done, Job, Lab, bochs, tcg  # noqa: E402

FIXTURES = REPOSITORY / "tests/fixtures/judged"
REPORT = "agent --json --timeout 60 2>/dev/null"
AS_NOBODY = (
    "python3 -I -S -c 'import os; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
    'os.execv("/bin/python3", ["python3", "-I", "-S", "/nestproof-agent.pyz", "--json"])\' 2>/dev/null'
)
AMD = Lab(
    modules=("kvm-amd", "msr"),
    jobs=(
        Job("tcg-amd-no-module", REPORT),
        Job("setup", "load irqbypass; load kvm; load msr"),
        Job("tcg-amd-nested", "load kvm_amd nested=1; " + REPORT),
        Job("tcg-amd-nobody", "chmod 600 /dev/kvm; " + AS_NOBODY),
        Job("tcg-amd-nested-off", "rmmod kvm_amd; load kvm_amd nested=0; " + REPORT),
    ),
)
INTEL = Lab(
    loaded=("kvm-intel",),
    jobs=(
        Job("bochs-intel-nested", REPORT),
        Job("bochs-intel-no-ept", "rmmod kvm_intel; load kvm_intel nested=1 ept=0; " + REPORT),
    ),
)
LOCKED = Lab(modules=("kvm-intel",), jobs=(Job("bochs-intel-locked", REPORT),))


def scrubbed(report: dict[str, Any]) -> dict[str, Any]:
    """Without what names the machine, and without times: they are no facts of the situation."""
    report["subject"] = {"hostname": "recorded", "machine_id": None, "boot_id": None, "dmi_uuid": None, "vm": None}
    report["started"], report["duration_ms"] = 1763800000.0, 1.0
    for fact in report["facts"].values():
        fact["ms"] = 0.0
    kernel = report["facts"]["kernel.release"].get("value", {})
    kernel["release"] = kernel.get("release", "").split("-")[0]
    kernel["cmdline"] = " ".join(
        word for word in kernel.get("cmdline", "").split() if word.startswith(("nomodule", "kvm"))
    )
    log = report["facts"]["kernel.log"]
    if "value" in log:
        log["value"] = log["value"][:12]
    for key in ("product_uuid", "product_serial"):
        (report["facts"]["machine.dmi"].get("value") or {}).pop(key, None)
    return report


def keep(name: str, text: str) -> None:
    report = scrubbed(json.loads(text.splitlines()[-1]))
    (FIXTURES / f"{name}.report.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


def main(what: str) -> None:
    found: dict[str, Done] = {}
    with tempfile.TemporaryDirectory() as directory:
        if what == "tcg":
            found = tcg(AMD, Path(directory))
        elif what == "bochs":
            for n, lab in enumerate((INTEL, LOCKED)):
                (Path(directory) / str(n)).mkdir()
                found |= bochs(lab, Path(directory) / str(n), firmware_off=lab is LOCKED)
    if what == "here":
        import agent
        from agent.encode import encode

        keep("here", encode(agent.collect()))
    for name, done in found.items():
        if name != "setup":
            keep(name, done.output)


if __name__ == "__main__":
    main(sys.argv[1])
