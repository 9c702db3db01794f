"""Taking the agent out of a guest again, whatever had started it."""

import os

UNITS = ("/etc/systemd/system/nestproof-agent.service", "/run/systemd/system/nestproof-agent.service")
RC = "/etc/init.d/nestproof-agent"
PLACES = ("/usr/local/lib/nestproof", "/var/lib/nestproof", "/run/nestproof")
FILES = ("nestproof-agent.pyz", "nestproof-agent.pyz.new", "token", "ca.pem", "report.json", "fallback.sh", "agent.pid")
REMOVED = "/var/lib/nestproof/removed"  # tells the part of cloud-init not to install it again


def run(*command):
    """Run a program if it is there; its failure changes nothing."""
    for directory in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        if os.access(directory + "/" + command[0], os.X_OK):
            os.spawnv(os.P_WAIT, directory + "/" + command[0], command)  # noqa: S606
            return


def uninstall(write):
    """Remove service, files and directories, say so by ``write``; return 0, or 1 when something is left."""
    failed = 0
    found = [path for path in UNITS + (RC,) if os.path.lexists(path)]
    pid = running()
    if any(path in UNITS for path in found):
        run("systemctl", "--no-reload", "disable", "nestproof-agent.service")
    if RC in found:
        run("rc-service", "nestproof-agent", "stop")
        run("rc-update", "del", "nestproof-agent", "default")
    found += [place + "/" + name for place in PLACES for name in FILES if os.path.lexists(place + "/" + name)]
    if not found:
        write("nothing of nestproof is installed here")
        return 0
    for path in found:
        try:
            os.unlink(path)
            write("removed " + path)
        except OSError as e:
            failed = 1
            write("could not remove %s: %s" % (path, e.strerror))
    for place in PLACES:
        try:
            os.rmdir(place)
        except OSError:
            pass
    if not failed:
        try:
            os.makedirs(os.path.dirname(REMOVED), exist_ok=True)
            open(REMOVED, "w").close()
            write("left %s, so that cloud-init does not install it again" % REMOVED)
        except OSError:
            pass
    if any(path in UNITS for path in found):
        run("systemctl", "daemon-reload")
        run("systemctl", "--no-block", "stop", "nestproof-agent.service")
    if pid:
        try:
            os.kill(-pid, 15)  # the session that was made for it
        except OSError:
            pass
    return failed


def running():
    """Return the process id that the part of cloud-init noted where there is no service manager, else 0."""
    try:
        with open("/run/nestproof/agent.pid") as f:
            return max(int(f.read(32)), 0)
    except (OSError, ValueError):
        return 0
