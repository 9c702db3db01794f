"""Carrying out a plan, with a record on the host before the first change; and taking it back.

Whatever happens in the middle, the record says what was there before: a failure puts it back, and after a kill -9 the
next run goes on or undoes.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from hostcheck.enable.host import Host, HostError
from hostcheck.enable.plan import Path, Plan
from hostcheck.enable.restore import REMOVE_RECORD, Left, differing, module_of, put_back
from hostcheck.enable.situation import Situation
from hostcheck.enable.state import CONF, RECORD, SCHEMA, Phase, Record, StateError, decode_record, encode_record
from hostcheck.enable.steps import WriteFile
from hostcheck.facts import Facts
from hostcheck.judge import judge


class End(StrEnum):
    """How it ended."""

    PROVEN = "proven"
    """A guest ran its own guest after the change."""
    WAITS = "waits"
    """All is written; it takes effect with the next boot, or when the module is loaded anew."""
    PUT_BACK = "put back"
    """It failed, and the host is what it was before."""
    STUCK = "stuck"
    """It failed, and something is not as it was; the record is kept."""
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end, the sentence that explains it, and what is not as it was."""

    end: End
    reason: str
    left: tuple[Left, ...] = ()
    changed: tuple[str, ...] = ()
    """Other parameters of the module that a reload changed: `name old -> new`."""


def look(host: Host) -> Situation:
    """All that has to be known before anything is planned. Raises HostError and StateError."""
    survey = host.survey()
    if survey.uid != 0:
        raise HostError("only root may do this")
    return Situation(host.report(), survey, decode_record(survey.record))


def apply(host: Host, now: Situation, plan: Plan, started: float) -> Outcome:
    """Carry out a plan for which there is something to do, and prove it. `started` is Unix time, for the record.

    Raises HostError when nothing was begun. An interrupt (Ctrl-C) puts everything back and goes on as an interrupt.
    """
    if plan.path is Path.REBOOT and not plan.steps and not now.interrupted:
        return Outcome(End.WAITS, plan.reason)
    first = now.record
    wrote = next((step.content for step in plan.steps if isinstance(step, WriteFile)), b"")
    record = Record(
        schema=SCHEMA,
        phase=Phase.CHANGING,
        module=now.module,
        before=first.before if first else now.before,
        wrote=wrote or (first.wrote if first else b""),
        initramfs=(now.survey.initramfs if wrote else "") or (first.initramfs if first else ""),
        started=first.started if first else started,
    )
    _keep(host, record)
    try:
        for step in plan.steps:
            host.do(step)
        end = Outcome(End.WAITS, plan.reason) if plan.path is Path.REBOOT else _prove(host, now)
        _keep(host, msgspec.structs.replace(record, phase=Phase.CHANGED))
    except HostError as e:
        return _give_up(host, now, record, str(e))
    except KeyboardInterrupt:
        _give_up(host, now, record, "interrupted")
        raise
    return end


def undo(host: Host, now: Situation) -> Outcome:
    """Put back what was there before the first change on record. Raises HostError and StateError."""
    record = now.record
    if record is None:
        return Outcome(End.UNDONE, "nothing of nestproof's is on record here")
    conf = now.survey.conf
    if conf != record.before.conf and (not record.wrote or conf.content != record.wrote):
        raise StateError(f"{CONF} was changed by somebody since: mend it by hand, then remove {RECORD}")
    left = put_back(host, record.before, record.module, record.initramfs)
    if left:
        waits = all(part.waits for part in left)
        return Outcome(End.WAITS if waits else End.STUCK, "the module is in use" if waits else "undoing failed", left)
    host.do(REMOVE_RECORD)
    return Outcome(End.UNDONE, "everything is as it was before")


def _keep(host: Host, record: Record) -> None:
    host.do(WriteFile(RECORD, encode_record(record), mode=0o600))


def _prove(host: Host, now: Situation) -> Outcome:
    """A guest has to run its own guest now. Raises HostError with the judge's reason when none did."""
    report = host.report()
    answer = judge(report).guests_nest
    if not answer.verdict.works:
        raise HostError(f"after the change it still does not work: {answer.reason}")
    before, after = now.state.parameters, module_of(Facts(report), now.module).parameters
    others = {name: value for name, value in differing(before, after).items() if name != "nested"}
    changed = tuple(f"{name} {value} -> {after.get(name)}" for name, value in others.items())
    return Outcome(End.PROVEN, answer.reason, changed=changed)


def _give_up(host: Host, now: Situation, record: Record, reason: str) -> Outcome:
    """Back to what was there when this run began, or the interrupted one that it went on with."""
    back_to = now.interrupted.before if now.interrupted else now.before
    try:
        left = put_back(host, back_to, now.module, record.initramfs)
        if not left and now.record and not now.interrupted:
            _keep(host, now.record)
        elif not left:
            host.do(REMOVE_RECORD)
    except HostError as e:
        left = (Left(str(e)),)
    return Outcome(End.STUCK if left else End.PUT_BACK, reason, left)
