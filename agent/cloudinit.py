"""Makes the part of a cloud-init user-data that installs the agent. Runs on the controller.

The part is a *boothook*: cloud-init runs it early on every boot, whatever else the user's cloud-config says, and
nothing of the user's is merged with it or replaced by it. It installs one file and one service, starts the service
without waiting for it, and does the same again on the next boot only if something has changed.
"""

import base64
import re

from agent.build import NAME, agent_bytes

PORT = "org.nestproof.report.0"  # the virtio-serial port of design and documentation
_VM = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

SCRIPT = r"""#cloud-boothook
#!/bin/sh
# nestproof: installs the agent that reports whether this machine can run virtual machines
umask 022
say() { echo "nestproof: $*" >/dev/console 2>/dev/null || echo "nestproof: $*" >&2; }

python=
for each in python3 /usr/libexec/platform-python /usr/local/bin/python3; do
    if "$each" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
        python=$(command -v "$each")
        break
    fi
done
[ -n "$python" ] || { say "no Python 3.6 or later on this machine: nothing was proven"; exit 0; }

for dir in /usr/local/lib/nestproof /var/lib/nestproof /run/nestproof; do
    mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] && break
done
agent=$dir/@NAME@
base64 -d >"$agent.new" <<'END'
@AGENT@
END
if ! "$python" -I -S "$agent.new" --version >/dev/null 2>&1; then
    rm -f "$agent.new"
    say "the agent could not be installed in $dir"
    exit 0
fi
changed=
cmp -s "$agent.new" "$agent" || changed=yes
chmod 755 "$agent.new" && mv -f "$agent.new" "$agent"
start="$python -I -S $agent @OPTIONS@"

if [ -d /run/systemd/system ]; then
    units=/etc/systemd/system
    [ -w "$units" ] || units=/run/systemd/system
    cat >"$units/nestproof-agent.service.new" <<END
[Unit]
Description=nestproof agent: reports whether this machine can run virtual machines
After=systemd-udevd.service systemd-modules-load.service

[Service]
ExecStart=$start
Restart=always
RestartSec=5
StandardOutput=null
StandardError=journal+console

[Install]
WantedBy=multi-user.target
END
    cmp -s "$units/nestproof-agent.service.new" "$units/nestproof-agent.service" || changed=yes
    mv -f "$units/nestproof-agent.service.new" "$units/nestproof-agent.service"
    if [ -n "$changed" ]; then
        systemctl daemon-reload
        systemctl --no-reload enable nestproof-agent.service >/dev/null 2>&1
        systemctl --no-block restart nestproof-agent.service
    else
        systemctl --no-block start nestproof-agent.service
    fi
elif command -v openrc-run >/dev/null 2>&1 && [ -w /etc/init.d ]; then
    cat >/etc/init.d/nestproof-agent <<END
#!/sbin/openrc-run
description="nestproof agent: reports whether this machine can run virtual machines"
supervisor=supervise-daemon
command=$python
command_args="${start#"$python" }"
respawn_delay=5
END
    chmod 755 /etc/init.d/nestproof-agent
    rc-update add nestproof-agent default >/dev/null 2>&1
    (rc-service nestproof-agent restart >/dev/null 2>&1 &)
else
    mkdir -p /run/nestproof
    pid=$(cat /run/nestproof/agent.pid 2>/dev/null)
    if [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null; then
        (while :; do $start </dev/null >/dev/null 2>/dev/console; sleep 5; done) &
        echo $! >/run/nestproof/agent.pid
    fi
fi
exit 0
"""


def user_data_part(vm: str, port: str = PORT) -> str:
    """Return the text of one part of type ``text/cloud-boothook`` that installs and starts the agent.

    ``vm`` is ``namespace/name`` and comes back as ``subject.vm`` of every report; ``port`` is the virtio-serial port
    on which the host asks for reports. ValueError when one of them is not of that form: they go into a shell script.
    """
    if not _VM.fullmatch(vm):
        raise ValueError(f"not namespace/name of a virtual machine: {vm!r}")
    if not _PORT.fullmatch(port):
        raise ValueError(f"not the name of a virtio-serial port: {port!r}")
    text = base64.b64encode(agent_bytes()).decode("ascii")
    lines = "\n".join(text[n : n + 76] for n in range(0, len(text), 76))
    options = f"--vm {vm} --serve-port {port}"
    return SCRIPT.replace("@NAME@", NAME).replace("@AGENT@", lines).replace("@OPTIONS@", options)
