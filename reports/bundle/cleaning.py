"""A bundle without secrets, and if it is to be redacted without names: every file, every file's name, every subject.

Only texts change. What a report says of the machine stays, so the redacted bundle is judged as the whole one is.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import msgspec

from reports.bundle import secrets
from reports.bundle.model import Bundle, LeftOut
from reports.bundle.redact import SERIAL_NAME, SYSTEM_UID, Redactor

CLOSED = ("cpu.flags", "cpu.vmx_flags", "kvm.modules", "kernel.config", "hypervisor.signatures", "machine.os")
"""Facts whose texts are words of the kernel or of the CPU, never somebody's own."""
XML_NAME = re.compile(r"<name>([^<]{1,200})</name>")
XML_SERIAL = re.compile(r"<serial>([^<]{1,200})</serial>|<entry name=['\"](?:serial|asset)['\"]>([^<]{1,200})<")
URI_HOST = re.compile(r"://(?:([^@/\s]{1,64})@)?([\w.-]{1,253})")
HOSTNAME_FILES = ("etc/hostname", "proc/sys/kernel/hostname")
JSON = ".json"
VERSIONS = "/versions.json"


def cleaned(bundle: Bundle, known: Iterable[str]) -> Bundle:
    """The bundle without secrets; `known` are those of this process. A file without any stays as it is."""
    known = sorted(known, key=len, reverse=True)

    def clean(name: str, data: bytes) -> bytes:
        text = data.decode("utf-8", "replace")
        value = _json(name, text)
        if value is not None:
            new = secrets.removed_json(value, known)
            return data if new == value else _encoded(new)
        without = secrets.removed(text, known)
        return data if without == text else without.encode()

    files = {name: clean(name, data) for name, data in bundle.files.items()}
    command = secrets.removed(bundle.command, known)
    return replace(bundle, files=files, command=command)


def redacted(bundle: Bundle, redactor: Redactor) -> Bundle:
    """The bundle with other names. What is not text is left out, since nobody can tell what it holds."""
    _learn(bundle, redactor)
    whole = Bundle(bundle.version, "nestproof bundle --redact", bundle.made, True)
    names: dict[str, str] = {}
    for name, data in bundle.files.items():
        new = redactor.text(name)
        if b"\0" in data:
            whole.left_out.append(LeftOut(new, "not text: it cannot be redacted"))
        elif new in whole.files:
            whole.left_out.append(LeftOut(new, "two files would have this name"))
        else:
            whole.add(new, _redacted_file(name, data, redactor))
            names[name] = new
    for subject in bundle.subjects:
        learn = redactor.learn_host if subject.kind == "host" else redactor.learn_vm
        given = {
            "name": learn(subject.name),
            "host": redactor.learn_host(subject.host) if subject.host else "",
            "provider": redactor.text(subject.provider),
            "arrival_detail": redactor.text(subject.arrival_detail),
            "report": names.get(subject.report, ""),
            "view": names.get(subject.view, ""),
        }
        whole.subjects.append(msgspec.structs.replace(subject, **given))
    whole.left_out += [LeftOut(redactor.text(out.name), redactor.text(out.why)) for out in bundle.left_out]
    return whole


def search(bundle: Bundle, page: bytes, known: Iterable[str], redactor: Redactor | None) -> Iterator[secrets.Found]:
    """Every secret, and if redacted every name, that is left anywhere in what would be written.

    The page is made of the files and has a script of its own, so only what is literally known is looked for in it.
    """
    known = list(known)
    about = msgspec.json.encode(bundle.manifest(page))
    for name, data in [*bundle.files.items(), ("manifest.json", about)]:
        yield from secrets.search(name, data, known)
        if redactor is not None and not name.endswith(VERSIONS) and redactor.left(_readable(name, data)):
            yield secrets.Found(name, "a name that should have been redacted")
    page_text = page.decode("utf-8", "replace")
    if any(secret in page_text for secret in known):
        yield secrets.Found("index.html", "a secret of this environment")


def reserved(bundle: Bundle) -> frozenset[str]:
    """The words of the reports' own language: their keys, and the texts of facts that are closed."""
    words: set[str] = set()
    for subject in bundle.subjects:
        report = _json(subject.report, bundle.files.get(subject.report, b"").decode("utf-8", "replace"))
        facts = report.get("facts") if isinstance(report, dict) else None
        words |= set(_keys(report))
        words |= {word for fact in CLOSED for word in _texts((facts or {}).get(fact))}
    return frozenset(words)


def _learn(bundle: Bundle, redactor: Redactor) -> None:
    for subject in bundle.subjects:
        (redactor.learn_host if subject.kind == "host" else redactor.learn_vm)(subject.name)
        if subject.host:
            redactor.learn_host(subject.host)
        _learn_provider(subject.provider, redactor)
    for name, data in bundle.files.items():
        text = data.decode("utf-8", "replace")
        redactor.learn_text(text)
        value = _json(name, text)
        if isinstance(value, dict):
            _learn_report(value, redactor)
        elif name.endswith(HOSTNAME_FILES):
            redactor.learn_host(text)
        elif name.endswith("etc/passwd"):
            _learn_passwd(text, redactor)
        elif SERIAL_NAME.search(name.rsplit("/", 1)[-1]):
            redactor.learn_serial(text)
        elif name.endswith(".xml"):
            for found in XML_NAME.findall(text):
                redactor.learn_vm(found)
            for pair in XML_SERIAL.findall(text):
                redactor.learn_serial(pair[0] or pair[1])


def _learn_provider(provider: str, redactor: Redactor) -> None:
    for user, host in URI_HOST.findall(provider):
        redactor.learn_host(host)
        if user:
            redactor.learn_user(user)
    product, _, place = provider.partition(" ")
    if product and place and "://" not in place:
        redactor.learn_host(place)


def _learn_report(value: dict[str, Any], redactor: Redactor) -> None:
    """A report, recorded facts, or a view: whatever stands where names are known to stand."""
    subject = value.get("subject")
    if isinstance(subject, dict):
        if isinstance(subject.get("hostname"), str):
            redactor.learn_host(subject["hostname"])
        if isinstance(subject.get("vm"), str):
            redactor.learn_vm(subject["vm"])
    facts = value.get("facts")
    for fact in facts.values() if isinstance(facts, dict) else ():
        inside = fact.get("value") if isinstance(fact, dict) else None
        if not isinstance(inside, dict):
            continue
        uid = inside.get("uid")
        if isinstance(inside.get("user"), str) and isinstance(uid, int) and uid >= SYSTEM_UID:
            redactor.learn_user(inside["user"])
        for key, text in inside.items():
            if isinstance(text, str) and SERIAL_NAME.search(key):
                redactor.learn_serial(text)


def _learn_passwd(text: str, redactor: Redactor) -> None:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 5 and fields[2].isdecimal() and SYSTEM_UID <= int(fields[2]) < 65534:
            redactor.learn_user(fields[0])
            redactor.learn_user(fields[4].split(",")[0])


def _redacted_file(name: str, data: bytes, redactor: Redactor) -> bytes:
    if name.endswith(VERSIONS):
        return data  # four numbers with dots are no address there
    text = data.decode("utf-8", "replace")
    value = _json(name, text)
    if value is None:
        return redactor.text(text).encode()
    new = redactor.json(value)
    subject = value.get("subject") if isinstance(value, dict) else None
    if isinstance(subject, dict):  # here a name is a name, also where it is a word that says nothing
        for key, learn in (("hostname", redactor.learn_host), ("vm", redactor.learn_vm)):
            if isinstance(subject.get(key), str) and subject[key]:
                new["subject"][key] = learn(subject[key])
    elif isinstance(value, dict) and isinstance(value.get("name"), str) and "provider" in value:
        new["name"] = redactor.learn_vm(value["name"]) if "asked" in value else redactor.learn_host(value["name"])
        if isinstance(value.get("host"), str) and value["host"]:
            new["host"] = redactor.learn_host(value["host"])
    return _encoded(new)


def _readable(name: str, data: bytes) -> str:
    """The text as a reader of the file sees it: JSON without its escapes."""
    text = data.decode("utf-8", "replace")
    value = _json(name, text)
    return text if value is None else "\n".join([name, *_texts(value)])


def _json(name: str, text: str) -> Any:
    """What a JSON file holds; None for anything else."""
    if not name.endswith(JSON):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inside in value.items():
            yield key
            yield from _keys(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _keys(inside)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inside in value.items():
            yield key
            yield from _texts(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _texts(inside)
