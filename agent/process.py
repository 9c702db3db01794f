"""Who the agent is: what it may open depends on it."""

import os


def identity(machine):
    """Return user and groups of this process, and the groups that the local files would give a new session."""
    user = name(machine, "passwd", os.getuid())
    primary = [field[3] for field in rows(machine, "passwd") if field[0] == user]
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": sorted(os.getgroups()),
        "user": user,
        "configured_groups": sorted(
            field[0][:64] for field in rows(machine, "group") if field[2] in primary or user in field[3].split(",")
        )[:64],
    }


def rows(machine, table):
    """Return the fields of each line in the local "passwd" or "group"; none where it cannot be read.

    The files are read directly: the name service may ask a directory server that does not answer.
    """

    def get():
        lines = machine.text("/etc/" + table, 1 << 20).split("\n")
        return [field for field in (line.split(":") for line in lines) if len(field) > 3]

    try:
        return machine.once(table, get)
    except OSError:
        return []


def name(machine, table, number):
    """Return the local name of a uid (table "passwd") or gid ("group"), else the number as text."""
    return next((field[0][:64] for field in rows(machine, table) if field[2] == str(number)), str(number))
