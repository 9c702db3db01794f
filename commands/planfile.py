"""Plans in files: what apply would do, to be read, kept, approved, and carried out later exactly so or not at all.

A plan file holds no secret. It names the manifests that it was made from with their digests; apply reads them again,
and with them whatever Secret or environment variable they ask for, makes the plan anew and compares.
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent import VERSION
from commands.failures import Failure
from commands.intent import intent
from hostcheck.clock import now
from hostcheck.files import write_whole
from provision.model import Problem
from provision.provider import Difference, Plan, Power, ProviderError, Step

SCHEMA = "nestproof.plan/1"
MOST_BYTES = 64 << 20


class Source(msgspec.Struct, frozen=True):
    """A manifest that the plan was made from."""

    path: str
    sha256: str


class Account(msgspec.Struct, frozen=True):
    """What becomes of one field."""

    path: str
    value: str
    handling: str
    how: str
    place: str


class PlannedVm(msgspec.Struct, frozen=True):
    """What apply would do for one VM."""

    vm: str
    """`namespace/name`."""
    provider: str
    intent: str
    steps: tuple[Step, ...]
    differences: tuple[Difference, ...]
    power: Power
    loses_disk: bool
    notes: tuple[str, ...]
    accounts: tuple[Account, ...]
    native: str
    digest: str
    """Over all of the above that decides what is done."""


class PlanFile(msgspec.Struct, frozen=True):
    """A saved plan."""

    schema: str
    version: str
    """Of nestproof."""
    made: float
    """Unix time in seconds."""
    sources: tuple[Source, ...]
    connect: str | None
    vms: tuple[PlannedVm, ...]
    notes: tuple[str, ...] = ()
    """What is true of the VMs together."""

    def expected(self, vm: str) -> PlannedVm | None:
        return next((planned for planned in self.vms if planned.vm == vm), None)


def plan_file(
    plans: Sequence[Plan], files: Sequence[str], connect: str | None, notes: tuple[str, ...] = ()
) -> PlanFile:
    """The plans of the VMs in these manifests. Raises Failure where they could not be read a second time."""
    for name in files:
        if name == "-" or Path(name).is_fifo():
            what = "standard input" if name == "-" else f"{name}, a pipe,"
            raise Failure(f"a plan of {what} cannot be carried out later", hint="save the manifests in files")
    return PlanFile(SCHEMA, VERSION, now(), _sources(files), connect, tuple(map(_planned, plans)), notes)


def text(plan: PlanFile) -> str:
    """The plan as JSON, for people and programs."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2).decode() + "\n"


def save(plan: PlanFile, path: Path) -> None:
    """Write it whole or not at all. Raises Failure."""
    try:
        write_whole(path, text(plan).encode())
    except OSError as e:
        raise Failure(f"cannot write {path}: {e.strerror}") from e


class _Form(msgspec.Struct):
    schema: str = ""


def load(files: Sequence[str]) -> PlanFile | None:
    """The plan, where the one file that is named holds one; None for manifests. Raises Failure for a broken plan."""
    if len(files) != 1 or not files[0].endswith(".json"):
        return None
    path = Path(files[0])
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError:
        return None  # said by whoever reads manifests
    try:
        form = msgspec.json.decode(data, type=_Form).schema
    except msgspec.MsgspecError:
        return None
    if not form.startswith(SCHEMA.partition("/")[0]):
        return None
    if form != SCHEMA:
        raise Failure(f"{path}: a plan of the form {form[:80]!r}; this nestproof reads {SCHEMA}")
    try:
        plan = msgspec.json.decode(data, type=PlanFile)
    except msgspec.MsgspecError as e:
        raise Failure(
            f"{path}: a damaged plan: {e}", hint="`nestproof plan FILE... -o PLAN.json` makes a new one"
        ) from e
    if changed := next((each.vm for each in plan.vms if each.digest != _digest(each)), None):
        raise Failure(
            f"{path}: what it says of {changed} was changed after it was made: nothing was done", hint="plan again"
        )
    before = {source.path: source.sha256 for source in plan.sources}
    for source in _sources(list(before)):
        if before.get(source.path) != source.sha256:
            raise Failure(f"{source.path}: changed since {path} was made: nothing was done", hint="plan again")
    return plan


def hold_to(file: PlanFile, planned: Plan) -> None:
    """Raise ProviderError, refused, when what would be done now is not what was saved."""
    saved = file.expected(planned.vm.key)
    if saved is None:
        raise ProviderError("it is not in the plan file: nothing was done", hint="plan again", refused=True)
    today = _planned(planned)
    if (today.digest, today.provider) == (saved.digest, saved.provider):
        return
    if saved.provider != today.provider:
        why = f"it was for {saved.provider}, now it is for {today.provider}"
    elif (saved.intent, saved.steps) != (today.intent, today.steps):
        why = f"it was {saved.intent}, now it is {today.intent} ({_steps(today.steps)})"
    else:
        why = "the same steps would lead to other settings"
    if file.version != VERSION:
        why += f" (it was made by nestproof {file.version[:40]}, this is {VERSION})"
    raise ProviderError(
        f"not as it was when the plan was made: {why}; nothing was done", hint="plan again, and look", refused=True
    )


def _planned(plan: Plan) -> PlannedVm:
    planned = PlannedVm(
        vm=plan.vm.key,
        provider=f"{plan.vm.provider.type} {plan.vm.provider.endpoint}",
        intent=intent(plan),
        steps=plan.steps,
        differences=plan.differences,
        power=plan.power,
        loses_disk=plan.loses_disk,
        notes=plan.notes,
        accounts=tuple(Account(a.path, a.value, a.handling, a.how, str(a.origin)) for a in plan.accounts),
        native=plan.native,
        digest="",
    )
    return msgspec.structs.replace(planned, digest=_digest(planned))


def _digest(planned: PlannedVm) -> str:
    """Over all of it that decides what is done."""
    decides = (planned.steps, planned.differences, planned.power, planned.loses_disk, planned.native)
    return hashlib.sha256(msgspec.json.encode(decides)).hexdigest()


def _steps(steps: Sequence[Step]) -> str:
    return ", ".join(f"{step.action} {step.what}" for step in steps)


def _sources(files: Sequence[str]) -> tuple[Source, ...]:
    from provision.manifests import sources  # late: most runs know no plan file

    found = []
    for source in sources.read(files, io.BytesIO()):
        if isinstance(source, Problem):
            raise Failure(str(source))
        found.append(Source(source.name, hashlib.sha256(source.text.encode()).hexdigest()))
    return tuple(found)
