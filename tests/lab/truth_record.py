"""Reports of the lab as fixtures: without what names this run of it."""

import msgspec

from hostcheck.report import FactStatus, RawFact, Report, Subject, encode

STARTED = 1763800000.0
KEPT_LOG = 12


def recorded(report: Report, name: str) -> bytes:
    """Return a report as it is kept: no times, no identity, and of the log only the latest lines."""
    facts = {fact_id: scrubbed(fact_id, fact) for fact_id, fact in report.facts.items()}
    kept = msgspec.structs.replace(
        report, subject=Subject(hostname=name, vm=report.subject.vm), started=STARTED, duration_ms=0.0, facts=facts
    )
    return msgspec.json.format(encode(kept), indent=1) + b"\n"


def scrubbed(fact_id: str, fact: RawFact) -> RawFact:
    """Return a fact without how long it took."""
    value = fact.value
    if fact_id == "kernel.log" and fact.status is FactStatus.OK:
        value = value[-KEPT_LOG:]
    if fact_id == "machine.dmi" and isinstance(value, dict):
        value = {key: text for key, text in value.items() if key not in ("product_uuid", "product_serial")}
    return msgspec.structs.replace(fact, ms=0.0, value=value)
