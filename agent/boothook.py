"""The shell script that cloud-init runs on every boot to install the agent; agent/cloudinit.py fills its @WORDS@.

It installs one file and one service, starts the service without waiting for it, and on the next boot changes only what
is not as it should be. It knows systemd and OpenRC; elsewhere it starts the agent itself. On the guest: any /bin/sh.
"""

BOOTHOOK = r"""#cloud-boothook
#!/bin/sh
# nestproof: installs the agent that reports whether this machine can run virtual machines.
# To remove it: python3 /usr/local/lib/nestproof/nestproof-agent.pyz --uninstall
umask 022
say() { echo "nestproof: $*" >/dev/console 2>/dev/null || echo "nestproof: $*" >&2; }
[ -e /var/lib/nestproof/removed ] && exit 0

for dir in /usr/local/lib/nestproof /var/lib/nestproof /run/nestproof; do
    mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] && break
done
changed=
keep() { # keep FILE MODE: standard input becomes FILE, if it is not so already
    (umask 077; cat >"$1.new") && chmod "$2" "$1.new"
    if cmp -s "$1.new" "$1"; then rm -f "$1.new"; else mv -f "$1.new" "$1"; changed=yes; fi
}

python=
for each in python3 /usr/libexec/platform-python /usr/local/bin/python3; do
    if "$each" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
        python=$(command -v "$each")
        break
    fi
done
if [ -n "$python" ]; then
    agent=$dir/@NAME@
    base64 -d <<'END' | keep "$agent" 755
@AGENT@
END
    if ! "$python" -I -S "$agent" --version >/dev/null 2>&1; then
        say "the agent could not be installed in $dir"
        exit 0
    fi
@SECRETS@
    start="$python -I -S $agent @OPTIONS@"
else
    agent=$dir/fallback.sh
    keep "$agent" 755 <<'END'
@FALLBACK@
END
    start="/bin/sh $agent @PORT@ @VM@"
fi

if [ -d /run/systemd/system ]; then
    units=/etc/systemd/system
    [ -w "$units" ] || units=/run/systemd/system
    keep "$units/nestproof-agent.service" 644 <<END
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
    if [ -n "$changed" ]; then
        systemctl daemon-reload
        systemctl --no-reload enable nestproof-agent.service >/dev/null 2>&1
        systemctl --no-block restart nestproof-agent.service
    else
        systemctl --no-block start nestproof-agent.service
    fi
elif command -v openrc-run >/dev/null 2>&1 && [ -w /etc/init.d ]; then
    keep /etc/init.d/nestproof-agent 755 <<END
#!/sbin/openrc-run
description="nestproof agent: reports whether this machine can run virtual machines"
supervisor=supervise-daemon
command="${start%% *}"
command_args="${start#* }"
respawn_delay=5
error_log=/dev/console
END
    rc-update add nestproof-agent default >/dev/null 2>&1
    [ -z "$changed" ] || (rc-service nestproof-agent restart >/dev/null 2>&1 &)
else
    mkdir -p /run/nestproof
    pid=$(cat /run/nestproof/agent.pid 2>/dev/null)
    if [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null; then
        # a session of its own, so that --uninstall can end all of it
        setsid sh -c 'echo $$ >/run/nestproof/agent.pid; while :; do "$@"; sleep 5; done' sh $start \
            </dev/null >/dev/null 2>/dev/console &
    fi
fi
exit 0
"""
