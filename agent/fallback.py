"""The shell part for guests without Python: it gathers what a shell can, and says that nothing was proven.

On the controller it is text inside agent/cloudinit.py's part; on the guest any /bin/sh runs it (dash, busybox).
"""

FALLBACK = r"""#!/bin/sh
# nestproof without Python: a report of what a shell can see. Usage: fallback.sh PORT [VM]
port=$1
vm=null
[ -z "$2" ] || vm="\"$2\""
clean() { tr -cd 'A-Za-z0-9 ._:/+=,()#@-' | cut -c1-200; }
line() { head -n1 "$1" 2>/dev/null | clean; }
text() { printf '"%s": "%s"' "$1" "$(echo "$2" | clean)"; }
cpuinfo() { sed -n "s/^$1[^:]*: *//p" /proc/cpuinfo 2>/dev/null | head -n1 | tr -cd 'A-Za-z0-9 ._:/+=,()#@-'; }
fact() { printf '%s"%s": {"status": "%s", "source": "%s", "ms": 0' "$comma" "$1" "$2" "$3"; comma=', '; }
value() { fact "$1" ok "$2"; printf ', "value": %s}' "$3"; }
absent() { fact "$1" absent "$2"; printf ', "error": "%s"}' "$3"; }

module() {
    state=absent; nested=
    if [ -d "/sys/module/$1" ]; then
        state=builtin
        [ -e "/sys/module/$1/initstate" ] && state=loaded
        n=$(line "/sys/module/$1/parameters/nested")
        [ -n "$n" ] && nested="\"nested\": \"$n\""
    elif grep -q "/$(echo "$1" | tr _ -)\.ko" "/lib/modules/$(uname -r)/modules.dep" 2>/dev/null; then
        state=available
    fi
    printf '"%s": {"state": "%s", "parameters": {%s}, "indexed": true}' "$1" "$state" "$nested"
}

report() {
    comma=
    host=$(uname -n | clean)
    printf '{"schema": "nestproof.report/1", "agent": {"version": "@VERSION@", "python": "none"}, '
    printf '"subject": {"hostname": "%s", "machine_id": "%s", "boot_id": "%s", "dmi_uuid": "%s", "vm": %s}, ' \
        "$host" "$(line /etc/machine-id)" "$(line /proc/sys/kernel/random/boot_id)" \
        "$(line /sys/class/dmi/id/product_uuid)" "$vm"
    printf '"started": %s, "duration_ms": 0, "facts": {' "$(date +%s)"
    value process.identity 'id(1)' \
        "{\"uid\": $(id -u), \"gid\": $(id -g), \"groups\": [], $(text user "$(id -un)")}"
    value kernel.release 'uname(1)' \
        "{$(text release "$(uname -r)"), $(text version "$(uname -v)"), $(text cmdline "$(line /proc/cmdline)")}"
    cpus=$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)
    names="$(text vendor "$(cpuinfo vendor_id)"), $(text model_name "$(cpuinfo 'model name')")"
    numbers="$(text family "$(cpuinfo 'cpu family')"), $(text model "$(cpuinfo 'model')")"
    numbers="$numbers, $(text stepping "$(cpuinfo stepping)"), $(text microcode "$(cpuinfo microcode)")"
    value cpu.identity /proc/cpuinfo "{$(text arch "$(uname -m)"), $names, $numbers, \"cpus\": ${cpus:-0}}"
    flags=$(cpuinfo flags | tr ' ' '\n' | sort | sed 's/.*/"&"/' | tr '\n' ',')
    value cpu.flags /proc/cpuinfo "[${flags%,}]"
    dmi=/sys/class/dmi/id
    vendor="$(text sys_vendor "$(line $dmi/sys_vendor)")"
    value machine.dmi $dmi "{$vendor, $(text product_name "$(line $dmi/product_name)")}"
    value kvm.modules /sys/module "{$(module kvm), $(module kvm_intel), $(module kvm_amd)}"
    if [ -e /dev/kvm ]; then
        type=other; [ -c /dev/kvm ] && type=char
        open=EACCES; (: <>/dev/kvm) 2>/dev/null && open=ok
        mode=$(stat -c %a /dev/kvm 2>/dev/null)
        owner=$(stat -c '"uid": %u, "gid": %g, "user": "%U", "group": "%G"' /dev/kvm 2>/dev/null)
        [ "$open" = ok ] && status=ok || status=denied
        fact kvm.device "$status" /dev/kvm
        [ "$open" = ok ] || printf ', "error": "EACCES: could not be opened"'
        printf ', "value": {"path": "/dev/kvm", "mode": "%04d", %s, ' "${mode:-0}" \
            "${owner:-"\"uid\": 0, \"gid\": 0, \"user\": \"\", \"group\": \"\""}"
        printf '"type": "%s", "major": 10, "minor": 232, "open": "%s"}}' "$type" "$open"
    else
        absent kvm.device /dev/kvm 'ENOENT: No such file or directory'
    fi
    for proof in proof.plain proof.nested proof.nested_paging; do
        fact $proof unsupported KVM_RUN
        printf ', "error": "no Python 3.6 or later on this machine: nothing was proven"}'
    done
    printf '}}'
}

frame() {
    json=/run/nestproof/report.json
    printf 'NESTPROOF-REPORT/1 %d %s\n' "$(wc -c <$json)" "$(sha256sum <$json | cut -d' ' -f1)"
    cat $json
    echo
}

mkdir -p /run/nestproof
report >/run/nestproof/.report.json && mv -f /run/nestproof/.report.json /run/nestproof/report.json
echo 'nestproof: no Python 3.6 or later on this machine: nothing was proven' >/dev/console 2>/dev/null
# writing to the port waits until the host is there
while :; do
    device=/dev/virtio-ports/$port
    if [ ! -e "$device" ]; then
        for name in /sys/class/virtio-ports/*/name; do
            [ "$(cat "$name" 2>/dev/null)" = "$port" ] && device=${name%/name} && device=/dev/${device##*/}
        done
    fi
    [ -c "$device" ] && frame >"$device" 2>/dev/null
    sleep 60
done
"""
