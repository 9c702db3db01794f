"""Recording a machine for --root: every file that a probe reads, and the facts that had to be executed.

The recorded tree holds what was read and nothing else, so it can be looked through before it is given away.
"""

import os

from agent.facts import NotOk

FACTS = "nestproof-facts.json"
LIMIT = 256 * 1024
STATUSES = ["ok", "absent", "denied", "error", "timeout", "unsupported"]  # a list: what is not hashable is not in it


def keep_file(root, path, text):
    """Write what was read of a file to the same place below ``root``."""
    target = root + os.path.normpath("/" + path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(target):
        return
    with open(target, "w", encoding="utf-8", errors="replace") as f:
        f.write(text)


def keep_names(root, path, names):
    """Make an empty entry for each name in a directory that was listed; what is read in them follows."""
    target = root + os.path.normpath("/" + path)
    os.makedirs(target, exist_ok=True)
    for name in names:
        here = target + "/" + name
        if not os.path.lexists(here):
            if os.path.isdir(path + "/" + name):
                os.mkdir(here)
            else:
                open(here, "w").close()


def keep_facts(root, report):
    """Write the facts of a report, for those that a tree of files cannot tell again."""
    from agent.encode import encode

    with open(root + "/" + FACTS, "w", encoding="ascii") as f:
        f.write(encode({"schema": report["schema"], "facts": report["facts"]}, 1) + "\n")


def capture(directory, wanted, told):
    """Record this machine below a new or empty directory, and tell of it; Usage when it is neither."""
    from agent.cli import Usage
    from agent.collector import collect

    os.makedirs(directory, exist_ok=True)
    if os.listdir(directory):
        raise Usage("--capture %s is not empty" % directory)
    directory = os.path.abspath(directory)
    report = told(collect(record=directory, **dict({"only": None, "root": None}, **wanted)))
    keep_facts(directory, report)
    print("recorded in %s; read it with --root %s" % (directory, directory))
    return 0


def recorded(machine, probe):
    """Return the recorded fact of a probe that executes something; NotOk where the record has none."""
    facts = machine.once(FACTS, lambda: load(machine))
    fact = facts.get(probe[0])
    if not isinstance(fact, dict) or fact.get("status") not in STATUSES:
        raise NotOk("unsupported", "nothing is executed for a recorded machine")
    out = {"status": fact["status"], "source": probe[3], "ms": 0.0}
    if fact.get("value") is not None:
        out["value"] = fact["value"]
    if out["status"] != "ok":
        out["error"] = str(fact.get("error"))[:400]
    return out


def load(machine):
    """Return the recorded facts, {} when there is no record or it is none."""
    from json import loads

    try:
        facts = loads(machine.text("/" + FACTS, LIMIT))["facts"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
