"""What the values of options mean, and why one means nothing."""

import os

from agent.cli import Usage


def wanted_by(options):
    """Return what of a run these options choose: time, root and probes."""
    wanted = {"root": tree(options), "only": selected(options)}
    if "--timeout" in options:
        wanted["timeout"] = seconds(options, "--timeout", 0, 3600)
    return wanted


def seconds(options, name, default, most):
    """Return an option's number of seconds; Usage when it is none."""
    try:
        value = float(options.get(name, default))
    except ValueError:
        value = -1.0
    if not 0 < value <= most:
        raise Usage("%s wants seconds, more than 0 and at most %d, not %r" % (name, most, options[name]))
    return value


def tree(options):
    """Return the absolute --root directory or None; Usage when it is no directory."""
    root = options.get("--root")
    if root is None:
        return None
    if not os.path.isdir(root):
        raise Usage("--root %s is not a directory" % root)
    return os.path.abspath(root)


def selected(options):
    """Return the ids of --only, or None for all; Usage names an unknown one and those that come near."""
    if "--only" not in options:
        return None
    from agent.facts import PROBES

    known = [probe[0] for probe in PROBES]
    chosen = []
    for name in options["--only"].split(","):
        prefix = name if name.endswith(".") else None
        found = [each for each in known if each == name or (prefix and each.startswith(prefix))]
        found = found if name in found else [each for each in found if each != "proof.cost"]
        if not found:
            near = [each for each in known if each.split(".")[0] == name.split(".")[0]] or known
            raise Usage("no such fact: %s; there are %s" % (name, ", ".join(near)))
        chosen += [each for each in found if each not in chosen]
    return chosen
