"""Lists of hosts: one a line, YAML, or whatever `ansible-inventory --list` answers (its JSON, or an Ansible inventory).

An Ansible inventory is never parsed here: `ansible-inventory` knows its dialects, plugins and variables.
"""

import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from hostcheck.process import ProcessError, run
from hostcheck.reach.targets import Target, TargetError, parse

MAX_BYTES = 64 * 1024 * 1024
ANSIBLE_SECONDS = 120
STDIN = "-"
"""What stands for standard input, whose form is told from its text."""


class InventoryError(ValueError):
    """The inventory cannot be used; the message names the file, the line and what to do."""


def read(path: str) -> list[Target]:
    """The hosts of an inventory file, a directory or `-`, in its order, each once. Raises InventoryError."""
    file = Path(path)
    try:
        if path == STDIN:
            return _unique(_piped(sys.stdin.buffer.read(MAX_BYTES + 1)))
        if file.is_dir() or os.access(file, os.X_OK):
            return _unique(_ansible(path))
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InventoryError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        return _unique(_parse(data, path))
    except OSError as e:
        raise InventoryError(f"{path}: {e.strerror}") from e


def _piped(data: bytes) -> list[Target]:
    """What came on standard input, by way of a file: `ansible-inventory` reads only those."""
    if len(data) > MAX_BYTES:
        raise InventoryError(f"standard input: larger than {MAX_BYTES >> 20} MiB")
    lines = [line.strip() for line in data.splitlines()]
    is_yaml = any(line == b"---" or line.startswith(b"- ") or line.endswith(b":") for line in lines)
    with tempfile.TemporaryDirectory(prefix="nestproof-inventory-") as directory:
        file = Path(directory, "stdin.yaml" if is_yaml else "stdin")
        file.write_bytes(data)
        try:
            return _parse(data, str(file))
        except InventoryError as e:
            raise InventoryError(str(e).replace(str(file), "standard input")) from e


def _parse(data: bytes, path: str) -> list[Target]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise InventoryError(f"{path}: not UTF-8 text: {e}") from e
    if text.lstrip().startswith("{"):
        return from_ansible_json(text, path)
    if path.endswith((".yaml", ".yml")):
        return _yaml(text, path)
    if any(line.lstrip().startswith("[") for line in text.splitlines()):
        return _ansible(path)
    return _plain(text, path)


def _plain(text: str, path: str) -> list[Target]:
    targets = []
    for number, line in enumerate(text.splitlines(), 1):
        written = line.partition("#")[0].strip()
        if not written:
            continue
        if len(written.split()) > 1:
            hint = "an Ansible inventory needs a [group] line, so that ansible-inventory reads it"
            raise InventoryError(f"{path}:{number}: one host a line; {written!r} is more ({hint})")
        targets.append(_target(written, f"{path}:{number}"))
    return targets


def _yaml(text: str, path: str) -> list[Target]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = YAML(typ="safe").load(text)
    except MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        raise InventoryError(f"{path}:{line}: not YAML: {e.problem}") from e
    except (YAMLError, ValueError, RecursionError) as e:
        raise InventoryError(f"{path}: not YAML: {e}") from e
    hosts = document.get("hosts") if isinstance(document, dict) and set(document) == {"hosts"} else document
    if hosts is None:
        return []
    if isinstance(hosts, list):
        return [_target(host, f"{path}: entry {n}") for n, host in enumerate(hosts, 1)]
    return _ansible(path)


def _target(written: object, where: str) -> Target:
    if not isinstance(written, str):
        raise InventoryError(f"{where}: {written!r} is not a host; write it as text, such as ssh://user@host")
    try:
        return parse(written)
    except TargetError as e:
        raise InventoryError(f"{where}: {e}") from e


def _ansible(path: str) -> list[Target]:
    settings = {"ANSIBLE_VERBOSITY": "0", "ANSIBLE_FORCE_COLOR": "0"}
    try:
        done = run(["ansible-inventory", "-i", path, "--list"], timeout=ANSIBLE_SECONDS, env=settings)
    except ProcessError as e:
        raise InventoryError(f"{path}: {e}; without it, give a plain list: one host a line") from e
    if done.code:
        raise InventoryError(f"{path}: ansible-inventory: {done.last_words}")
    return from_ansible_json(done.stdout.decode("utf-8", "replace"), path)


def from_ansible_json(text: str, path: str) -> list[Target]:
    """The hosts of `ansible-inventory --list`, with the connection variables that OpenSSH understands."""
    try:
        listing = json.loads(text)
        meta = listing["_meta"]["hostvars"]
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise InventoryError(f"{path}: not the answer of ansible-inventory --list: {e!r}") from e
    names: dict[str, None] = dict.fromkeys(meta)
    for group in listing.values():
        if isinstance(group, dict) and isinstance(group.get("hosts"), list):
            names.update(dict.fromkeys(str(host) for host in group["hosts"]))
    return [_from_vars(name, meta.get(name) or {}, path) for name in names]


def _from_vars(name: str, variables: dict[str, Any], path: str) -> Target:
    if variables.get("ansible_connection") == "local":
        return Target(name, "")
    host = str(variables.get("ansible_host") or name)
    user = str(variables.get("ansible_user") or variables.get("ansible_ssh_user") or "")
    port = variables.get("ansible_port") or variables.get("ansible_ssh_port") or 0
    arguments: list[str] = []
    for key in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        arguments += shlex.split(str(variables.get(key) or ""))
    if key_file := variables.get("ansible_ssh_private_key_file"):
        arguments += ["-i", str(Path(str(key_file)).expanduser())]
    plain = _target(host, f"{path}: host {name}")
    try:
        number = int(port) or plain.port
    except (TypeError, ValueError) as e:
        raise InventoryError(f"{path}: host {name}: port {port!r} is not a number") from e
    return Target(name, plain.host, user or plain.user, number, tuple(arguments))


def _unique(targets: list[Target]) -> list[Target]:
    return list(dict.fromkeys(targets))
