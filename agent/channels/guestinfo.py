"""The VMware channel: the variable ``guestinfo.nestproof.report``, which the host reads from the VM's extraConfig.

The value is gzip+base64, as cloud-init's own guestinfo variables may be, and ``.encoding`` says so: VMware takes at
most 64 KB and not every character.
"""

import os

KEY = "guestinfo.nestproof.report"
LIMIT = 65536


def tools():
    """Return the commands that set a variable, those that are installed: open-vm-tools has both."""
    found = []
    for name, words in (("vmware-rpctool", ()), ("vmtoolsd", ("--cmd",))):
        for directory in ("/usr/bin", "/usr/sbin", "/bin", "/usr/local/bin"):
            if os.access(directory + "/" + name, os.X_OK):
                found.append((directory + "/" + name,) + words)
                break
    return found


def packed(report):
    """Return the value of the variable; ValueError when it is too long."""
    from base64 import b64encode
    from zlib import compressobj

    from agent.encode import encode

    squeeze = compressobj(9, 8, 31)  # 31: with gzip's header
    text = b64encode(squeeze.compress(encode(report).encode("ascii")) + squeeze.flush()).decode("ascii")
    if len(text) > LIMIT - 256:
        raise ValueError("the report has %d characters, VMware takes %d" % (len(text), LIMIT))
    return text


def set_variables(report):
    """Set the variables by the first tool that works; OSError when none is there or none works."""
    text = packed(report)
    commands = tools()
    for command in commands:
        done = [
            os.spawnv(os.P_WAIT, command[0], command + ("info-set %s %s" % (key, value),))  # noqa: S606
            for key, value in ((KEY + ".encoding", "gzip+base64"), (KEY, text))
        ]
        if done == [0, 0]:
            return
    if not commands:
        raise OSError(2, "neither vmware-rpctool nor vmtoolsd is installed")
    raise OSError(5, "%s could not set %s: is this a VMware guest?" % (commands[-1][0], KEY))
